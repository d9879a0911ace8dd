"""What the engine reads batches from."""

from collections.abc import Iterator
from typing import Protocol

from steelyard.training.objective import Batch


class BatchSource(Protocol):
    """Batches of one split, for this process.

    The batches of an epoch are a function of the seed, the epoch and the process alone, so that training can stop
    anywhere and go on.
    """

    @property
    def waited_s(self) -> float:
        """Seconds that the training process has waited for batches so far."""
        ...

    @property
    def decoded(self) -> int:
        """Images decoded so far."""
        ...

    @property
    def skipped(self) -> int:
        """Images left out so far because they could not be read."""
        ...

    def __len__(self) -> int:
        """Batches of one epoch."""
        ...

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on; evaluation sources yield every row of this process once."""
        ...
