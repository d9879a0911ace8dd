"""95 % intervals cover a planted truth in 92 – 98 % of 500 simulations.

Sizes are such that the percentile bootstrap may be trusted: some tens of images or more in every cell that a rate is
taken over. The last test shows that the count tells a wrong interval from a right one.
"""

import numpy as np
import pytest
from scipy import integrate, stats

from steelyard.metrics.bootstrap import draw_weights, percentile_interval
from steelyard.metrics.decisions import balanced_accuracy_kernel, f1_macro_kernel
from steelyard.metrics.directional import directional_kernel
from steelyard.metrics.opportunity import opportunity_difference_kernel
from steelyard.metrics.precision import average_precision_kernel

SIMULATIONS, ROUNDS = 500, 300
SHARE = 0.3  # of positives


def average_precision_case(rng, n=1200):
    """Scores N(0, 1), or N(1.2, 1) with the label.

    Average precision of a sample is too high by about 0.7 / positives, and resampling adds the same again, so that it
    wants some hundreds of positives (360 here) where rates want tens.
    """
    y = (rng.random((n, 1)) < SHARE).astype(np.uint8)
    scores = rng.normal(0, 1, (n, 1)) + 1.2 * y
    return lambda w: average_precision_kernel(y, scores, w)[..., 0], n


def average_precision_truth():
    def precision(recall):
        threshold = stats.norm.isf(recall, 1.2)
        return SHARE * recall / (SHARE * recall + (1 - SHARE) * stats.norm.sf(threshold))

    return integrate.quad(precision, 0, 1)[0]


HIT, FALSE = np.array([0.8, 0.6, 0.5]), np.array([0.1, 0.2, 0.05])


def f1_case(rng, n=500):
    """Three labels, found and falsely found at known rates."""
    y = (rng.random((n, 3)) < SHARE).astype(np.uint8)
    d = (rng.random((n, 3)) < np.where(y, HIT, FALSE)).astype(np.uint8)
    return lambda w: f1_macro_kernel(y, d, w), n


F1_TRUTH = float(np.mean(2 * SHARE * HIT / (SHARE + SHARE * HIT + (1 - SHARE) * FALSE)))

TRUE_RATE, PREDICTED_RATE = np.array([[0.3, 0.5], [0.4, 0.2]]), np.array([[0.2, 0.5], [0.45, 0.1]])
SIGNS = np.array([[-1, 1], [1, -1]], dtype=np.int8)  # of TRUE_RATE, with both groups equally frequent


def directional_case(rng, n=400, fixed=True):
    """Two groups, two labels, predicted at other rates than they occur."""
    groups = rng.integers(0, 2, n)
    y, p = ((rng.random((n, 2)) < rate[groups]).astype(np.uint8) for rate in (TRUE_RATE, PREDICTED_RATE))
    signs = SIGNS if fixed else None
    return lambda w: directional_kernel(y, groups, p, k=2, signs=signs, weights=w), n


DIRECTIONAL_TRUTH = float((SIGNS * (PREDICTED_RATE - TRUE_RATE)).mean())


def opportunity_case(rng, n=600):
    """True positive rates 0.8 and 0.65."""
    groups = rng.integers(0, 2, n)
    y = (rng.random((n, 1)) < SHARE).astype(np.uint8)
    d = (rng.random((n, 1)) < np.where(y == 1, np.array([0.8, 0.65])[groups][:, None], 0.1)).astype(np.uint8)
    return lambda w: opportunity_difference_kernel(y, groups, d, k=2, group=1, reference=0, weights=w)[..., 0], n


def balanced_accuracy_case(rng, n=400):
    """Three classes, recognised in 70, 50 and 60 %."""
    classes = rng.integers(0, 3, n)
    right = rng.random(n) < np.array([0.7, 0.5, 0.6])[classes]
    guessed = np.where(right, classes, (classes + 1) % 3)
    return lambda w: balanced_accuracy_kernel(classes, guessed, w), n


def coverage(case, truth, level=0.95):
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(SIMULATIONS):
        kernel, n = case(rng)
        samples = kernel(draw_weights(n, ROUNDS, rng=rng))
        ends = percentile_interval(samples, level, around=float(np.squeeze(kernel(None))))
        inside += bool(ends.low <= truth <= ends.high)
    return inside / SIMULATIONS


@pytest.mark.parametrize(
    ("case", "truth"),
    [
        pytest.param(average_precision_case, average_precision_truth(), id="average_precision"),
        pytest.param(f1_case, F1_TRUTH, id="f1_macro"),
        pytest.param(directional_case, DIRECTIONAL_TRUTH, id="directional_amplification"),
        pytest.param(lambda rng: directional_case(rng, fixed=False), DIRECTIONAL_TRUTH, id="directional_own_direction"),
        pytest.param(opportunity_case, -0.15, id="opportunity_difference"),
        pytest.param(balanced_accuracy_case, 0.6, id="balanced_accuracy"),
    ],
)
def test_intervals_cover_the_truth(case, truth):
    assert 0.92 <= coverage(case, truth) <= 0.98


def test_the_count_tells_a_wrong_interval():
    assert coverage(opportunity_case, -0.15, level=0.85) < 0.92
    assert coverage(opportunity_case, -0.05) < 0.92
