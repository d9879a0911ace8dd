"""What choices lose against the best of their image, so that masks of any size count alike.

A mask (a score of −10⁹ that says "never") must neither drown the other scores in sums nor stretch what they are
measured by. Differences are taken before sums, and no loss counts as more than a ceiling far above all that a
calibration pays.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CAP = 5.0
"""Sizes of a difference above which a loss is no measure of the others."""


def group_values(potentials: Floats, group_scores: Floats) -> Floats:
    """`[n, k]`: the best sum of each group's scores, less that of the first group, of `[n, k, t, 2]` and `[n, k]`."""
    best = potentials.max(axis=3)
    # One label at a time: what masks in every group cancels before it meets other scores.
    values: Floats = (best - best[:, :1]).sum(axis=2) + (group_scores - group_scores[:, :1])
    return values


def typical(differences: Floats, quantile: float = 0.5) -> float:
    """The size of a difference that is none: a quantile of those above 0; 0 without one."""
    found = differences[differences > 0]
    return float(np.quantile(found, quantile)) if len(found) else 0.0


def ceiling(size: float, n: int) -> float:
    """The largest loss that counts, for `n` images and differences of this size.

    Constraints cost less than this all together unless masks must be broken, so no other choice is ever worth it; and
    it is small enough for sums and for the solver.
    """
    return (1000.0 + 10.0 * n) * size


def capped_sum(losses: Floats, size: float) -> float:
    """The sum of losses, each counted up to a few sizes of a difference, so that masks do not make it up."""
    return float(np.minimum(losses, _CAP * size).sum())
