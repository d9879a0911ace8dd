"""Scenes' probabilities: what is drawn follows them, and they mean what the dials say."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from steelyard.base.errors import InputError
from steelyard.datasets.scenes import Looks, Scenes, ScenesSettings, ScenesTruth
from steelyard.datasets.scenes.drawing import Drawn, draw
from steelyard.datasets.scenes.settings import LOOKS

N = 40_000
SMALL = ScenesSettings(labels=6, tilted=2, prevalence=0.2, cues=2, labels_per_cue=2)
WORLDS = {
    "default": ScenesSettings(),
    "two labels share a cue": SMALL,
    "three groups": ScenesSettings(groups=3, labels=7, tilted=3, cues=3),
    "four groups, 20 labels": ScenesSettings(groups=4, labels=20, tilted=5, cues=10),
    "nothing tilted": ScenesSettings(labels=4, tilted=0, cues=3),
    "no cues": ScenesSettings(labels=4, tilted=2, cues=0),
    "single-label": ScenesSettings(kind="single"),
    "single-label, shared cues, three groups": ScenesSettings(
        kind="single", groups=3, labels=6, cues=2, labels_per_cue=3, cue_boost=2.0
    ),
}


def sample(truth: ScenesTruth, seed: int = 0, n: int = N) -> Drawn:
    return draw(truth, n, np.random.default_rng(seed))


def worst(counts: NDArray[np.int64], chances: NDArray[np.float64], of: NDArray[np.int64]) -> float:
    """Smallest p-value, times the number of tests, of counts that are binomial of `of` images with these chances."""
    tested = [
        float(stats.binomtest(int(c), int(n), float(p)).pvalue) if 0 < p < 1 else float(c == n * p)
        for c, n, p in zip(counts.ravel(), of.ravel(), chances.ravel(), strict=True)
        if n
    ]
    return min(tested) * len(tested)


def by_group(flags: NDArray[np.bool_], groups: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    return np.stack([flags[groups == group].sum(axis=0) for group in range(k)])


def of_each(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.broadcast_to(sizes[:, None], counts.shape)


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_drawn_follows_the_probabilities(name: str) -> None:
    truth = ScenesTruth.of(WORLDS[name])
    drawn, k = sample(truth), len(truth.cue_given_group)
    sizes = np.bincount(drawn.groups, minlength=k)
    assert worst(sizes, np.full(k, 1 / k), np.full(k, N)) > 1e-3
    labels, cues = by_group(drawn.labels, drawn.groups, k), by_group(drawn.cues, drawn.groups, k)
    assert worst(labels, truth.label_given_group, of_each(labels, sizes)) > 1e-3
    if cues.size:
        assert worst(cues, truth.cue_given_group, of_each(cues, sizes)) > 1e-3
    for at, look in enumerate(LOOKS):
        styles = by_group(np.eye(k, dtype=bool)[drawn.styles[:, at]], drawn.groups, k)
        assert worst(styles, truth.style_given_group[look], of_each(styles, sizes)) > 1e-3
    for label in np.flatnonzero(truth.cue_of_label >= 0):
        cue = drawn.cues[:, truth.cue_of_label[label]]
        for state in (0, 1):
            rows = cue == state
            has = by_group(drawn.labels[rows, label], drawn.groups[rows], k)
            of = np.bincount(drawn.groups[rows], minlength=k)
            assert worst(has, truth.label_given_cue[state, :, label], of) > 1e-3
        rows = drawn.labels[:, label]
        there = by_group(cue[rows], drawn.groups[rows], k)
        assert worst(there, truth.cue_given_label[:, label], np.bincount(drawn.groups[rows], minlength=k)) > 1e-3


def test_the_check_of_frequencies_sees_another_world() -> None:
    """The control."""
    drawn = sample(ScenesTruth.of(ScenesSettings(correlation=0.4)))
    labels = by_group(drawn.labels, drawn.groups, 2)
    other = ScenesTruth.of(ScenesSettings(correlation=0.3)).label_given_group
    assert worst(labels, other, of_each(labels, np.bincount(drawn.groups))) < 1e-6


def sets_by_hand(truth: ScenesTruth) -> NDArray[np.float64]:
    """P(label set | group) by summing over every state of every cue."""
    k, t = truth.label_given_group.shape
    m = truth.cue_given_group.shape[1]
    table = np.zeros((2**t, k))
    for group, row in itertools.product(range(k), range(2**t)):
        has = [bool(row >> label & 1) for label in range(t)]
        tilted = [truth.label_given_group[group, label] for label in range(truth.tilted)]
        on = [p for p, there in zip(tilted, has, strict=False) if there]
        if len(on) > 1:
            continue
        first = on[0] if on else 1 - sum(tilted)
        for cues in itertools.product((0, 1), repeat=m):
            p = first
            for cue, state in enumerate(cues):
                p *= truth.cue_given_group[group, cue] if state else 1 - truth.cue_given_group[group, cue]
            for label in range(truth.tilted, t):
                state = cues[truth.cue_of_label[label]] if truth.cue_of_label[label] >= 0 else 0
                chance = truth.label_given_cue[state, group, label]
                p *= chance if has[label] else 1 - chance
            table[row, group] += p
    return table


@pytest.mark.parametrize("name", ["two labels share a cue", "three groups", "nothing tilted", "no cues"])
def test_label_sets_against_enumeration(name: str) -> None:
    truth = ScenesTruth.of(WORLDS[name])
    by_hand = sets_by_hand(truth)
    np.testing.assert_allclose(truth.label_sets(), by_hand, atol=1e-12)
    np.testing.assert_allclose(by_hand.sum(axis=0), 1.0)
    drawn = sample(truth)
    t, k = drawn.labels.shape[1], by_hand.shape[1]
    rows = drawn.labels @ (2 ** np.arange(t))
    counts = np.stack([np.bincount(rows[drawn.groups == group], minlength=2**t) for group in range(k)], axis=1)
    often = by_hand.min(axis=1) * N / k > 5
    for group in range(k):
        expected = np.append(by_hand[often, group], by_hand[~often, group].sum()) * counts[:, group].sum()
        seen = np.append(counts[often, group], counts[~often, group].sum())
        assert stats.chisquare(seen[expected > 0], expected[expected > 0]).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_the_dial_of_correlation(kind: str) -> None:
    """Without tilt labels tell nothing of the group; with more, more."""
    world = ScenesSettings(kind=kind)  # type: ignore[arg-type]
    found = [ScenesTruth.of(replace(world, correlation=c)).dataset_leakage() for c in (0.0, 0.1, 0.2, 0.4, 0.7)]
    assert found[0] == pytest.approx(0.5, abs=1e-12)
    assert np.all(np.diff(found) > 0.02)
    # At most one of the tilted labels, each with (1 + c)/2 of its images in its group.
    share = 0.9 if kind == "multi" else 1.0
    np.testing.assert_allclose(found, [0.5 + share * c / 2 for c in (0.0, 0.1, 0.2, 0.4, 0.7)])


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_cues_leave_every_label_balanced(groups: int) -> None:
    truth = ScenesTruth.of(ScenesSettings(groups=groups, correlation=0.0))
    np.testing.assert_allclose(truth.group_given_label, 1 / groups)
    raised = truth.cue_of_label >= 0
    there = truth.cue_given_group[:, truth.cue_of_label[raised]]
    over_cues = (1 - there) * truth.label_given_cue[0][:, raised] + there * truth.label_given_cue[1][:, raised]
    np.testing.assert_allclose(over_cues, truth.label_given_group[:, raised])
    np.testing.assert_allclose(truth.label_given_cue[1][:, raised] / truth.label_given_cue[0][:, raised], 4.0)
    assert truth.dataset_leakage() == pytest.approx(1 / groups)
    assert truth.cue_leakage() > 1 / groups + 0.3


def test_the_other_dials() -> None:
    default = ScenesTruth.of(ScenesSettings())
    np.testing.assert_allclose(np.sort(default.cue_given_group, axis=0), [[0.25] * 6, [0.75] * 6])
    assert ScenesTruth.of(ScenesSettings(cue_strength=0.0)).cue_leakage() == pytest.approx(0.5)
    assert ScenesTruth.of(ScenesSettings(cue_strength=1.0)).cue_leakage() == pytest.approx(1.0)
    blank = Looks(face=0.0, hair=0.0, clothing=0.0, silhouette=0.0)
    assert ScenesTruth.of(ScenesSettings(looks=blank)).looks_leakage() == pytest.approx(0.5)
    assert ScenesTruth.of(ScenesSettings(looks=replace(blank, hair=1.0))).looks_leakage() == pytest.approx(1.0)
    assert 0.9 < default.looks_leakage() < 1.0


def test_two_labels_of_one_cue_leak_together_though_each_is_balanced() -> None:
    truth = ScenesTruth.of(replace(SMALL, correlation=0.0, cue_strength=0.8))
    np.testing.assert_allclose(truth.group_given_label, 0.5)
    assert truth.dataset_leakage() > 0.52
    alone = ScenesTruth.of(replace(SMALL, correlation=0.0, cue_strength=0.8, labels_per_cue=1))
    assert alone.dataset_leakage() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"size": 16}, "Scenes: size: expected a whole number from 32 to 256, found 16; change this dial"),
        ({"size": 64.0}, "size: expected a whole number"),
        ({"groups": 5}, "groups: expected a whole number from 2 to 4, found 5"),
        ({"labels": 21}, "labels: expected a whole number from 2 to 20"),
        ({"noise": float("nan")}, "noise: expected a number from 0 to 0.5, found nan"),
        ({"kind": "both"}, "kind: expected multi or single, found 'both'"),
        ({"tilted": 8, "cues": 4}, "expected tilted × prevalence of at most 1, found 8 × 0.15; lower one of them"),
        ({"cues": 7}, "expected cues × labels_per_cue of at most 6 (the labels that are not tilted), found 7 × 1"),
    ],
)
def test_a_dial_outside_its_range_is_named(dials: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ScenesSettings(**dials)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_bad_input() -> None:
    with pytest.raises(InputError, match=r"no label more probable than 0\.95 .* found 1\.33"):
        Scenes(ScenesSettings(tilted=2, prevalence=0.5, cue_boost=6.0))
    with pytest.raises(InputError, match=r"looks\.hair: expected a number from 0 to 1, found 2"):
        Looks(hair=2)
    with pytest.raises(InputError, match=r"train: expected 0 to 1,000,000 images, found -1"):
        Scenes(train=-1)
    with pytest.raises(InputError, match=r"seed: expected 0 or more, found -3"):
        Scenes(seed=-3)
