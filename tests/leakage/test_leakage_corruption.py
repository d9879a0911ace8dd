"""Channels do to each image what they say, are solved on their own draw, and lose information for good."""

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from steelyard.base.errors import InputError, UndefinedError
from steelyard.leakage.corruption import CHANNELS, Channel, default_channel, draw_noise, floor_of, macro_f1, solve
from steelyard.leakage.curve import Corruption

SETTINGS = [
    ("single", "flip"),
    ("single", "replace"),
    ("single", "prevalence"),
    ("multi", "flip"),
    ("multi", "prevalence"),
]


def targets_of(kind: str, n: int, rng: np.random.Generator, t: int = 4) -> np.ndarray:
    if kind == "single":
        return rng.choice(t, size=n, p=np.arange(1, t + 1) / (t * (t + 1) / 2))
    return (rng.random((n, t)) < np.linspace(0.1, 0.6, t)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 999), st.sampled_from(["codes", "matrix", "mixed"]))
def test_macro_f1(n: int, t: int, seed: int, form: str) -> None:
    rng = np.random.default_rng(seed)
    if form == "matrix":
        truth, decided = (rng.random((2, n, t)) < 0.4).astype(np.uint8)
        known = truth
    else:
        truth = rng.integers(t, size=n)
        known = np.eye(t, dtype=np.uint8)[truth]
        decided = rng.integers(t, size=n) if form == "codes" else (rng.random((n, t)) < 0.4).astype(np.uint8)
    said = np.eye(t, dtype=np.uint8)[decided] if decided.ndim == 1 else decided
    scored = [j for j in range(t) if known[:, j].any()]
    found = macro_f1(truth, decided, t)
    if scored:
        assert found == pytest.approx(np.mean([f1_score(known[:, j], said[:, j], zero_division=0.0) for j in scored]))
    else:
        assert np.isnan(found)


@pytest.mark.parametrize(("kind", "channel"), SETTINGS)
def test_each_entry_is_corrupted_where_its_number_is_below_p(kind: str, channel: Channel) -> None:
    rng = np.random.default_rng(0)
    targets = targets_of(kind, 50, rng)
    noise = draw_noise(targets, 4, channel, rng)
    for p in (0.0, 0.2, 0.5):
        found = noise.at(p)
        for i in range(50):
            for j in range(4) if found.ndim == 2 else (None,):
                at = i if j is None else (i, j)
                truth = int(targets[i] == j) if targets.ndim == 1 and j is not None else targets[at]
                wrong = 1 - truth if channel == "flip" else noise.instead[at]
                assert found[at] == (wrong if noise.when[at] < np.float32(p) else truth)


@pytest.mark.parametrize(("kind", "channel"), SETTINGS)
def test_more_corruption_keeps_what_was_corrupted(kind: str, channel: Channel) -> None:
    rng = np.random.default_rng(1)
    targets = targets_of(kind, 400, rng)
    noise = draw_noise(targets, 4, channel, rng)
    rows, levels = np.arange(400), np.linspace(0.0, 0.5, 26)
    clean = noise.at(0.0)
    changed = [noise.at(p) != clean for p in levels]
    assert all((less <= more).all() for less, more in pairwise(changed))
    scores = [noise.f1(p, rows) for p in levels]
    assert scores[0] == 1.0
    assert (np.diff(scores) <= 1e-12).all()


@pytest.mark.parametrize(("kind", "channel"), SETTINGS)
def test_solve_hits_the_level_on_the_same_draw(kind: str, channel: Channel) -> None:
    rng = np.random.default_rng(2)
    targets = targets_of(kind, 3000, rng)
    noise, rows = draw_noise(targets, 4, channel, rng), np.arange(1000, 3000)
    for level in (*np.linspace(floor_of(noise, rows), 1.0, 9), 0.9):
        assert noise.f1(solve(noise, level, rows), rows) == pytest.approx(level, abs=3 / len(rows))
    assert solve(noise, 1.0, rows) == 0.0
    # The control: another draw at the same p is off by more.
    off = [draw_noise(targets, 4, channel, rng).f1(solve(noise, 0.9, rows), rows) - 0.9 for _ in range(20)]
    assert np.abs(off).max() > 3 / len(rows)


def test_floors() -> None:
    rng = np.random.default_rng(3)
    rows = np.arange(40_000)
    balanced = np.arange(40_000) % 4
    # All information gone, each category is said as often as it is there by chance: F1 = 1/t.
    assert floor_of(draw_noise(balanced, 4, "replace", rng), rows) == pytest.approx(0.25, abs=0.01)
    assert floor_of(draw_noise(balanced, 4, "prevalence", rng), rows) == pytest.approx(0.25, abs=0.01)
    # Flips at ½: half of the positives are found, half of all are said: 2·¼·½ / (¼ + ½).
    assert floor_of(draw_noise(balanced, 4, "flip", rng), rows) == pytest.approx(1 / 3, abs=0.01)


def test_nothing_is_extrapolated() -> None:
    rng = np.random.default_rng(4)
    noise, rows = draw_noise(np.arange(300) % 3, 3, "replace", rng), np.arange(300)
    floor = floor_of(noise, rows)
    with pytest.raises(UndefinedError) as caught:
        solve(noise, 0.1, rows)
    assert str(caught.value) == (
        f"F1 0.100 is below what the channel 'replace' can reach here ({floor:.3f}); "
        "no random-error labels of that quality exist to compare with"
    )
    with pytest.raises(UndefinedError) as caught:
        solve(noise, 1.2, rows)
    assert str(caught.value) == "an F1 of 1.200 is above 1"
    empty = draw_noise(np.zeros((20, 2), dtype=np.uint8), 2, "flip", rng)
    with pytest.raises(UndefinedError) as caught:
        solve(empty, 0.5, np.arange(20))
    assert str(caught.value) == "F1 is not defined: no target has a positive among these images"


def test_bad_channels() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError) as caught:
        draw_noise(np.zeros((20, 2), dtype=np.uint8), 2, "replace", rng)
    assert str(caught.value) == (
        "--channel replace: swaps one category for another, and these labels are many 0/1 columns; "
        "use flip or prevalence"
    )
    with pytest.raises(InputError) as caught:
        draw_noise(np.zeros(20, dtype=np.int64), 2, "swap", rng)  # type: ignore[arg-type]
    assert str(caught.value) == "--channel: there is no 'swap'; choose from flip, replace, prevalence"
    assert get_args(Channel) == CHANNELS
    assert (default_channel("single"), default_channel("multi")) == ("replace", "flip")


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_prevalence_keeps_the_marginals(kind: str) -> None:
    rng = np.random.default_rng(5)
    targets = targets_of(kind, 20_000, rng)
    before = np.bincount(targets) / 20_000 if kind == "single" else targets.mean(axis=0)
    found = draw_noise(targets, 4, "prevalence", rng).at(0.6)
    after = np.bincount(found) / 20_000 if kind == "single" else found.mean(axis=0)
    assert after == pytest.approx(before, abs=0.015)
    flipped = draw_noise(targets, 4, "flip", rng).at(0.4)
    assert np.abs(flipped.mean(axis=0) - before).max() > 0.1  # the control


def test_replacing_every_label_leaves_no_information() -> None:
    """Drawn from all categories, the right one among them; drawn from the wrong ones, two would be an inversion."""
    rng = np.random.default_rng(6)
    targets = rng.integers(2, size=20_000)
    agreement = (draw_noise(targets, 2, "replace", rng).at(1.0) == targets).mean()
    assert agreement == pytest.approx(0.5, abs=0.02)
    flips = draw_noise(targets[:, None].astype(np.uint8), 1, "flip", rng).at(0.5)[:, 0]
    assert (flips == targets).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("kind", "channel"), SETTINGS)
def test_one_draw_feeds_the_f1_and_the_attacker(kind: str, channel: Channel) -> None:
    """Trap W3: the F1 of one corruption beside the leakage of another."""
    rng = np.random.default_rng(7)
    targets, rows = targets_of(kind, 2000, rng), np.arange(500, 2000)
    corruption = Corruption(targets, 4, channel, rows, 0)  # type: ignore[arg-type]
    for number in (0, 1):
        shown = corruption.at(0.8)(number)
        seen = shown.codes if shown.codes is not None else shown.binary
        assert seen is not None
        assert macro_f1(targets[rows], seen[rows], 4) == pytest.approx(0.8, abs=3 / len(rows))
        assert shown.equals(corruption.noise(number).evidence(corruption.strength(0.8, number)))
    assert not corruption.at(0.8)(0).equals(corruption.at(0.8)(1))
    assert corruption.floor(2) == max(floor_of(corruption.noise(r), rows) for r in (0, 1))
    assert corruption.mean_strength(0.8, (0, 1)) == np.mean([corruption.strength(0.8, r) for r in (0, 1)])
