"""What calibration asks of a corpus: inference at prices, repair, and the choices that prices leave open."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steelyard.mitigation.predictions.decoding import Decoded
from steelyard.mitigation.predictions.programme import Core
from steelyard.mitigation.predictions.shares import ShareConstraints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Inferred:
    """What the best assignment at some prices comes to.

    Attributes:
        value: sum over images of score less price.
        counts: `[c, k]` images of each group with each constrained label.
    """

    value: float
    counts: Ints


class Corpus(Protocol):
    """All images' scores, and what can be asked of them; multi-label and single-label answer in their own ways.

    Every score is counted from the best of its image, and is 0 or less: what a choice loses, at most `ceiling` (see
    `losses`). An upper bound on such sums is one on the sums of uncapped losses.

    Attributes:
        constraints: of `c` labels and `k` groups.
        unit: size of a typical difference between scores, which makes steps independent of the scores' scale.
        ceiling: the largest loss that counts.
        scale: what the plain assignment of `baseline` loses, each loss counted up to a few typical differences.
    """

    constraints: ShareConstraints
    unit: float
    ceiling: float
    scale: float

    def infer(self, prices: Floats) -> Inferred:
        """Value and counts of the best assignment when label o in group g costs `prices[o, g]`."""

    def assign(self, prices: Floats) -> Decoded:
        """That assignment."""

    def score(self, decoded: Decoded) -> float:
        """Sum of the scores of an assignment, without prices: 0 for the best, below 0 for others."""

    def beyond(self, decoded: Decoded) -> Ints:
        """The images in which an assignment takes a choice that loses more than `ceiling`."""

    def baseline(self) -> Decoded:
        """A plain assignment that meets every constraint."""

    def repair(self, decoded: Decoded) -> Decoded:
        """An assignment near `decoded` that meets every constraint."""

    def core(self, prices: Floats, keep: Decoded, *, reach: float, size: int) -> Core:
        """The choices that lose at most `reach` at these prices, at most about `size`, and those of `keep`."""

    def apply(self, core: Core, prices: Floats, taken: NDArray[np.bool_], flipped: NDArray[np.bool_]) -> Decoded:
        """The assignment at the prices that the core was built at, with choices taken and flips made."""
