"""p-values are uniform without leakage, small with it, and repeat the whole search."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leakage_worlds import TABLE, World, codes_evidence
from scipy.stats import binomtest, kstest

from steelyard.leakage import significance
from steelyard.leakage.significance import p_value, permutation_test, split_once

NOTHING = World.of([[0.5, 0.5]] * 4)
LEAK = World.of([[0.85, 0.15], [0.75, 0.25], [0.2, 0.8], [0.1, 0.9]])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4), st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 99))
def test_p_value(observed: int, null: list[int], seed: int) -> None:
    above = sum(1 for value in null if value > observed)
    tied = sum(1 for value in null if value == observed)
    values = np.array(null) / 7
    assert p_value(observed / 7, values) == pytest.approx((above + tied + 1) / (len(null) + 1))
    broken = p_value(observed / 7, values, rng=np.random.default_rng(seed))
    share = np.random.default_rng(seed).random()
    assert broken == pytest.approx((above + share * (tied + 1)) / (len(null) + 1))


def test_rounding_does_not_break_a_tie() -> None:
    one, other = 0.1 + 0.2, 0.3
    assert one > other  # by rounding
    assert p_value(one, np.array([other])) == p_value(other, np.array([one])) == 1.0


def test_rank_of_ties_is_uniform() -> None:
    rng = np.random.default_rng(0)
    values = [p_value(draw[0], draw[1:], rng=rng) for draw in rng.integers(3, size=(2000, 10)).astype(float)]
    assert kstest(values, "uniform").pvalue > 0.001
    conservative = [p_value(draw[0], draw[1:]) for draw in rng.integers(3, size=(2000, 10)).astype(float)]
    assert kstest(conservative, "uniform").pvalue < 0.001
    assert np.mean(np.array(conservative) <= 0.1) <= 0.1


def p_of(world: World, seed: int, n: int = 150, permutations: int = 19) -> float:
    rng = np.random.default_rng(seed)
    codes, groups = world.sample(n, rng)
    evidence = codes_evidence(codes, world.categories)
    if seed % 2:  # both ways of use: one set split in two, and two sets
        fit, score = np.arange(n), None
    else:
        fit, score = np.arange(n // 2), np.arange(n // 2, n)
    return permutation_test(
        evidence, groups, fit, score, k=world.k, permutations=permutations, names=TABLE, seed=seed, ties=rng
    ).value


def test_without_leakage_p_values_are_uniform() -> None:
    values = [p_of(NOTHING, seed) for seed in range(200)]
    assert kstest(values, "uniform").pvalue > 0.001
    three = [p_of(World.of([[1 / 3] * 3] * 3), seed, n=120) for seed in range(100)]
    assert kstest(three, "uniform").pvalue > 0.001


def test_with_leakage_they_are_not() -> None:
    values = [p_of(LEAK, seed) for seed in range(30)]
    assert kstest(values, "uniform").pvalue < 0.001
    assert np.median(values) <= 1 / 20


def test_the_whole_search_is_repeated_on_groups_that_keep_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codes, groups = LEAK.sample(200, rng)
    seen: list[np.ndarray] = []
    parts = []
    attack = significance.attack

    def spy(evidence: Any, shuffled: Any, part: Any, **options: Any) -> Any:
        assert options["names"] == ()
        seen.append(shuffled)
        parts.append(part)
        return attack(evidence, shuffled, part, **options)

    monkeypatch.setattr(significance, "attack", spy)
    fit, score = np.arange(120), np.arange(120, 200)
    found = permutation_test(codes_evidence(codes, 4), groups, fit, score, k=2, permutations=9, seed=1)
    assert len(seen) == 10
    assert seen[0].tolist() == groups.tolist()
    assert len({tuple(shuffled) for shuffled in seen}) == 10
    for shuffled, part in zip(seen, parts, strict=True):
        for rows in (part.fit, part.score):
            assert np.bincount(shuffled[rows], minlength=2).tolist() == np.bincount(groups[rows], minlength=2).tolist()
        assert set(part.fit.tolist()) <= set(fit.tolist())
    assert found.value == 0.1
    assert "9 permutations" in found.scheme


@pytest.mark.parametrize("k", [2, 3])
def test_the_one_split(k: int) -> None:
    groups = np.repeat(np.arange(k), [30 + 6 * g for g in range(k)])
    part = split_once(groups, np.arange(len(groups)), None, 0)
    assert not set(part.fit.tolist()) & set(part.score.tolist())
    assert np.bincount(groups[part.score]).tolist() == [10 + 2 * g for g in range(k)]
    assert np.bincount(groups[part.fit]).tolist() == [20] * k


def test_the_interval_is_the_error_of_the_permutations() -> None:
    codes, groups = NOTHING.sample(150, np.random.default_rng(7))
    found = permutation_test(codes_evidence(codes, 4), groups, np.arange(150), None, k=2, permutations=49, names=TABLE)
    exact = binomtest(round(found.value * 50), 50).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.low <= found.value <= found.high
