"""Weighted counts for all bootstrap rounds at once: a matrix product, exact because counts are integers.

Shapes throughout `metrics`: weights are `[image, round]` in C order, so that picking images copies whole
rows; what a kernel returns starts with the round axis, which is dropped where no weights were given.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[np.unsignedinteger]

_ROWS = 8192  # rows per product: bounds the floating copy, and keeps float32 sums of uint8 below 2**24

_SHORT = 8  # rows that are summed directly, and the shortest run that is worth making


def unit_weights(n: int, weights: Weights | None) -> Weights:
    """The weights, or one round in which each of the `n` images counts once."""
    return np.ones((n, 1), dtype=np.uint8) if weights is None else weights


def drop_round(values: Floats, weights: Weights | None) -> Floats:
    """`values` without the round axis where the kernel was called without weights."""
    return np.asarray(values[0]) if weights is None else values


def weighted_sums(columns: NDArray[np.integer], weights: Weights) -> Floats:
    """Sum of each column over images, weighted, in every round.

    Args:
        columns: `[n, c]` integers; int8, uint8 or bool only −1, 0 and 1.
        weights: `[n, rounds]` unsigned integers.

    Returns:
        `[rounds, c]`, whole numbers.
    """
    narrow = weights.dtype.itemsize == 1 and columns.dtype.itemsize == 1
    kind = np.float32 if narrow else np.float64
    sums = np.zeros((weights.shape[1], columns.shape[1]))
    for start in range(0, len(columns), _ROWS):
        rows = slice(start, start + _ROWS)
        sums += weights[rows].astype(kind).T @ columns[rows].astype(kind)
    return sums


def cell_sums(groups: NDArray[np.integer], k: int, columns: NDArray[np.integer], weights: Weights) -> Floats:
    """`weighted_sums` within each group: `[rounds, k, c]`."""
    sums = np.empty((weights.shape[1], k, columns.shape[1]))
    for group in range(k):
        rows = np.flatnonzero(groups == group)
        sums[:, group] = weighted_sums(columns[rows], weights[rows])
    return sums


def running_sum(counts: NDArray[np.integer], rows: NDArray[np.integer] | None = None) -> NDArray[np.signedinteger]:
    """Cumulative sums down the rows of `[m, rounds]`, at some rows or at all, adding whole rows.

    `np.cumsum(axis=0)` walks each column with the stride of a row, ten times slower than this. Here the rows are cut
    into runs, so short that no sum within one passes the type of the counts; the runs are summed side by side, and
    each is lifted by the total of those before it.

    Args:
        counts: `[m, rounds]`, at least 0.
        rows: positions to return, default all.
    """
    m, rounds = counts.shape
    top = max(1, int(counts.max(initial=0)))
    wide: np.dtype[np.signedinteger] = np.dtype(np.int32 if m * top < 2**31 else np.int64)
    if m <= _SHORT:
        short: NDArray[np.signedinteger] = np.cumsum(counts, axis=0, dtype=wide)
        return short if rows is None else short[rows]
    room = np.iinfo(counts.dtype).max // top
    kind, length = (counts.dtype, min(room, math.isqrt(m))) if room >= _SHORT else (wide, math.isqrt(m))
    padded = np.zeros((m + -m % length, rounds), dtype=kind)
    padded[:m] = counts
    runs = padded.reshape(-1, length, rounds)
    for step in range(1, length):
        runs[:, step] += runs[:, step - 1]
    before = np.zeros((len(runs), rounds), dtype=wide)
    before[1:] = running_sum(runs[:-1, -1].astype(wide))
    at = np.arange(m) if rows is None else rows
    lifted: NDArray[np.signedinteger] = before[at // length] + padded[at]
    return lifted


def blocks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `count` in order."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """`numerator / denominator`; NaN where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient: Floats = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def mean_defined(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Mean over `axis` of what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return ratio(np.asarray(total), defined.sum(axis=axis).astype(np.float64))
