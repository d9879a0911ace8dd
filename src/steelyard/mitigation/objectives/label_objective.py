"""What every objective here has in common: it learns the labels from the head's output, and keeps notes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from torch import Tensor

from steelyard.mitigation.objectives.label_loss import LabelLoss, Structure, label_loss
from steelyard.mitigation.objectives.passes import output_of
from steelyard.mitigation.objectives.task_loss import Weighting
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
        structure: form of the labels' loss; `independent`, unless its class has an option for it.
        notes: which labels have a bounded weight; after `setup`.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.sampling: Sampling = options.sampling
        self.critic_epochs = 0
        self.structure: Structure = "independent"
        self.notes: tuple[str, ...] = ()

    def outputs(self, task: Task) -> int:
        """One logit per target, or what the form of the labels' loss asks for."""
        return label_loss(self.structure, task, self.options.weighting).width

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Make the labels' loss."""
        self._fabric = fabric
        self._loss: LabelLoss = label_loss(self.structure, task, self.options.weighting, fabric.device)
        self.notes = self._loss.notes

    def evaluate(self, network: Network, batch: Batch) -> Tensor:
        """`[b, t]` logits."""
        return self.scores(self.output(network, batch))

    @property
    def structured(self) -> bool:
        """Whether the head scores targets and group together."""
        return self.structure != "independent"

    def output(self, network: Network, batch: Batch) -> Tensor:
        """`[b, o]`: what the head says, in evaluation mode."""
        return output_of(self._fabric, network, batch.images).logits.float()

    def scores(self, output: Tensor) -> Tensor:
        """`[b, t]` logits of the targets, from `output`."""
        return self._loss.scores(output)

    def ready(self, progress: Progress) -> bool:
        """From the first epoch on."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing is kept between steps."""
