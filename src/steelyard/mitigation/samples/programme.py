"""The integer programme behind α-balanced subsets, and its linear relaxation.

Images with the same labels in the same group are interchangeable, so one integer variable stands for each
such cell: 22,826 images with 79 labels become about 12,000 cells.
"""

import time
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from steelyard.mitigation.samples.balanced import violations

ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The distinct (labels, group) combinations of a table.

    Attributes:
        patterns: `[p, t]` of 0 and 1, the labels of each cell.
        group: `[p]` the group of each cell.
        size: `[p]` images in each cell.
        k: number of groups.
    """

    patterns: NDArray[np.uint8]
    group: NDArray[np.int64]
    size: NDArray[np.int64]
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """Maximise the sum of x, 0 ≤ x ≤ upper, whole, with each row of `member` within alpha between groups.

    Attributes:
        member: `[c, p]` of 0 and 1: the labels of each cell, and a last row of ones where totals count.
        group: `[p]` the group of each cell.
        upper: `[p]` images that may be kept; 0 for cells with a label that some group cannot have.
        support: `[c]` images that each row must keep.
    """

    member: sparse.csr_array
    group: NDArray[np.int64]
    upper: NDArray[np.int64]
    support: NDArray[np.int64]
    k: int
    alpha: Fraction

    def counts(self, take: NDArray[np.int64]) -> NDArray[np.int64]:
        """`[k, c]` images per group and row, in integers."""
        return np.stack([self.member @ np.where(self.group == one, take, 0) for one in range(self.k)])

    def holds(self, take: NDArray[np.int64]) -> bool:
        """Whether `take` meets every constraint exactly."""
        counts = self.counts(take)
        return not violations(counts, self.alpha) and bool((counts.sum(0) >= self.support).all())

    def rows(self) -> tuple[sparse.csr_array, NDArray[np.float64]]:
        """The constraints as `matrix @ x ≤ limit`, in floating point."""
        # Beyond the number of images every alpha says the same: a label that one group keeps, all must keep.
        ratio = float(min(self.alpha, Fraction(int(self.upper.sum()) + 1)))
        pairs = [(over, under) for over in range(self.k) for under in range(self.k) if over != under]
        weights = [(self.group == over).astype(float) - ratio * (self.group == under) for over, under in pairs]
        blocks = [self.member.multiply(weight) for weight in weights]
        asked = self.support > 0
        matrix = sparse.csr_array(sparse.vstack([*blocks, -self.member[asked]]))
        matrix.eliminate_zeros()
        limit = np.concatenate([np.zeros(len(pairs) * self.member.shape[0]), -self.support[asked]])
        return matrix, limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """The linear relaxation.

    Attributes:
        x: `[p]` images of each cell, in fractions.
        worth: `[p]` what one image more of each cell adds, net of what it uses up of the constraints.
        bound: images that no subset can exceed.
    """

    x: NDArray[np.float64]
    worth: NDArray[np.float64]
    bound: float


def formulate(cells: Cells, alpha: Fraction, *, balance_groups: bool, support: NDArray[np.int64]) -> Programme:
    """The programme of a table, without the cells that no subset can hold.

    Args:
        cells: the table, merged.
        alpha: largest ratio between two groups, for every label.
        balance_groups: hold the groups' totals within alpha, too.
        support: `[t]` images that each label must keep at least.
    """
    patterns = cells.patterns.T.astype(np.int64)
    if balance_groups:
        patterns = np.vstack([patterns, np.ones_like(patterns[:1])])
        support = np.append(support, 0)
    programme = Programme(
        member=sparse.csr_array(patterns),
        group=cells.group,
        upper=cells.size,
        support=support,
        k=cells.k,
        alpha=alpha,
    )
    upper = cells.size
    # Dropping a label's images can leave another label to one group alone, so repeat until nothing changes.
    while True:
        counts = programme.counts(upper)
        hopeless = (counts.min(0) == 0) & (counts.max(0) > 0)
        if not hopeless.any():
            return replace(programme, upper=upper)
        upper = np.where(patterns[hopeless].any(0), 0, upper)


def relax(programme: Programme, deadline: float) -> Relaxation | None:
    """The linear relaxation, or None where it has no solution or the time was up."""
    matrix, limit = programme.rows()
    found = linprog(
        -np.ones(len(programme.upper)),
        A_ub=cast(Any, matrix),  # HiGHS takes sparse matrices, which the type stubs of scipy do not know
        b_ub=limit,
        bounds=[(0.0, float(most)) for most in programme.upper],
        method="highs-ds",
        options={"time_limit": seconds_left(deadline)},
    )
    if found.status != 0:
        return None
    # Any prices ≥ 0 give a valid bound by weak duality, so it does not rest on the solver's tolerances.
    prices = np.maximum(-found.ineqlin.marginals, 0)
    worth = 1 - matrix.T @ prices
    bound = float(np.maximum(worth, 0) @ programme.upper + prices @ limit)
    return Relaxation(x=np.asarray(found.x), worth=worth, bound=bound)


def seconds_left(deadline: float) -> float:
    """What is left until `deadline`; a moment where it has passed, as the solver reads 0 as no limit."""
    return max(deadline - time.monotonic(), 0.01)
