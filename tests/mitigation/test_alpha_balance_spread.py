"""Of the largest subsets, the one kept must not hide the group in combinations of labels."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.leakage.evidence import label_evidence
from steelyard.leakage.measures import leakage
from steelyard.leakage.plan import crossfit
from steelyard.leakage.search import run
from steelyard.mitigation.samples import balance
from steelyard.mitigation.samples.alpha import _draw, _merge
from steelyard.mitigation.samples.programme import formulate
from steelyard.mitigation.samples.search import Effort, solve
from steelyard.mitigation.samples.spread import spread

NO_SUPPORT = np.zeros(7, dtype=np.int64)


def world(k: int, n: int = 3000) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """At most one of four labels that lean to a group, and three that do not, independent of them."""
    rng = np.random.default_rng(k)
    groups = rng.integers(0, k, n)
    lean = np.full((k, 5), 0.1)
    lean[np.arange(k), np.arange(k)] += 0.25
    lean[:, 4] = 1 - lean[:, :4].sum(axis=1)
    tilted = np.array([rng.choice(5, p=lean[g]) for g in groups])
    free = rng.random((n, 3)) < 0.3
    return np.hstack([np.eye(5, dtype=np.int64)[tilted][:, :4], free.astype(np.int64)]), groups


def within(targets: NDArray[np.int64], groups: NDArray[np.int64], k: int) -> tuple[float, float]:
    """Interval of the cross-fitted leakage of these labels."""
    plan = crossfit(groups, np.arange(len(groups)), folds=4, rounds=2, seed=0, scheme="")
    evidence = label_evidence(targets.astype(np.uint8), "multi", targets.shape[1])
    (attacked,) = run([lambda _: evidence], groups, plan, k=k, names=("boosting",))
    found = leakage("dataset_leakage", attacked, of="labels")
    return found.low, found.high


@pytest.mark.parametrize("k", [2, 3])
def test_combinations_of_balanced_labels_do_not_give_the_group_away(k: int) -> None:
    targets, groups = world(k)
    kept = balance(targets, groups, alpha=1, rng=np.random.default_rng(0)).kept
    assert within(targets[kept], groups[kept], k)[0] < 1 / k
    # The control: the solver's own choice among the subsets of this size gives it away.
    cells, cell_of = _merge(targets, groups, k)
    effort = Effort(time_limit=10.0, gap=0.0)
    names = tuple("abcdefg")
    first = solve(cells, Fraction(1), balance_groups=True, support=NO_SUPPORT, effort=effort, names=names)
    other = _draw(cell_of, first.take, np.random.default_rng(0))
    assert len(other) == len(kept)
    assert within(targets[other], groups[other], k)[0] > 1 / k + 0.02


def test_the_size_stays_and_without_time_so_does_the_subset() -> None:
    targets, groups = world(2, 800)
    cells, _ = _merge(targets, groups, 2)
    programme = formulate(cells, Fraction(3, 2), balance_groups=True, support=NO_SUPPORT)
    effort = Effort(time_limit=10.0, gap=0.0)
    first = solve(cells, Fraction(3, 2), balance_groups=True, support=NO_SUPPORT, effort=effort, names=tuple("abcdefg"))
    found = spread(programme, first.take, np.random.default_rng(1), time_limit=10.0)
    assert found.sum() == first.take.sum()
    assert programme.holds(found)
    assert not np.array_equal(found, first.take)
    np.testing.assert_array_equal(spread(programme, first.take, np.random.default_rng(1), time_limit=1e-9), first.take)
