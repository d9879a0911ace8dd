"""Planted leaks are found within their intervals, absent ones are not, and intervals cover what they say."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from leakage_worlds import TABLE, World, attacked, codes_evidence, cross, halves, of_credit, share

from steelyard.leakage.corruption import macro_f1
from steelyard.leakage.curve import Corruption
from steelyard.leakage.evidence import Evidence, label_evidence, score_evidence
from steelyard.leakage.measures import difference, leakage
from steelyard.leakage.search import attack, balanced_mean, bits_of, credit_of, run

STRONG = World.of([[0.85, 0.15], [0.75, 0.25], [0.2, 0.8], [0.1, 0.9]])
THREE = World.of([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.15, 0.15, 0.7], [0.1, 0.7, 0.2]])
NOTHING = World.of([[0.5, 0.5]] * 4)
UNEVEN = World.of([[0.8, 0.2]] * 3)  # no leak, groups of different size


@pytest.mark.parametrize("world", [STRONG, THREE], ids=["k = 2", "k = 3"])
@pytest.mark.parametrize("names", [TABLE, ("logistic",), ()], ids=["table", "logistic", "default"])
def test_a_planted_leak_of_one_label(world: World, names: tuple[str, ...]) -> None:
    codes, groups = world.sample(1500, np.random.default_rng(1))
    evidence = codes_evidence(codes, world.categories)
    for plan in (cross(groups, 0, 2), halves(groups, 0, 2)):
        found = leakage("dataset_leakage", attacked(evidence, groups, plan, world.k, names=names), of="labels")
        assert found.low <= world.bayes() <= found.high
        assert found.low > 1 / world.k  # the control: chance is not inside
        assert found.high - found.low < 0.12


def independent_bits(rates: np.ndarray, n: int, rng: np.random.Generator) -> tuple[Evidence, np.ndarray, float]:
    """Labels that are independent given the group, `rates` `[k, t]`, and the accuracy of the best attacker."""
    k, t = rates.shape
    groups = rng.integers(k, size=n)
    bits = (rng.random((n, t)) < rates[groups]).astype(np.uint8)
    best = 0.0
    for pattern in itertools.product((0, 1), repeat=t):
        best += max(np.prod([r if b else 1 - r for r, b in zip(row, pattern, strict=True)]) for row in rates) / k
    return label_evidence(bits, "multi", t), groups, best


def test_a_planted_leak_of_many_labels() -> None:
    two = np.array([[0.8, 0.3, 0.5, 0.1, 0.6], [0.5, 0.6, 0.5, 0.2, 0.2]])
    three = np.array([[0.9, 0.2, 0.1, 0.5], [0.2, 0.8, 0.2, 0.5], [0.1, 0.2, 0.8, 0.5]])
    for rates in (two, three):
        evidence, groups, best = independent_bits(rates, 2000, np.random.default_rng(2))
        k = len(rates)
        found = leakage("x", attacked(evidence, groups, cross(groups, 0, 1), k, names=()), of="labels")
        assert found.low <= best <= found.high
        assert found.low > 1 / k + 0.1


@pytest.mark.parametrize("names", [TABLE, ()], ids=["table", "default"])
def test_without_a_leak_chance_is_inside(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(3)
    for world in (NOTHING, UNEVEN, World.of([[1 / 3] * 3] * 5)):
        codes, groups = world.sample(900, rng)
        evidence = codes_evidence(codes, world.categories)
        for plan in (cross(groups, 0, 2), halves(groups, 0, 2)):
            found = leakage("x", attacked(evidence, groups, plan, world.k, names=names), of="labels")
            assert found.low <= 1 / world.k <= found.high
    noise = score_evidence(rng.normal(size=(600, 3)), "logits", "multi", np.zeros((600, 3), dtype=np.uint8))
    groups = rng.integers(2, size=600)
    found = leakage("x", attacked(noise, groups, cross(groups, 0, 1), 2, names=()), of="scores")
    assert found.low <= 0.5 <= found.high


def simulate(world: World, split: Callable[..., object], rounds: int, n: int = 320) -> dict[str, float]:
    """How often the intervals of 500 simulations hold the truth; a model with random errors amplifies nothing."""
    labels, amplification, narrow = [], [], []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        codes, groups = world.sample(n, rng)
        plan = split(groups, seed, rounds)
        decisions = np.where(rng.random(n) < 0.6, codes, rng.integers(world.categories, size=n))
        scored = plan.scored  # type: ignore[attr-defined]
        corruption = Corruption(codes, world.categories, "replace", scored, seed)
        f1 = macro_f1(codes[scored], decisions[scored], world.categories)
        shown = [codes_evidence(codes, world.categories), codes_evidence(decisions, world.categories)]
        plain, model, data = run(
            [lambda _, e=shown[0]: e, lambda _, e=shown[1]: e, corruption.at(max(f1, corruption.floor(rounds)))],  # type: ignore[misc]
            groups,
            plan,  # type: ignore[arg-type]
            k=world.k,
            names=TABLE,
            seed=seed,
        )
        found = leakage("x", plain, of="labels")
        labels.append(found.low <= world.bayes() <= found.high)
        gap = difference("x", model, data, of="decisions", scheme="")
        amplification.append(gap.low <= 0 <= gap.high)
        narrow.append(abs(gap.value) <= 0.5 * (gap.high - gap.low) / 2)
    return {"labels": share(labels), "amplification": share(amplification), "half": share(narrow)}


@pytest.mark.parametrize(
    ("world", "split", "rounds"),
    [(STRONG, cross, 2), (THREE, halves, 2), (NOTHING, cross, 3)],
    ids=["k = 2, cross-fitted", "k = 3, held out", "no leak, cross-fitted"],
)
def test_intervals_cover_the_truth(world: World, split: Callable[..., object], rounds: int) -> None:
    """`NOTHING` is the hard one: attackers who find nothing change their minds with every fit."""
    covered = simulate(world, split, rounds)
    assert 0.92 <= covered["labels"] <= 0.98
    assert 0.92 <= covered["amplification"] <= 0.98
    assert covered["half"] < 0.85  # the control: intervals half as wide would not do


def test_the_spreads_are_apart() -> None:
    widths = []
    for n in (400, 1600, 6400):
        codes, groups = STRONG.sample(n, np.random.default_rng(0))
        found = leakage("x", attacked(codes_evidence(codes, 4), groups, halves(groups, 0, 3), 2), of="labels")
        assert found.sd_attacker == pytest.approx(0.0, abs=1e-12)  # a table of strong cells is the same in every round
        assert found.sd_images is not None
        widths.append(found.sd_images)
        assert found.high - found.low == pytest.approx(2 * 1.96 * found.sd_images, rel=1e-3)
        assert found.varied == ("attacker", "images")
    assert widths[0] / widths[1] == pytest.approx(2.0, rel=0.1)
    assert widths[1] / widths[2] == pytest.approx(2.0, rel=0.1)
    codes, groups = NOTHING.sample(400, np.random.default_rng(0))
    found = leakage("x", attacked(codes_evidence(codes, 4), groups, cross(groups, 0, 3), 2), of="labels")
    assert (found.sd_attacker or 0) > 0.005  # attackers that find nothing vary
    one = leakage("x", attacked(codes_evidence(codes, 4), groups, cross(groups, 0, 1), 2), of="labels")
    assert one.sd_attacker is None
    assert one.varied == ("images",)


def test_variances_are_what_they_say() -> None:
    """One round of 0/1 credits: the binomial variance of each group, over k²."""
    groups = np.array([0] * 40 + [1] * 10)
    credit = np.array([[1.0] * 30 + [0.0] * 10 + [1.0] * 4 + [0.0] * 6])
    found = leakage("x", of_credit(credit, groups, 2), of="labels")
    assert found.value == pytest.approx((0.75 + 0.4) / 2)
    assert found.sd_images == pytest.approx(np.sqrt((0.75 * 0.25 / 39 + 0.4 * 0.6 / 9) / 4))
    ties = leakage("x", of_credit(np.full((2, 50), 0.5), groups, 2), of="labels")
    assert (ties.value, ties.sd_attacker) == (0.5, 0.0)
    assert ties.sd_images == pytest.approx(np.sqrt((0.25 / 40 + 0.25 / 10) / 4))


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(1000) % 2
    shared = (rng.random((1, 1000)) < 0.7).astype(float)
    other = np.where(rng.random((1, 1000)) < 0.95, shared, 1 - shared)
    gap = difference("x", of_credit(shared, groups, 2), of_credit(other, groups, 2), of="scores", scheme="s")
    assert gap.value == pytest.approx(float((shared - other).mean()))
    one, two = (leakage("x", of_credit(c, groups, 2), of="scores") for c in (shared, other))
    unpaired = np.hypot(one.sd_images or 0, two.sd_images or 0)
    assert (gap.sd_images or 0) < 0.6 * unpaired
    independent = (rng.random((1, 1000)) < 0.7).astype(float)
    gap = difference("x", of_credit(shared, groups, 2), of_credit(independent, groups, 2), of="scores", scheme="s")
    assert gap.sd_images == pytest.approx(unpaired, rel=0.1)  # the control


def test_credit_bits_and_means() -> None:
    shares = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert credit_of(shares, np.array([0, 2, 1, 1])).tolist() == [0.5, 1.0, 0.0, pytest.approx(1 / 3)]
    assert bits_of(shares, np.array([0, 2, 0, 1])).tolist() == pytest.approx([1.0, 1.0, 0.0, np.log2(3)])
    assert bits_of(shares[2:3], np.array([1]))[0] == pytest.approx(np.log2(1e6))
    assert balanced_mean(np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 0, 1])) == 0.5


def test_the_choice_is_made_inside_the_fitting_rows() -> None:
    """What stands in the scored rows changes nothing about who is chosen, or what is fitted."""
    codes, groups = STRONG.sample(300, np.random.default_rng(4))
    evidence = codes_evidence(codes, 4)
    part = halves(groups, 0, 1).parts[0]
    credit, _, chosen = attack(evidence, groups, part, k=2, names=(), seed=0)
    turned = groups.copy()
    turned[part.score] = 1 - groups[part.score]
    other, _, again = attack(evidence, turned, part, k=2, names=(), seed=0)
    assert chosen == again
    assert (credit + other).tolist() == [1.0] * len(part.score)


def test_workers_change_nothing() -> None:
    codes, groups = STRONG.sample(200, np.random.default_rng(5))
    evidence, plan = codes_evidence(codes, 4), cross(groups, 0, 1)
    one, two = (run([lambda _: evidence], groups, plan, k=2, workers=w)[0] for w in (1, 2))
    assert one.credit.tolist() == two.credit.tolist()
    assert one.bits.tolist() == two.bits.tolist()


def test_balanced_by_selection_and_cross_fitted_reads_below_chance_and_says_so() -> None:
    codes = np.repeat(np.arange(40), 30)
    groups = np.tile([0, 1], 600)
    found = leakage("x", attacked(codes_evidence(codes, 40), groups, cross(groups, 0, 2), 2), of="labels")
    assert found.high < 0.5
    assert "read it as no leakage" in found.note
    held = leakage("x", attacked(codes_evidence(codes, 40), groups, halves(groups, 0, 2), 2), of="labels")
    assert "read it as no leakage" not in held.note
