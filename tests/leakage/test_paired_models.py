"""Differences between two models: exact where nothing differs, at their level where the truth is known."""

import numpy as np
import pytest
from leakage_worlds import TABLE, codes_evidence, cross, of_credit, share
from numpy.typing import NDArray

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.leakage.corruption import macro_f1
from steelyard.leakage.curve import Corruption
from steelyard.leakage.measures import Z, difference, leakage
from steelyard.leakage.paired import (
    amplification_difference,
    information_difference,
    leakage_difference,
    share_removed,
)
from steelyard.leakage.search import Attacked, run

CATEGORIES, ROUNDS, N = 4, 2, 360
STRONGER, WEAKER = 0.5, 0.3
"""How often each model lets the group choose between the two categories of a pair."""


def decide(
    codes: NDArray[np.int64], groups: NDArray[np.int64], when: NDArray[np.float64], often: float
) -> NDArray[np.int64]:
    """Decisions that follow the label, or with probability `often` the group: its leakage is (1 + often) / 2."""
    return np.where(when < often, codes - codes % 2 + groups, codes)


def attacks(seed: int) -> list[tuple[Attacked, Attacked]]:
    """Both models and the labels of their quality attacked; labels know nothing of the group."""
    rng = np.random.default_rng(seed)
    codes, groups, when = rng.integers(CATEGORIES, size=N), rng.integers(2, size=N), rng.random(N)
    plan = cross(groups, seed, ROUNDS)
    corruption = Corruption(codes, CATEGORIES, "replace", plan.scored, seed)
    draws = []
    for often in (STRONGER, WEAKER):
        decided = decide(codes, groups, when, often)
        evidence = codes_evidence(decided, CATEGORIES)
        draws += [lambda _, e=evidence: e, corruption.at(macro_f1(codes, decided, CATEGORIES))]  # type: ignore[misc]
    made = run(draws, groups, plan, k=2, names=TABLE, seed=seed)
    return [(made[0], made[1]), (made[2], made[3])]


def test_paired_intervals_cover_the_truth_and_are_narrower() -> None:
    inside: dict[str, list[bool]] = {name: [] for name in ("leakage", "half", "amplification", "removed")}
    paired, apart = [], []
    for seed in range(240):
        base, other = attacks(seed)
        gap = leakage_difference("x", base[0], other[0], of="decisions")
        truth = (WEAKER - STRONGER) / 2
        inside["leakage"].append(gap.low <= truth <= gap.high)
        inside["half"].append(abs(gap.value - truth) <= (gap.high - gap.low) / 4)
        ends = [leakage("x", attacked[0], of="decisions") for attacked in (base, other)]
        paired.append(gap.high - gap.low)
        apart.append(float(np.linalg.norm([e.high - e.low for e in ends])))
        gap = amplification_difference("x", base, other, of="decisions", scheme="")
        inside["amplification"].append(gap.low <= truth <= gap.high)
        amplified = [difference("x", *pair, of="decisions", scheme="") for pair in (base, other)]
        removed = share_removed(amplified[0], amplified[1], gap, rounds=ROUNDS)
        inside["removed"].append(removed.low <= 1 - WEAKER / STRONGER <= removed.high)
    for name in ("leakage", "amplification", "removed"):
        assert 0.92 <= share(inside[name]) <= 0.985, (name, share(inside[name]))
    assert share(inside["half"]) < 0.85  # the control: intervals half as wide would not do
    assert all(np.array(paired) < np.array(apart))
    assert np.mean(paired) < 0.75 * np.mean(apart)


def test_a_model_and_itself_do_not_differ() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(200) % 2
    one = of_credit(rng.random((3, 200)).round(), groups, 2)
    labels = of_credit(rng.random((3, 200)).round(), groups, 2)
    gaps = [
        leakage_difference("x", one, one, of="scores"),
        information_difference("x", one, one, of="scores"),
        amplification_difference("x", (one, labels), (one, labels), of="scores", scheme=""),
    ]
    assert [(e.value, e.low, e.high) for e in gaps] == [(0.0, 0.0, 0.0)] * 3
    other = of_credit(rng.random((3, 200)).round(), groups, 2)
    gap = leakage_difference("x", one, other, of="scores")
    assert gap.low < gap.value < gap.high  # the control
    back = leakage_difference("x", other, one, of="scores")
    assert (back.value, back.low, back.high) == pytest.approx((-gap.value, -gap.high, -gap.low))


def figure(value: float, sd: float) -> Estimate:
    return Estimate(name="x", value=value, low=value - Z * sd, high=value + Z * sd, n=100, sd_images=sd)


@pytest.mark.parametrize(("a", "b", "r"), [((0.2, 0.05), (0.1, 0.06), 0.5), ((0.2, 0.02), (-0.03, 0.02), -0.4)])
def test_share_removed_by_trying_every_share(a: tuple[float, float], b: tuple[float, float], r: float) -> None:
    """The interval holds exactly the shares s for which b − (1 − s)·a is not clear of 0."""
    covariance = r * a[1] * b[1]
    gap = figure(b[0] - a[0], float(np.sqrt(a[1] ** 2 + b[1] ** 2 - 2 * covariance)))
    found = share_removed(figure(*a), figure(*b), gap, rounds=1)
    tried = np.linspace(-3, 5, 400_001)
    left = 1 - tried
    spread = np.sqrt(b[1] ** 2 + left**2 * a[1] ** 2 - 2 * left * covariance)
    kept = tried[np.abs(b[0] - left * a[0]) <= Z * spread]
    assert (found.low, found.high) == pytest.approx((kept.min(), kept.max()), abs=1e-4)
    assert found.value == pytest.approx(1 - b[0] / a[0])


def test_share_removed_at_the_ends() -> None:
    base = figure(0.2, 0.04)
    same = share_removed(base, base, figure(0.0, 0.0), rounds=1)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    with pytest.raises(UndefinedError, match="not above 0"):
        share_removed(figure(0.1, 0.06), base, figure(0.1, 0.05), rounds=1)
