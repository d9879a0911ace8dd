"""Bits as enumeration gives them, and the two simulated models: one honest, one that uses the group."""

import numpy as np
import pytest
from leakage_worlds import World, attacked, codes_evidence, cross, halves, information

from steelyard.leakage.corruption import macro_f1
from steelyard.leakage.curve import Corruption
from steelyard.leakage.evidence import label_evidence, score_evidence, with_labels
from steelyard.leakage.measures import conditional_leakage, difference, usable_information
from steelyard.leakage.search import run

WORLDS = [
    World.of([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]]),
    World(np.array([[0.4, 0.05], [0.2, 0.1], [0.1, 0.15]])),  # groups of different size
    World.of([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]),
]


@pytest.mark.parametrize("world", WORLDS, ids=["k = 2", "uneven", "k = 3"])
def test_usable_information_of_labels(world: World) -> None:
    codes, groups = world.sample(3000, np.random.default_rng(0))
    found = usable_information(
        "x", attacked(codes_evidence(codes, world.categories), groups, cross(groups, 0, 2), world.k, names=()), of="y"
    )
    assert found.low <= world.information() <= found.high
    assert found.low > 0.02
    assert found.high - found.low < 0.12


def test_no_information_is_none() -> None:
    rng = np.random.default_rng(1)
    codes, groups = rng.integers(6, size=1500), rng.integers(2, size=1500)
    found = usable_information("x", attacked(codes_evidence(codes, 6), groups, cross(groups, 0, 2), 2), of="y")
    assert found.low <= 0.0 <= found.high
    assert abs(found.value) < 0.01


@pytest.mark.parametrize("told", [True, False], ids=["predictions say more", "predictions say nothing more"])
def test_conditional_leakage_of_decisions(told: bool) -> None:
    """Y and Ŷ independent given G, so that the bits that Ŷ adds to Y can be enumerated."""
    labels = np.array([[0.5, 0.2], [0.3, 0.3], [0.2, 0.5]])  # P(y | g)
    output = np.array([[0.6, 0.25], [0.1, 0.25], [0.3, 0.5]]) if told else np.full((3, 2), 1 / 3)
    joint = 0.5 * labels[:, None, :] * output[None, :, :]
    truth = information(joint) - information(joint.sum(axis=1))
    rng = np.random.default_rng(2)
    flat = rng.choice(joint.size, size=4000, p=joint.ravel())
    y, said, groups = np.unravel_index(flat, joint.shape)
    known = codes_evidence(y, 3)
    both = with_labels(known, label_evidence(said, "single", 3, name="decisions"))
    assert both.name == "labels and decisions"
    plan = halves(groups, 0, 2)
    plain, together = run([lambda _: known, lambda _: both], groups, plan, k=2)
    found = conditional_leakage(plain, together, of="decisions")
    assert found.low <= truth <= found.high
    assert (found.low > 0.0) == told
    assert found.unit == "bits"


def simulated(rng: np.random.Generator, lean: float, n: int = 3000, t: int = 15) -> dict[str, object]:
    """Labels that leak, and logits that follow the label and, by `lean`, the group."""
    codes = rng.integers(t, size=n)
    groups = (rng.random(n) > np.linspace(0.15, 0.85, t)[codes]).astype(np.int64)
    logits = 2.5 * np.eye(t)[codes] + rng.normal(size=(n, t))
    logits += lean * (2 * groups - 1)[:, None] * np.linspace(1, -1, t)  # towards the labels that each group has most
    said = logits.argmax(axis=1)
    rows = np.arange(n)
    corruption = Corruption(codes, t, "replace", rows, 0)
    labels = codes_evidence(codes, t)
    scores = score_evidence(logits, "logits", "single", np.eye(t, dtype=np.uint8)[said])
    draws = [
        lambda _: labels,
        lambda _: codes_evidence(said, t),
        lambda _: scores,
        lambda _: with_labels(labels, scores),
        corruption.at(macro_f1(codes, said, t)),
    ]
    plain, decided, told, together, data = run(draws, groups, cross(groups, 0, 2, folds=3), k=2)
    return {
        "conditional": conditional_leakage(plain, together, of="scores"),
        "decisions": difference("amplification_decisions", decided, data, of="decisions", scheme=""),
        "scores": difference("amplification", told, data, of="scores", scheme=""),
    }


def test_a_model_that_depends_on_the_label_only() -> None:
    found = simulated(np.random.default_rng(0), 0.0)
    for name in ("conditional", "decisions"):
        assert found[name].low <= 0.0 <= found[name].high  # type: ignore[attr-defined]


def test_a_model_that_uses_the_group() -> None:
    found = simulated(np.random.default_rng(0), 0.8)
    for estimate in found.values():
        assert estimate.low > 0.0  # type: ignore[attr-defined]
