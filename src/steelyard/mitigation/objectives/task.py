"""`task`: learn the labels, nothing else; what every other objective is compared with.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from steelyard.mitigation.objectives.label_loss import Structure, require_structure
from steelyard.mitigation.objectives.label_objective import LabelObjective
from steelyard.mitigation.objectives.task_loss import Weighting, require_label_options
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """How the labels are learned.

    Attributes:
        structure: `independent` labels, or `crf`: labels and group together, the group being predicted, too.
        weighting: of rare labels that are independent: `root`, `published`, `positives` or `none`; `published` is the
            paper's.
        sampling: `natural`, or `balanced` for equally many images of each group in a batch.
    """

    structure: Structure = "independent"
    weighting: Weighting = "root"
    sampling: Sampling = "natural"

    def __post_init__(self) -> None:
        require_structure(self.structure, self.weighting)
        require_label_options(self.weighting, self.sampling)


class TaskObjective(LabelObjective[TaskOptions]):
    """Minimise the task's loss."""

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options or TaskOptions())
        self.structure = self.options.structure

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """Minimise L(f(x), y)."""
        loss = self._loss(network(batch.images).logits, batch)
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": loss.detach()}
