"""Score divergence: how differently a model scores two groups that have the same label.

Ramaswamy, Kim, Russakovsky, CVPR 2021, https://arxiv.org/abs/2012.01469, with a shared range of bins in place
of each group's own, under which a shift or a stretch of the scores cannot be seen.
"""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.estimate import Estimate
from steelyard.metrics.arrays import binary, group_codes, real, same_rows
from steelyard.metrics.counting import Floats, Weights, drop_round, ratio, unit_weights, weighted_sums
from steelyard.metrics.estimating import estimate

BINS = 50
FLOOR = 1e-6


def _smoothing() -> Floats:
    """`[BINS, BINS]`: a Gaussian of σ = 1 bin, cut at 4 bins, that folds back what passes an end of [0, 1].

    Folding mirrors about the edge of the last bin (… 1 0 | 0 1 …), so every row sums to 1 and no mass is
    lost.
    """
    offsets = np.arange(-4, 5)
    kernel = np.exp(-0.5 * offsets**2)
    matrix = np.zeros((BINS, BINS))
    for offset, share in zip(offsets, kernel / kernel.sum(), strict=True):
        to = np.arange(BINS) + offset
        to = np.where(to < 0, -1 - to, np.where(to >= BINS, 2 * BINS - 1 - to, to))
        np.add.at(matrix, (np.arange(BINS), to), share)
    return matrix


_SMOOTHING = _smoothing()


def score_histograms(targets: NDArray[np.uint8], scores: Floats, weights: Weights, rows: NDArray[np.int64]) -> Floats:
    """Weighted counts of the images `rows` per label, target value and bin: `[rounds, t, 2, BINS]`.

    A score of 1 belongs to the last bin; every other bin includes its lower edge.
    """
    bins = np.minimum((scores[rows] * BINS).astype(np.int64), BINS - 1)
    codes = targets[rows] * np.int64(BINS) + bins
    counts = np.empty((weights.shape[1], targets.shape[1], 2, BINS))
    drawn = weights[rows]
    for t in range(targets.shape[1]):
        cells = np.zeros((len(rows), 2 * BINS), dtype=np.uint8)
        cells[np.arange(len(rows)), codes[:, t]] = 1
        counts[:, t] = weighted_sums(cells, drawn).reshape(-1, 2, BINS)
    return counts


def score_divergence_kernel(
    targets: NDArray[np.uint8],
    groups: NDArray[np.int64],
    scores: Floats,
    *,
    k: int,
    weights: Weights | None = None,
) -> Floats:
    """Score divergence of every label.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        scores: `[n, t]`, probabilities.
        k: groups.
        weights: `[n, rounds]`, or None.

    Returns:
        `[rounds, t]`, or `[t]` without weights, in nats; NaN where a (group, target value) has no image.
    """
    drawn = unit_weights(len(targets), weights)
    densities, logs = [], []
    for group in range(k):
        counts = score_histograms(targets, scores, drawn, np.flatnonzero(groups == group))
        smooth = ratio(counts, counts.sum(axis=-1, keepdims=True)) @ _SMOOTHING + FLOOR
        densities.append(smooth / smooth.sum(axis=-1, keepdims=True))
        logs.append(np.log(densities[-1]))
    # KL(p‖q) + KL(q‖p) in one sum
    pairs = [((densities[a] - densities[b]) * (logs[a] - logs[b])).sum(axis=-1) for a, b in combinations(range(k), 2)]
    return drop_round(np.mean(pairs, axis=0).mean(axis=-1), weights)


def score_divergence(
    targets: ArrayLike,
    groups: ArrayLike,
    scores: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How differently the scores of one label are distributed in the groups, at the same true label.

    KL(p‖q) + KL(q‖p) between the histograms of two groups (50 bins on [0, 1], smoothed by a Gaussian of one
    bin that folds back at both ends, + 1e-6, renormalised), averaged over images with and without the label,
    and over all pairs of groups.

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers, any k ≥ 2 groups.
        scores: `[image]`, probabilities.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        Nats, at least 0 and at most 2·ln(1 + 10⁶) ≈ 27.6; 0 is no difference. Sampling noise alone makes it
        positive, and resampling adds to that: from some hundreds of images per cell the interval can be
        trusted.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: a group has no image with, or none without, the label.
    """
    truth = binary("targets", targets, 1)[:, None]
    likely = real("scores", scores, 1, probabilities=True)[:, None]
    coded, levels = group_codes({"groups": groups})
    return estimate(
        "score_divergence",
        lambda weights: score_divergence_kernel(truth, coded["groups"], likely, k=len(levels), weights=weights)[..., 0],
        same_rows(targets=truth, groups=coded["groups"], scores=likely),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="nats",
        of="scores",
        undefined="a group has too few images with or without the label",
    )
