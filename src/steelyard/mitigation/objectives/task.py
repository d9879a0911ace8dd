"""`task`: learn the labels, nothing else; what every other objective is compared with.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from torch import Tensor

from steelyard.mitigation.objectives.options import require_choice
from steelyard.mitigation.objectives.passes import output_of
from steelyard.mitigation.objectives.task_loss import TaskLoss, Weighting, task_loss
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """How the labels are learned.

    Attributes:
        weighting: of rare labels: `root`, `published`, `positives` or `none`; `published` is the paper's.
        sampling: `natural`, or `balanced` for equally many images of each group in a batch.
    """

    weighting: Weighting = "root"
    sampling: Sampling = "natural"

    def __post_init__(self) -> None:
        require_choice("weighting", self.weighting, get_args(Weighting))
        require_choice("sampling", self.sampling, get_args(Sampling))


class TaskObjective:
    """Minimise the task's loss.

    Attributes:
        options: as given.
        sampling: how batches are drawn.
        critic_epochs: 0.
        notes: which labels have a bounded weight; after `setup`.
    """

    def __init__(self, options: TaskOptions | None = None) -> None:
        self.options = options or TaskOptions()
        self.sampling: Sampling = self.options.sampling
        self.critic_epochs = 0
        self.notes: tuple[str, ...] = ()

    def outputs(self, task: Task) -> int:
        """One logit per target."""
        return len(task.target_names)

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Weigh the labels."""
        self._fabric = fabric
        self._loss: TaskLoss = task_loss(task, self.options.weighting, fabric.device)
        self.notes = self._loss.notes

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """Minimise L(f(x), y)."""
        loss = self._loss(network(batch.images).logits, batch.targets)
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": loss.detach()}

    def evaluate(self, network: Network, batch: Batch) -> Tensor:
        """`[b, t]` logits."""
        return output_of(self._fabric, network, batch.images).logits.float()

    def ready(self, progress: Progress) -> bool:
        """From the first epoch on."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing is kept between steps."""
