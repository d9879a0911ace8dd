"""What every objective here has in common: it learns the labels from logits, one per target, and keeps notes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from torch import Tensor

from steelyard.mitigation.objectives.passes import output_of
from steelyard.mitigation.objectives.task_loss import TaskLoss, Weighting, task_loss
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class LabelOptions(Protocol):
    """What the options of every objective say."""

    @property
    def weighting(self) -> Weighting:
        """Of rare labels."""
        ...

    @property
    def sampling(self) -> Sampling:
        """How batches are drawn."""
        ...


Options = TypeVar("Options", bound=LabelOptions)


class LabelObjective(Generic[Options]):
    """An objective but for its step; it has no critics and no state, unless its class says otherwise.

    Attributes:
        options: as given.
        sampling: how batches are drawn.
        critic_epochs: in which only the critics learn; 0 where there are none.
        notes: which labels have a bounded weight; after `setup`.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.sampling: Sampling = options.sampling
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
