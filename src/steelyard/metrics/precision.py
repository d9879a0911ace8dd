"""Average precision: how well scores rank the images that have a label above those that do not.

The step-wise area under the precision–recall curve, one step per distinct score, without interpolation, as in
Ramaswamy, Kim, Russakovsky, CVPR 2021, https://arxiv.org/abs/2012.01469.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.estimate import Estimate
from steelyard.metrics.arrays import binary, real, same_rows, score_targets
from steelyard.metrics.counting import (
    Floats,
    Weights,
    blocks,
    drop_round,
    mean_defined,
    running_sum,
    unit_weights,
)
from steelyard.metrics.estimating import estimate

_ENTRIES = 2**22  # counts summed at a time by each thread: 16 MB
_THREADS = min(4, os.cpu_count() or 1)


def average_precision_kernel(targets: NDArray[np.uint8], scores: Floats, weights: Weights | None = None) -> Floats:
    """Average precision of every label in every round.

    Args:
        targets: `[n, t]`, 0 or 1.
        scores: `[n, t]`, finite.
        weights: `[n, rounds]`, or None for the images as they are.

    Returns:
        `[rounds, t]`, or `[t]` without weights; NaN where no positive is drawn.
    """
    drawn = unit_weights(len(targets), weights)
    with ThreadPoolExecutor(_THREADS) as pool:  # numpy frees the interpreter while it adds
        labels = list(pool.map(lambda t: _of_label(targets[:, t], scores[:, t], drawn), range(targets.shape[1])))
    return drop_round(np.stack(labels, axis=1), weights)


def _of_label(target: NDArray[np.uint8], scores: Floats, weights: Weights) -> Floats:
    """`[rounds]`: the mean over positives of the precision at their score, weighted as they are drawn."""
    values = np.full(weights.shape[1], np.nan)
    order = np.argsort(-scores, kind="stable")
    positives = np.flatnonzero(target[order])
    if not len(positives):
        return values
    falling = -scores[order]
    # Equal scores are one step of the curve: what counts is everything down to the last of the tie.
    tie_end = np.searchsorted(falling, falling[positives], side="right") - 1
    last_positive = np.searchsorted(positives, tie_end, side="right") - 1
    order = order[: tie_end[-1] + 1]
    for block in blocks(len(values), max(1, _ENTRIES // len(order))):
        ranked = weights[:, block][order]
        own = ranked[positives]
        hits = running_sum(own, last_positive)
        precision = hits / np.maximum(running_sum(ranked, tie_end), 1)
        with np.errstate(invalid="ignore"):  # 0 / 0 in a round without positives: NaN is meant
            values[block] = (own * precision).sum(axis=0) / hits[-1]
    return values


def mean_average_precision_kernel(targets: NDArray[np.uint8], scores: Floats, weights: Weights | None = None) -> Floats:
    """Mean of `average_precision_kernel` over the labels with positives in the round: `[rounds]`."""
    return mean_defined(average_precision_kernel(targets, scores, weights), -1)


def average_precision(
    targets: ArrayLike,
    scores: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How well the scores rank the images with a label above those without.

    Args:
        targets: `[image]`, 0 or 1.
        scores: `[image]`, any finite numbers, higher where the label is likelier.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]; 1 is a perfect ranking, chance is the share of positives.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no image has the label.
    """
    truth, ranks = binary("targets", targets, 1)[:, None], real("scores", scores, 1)[:, None]
    return estimate(
        "average_precision",
        lambda weights: average_precision_kernel(truth, ranks, weights)[..., 0],
        same_rows(targets=truth, scores=ranks),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="scores",
        undefined="no image has the label; leave it out",
    )


def mean_average_precision(
    targets: ArrayLike,
    scores: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """Average precision, averaged over the labels that have positives.

    Args:
        targets: `[image, label]`, 0 or 1, or `[image]` integer categories 0 … t − 1.
        scores: `[image, label]`, any finite numbers.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]; 1 is a perfect ranking for every label. Labels without positives are left out
        and counted in the note.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no label has a positive.
    """
    ranks = real("scores", scores, 2)
    truth = score_targets(targets, ranks)
    absent = int((truth.sum(axis=0) == 0).sum())
    return estimate(
        "mean_average_precision",
        lambda weights: mean_average_precision_kernel(truth, ranks, weights),
        same_rows(targets=truth, scores=ranks),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="scores",
        undefined="no label has a positive image",
        note=f"{absent} of {truth.shape[1]} labels have no positives and are left out" if absent else "",
    )
