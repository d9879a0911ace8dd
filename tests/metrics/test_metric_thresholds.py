"""Both thresholds against every threshold that exists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.base.errors import InputError, UndefinedError
from steelyard.metrics import calibrated_threshold, f1_optimal_threshold
from steelyard.metrics.thresholds import calibrated_thresholds, f1_optimal_thresholds

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=1, max_size=30)


def counts(target, scores, threshold):
    chosen = scores >= threshold
    return chosen.sum(), (target & chosen).sum()


@given(rows)
def test_f1_optimal_is_the_best_of_all(pairs):
    target, scores = np.array(pairs).T
    if not target.any():
        with pytest.raises(UndefinedError, match="no image has the label"):
            f1_optimal_threshold(target, scores)
        return

    def f1(threshold):
        predicted, hits = counts(target, scores, threshold)
        return 2 * hits / (predicted + target.sum())

    chosen = f1_optimal_threshold(target, scores)
    best = max(f1(s) for s in scores)
    assert f1(chosen) == pytest.approx(best)
    assert chosen == max(s for s in scores if f1(s) == pytest.approx(best))


@given(rows)
def test_calibrated_is_the_nearest_reachable_count(pairs):
    target, scores = np.array(pairs).T
    reachable = {int((scores >= s).sum()) for s in scores} | {0}
    nearest = min(reachable, key=lambda count: (abs(count - target.sum()), count))
    assert counts(target, scores, calibrated_threshold(target, scores))[0] == nearest


def test_without_ties_the_count_is_exact_where_the_public_code_is_one_short():
    rng = np.random.default_rng(0)
    target, scores = (rng.random(500) < 0.3).astype(int), rng.permutation(500) / 500
    assert counts(target, scores, calibrated_threshold(target, scores))[0] == target.sum()
    published = np.sort(scores)[-target.sum()]
    assert (scores > published).sum() == target.sum() - 1


def test_columns_at_once_are_columns_one_by_one():
    rng = np.random.default_rng(1)
    target, scores = (rng.random((60, 4)) < [0.1, 0.5, 0.9, 0]).astype(np.uint8), rng.random((60, 4)).round(1)
    best, calibrated = f1_optimal_thresholds(target, scores), calibrated_thresholds(target, scores)
    assert np.isnan(best[3])
    assert calibrated[3] > scores[:, 3].max()
    for t in range(3):
        assert best[t] == f1_optimal_threshold(target[:, t], scores[:, t])
        assert calibrated[t] == calibrated_threshold(target[:, t], scores[:, t])


@pytest.mark.parametrize("threshold", [f1_optimal_threshold, calibrated_threshold])
def test_bad_arrays_are_refused(threshold):
    with pytest.raises(InputError, match=r"scores: expected finite numbers, found nan in row 1"):
        threshold([0, 1], [0.5, np.nan])
    with pytest.raises(InputError, match=r"targets: expected 0 and 1, found 2 at row 1"):
        threshold([0, 2], [0.5, 0.1])
    with pytest.raises(InputError, match=r"targets 3, scores 2"):
        threshold([0, 1, 1], [0.5, 0.1])
