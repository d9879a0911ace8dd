"""Thresholds fitted on validation rows; the rule everywhere is: positive where score ≥ threshold.

Both are those of Ramaswamy, Kim, Russakovsky, CVPR 2021, https://arxiv.org/abs/2012.01469, found exactly
instead of on a grid and without the off-by-one of its public code.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import UndefinedError
from steelyard.metrics.arrays import binary, real, same_rows
from steelyard.metrics.counting import Floats


def f1_optimal_thresholds(targets: NDArray[np.uint8], scores: Floats) -> Floats:
    """`f1_optimal_threshold` of each column, `[n, t]` to `[t]`; NaN for a label without positives."""
    return np.array([_f1_optimal(targets[:, t], scores[:, t]) for t in range(targets.shape[1])])


def calibrated_thresholds(targets: NDArray[np.uint8], scores: Floats) -> Floats:
    """`calibrated_threshold` of each column, `[n, t]` to `[t]`."""
    return np.array([_calibrated(targets[:, t], scores[:, t]) for t in range(targets.shape[1])])


def _cuts(scores: Floats) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct scores, falling; how many images are at or above each; the order by falling score."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    return falling[ends], ends + 1, order


def _f1_optimal(target: NDArray[np.uint8], scores: Floats) -> float:
    positives = int(target.sum())
    if positives == 0:
        return float("nan")
    thresholds, predicted, order = _cuts(scores)
    hits = np.cumsum(target[order], dtype=np.int64)[predicted - 1]
    return float(thresholds[np.argmax(hits / (predicted + positives))])


def _calibrated(target: NDArray[np.uint8], scores: Floats) -> float:
    thresholds, predicted, _ = _cuts(scores)
    # One more cut, just above every score, under which nothing is predicted.
    thresholds = np.append(np.nextafter(thresholds[0], np.inf), thresholds)
    miss = np.abs(np.append(0, predicted) - int(target.sum()))
    return float(thresholds[np.argmin(miss)])


def f1_optimal_threshold(targets: ArrayLike, scores: ArrayLike) -> float:
    """The threshold with the highest F1 on these images; of equals, the highest threshold.

    Args:
        targets: `[image]`, 0 or 1.
        scores: `[image]`, finite.

    Returns:
        One of the scores: the lowest that still counts as positive.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no image has the label, so that F1 does not exist.
    """
    truth, ranks = binary("targets", targets, 1), real("scores", scores, 1)
    same_rows(targets=truth, scores=ranks)
    threshold = _f1_optimal(truth, ranks)
    if np.isnan(threshold):
        raise UndefinedError("f1_optimal_threshold: no image has the label; leave it out")
    return threshold


def calibrated_threshold(targets: ArrayLike, scores: ArrayLike) -> float:
    """The threshold under which as many images are predicted positive as are positive.

    Where tied scores make that count unreachable, the nearest count that can be reached is taken; of two
    equally near, the smaller.

    Args:
        targets: `[image]`, 0 or 1.
        scores: `[image]`, finite.

    Returns:
        One of the scores, or, where nothing is to be predicted, the next number above them all.

    Raises:
        InputError: shapes or values are not as above.
    """
    truth, ranks = binary("targets", targets, 1), real("scores", scores, 1)
    same_rows(targets=truth, scores=ranks)
    return _calibrated(truth, ranks)
