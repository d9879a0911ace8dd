"""The last step of calibration: an exact integer programme over the choices that prices leave open.

Each image makes one choice (its group; or its category and group); a multi-label choice has flips beside it, single
labels that are added or taken away. What the prices settle stays fixed, as in the kernel search of Angelelli, Mansini,
Speranza, Computers & Operations Research 2010, https://doi.org/10.1016/j.cor.2010.02.002. Where the core holds every
choice that could beat the assignment at hand, what the solver proves holds for the whole corpus.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from steelyard.mitigation.predictions.shares import ROUNDING, ShareConstraints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Choices and flips that are open; q choices, f flips, c · k cells (label-major).

    Attributes:
        value: score of all that is settled.
        counts: `[c * k]` images per cell of all that is settled.
        image: `[q]` whose choice it is.
        option: `[q]` which one, in the corpus' own code.
        choice_value: `[q]` score of the choice.
        choice_cells: `[c * k, q]` the cells that the choice counts in.
        parent: `[f]` the choice that a flip belongs to, −1 for a settled choice.
        flip_image: `[f]` whose flip it is.
        flip_label: `[f]` the constrained label.
        flip_cell: `[f]` its cell.
        flip_sign: `[f]` 1 where the flip adds the label, −1 where it takes it away.
        flip_value: `[f]` change of the score.
        complete: no choice outside could be part of a better assignment than the one the core was built on.
    """

    value: float
    counts: Ints
    image: Ints
    option: Ints
    choice_value: Floats
    choice_cells: sparse.csc_array
    parent: Ints
    flip_image: Ints
    flip_label: Ints
    flip_cell: Ints
    flip_sign: Ints
    flip_value: Floats
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """The solver's choices and flips (None where it found none), and the bound it proved for the core."""

    taken: Bools | None
    flipped: Bools | None
    bound: float


def solve(core: Core, constraints: ShareConstraints, *, scale: float, gap: float, seconds: float) -> Solved:
    """Solve the core.

    Args:
        core: what is open.
        constraints: of the cells.
        scale: the objective is counted from this far below 0, the unconstrained optimum, in units of it, so that
            `gap` is a fraction of that distance; above 0.
        gap: relative gap at which the search may stop.
        seconds: limit of the search.
    """
    q, f = len(core.image), len(core.parent)
    cells = len(core.counts)
    # Where each choice counts in one cell at most, whole counts make it a transport problem, which has whole solutions
    # by itself.
    whole = int(f > 0 or (core.choice_cells.sum(axis=0) > 1).any())
    # The first column stands for what is settled, the last ones for the counts.
    cost = -np.concatenate([[core.value + scale], core.choice_value, core.flip_value, np.zeros(cells)]) / scale
    low = np.concatenate([[1.0], np.zeros(q + f + cells)])
    found = milp(
        cost,
        integrality=np.concatenate([np.full(1 + q + f, whole), np.ones(cells)]),
        bounds=Bounds(low, np.concatenate([np.ones(1 + q + f), np.full(cells, np.inf)])),
        constraints=_constraints(core, constraints),
        options={"time_limit": seconds, "mip_rel_gap": gap},
    )
    bound = np.inf if found.mip_dual_bound is None else -scale - float(found.mip_dual_bound) * scale
    if found.x is None:
        return Solved(taken=None, flipped=None, bound=bound)
    chosen = found.x[1 : 1 + q + f] > 0.5
    return Solved(taken=chosen[:q], flipped=chosen[q:], bound=bound)


def _constraints(core: Core, limits: ShareConstraints) -> list[LinearConstraint]:
    q, f, cells = len(core.image), len(core.parent), len(core.counts)
    flips = sparse.csc_array((core.flip_sign.astype(float), (core.flip_cell, np.arange(f))), shape=(cells, f))
    settled = sparse.csc_array(core.counts[:, None].astype(float))
    counting = sparse.hstack([settled, core.choice_cells, flips, -sparse.eye_array(cells)])
    rows = [LinearConstraint(sparse.csc_array(counting), 0, 0)]
    blank = sparse.csc_array((2 * cells, 1 + q + f))
    rows.append(LinearConstraint(sparse.csc_array(sparse.hstack([blank, share_rows(limits)])), -np.inf, 0))
    if q:
        images, which = np.unique(core.image, return_inverse=True)
        once = sparse.csc_array((np.ones(q), (which, np.arange(q))), shape=(len(images), q))
        padded = [sparse.csc_array((len(images), 1)), once, sparse.csc_array((len(images), f + cells))]
        rows.append(LinearConstraint(sparse.csc_array(sparse.hstack(padded)), 1, 1))
    tied = np.flatnonzero(core.parent >= 0)
    if len(tied):
        order = np.arange(len(tied))
        columns = np.concatenate([1 + q + tied, 1 + core.parent[tied]])
        signs = np.repeat([1.0, -1.0], len(tied))
        shape = (len(tied), 1 + q + f + cells)
        follows = sparse.csc_array((signs, (np.tile(order, 2), columns)), shape=shape)
        rows.append(LinearConstraint(follows, -np.inf, 0))
    return rows


def share_rows(limits: ShareConstraints) -> sparse.csc_array:
    """`[2ck, ck]`: the constraints as rows @ counts ≤ 0, counts label-major."""
    k = limits.k
    spread = sparse.kron(sparse.eye_array(len(limits)), np.ones((k, k)))
    own = sparse.eye_array(len(limits) * k)
    high = sparse.diags_array(limits.high.ravel() + ROUNDING) @ spread
    low = sparse.diags_array(limits.low.ravel() - ROUNDING) @ spread
    return sparse.csc_array(sparse.vstack([own - high, low - own]))
