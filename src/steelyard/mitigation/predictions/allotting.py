"""How many images of each group a label should have: exact for one label, and feasible for a whole single-label corpus.

Constraints: Zhao, Wang, Yatskar, Ordonez, Chang, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, first_few
from steelyard.mitigation.predictions.shares import ShareConstraints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WIDTHS = (8, 32, 128, 512)


def best_counts(gains: Sequence[Floats], constraints: ShareConstraints, row: int) -> Ints:
    """The `[k]` counts of one label with the highest sum of gains that meet its constraints.

    Args:
        gains: of each group, what the label adds in each of its images, descending.
        constraints: of all labels.
        row: which of them.
    """
    wanted = np.array([np.searchsorted(-gain, 0.0) for gain in gains])
    if constraints.holds(_with_row(constraints, row, wanted))[row].all():
        return wanted
    sizes = np.array([len(gain) for gain in gains])
    totals = np.arange(sizes.sum() + 1)
    low, high = constraints.within(row, totals)
    high = np.minimum(high, sizes)
    fits = (low <= high).all(axis=1) & (low.sum(axis=1) <= totals) & (totals <= high.sum(axis=1))
    totals, low, high = totals[fits], low[fits], high[fits]
    counts = _allot(gains, totals, low, high)
    sums = np.zeros(len(totals))
    for g, gain in enumerate(gains):
        sums += np.append(0.0, np.cumsum(gain))[counts[:, g]]
    best: Ints = counts[int(np.argmax(sums))]
    return best


def _with_row(constraints: ShareConstraints, row: int, counts: Ints) -> Ints:
    table = np.zeros(constraints.low.shape, dtype=np.int64)
    table[row] = counts
    return table


def _allot(gains: Sequence[Floats], totals: Ints, low: Ints, high: Ints) -> Ints:
    """`[s, k]`: each of the totals shared out for the highest sum, between `low` and `high`, all `[s, k]`.

    Gains descend, so the best way takes `low` and then the largest gains that are left below `high`: the first r of
    all images in the order of their gains, for some r, clipped to the limits. Halving finds r for all totals at once.
    """
    group = np.concatenate([np.full(len(gain), g) for g, gain in enumerate(gains)])
    order = np.argsort(-np.concatenate(gains), kind="stable")
    first = np.zeros((len(order) + 1, len(gains)), dtype=np.int64)
    first[1:] = np.cumsum(group[order, None] == np.arange(len(gains)), axis=0)
    least, most = np.zeros_like(totals), np.full_like(totals, len(order))
    while (least < most).any():
        middle = (least + most) // 2
        enough = np.clip(first[middle], low, high).sum(axis=1) >= totals
        least, most = np.where(enough, least, middle + 1), np.where(enough, middle, most)
    # One r more adds at most one image, so the sum is the total and not above it.
    return np.clip(first[least], low, high)


def feasible_totals(constraints: ShareConstraints, n: int, group_names: Sequence[str]) -> Ints:
    """`[c]` images of each label, all `n` together, for which every label has counts that meet its constraints.

    For single-label images none of whose categories is unconstrained. A label takes the totals s for which some whole
    N_g lie in their limits and sum to s; 0 always does.

    Raises:
        InputError: there are none, because the numbers are whole.
    """
    every = np.arange(n + 1)
    takes: list[Ints] = []
    for row in range(len(constraints)):
        low, high = constraints.within(row, every)
        takes.append(every[(low <= high).all(axis=1) & (low.sum(axis=1) <= every) & (every <= high.sum(axis=1))])
    totals = np.zeros(len(constraints), dtype=np.int64)
    alone = [row for row, taken in enumerate(takes) if taken[-1] == n]
    if alone:
        totals[max(alone, key=lambda row: constraints.support[row])] = n
        return totals
    # Bit j of reached[r] says whether the first r labels can take j images.
    reached, mask = [1], (1 << (n + 1)) - 1
    for taken in takes:
        sums = 0
        for total in taken.tolist():
            sums |= reached[-1] << total
        reached.append(sums & mask)
    if not reached[-1] >> n & 1:
        raise InputError(_refusal(constraints, takes, n, group_names))
    left = n
    for row in range(len(constraints) - 1, -1, -1):
        totals[row] = next(s for s in takes[row].tolist() if s <= left and reached[row] >> (left - s) & 1)
        left -= int(totals[row])
    return totals


def nearest(counts: Ints, low: Ints, high: Ints, total: int) -> Ints:
    """`[k]` counts between `low` and `high` that sum to `total`, changed as little as that takes."""
    found = np.clip(counts, low, high)
    for g in range(len(found)):
        short = total - int(found.sum())
        found[g] += np.clip(short, low[g] - found[g], high[g] - found[g])
    return found


def nearest_counts(counts: Ints, constraints: ShareConstraints, totals: Ints | None) -> Ints:
    """Counts that meet every constraint and differ least from `counts`, in the sum of absolute differences.

    Labels are taken in turn, with the cheapest way to each balance of images added so far. Each total may move by so
    many images, first few, then more.

    Args:
        counts: `[c * k]` images per cell, and one number more for all unconstrained categories together, if any.
        constraints: of the cells.
        totals: `[c]` from `feasible_totals`, where no category is unconstrained; what is taken where no totals near
            those of `counts` will do. Else None, and all images can be unconstrained.
    """
    c, k = constraints.low.shape
    table, free = counts[: c * k].reshape(c, k), counts[c * k :]
    size = int(counts.sum())
    for width in _WIDTHS:
        moves = _balanced_moves(table, free, constraints, width)
        if moves is not None:
            wanted = _at_totals(table, constraints, table.sum(axis=1) + moves)
            return np.append(wanted, free - moves.sum())
        if width >= size:
            break
    if totals is None:
        return np.append(np.zeros(c * k, dtype=np.int64), size)
    return _at_totals(table, constraints, totals)


def _balanced_moves(table: Ints, free: Ints, constraints: ShareConstraints, width: int) -> Ints | None:
    """`[c]` changes of the labels' totals, at most `width` each, at the least cost; None where none will do."""
    steps, reach = np.arange(-width, width + 1), 4 * width
    balance = np.arange(-reach, reach + 1)
    best = np.where(balance == 0, 0.0, np.inf)
    taken = np.zeros((len(table), len(balance)), dtype=np.int64)
    for row, counts in enumerate(table):
        cost = _distances(counts, constraints, row, counts.sum() + steps)
        added = np.full(len(balance), np.inf)
        for step in np.flatnonzero(np.isfinite(cost)):
            move = int(steps[step])
            # One balance after a move of so many was another before it.
            now, old = (
                slice(max(move, 0), len(balance) + min(move, 0)),
                slice(max(-move, 0), len(balance) - max(move, 0)),
            )
            sums = best[old] + cost[step]
            better = sums < added[now]
            added[now][better] = sums[better]
            taken[row, now][better] = move
        best = added
    if len(free):
        best = np.where(balance <= free[0], best + np.abs(balance), np.inf)
    else:
        best = np.where(balance == 0, best, np.inf)
    at = int(np.argmin(best))
    if not np.isfinite(best[at]):
        return None
    moves = np.zeros(len(table), dtype=np.int64)
    for row in range(len(table) - 1, -1, -1):
        moves[row] = taken[row, at]
        at -= int(moves[row])
    return moves


def _distances(counts: Ints, constraints: ShareConstraints, row: int, totals: Ints) -> Floats:
    """`[s]` the least sum of absolute changes that takes the `[k]` counts to each total; infinite where none does."""
    low, high = constraints.within(row, np.maximum(totals, 0))
    fits = (totals >= 0) & (low <= high).all(axis=1) & (low.sum(axis=1) <= totals) & (totals <= high.sum(axis=1))
    # Each image more or less beyond the limits leads away from the counts.
    clipped = np.minimum(np.maximum(counts, low), high)
    distance = np.abs(clipped - counts).sum(axis=1) + np.abs(totals - clipped.sum(axis=1))
    return np.where(fits, distance, np.inf)


def _at_totals(table: Ints, constraints: ShareConstraints, totals: Ints) -> Ints:
    """`[c * k]` counts with the `[c]` totals that meet every constraint, near those of the `[c, k]` table."""
    wanted = np.zeros_like(table)
    for row, counts in enumerate(table):
        low, high = constraints.within(row, totals[row : row + 1])
        wanted[row] = nearest(counts, low[0], high[0], int(totals[row]))
    return wanted.ravel()


def _refusal(constraints: ShareConstraints, takes: Sequence[Ints], n: int, groups: Sequence[str]) -> str:
    """One line that names the labels, their shares, and how many images each can have."""
    listed = []
    for row, (name, taken) in enumerate(zip(constraints.names, takes, strict=True)):
        shares = ", ".join(f"{g} {share:.4g}" for g, share in zip(groups, constraints.shares[row], strict=True))
        listed.append(f"{name!r} ({shares}) takes {first_few(taken, 4)}")
    return (
        f"constraints: no assignment of {n:,} images meets these shares within a margin of {constraints.margin:g}:"
        f" {'; '.join(listed[:3])}{f'; and {len(listed) - 3:,} labels more' if len(listed) > 3 else ''};"
        f" no such numbers sum to {n:,}; raise the margin, give more images, or leave a label unconstrained"
    )
