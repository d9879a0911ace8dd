"""The search for the best α-balanced subset: growing cores first, then a proof.

The linear relaxation is tight, but the solver's own search can take a minute to find whole numbers anywhere
near it. So the search runs on cores first: all cells stay where the relaxation puts them, but the few with
the smallest reduced costs and a few for every label and group. This is the kernel search of Angelelli,
Mansini, Speranza, "Kernel search: a general heuristic for the multi-dimensional knapsack problem", Computers &
Operations Research 2010, https://doi.org/10.1016/j.cor.2010.02.002, with one linear relaxation and few cores.
The last step fixes only those cells whose reduced cost proves that moving them cannot win an image, so what it
proves holds for the whole table.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from steelyard.base.errors import UndefinedError, first_few
from steelyard.mitigation.samples.balanced import Status, violations
from steelyard.mitigation.samples.programme import (
    ROUNDING,
    Cells,
    Programme,
    Relaxation,
    formulate,
    relax,
    seconds_left,
)

CORES = (300, 1000, 3000, 8000)
SPARE = 3
# The solver looks at the clock too seldom on larger problems (30 seconds for a limit of 5 were seen), so once a
# subset is near enough to the bound, the last images are sought in smaller ones only.
POLISHED = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Seconds for the search, and the gap (a fraction) that is good enough when the proof takes long."""

    time_limit: float
    gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Images to keep of each cell `[p]`, the proved bound on their sum, and how the search ended."""

    take: NDArray[np.int64]
    bound: int
    status: Status


def solve(
    cells: Cells,
    alpha: Fraction,
    *,
    balance_groups: bool,
    support: NDArray[np.int64],
    effort: Effort,
    names: Sequence[str],
) -> Solution:
    """How many images of each cell to keep, so that the most are kept and every constraint holds exactly.

    Args:
        cells: the table, merged.
        alpha: largest ratio between two groups, for every label.
        balance_groups: hold the groups' totals within alpha, too.
        support: `[t]` images that each label must keep at least.
        effort: when to stop.
        names: the t labels, for messages.

    Raises:
        UndefinedError: no subset gives every label its support, or the time did not suffice to find one.
    """
    deadline = time.monotonic() + effort.time_limit
    programme = formulate(cells, alpha, balance_groups=balance_groups, support=support)
    if not programme.upper.any() and not support.any():
        return Solution(take=np.zeros_like(cells.size), bound=0, status="optimal")
    relaxation = relax(programme, deadline)
    if relaxation is None:
        _explain_shortfall(programme, deadline, names)
        raise UndefinedError("time_limit: too short to solve the linear relaxation; raise it")
    solution = _search(programme, relaxation, effort, deadline)
    if solution is None:
        _explain_shortfall(programme, deadline, names)
        raise UndefinedError("time_limit: no subset with min_support was found in time; raise it, or ask for less")
    return solution


def _search(programme: Programme, relaxation: Relaxation, effort: Effort, deadline: float) -> Solution | None:
    """The best subset found: from cores, or else the rounded relaxation, then from all that may matter."""
    bound = math.floor(relaxation.bound + ROUNDING)
    best = None
    whole = np.rint(relaxation.x)
    for width in CORES:
        near = _near(best, bound, effort.gap)
        free = _core(programme, relaxation, width)
        if free.all() or _near(best, bound, 0.0) or (near and free.sum() > POLISHED):
            break
        if _open_cells(relaxation, best).sum() <= free.sum():
            break
        seconds = min(seconds_left(deadline), effort.time_limit / (8 if near else 3))
        _, take = _solve_core(programme, free, whole, relaxation.worth, seconds=seconds)
        best = _better(best, take)
    if best is None:
        best = _repair(programme, np.floor(relaxation.x + ROUNDING).astype(np.int64), relaxation.worth)
    return _prove(programme, relaxation, best, bound, effort, deadline)


def _core(programme: Programme, relaxation: Relaxation, width: int) -> NDArray[np.bool_]:
    """The cells to search: fractional ones, the `width` cheapest to move, and for each row and group a few.

    Without those few, rounding some row leaves it just out of balance and nothing in the core to mend it with.
    """
    cost = np.abs(relaxation.worth)
    free = np.abs(relaxation.x - np.rint(relaxation.x)) > ROUNDING
    order = np.argsort(cost, kind="stable")
    free[order[:width]] = True
    for row in range(programme.member.shape[0]):
        inside = np.zeros(len(free), dtype=bool)
        inside[programme.member[[row]].indices] = True
        queue = order[inside[order]]
        for group in range(programme.k):
            free[queue[programme.group[queue] == group][:SPARE]] = True
    return free


def _prove(
    programme: Programme,
    relaxation: Relaxation,
    best: NDArray[np.int64] | None,
    bound: int,
    effort: Effort,
    deadline: float,
) -> Solution | None:
    """Search among all subsets that could beat `best`, and lower the bound by what that proves."""
    kept = -1 if best is None else int(best.sum())
    if best is not None and kept >= bound:
        return Solution(take=best, bound=kept, status="optimal")
    near = _near(best, bound, effort.gap)
    seconds = min(seconds_left(deadline), effort.time_limit / 4) if near else seconds_left(deadline)
    fixed = np.where(relaxation.worth > 0, programme.upper, 0).astype(float)
    free = _open_cells(relaxation, best)
    if best is not None and near and free.sum() > POLISHED:
        return Solution(take=best, bound=bound, status="within gap")
    found, take = _solve_core(programme, free, fixed, relaxation.worth, seconds=seconds)
    best = _better(best, take)
    if best is None:
        return None
    proved = _proved(found, otherwise=kept)
    kept = int(best.sum())
    bound = max(kept, math.floor(min(float(bound), proved + ROUNDING)))
    if bound == kept:
        return Solution(take=best, bound=bound, status="optimal")
    status: Status = "within gap" if _near(best, bound, effort.gap) else "time limit"
    return Solution(take=best, bound=bound, status=status)


def _open_cells(relaxation: Relaxation, best: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """The cells that can differ, in a subset with an image more than `best`, from what their worth points to.

    By weak duality, moving a cell off that end (all its images, or none) costs |worth| per image.
    """
    if best is None:
        return np.ones(len(relaxation.worth), dtype=bool)
    return np.abs(relaxation.worth) <= relaxation.bound - (int(best.sum()) + 1) + ROUNDING


def _proved(found: OptimizeResult, *, otherwise: int) -> float:
    """The most images that the solver proved possible; `otherwise` where it proved its core empty."""
    if found.status == 2:
        return float(otherwise)
    if found.status == 0:
        return -float(found.fun)
    return math.inf if found.mip_dual_bound is None else -float(found.mip_dual_bound)


def _solve_core(
    programme: Programme,
    free: NDArray[np.bool_],
    fixed: NDArray[np.float64],
    worth: NDArray[np.float64],
    *,
    seconds: float,
) -> tuple[OptimizeResult, NDArray[np.int64] | None]:
    """Solve for the cells in `free`, the others at `fixed`: the solver's answer, and its subset, exact."""
    matrix, limit = programme.rows()
    found = milp(
        -np.ones(len(free)),
        integrality=free.astype(int),
        bounds=Bounds(np.where(free, 0, fixed), np.where(free, programme.upper, fixed)),
        constraints=LinearConstraint(matrix, -np.inf, limit),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    if found.x is None:
        return found, None
    return found, _repair(programme, np.rint(found.x).astype(np.int64), worth)


def _repair(programme: Programme, take: NDArray[np.int64], worth: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Drop images, those with fewest labels first, until alpha holds; None where a support is missed."""
    take = np.clip(take, 0, programme.upper)
    order = np.lexsort((worth, programme.member.sum(0)))
    while broken := violations(counts := programme.counts(take), programme.alpha):
        column, over, under = broken[0]
        excess = int(counts[over, column]) - math.floor(programme.alpha * int(counts[under, column]))
        members = programme.member[[column]].indices
        inside = np.zeros(len(take), dtype=bool)
        inside[members[programme.group[members] == over]] = True
        queue = order[inside[order]]
        before = np.cumsum(take[queue]) - take[queue]
        take[queue] -= np.clip(excess - before, 0, take[queue])
    return take if programme.holds(take) else None


def _near(best: NDArray[np.int64] | None, bound: int, gap: float) -> bool:
    return best is not None and bound - int(best.sum()) <= gap * int(best.sum())


def _better(best: NDArray[np.int64] | None, new: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if best is None or new is None:
        return new if best is None else best
    return new if new.sum() > best.sum() else best


def _explain_shortfall(programme: Programme, deadline: float, names: Sequence[str]) -> None:
    """Raise with the labels that miss their support in the nearest miss, if every subset misses some."""
    asked = np.flatnonzero(programme.support)
    if not len(asked):
        return
    matrix, limit = programme.rows()
    others = sparse.csr_array((len(limit) - len(asked), len(asked)))
    missing = sparse.vstack([others, -sparse.eye_array(len(asked))])
    # The relaxed answer takes a moment and mostly suffices; whole numbers decide where it finds no shortfall.
    for whole in (0, 1):
        found = milp(
            np.concatenate([np.zeros(len(programme.upper)), np.ones(len(asked))]),
            integrality=np.full(len(programme.upper) + len(asked), whole),
            bounds=Bounds(0, np.concatenate([programme.upper, programme.support[asked]])),
            constraints=LinearConstraint(sparse.csr_array(sparse.hstack([matrix, missing])), -np.inf, limit),
            options={"time_limit": max(seconds_left(deadline), 2.0)},
        )
        if found.status != 0:
            return
        short = asked[found.x[len(programme.upper) :] > 1e-4]
        if len(short):
            wanted = int(programme.support.max())
            raise UndefinedError(
                f"min_support: no subset at this alpha gives every label {wanted:,} images, the nearest"
                f" misses {first_few(names[label] for label in short)}; lower it, raise alpha, or drop labels"
            )
