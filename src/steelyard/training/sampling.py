"""Which rows make each batch: a function of the seed and the epoch, the same for any number of processes.

The balanced batches are those of Wang, Zhao, Yatskar, Chang, Ordonez, "Balanced Datasets Are Not Enough", ICCV 2019,
https://arxiv.org/abs/1811.08489, drawn as rows, so that no image is decoded and then left out.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.random import stream

Rows = NDArray[np.int64]
B = TypeVar("B")

_CYCLE_ROWS = 4096


def natural_batches(n: int, *, batch_size: int, seed: int, epoch: int, drop_last: bool = True) -> list[Rows]:
    """Every row once at most, in an order of the epoch's own.

    Args:
        n: rows.
        batch_size: rows of a batch, 2 or more.
        seed: of the run.
        epoch: from 0.
        drop_last: leave out the last batch where it is short and not the only one: a few images would count as much
            as a whole batch, and another few are left out in the next epoch. One of a single row is always left out:
            batch normalisation has no variance there.
    """
    order = stream(seed, "natural", epoch).permutation(n)
    batches = [order[start : start + batch_size] for start in range(0, n, batch_size)]
    least = batch_size if drop_last and len(batches) > 1 else 2
    return [batch for batch in batches if len(batch) >= least]


def balanced_batches(
    groups: NDArray[np.integer], *, names: Sequence[str], batch_size: int, seed: int, epoch: int
) -> list[Rows]:
    """Batches with equally many rows of each group, as many batches as n rows fill.

    Where k does not divide the batch size, the groups take turns at the places that remain. Each group is gone through
    in shuffled cycles that run on from epoch to epoch, so at any moment of a run its rows have been drawn equally
    often, or once more; a small group comes round several times in an epoch, a large one is spread over several.

    Args:
        groups: `[n]` integers in 0 … k − 1.
        names: of the k groups.
        batch_size: rows of a batch, k or more.
        seed: of the run.
        epoch: from 0.

    Raises:
        InputError: a group without rows, or a batch smaller than the number of groups.
    """
    k = len(names)
    sizes = np.bincount(groups, minlength=k)
    if batch_size < k:
        raise InputError(f"batch size: expected {k} or more, an image of each group, found {batch_size}; raise it")
    if not sizes.all():
        raise InputError(
            f"balanced batches: expected training images of each of {k} groups, found none of "
            f"{names[int(sizes.argmin())]!r}; "
            "add some, or train with natural batches"
        )
    count = max(1, len(groups) // batch_size)
    parts = []
    for group in range(k):
        ends = _drawn_before(group, np.arange(epoch * count, (epoch + 1) * count + 1), k, batch_size)
        drawn = _cycled(np.flatnonzero(groups == group), int(ends[0]), int(ends[-1]), (seed, group))
        parts.append(np.split(drawn, (ends - ends[0])[1:-1]))
    rng = stream(seed, "balanced", epoch)
    return [rng.permutation(np.concatenate(batch)) for batch in zip(*parts, strict=True)]


def share_of(batches: Sequence[B], *, rank: int, world: int) -> list[B]:
    """The training batches of one process: every `world`-th one, equally many for each.

    So a step of all processes together sees the rows that one process would see in a batch as large as theirs together.
    """
    return list(batches[rank::world][: len(batches) // world])


def evaluation_batches(n: int, *, batch_size: int, rank: int = 0, world: int = 1) -> list[Rows]:
    """The rows rank, rank + world, … of n, each once and in order; the last batch is short."""
    rows = np.arange(rank, n, world)
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def _drawn_before(group: int, batches: Rows, k: int, batch_size: int) -> Rows:
    """How many rows of a group all batches before number b hold, for each b.

    The places that remain are numbered through, batch after batch; the one numbered p belongs to group p modulo k.
    """
    whole, rest = divmod(batch_size, k)
    return batches * whole + (batches * rest - group + k - 1) // k


def _cycled(rows: Rows, start: int, end: int, names: tuple[int, int]) -> Rows:
    """The rows at places start … end − 1 of endless shuffled cycles; cycles are shuffled in blocks, for speed."""
    seed, group = names
    cycles = max(1, _CYCLE_ROWS // len(rows))
    length = cycles * len(rows)
    first, last = start // length, max(start, end - 1) // length
    blocks = [
        stream(seed, "cycle", group, block).permuted(np.tile(rows, (cycles, 1)), axis=1).ravel()
        for block in range(first, last + 1)
    ]
    return np.asarray(np.concatenate(blocks)[start - first * length : end - first * length], dtype=np.int64)
