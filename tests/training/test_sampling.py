"""Rows of batches, against counts by hand and a naive sampler as the control."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.base.errors import InputError
from steelyard.training.sampling import balanced_batches, evaluation_batches, natural_batches, share_of

LETTERS = "abcdefgh"


def balanced(groups: np.ndarray, k: int, size: int, epoch: int = 0, seed: int = 7) -> list[np.ndarray]:
    return balanced_batches(groups, names=LETTERS[:k], batch_size=size, seed=seed, epoch=epoch)


def skewed(sizes: list[int]) -> np.ndarray:
    return np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))


@pytest.mark.parametrize(("n", "sizes"), [(12, [5, 5, 2]), (11, [5, 5]), (10, [5, 5]), (3, [3])])
def test_natural_batches_hold_every_row_once(n: int, sizes: list[int]) -> None:
    batches = natural_batches(n, batch_size=5, seed=3, epoch=0, drop_last=False)
    assert [len(rows) for rows in batches] == sizes
    rows = np.concatenate(batches)
    assert len(np.unique(rows)) == sum(sizes)
    assert set(rows) <= set(range(n))


def test_natural_batches_without_a_short_one_and_by_epoch() -> None:
    assert [len(rows) for rows in natural_batches(14, batch_size=5, seed=3, epoch=0)] == [5, 5]
    assert [len(rows) for rows in natural_batches(4, batch_size=5, seed=3, epoch=0)] == [4], "the only one stays"
    first, again, later, other = (
        np.concatenate(natural_batches(500, batch_size=50, seed=seed, epoch=epoch))
        for seed, epoch in ((3, 0), (3, 0), (3, 1), (4, 0))
    )
    assert (first == again).all()
    assert (first != later).mean() > 0.9
    assert (first != other).mean() > 0.9
    assert (first != np.arange(500)).mean() > 0.9


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_an_epoch_without_overlap(world: int) -> None:
    batches = natural_batches(101, batch_size=4, seed=0, epoch=2)  # 25 of four, the row that remains is left out
    shares = [share_of(batches, rank=rank, world=world) for rank in range(world)]
    assert {len(share) for share in shares} == {25 // world}
    rows = np.concatenate([rows for share in shares for rows in share])
    assert len(np.unique(rows)) == len(rows) == 4 * world * (25 // world)


def test_a_step_of_two_processes_sees_what_one_would_see() -> None:
    alone = natural_batches(64, batch_size=8, seed=0, epoch=1)
    halves = natural_batches(64, batch_size=4, seed=0, epoch=1)
    both = zip(share_of(halves, rank=0, world=2), share_of(halves, rank=1, world=2), strict=True)
    assert [set(rows) for rows in alone] == [{*one, *other} for one, other in both]


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(0, 9), st.integers(0, 3))
def test_every_balanced_batch_is_balanced(sizes: list[int], more: int, epoch: int) -> None:
    k, groups = len(sizes), skewed(sizes)
    size = k + more
    batches = balanced(groups, k, size, epoch)
    assert len(batches) == max(1, len(groups) // size)
    total = np.zeros(k, dtype=int)
    for rows in batches:
        counts = np.bincount(groups[rows], minlength=k)
        assert counts.sum() == size
        assert counts.max() - counts.min() == (0 if size % k == 0 else 1)
        total += counts
    assert total.max() - total.min() <= 1  # those that remain go round


def test_a_naive_sampler_is_not_balanced() -> None:
    """The control: naive batches of the same rows are far from it."""
    groups = skewed([90, 10])
    naive = natural_batches(100, batch_size=10, seed=7, epoch=0)
    assert max(np.abs(np.bincount(groups[rows], minlength=2) - 5).max() for rows in naive) >= 4


@pytest.mark.parametrize("sizes", [[200, 30, 7], [5, 5000]])
def test_rows_of_a_group_are_drawn_equally_often_over_the_epochs(sizes: list[int]) -> None:
    groups, drawn = skewed(sizes), Counter()
    for epoch in range(6):
        for rows in balanced(groups, len(sizes), 8, epoch):
            drawn.update(rows.tolist())
            for group in range(len(sizes)) if epoch == 0 else ():
                _level(groups, drawn, group)
        for group in range(len(sizes)):
            _level(groups, drawn, group)


def _level(groups: np.ndarray, drawn: Counter, group: int) -> None:
    times = [drawn[row] for row in np.flatnonzero(groups == group).tolist()]
    assert max(times) - min(times) <= 1


def test_drawing_with_replacement_is_not_level() -> None:
    """The control: drawn freely, the seven rows of a group of seven come up unequally often."""
    times = np.bincount(np.random.default_rng(0).integers(0, 7, 500))
    assert times.max() - times.min() > 1


def test_balanced_epochs_differ_and_repeat() -> None:
    groups = skewed([300, 100])
    first, again, later, other = (
        np.stack(balanced(groups, 2, 10, epoch, seed)) for epoch, seed in ((1, 7), (1, 7), (2, 7), (1, 8))
    )
    assert (first == again).all()
    assert (first != later).mean() > 0.8
    assert (first != other).mean() > 0.8
    by_place = groups[first].mean(axis=0)
    assert by_place.min() > 0.1  # groups are mixed within a batch
    assert by_place.max() < 0.9


def test_balanced_batches_that_cannot_be() -> None:
    with pytest.raises(InputError) as caught:
        balanced(np.array([0, 0, 2, 2]), 3, 6)
    assert str(caught.value) == (
        "balanced batches: expected training images of each of 3 groups, found none of 'b'; add some, or train with "
        "natural batches"
    )
    with pytest.raises(InputError, match=r"batch size: expected 3 or more, an image of each group, found 2; raise it"):
        balanced(np.array([0, 1, 2]), 3, 2)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 31, 32])
def test_evaluation_takes_every_row_once(n: int, world: int) -> None:
    rows = [evaluation_batches(n, batch_size=5, rank=rank, world=world) for rank in range(world)]
    assert sorted(row for share in rows for batch in share for row in batch.tolist()) == list(range(n))
    for rank, share in enumerate(rows):
        assert [row for batch in share for row in batch.tolist()] == list(range(rank, n, world))
        assert all(len(batch) == 5 for batch in share[:-1])
