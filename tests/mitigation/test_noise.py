"""Noise on the embedding takes quality and leakage away together; without noise nothing changes, bit for bit."""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score

from steelyard.base.errors import InputError
from steelyard.mitigation.features.noise import linear_head, noise_sweep, noisy_scores, spread_of

SCALES = (0.0, 0.5, 1.0, 2.0, 4.0, 16.0)
N, LABELS = 6000, 6


def world(kind, seed=0):
    """An embedding that holds labels and group, and a head that reads both: its logits leak the group."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 2, N)
    if kind == "multi":
        targets = rng.integers(0, 2, (N, LABELS))
        signal = targets * 2.0 - 1
    else:
        targets = rng.integers(0, LABELS, N)
        signal = np.eye(LABELS)[targets] * 2.5
    cue = (groups * 2.0 - 1)[:, None] + rng.normal(0, 0.5, (N, 2))
    embedding = np.hstack([signal + rng.normal(0, 0.4, (N, LABELS)), cue, np.zeros((N, 1)), 40 * cue[:, :1]])
    weight = np.zeros((LABELS, LABELS + 4))
    weight[:, :LABELS] = np.eye(LABELS) * 2
    weight[:, LABELS] = np.tile([0.9, -0.9], 3)
    return embedding.astype(np.float32), weight.astype(np.float32), np.zeros(LABELS, np.float32), targets, groups


def quality(kind, targets, scores):
    if kind == "single":
        return float((scores.argmax(axis=1) == targets).mean())
    return float(f1_score(targets, scores >= 0, average="macro", zero_division=0))


def leakage(scores, groups):
    half = N // 2
    x = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    attacker = LogisticRegression().fit(x[:half], groups[:half])
    return float(balanced_accuracy_score(groups[half:], attacker.predict(x[half:])))


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_quality_and_leakage_fall_with_the_scale(kind):
    embedding, weight, bias, targets, groups = world(kind)
    sweep = noise_sweep(embedding, linear_head(weight, bias), SCALES, seed=3)
    assert [scale for scale, _ in sweep] == list(SCALES)
    good = [quality(kind, targets, scores) for _, scores in sweep]
    leaks = [leakage(scores, groups) for _, scores in sweep]
    assert good[0] > 0.85
    assert leaks[0] > 0.75, "the control: there is something to hide"
    assert all(b < a for a, b in itertools.pairwise(good))
    assert all(b < a + 0.01 for a, b in itertools.pairwise(leaks))
    assert leaks[-1] < 0.56
    assert good[-1] < (0.6 if kind == "multi" else 0.3)


def test_no_noise_is_the_model_itself_bit_for_bit():
    embedding, weight, bias, *_ = world("multi")
    own = embedding @ weight.T + bias
    given = []

    def head(x):
        given.append(x)
        return x @ weight.T + bias

    ((_, swept), (_, other)) = noise_sweep(embedding, head, [0.0, 1e-3], seed=1)
    assert given[0] is embedding, "the head gets the very array"
    assert np.array_equal(swept, own)
    assert not np.array_equal(other, own)
    once = noisy_scores(embedding, weight, bias, scale=0.0, rng=np.random.default_rng(0))
    assert once.dtype == np.float32
    assert np.array_equal(once, own)


def test_noise_has_the_stated_deviation():
    rng = np.random.default_rng(5)
    embedding = (rng.normal(0, [1.0, 30.0, 0.0], (40_000, 3)) + 7).astype(np.float32)
    eye, zero = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    added = noisy_scores(embedding, eye, zero, scale=0.5, rng=np.random.default_rng(1)) - embedding
    assert added.std(axis=0) == pytest.approx([0.5, 15.0, 0.0], rel=0.02)
    assert abs(np.corrcoef(added[:, 0], added[:, 1])[0, 1]) < 0.02
    absolute = noisy_scores(embedding, eye, zero, scale=0.5, rng=np.random.default_rng(1), absolute=True) - embedding
    assert absolute.std(axis=0) == pytest.approx([0.5] * 3, rel=0.02)
    assert spread_of(embedding) == pytest.approx([1.0, 30.0, 0.0], rel=0.02)


def test_scales_share_one_draw():
    embedding, weight, bias, *_ = world("multi")
    head = linear_head(weight, bias)
    (_, none), (_, one), (_, two) = noise_sweep(embedding, head, [0, 1, 2], seed=9)
    assert two - none == pytest.approx(2 * (one - none), abs=2e-5)
    again = noise_sweep(embedding, head, [2], seed=9)[0][1]
    assert np.array_equal(again, two), "a scale does not depend on the others"
    assert not np.array_equal(noise_sweep(embedding, head, [2], seed=10)[0][1], two)


def test_heads_are_combined_after_the_noise():
    embedding, weight, bias, *_ = world("multi")
    double = linear_head(np.vstack([weight, -weight]), np.hstack([bias, bias + 1]))
    ((_, scores),) = noise_sweep(embedding, double, [0.0], seed=0, combine=lambda x: x[:, :LABELS] + x[:, LABELS:])
    assert scores == pytest.approx(np.ones((N, LABELS)), abs=1e-4)


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_a_wrong_scale_is_refused(scale):
    with pytest.raises(InputError, match=r"scale: expected a number of at least 0, found"):
        noise_sweep(np.zeros((3, 2)), lambda x: x, [scale], seed=0)


def test_wrong_shapes_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="expected 5 columns, as the head has, found 4"):
        noisy_scores(np.zeros((3, 4)), np.zeros((2, 5)), np.zeros(2), scale=1, rng=rng)
    with pytest.raises(InputError, match=r"expected weight \[o, d\] and bias \[o\]"):
        linear_head(np.zeros((2, 5)), np.zeros(3))
    with pytest.raises(InputError, match="expected finite numbers"):
        noise_sweep(np.full((3, 4), np.nan), lambda x: x, [1], seed=0)
