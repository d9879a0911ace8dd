"""Directional predictability against loops, and against models whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leakage_worlds import TABLE, World, codes_evidence, cross, of_credit

from steelyard.base.errors import UndefinedError
from steelyard.leakage.corruption import draw_noise, macro_f1, solve
from steelyard.leakage.predictability import (
    attribute_to_target,
    cell_predictability,
    label_predictability,
    target_to_attribute,
)
from steelyard.leakage.search import run


def slow_credit(known: np.ndarray, asked: np.ndarray, folds: np.ndarray, k: int) -> np.ndarray:
    n, t = asked.shape
    credit = np.empty((n, t))
    for j in range(t):
        for i in range(n):
            others = [m for m in range(n) if folds[m] != folds[i]]
            rates = []
            for value in (1, 0):
                of_class = [m for m in others if asked[m, j] == value]
                same = [m for m in of_class if known[m] == known[i]]
                rates.append((len(same), len(of_class)))
            (a, b), (c, d) = rates
            says = 0.5 if a * d == c * b else float(a * d > c * b)
            credit[i, j] = says if asked[i, j] == 1 else 1 - says
    return credit


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(1, 3), st.integers(2, 4), st.integers(0, 9999))
def test_against_loops(n: int, t: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, folds = rng.integers(k, size=n), rng.integers(3, size=n)
    asked = (rng.random((n, t)) < 0.4).astype(np.uint8)
    weights = rng.integers(0, 3, (n, 4)).astype(np.float32)
    credit = cell_predictability(known, asked, folds, k)
    assert credit.tolist() == slow_credit(known, asked, folds, k).tolist()
    found = label_predictability(credit, asked, weights)
    for j in range(t):
        for r in range(4):
            sides = []
            for value in (1, 0):
                size = sum(weights[i, r] for i in range(n) if asked[i, j] == value)
                hits = sum(weights[i, r] * credit[i, j] for i in range(n) if asked[i, j] == value)
                sides.append(hits / size if size else np.nan)
            assert found[j, r] == pytest.approx(sum(sides) / 2, abs=1e-6, nan_ok=True)


def corrupted_labels(targets: np.ndarray, f1: float, rounds: int, seed: int) -> list[np.ndarray]:
    found = []
    for r in range(rounds):
        noise = draw_noise(targets, targets.shape[1], "flip", np.random.default_rng([seed, r]))
        rows = np.arange(len(targets))
        found.append(noise.at(solve(noise, f1, rows)).astype(np.uint8))
    return found


def model_on(n: int, lean: float, seed: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Labels that leak, the model's flips of them (more of the group's own labels, by `lean`), equally bad labels."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(2, size=n)
    rates = np.array([[0.5, 0.3, 0.4], [0.3, 0.5, 0.4]])
    targets = (rng.random((n, 3)) < rates[groups]).astype(np.uint8)
    chance = np.where(targets == 1, 0.1, 0.1 + lean * np.array([[1, 0, 0], [0, 1, 0]])[groups])
    predicted = (targets ^ (rng.random((n, 3)) < chance)).astype(np.uint8)
    return groups, predicted, corrupted_labels(targets, macro_f1(targets, predicted, 3), 3, seed)


def test_an_honest_model_amplifies_nothing() -> None:
    inside = 0
    for seed in range(60):
        groups, predicted, corrupted = model_on(800, 0.0, seed)
        found = attribute_to_target(groups, predicted, corrupted, k=2, seed=seed, scheme="s", draws=100)
        inside += found.low <= 0 <= found.high
    assert inside >= 53  # 95 % of 60, less two and a half deviations


def test_a_model_that_uses_the_group_amplifies() -> None:
    groups, predicted, corrupted = model_on(2000, 0.3, 0)
    found = attribute_to_target(groups, predicted, corrupted, k=2, seed=0, scheme="s", draws=100)
    assert found.low > 0.0
    assert found.name == "directional_predictability_attribute_to_target"
    assert found.sd_images == pytest.approx(0.005, abs=0.005)


def test_labels_with_one_class_on_one_side_are_left_out_on_both() -> None:
    groups, predicted, corrupted = model_on(600, 0.0, 1)
    plain = attribute_to_target(groups, predicted, corrupted, k=2, seed=0, scheme="s", draws=50)
    silent = np.hstack([predicted, np.zeros((600, 1), dtype=np.uint8)])  # never predicted, and its label leaks all
    leaking = [np.hstack([one, groups[:, None].astype(np.uint8)]) for one in corrupted]
    found = attribute_to_target(groups, silent, leaking, k=2, seed=0, scheme="s", draws=50)
    assert replace(found, note="") == replace(plain, note="")


def test_undefined_where_no_label_has_both_classes() -> None:
    groups, zeros = np.arange(40) % 2, np.zeros((40, 2), dtype=np.uint8)
    with pytest.raises(UndefinedError) as caught:
        attribute_to_target(groups, zeros, [zeros], k=2, seed=0, scheme="s", draws=20)
    assert str(caught.value) == (
        "directional_predictability_attribute_to_target: no label has both positives and negatives, "
        "in labels and predictions alike"
    )


def test_target_to_attribute_of_planted_credit() -> None:
    groups = np.arange(1000) % 2
    rng = np.random.default_rng(0)
    high, low = ((rng.random((2, 1000)) < p).astype(float) for p in (0.8, 0.6))
    found = target_to_attribute(of_credit(high, groups, 2), of_credit(low, groups, 2), seed=0, scheme="s")
    psi = [np.mean([c[:, groups == g].mean(axis=1) for g in (0, 1)], axis=0) for c in (high, low)]
    assert found.value == pytest.approx(float(np.mean((psi[0] - psi[1]) / (psi[0] + psi[1]))))
    assert found.low <= 0.2 / 1.4 <= found.high
    assert found.low > 0
    other = target_to_attribute(of_credit(low, groups, 2), of_credit(high, groups, 2), seed=0, scheme="s")
    assert other.value == pytest.approx(-found.value)


def test_target_to_attribute_of_predicted_groups() -> None:
    """Predicted groups that follow the label more than the true ones do, and ones wrong at random."""
    world = World.of([[0.7, 0.3], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7]])
    rng = np.random.default_rng(1)
    codes, groups = world.sample(2000, rng)
    evidence = codes_evidence(codes, 4)
    guess = (codes >= 2).astype(np.int64)
    by_label = np.where(rng.random(2000) < 0.4, guess, groups)
    wrong = float((by_label != groups).mean())
    at_random, again = (np.where(rng.random(2000) < wrong, 1 - groups, groups) for _ in range(2))
    by_label_psi, honest_psi, data_psi = (
        run([lambda _: evidence], named, cross(named, 0, 2), k=2, names=TABLE)[0]
        for named in (by_label, at_random, again)
    )
    assert target_to_attribute(by_label_psi, data_psi, seed=0, scheme="s").low > 0
    honest = target_to_attribute(honest_psi, data_psi, seed=0, scheme="s")
    assert honest.low <= 0 <= honest.high
