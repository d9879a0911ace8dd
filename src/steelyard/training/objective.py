"""What the engine asks of an objective: one step, one evaluation, its own networks and their state.

The engine owns data, the network's own optimiser, checkpoints and stopping, and never imports an objective.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from steelyard.models.network import Network

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Sampling = Literal["natural", "balanced"]
Stage = Literal["head", "critic", "all"]


@dataclass(frozen=True, slots=True)
class Batch:
    """`b` images with their labels.

    Attributes:
        images: `[b, 3, h, w]` float32 in [0, 1], RGB.
        targets: `[b, t]` float32 of 0 and 1 (multi-label) or `[b]` int64 (single-label).
        groups: `[b]` int64 in 0 … k − 1.
        rows: `[b]` int64, rows of the label table.
    """

    images: Tensor
    targets: Tensor
    groups: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is learned, as the training images have it.

    Attributes:
        kind: `multi` or `single`.
        target_names: the t targets.
        group_names: the k groups.
        positives: `[t]` float32: training images with each target.
        group_sizes: `[k]` float32: training images of each group.
        images: n, training images.
    """

    kind: Literal["multi", "single"]
    target_names: tuple[str, ...]
    group_names: tuple[str, ...]
    positives: Tensor
    group_sizes: Tensor
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where training stands at one batch.

    Attributes:
        stage: `head` (the backbone is frozen), `critic` (only the objective's own networks learn), `all`.
        epoch: from 0, within the stage.
        step: batches done before this one, in all stages.
        fraction: share of the stage that is done, in [0, 1).
        accumulation: batches that make one step of the network's optimiser; its loss is divided by this.
    """

    stage: Stage
    epoch: int
    step: int
    fraction: float
    accumulation: int = 1


class Objective(Protocol):
    """One way to train. `network` below is the network as the engine set it up (perhaps wrapped for processes)."""

    @property
    def sampling(self) -> Sampling:
        """How training batches are drawn: as the images come, or with equally many of each group."""
        ...

    @property
    def critic_epochs(self) -> int:
        """Epochs before stage `all` in which only the objective's own networks learn; 0 for none."""
        ...

    def outputs(self, task: Task) -> int:
        """o, the width of the network's head."""
        ...

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Make the objective's own networks and optimisers, set up by fabric.

        The engine has seeded PyTorch's generator, so that initial weights drawn from it are the run's own.

        Args:
            fabric: of the engine.
            network: before the engine wraps it.
            task: what is learned.
            size: height and width of the images.

        Raises:
            InputError: the network or the task does not suit the objective.
        """
        ...

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """Learn from one batch: backward the network's loss through fabric, step the objective's own optimisers.

        The engine has emptied the network's gradients and steps its optimiser afterwards (not in stage `critic`).

        Returns:
            Loss name → value, detached scalars.
        """
        ...

    def evaluate(self, network: Network, batch: Batch) -> Tensor:
        """`[b, t]` scores of the targets, logits, in evaluation mode and without gradients."""
        ...

    def ready(self, progress: Progress) -> bool:
        """Whether the network may count as the best one by now (an adversary still ramping up says no).

        Asked after each epoch of the last stage; the fraction of `progress` then includes that epoch, up to 1.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that resuming needs: own networks and optimisers; tensors, numbers, text, lists, dicts only."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        ...


@runtime_checkable
class Structured(Protocol):
    """An objective whose head may score targets and group together; where it does, evaluation keeps what it says."""

    @property
    def structured(self) -> bool:
        """Whether it does."""
        ...

    def output(self, network: Network, batch: Batch) -> Tensor:
        """`[b, o]`: what the head says, in evaluation mode and without gradients."""
        ...

    def scores(self, output: Tensor) -> Tensor:
        """`[b, t]` scores of the targets, as `evaluate` has them."""
        ...
