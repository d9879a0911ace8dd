"""`domain-independent`: a head per group on one backbone; their logits are averaged where the group is not to be asked.

Wang, Qinami, Karakozis, Genova, Nair, Hata, Russakovsky, Towards Fairness in Visual Recognition: Effective Strategies
for Bias Mitigation, CVPR 2020, https://arxiv.org/abs/1911.11834.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from steelyard.mitigation.objectives.groups import require_groups
from steelyard.mitigation.objectives.label_objective import LabelObjective
from steelyard.mitigation.objectives.task_loss import Weighting, require_label_options
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainIndependentOptions:
    """How the heads are learned.

    Attributes:
        weighting: of rare labels, as for `task`.
        sampling: `natural`, or `balanced` for equally many images of each group in a batch.
    """

    weighting: Weighting = "root"
    sampling: Sampling = "natural"

    def __post_init__(self) -> None:
        require_label_options(self.weighting, self.sampling)


class DomainIndependentObjective(LabelObjective[DomainIndependentOptions]):
    """Each image teaches the head of its own group, so that no head can use the group to guess the label.

    At test time the scores are the mean of the heads' logits, for one label and for several: the paper's sum,
    argmax Σ_g z_g, divided by k. It decides and ranks like the sum but keeps the scale of one head's logits, so that
    thresholds, losses and attackers see what they see of other models. A constant that a softmax head adds to all of
    its logits cancels out; where heads disagree, the surer one counts for more, as with a mean of probabilities it
    would not.
    """

    def __init__(self, options: DomainIndependentOptions | None = None) -> None:
        super().__init__(options or DomainIndependentOptions())

    def outputs(self, task: Task) -> int:
        """A logit per target and group: k·t, the heads one after another."""
        return len(task.group_names) * len(task.target_names)

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Weigh the labels.

        Raises:
            InputError: a group has no training image, so that its head would learn nothing.
        """
        require_groups(task, "domain-independent")
        super().setup(fabric, network, task, size)
        self._heads = (len(task.group_names), len(task.target_names))

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """z_1 … z_k = f(x); minimise L(z_g, y) of the image's own group g."""
        heads = network(batch.images).logits.view(-1, *self._heads)
        own = heads.take_along_dim(batch.groups[:, None, None], dim=1).squeeze(1)
        loss = self._loss(own, batch)
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": loss.detach()}

    def evaluate(self, network: Network, batch: Batch) -> Tensor:
        """`[b, t]`: the mean of the groups' logits; the images' groups are not looked at."""
        return self.output(network, batch).view(-1, *self._heads).mean(1)
