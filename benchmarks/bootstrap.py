"""The bootstrap by weights beside the plain loop: 500 rounds of four measures, 19,962 images, 26 attributes.

AP is average precision, DEO the difference of true positive rates (signed here, so that its sign is compared too), BA
directional amplification and KL the divergence of the groups' scores. The plain loop resamples rows, round by round
and attribute by attribute, and calls scikit-learn for AP and plain numpy for the rest. It sees the same resamples;
both must agree to 1e-9. It is run for a stated part of the rounds, and its time scaled to all of them; ours is run in
full, the drawing of the weights included.
"""

import os
import time

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from steelyard.base.random import stream
from steelyard.metrics.bootstrap import draw_weights
from steelyard.metrics.directional import direction_signs
from steelyard.metrics.panel import LabelPanel, label_panel

IMAGES, LABELS, ROUNDS = 19_962, 26, 500
PLAIN_ROUNDS = 25
SMOOTHING_REACH = 4

Floats = NDArray[np.float64]
Table = tuple[NDArray[np.uint8], NDArray[np.int64], Floats, NDArray[np.uint8]]


def simulated(images: int, labels: int, seed: int = 0) -> Table:
    """Targets, groups, probabilities and decisions, skewed by group; shares of positives from 2 to 80 %."""
    rng = stream(seed, "benchmark")
    groups = (rng.random(images) < 0.4).astype(np.int64)
    lean = rng.normal(0, 0.8, labels)
    offset = rng.uniform(-3.5, 1.2, labels)
    logits = offset + lean * (groups[:, None] - 0.5)
    targets = (rng.random((images, labels)) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    evidence = 1.5 * targets + 0.3 * lean * groups[:, None] + rng.normal(0, 1, (images, labels)) + offset
    scores = np.round(1 / (1 + np.exp(-evidence)), 4)  # rounding makes ties
    return targets, groups, scores, (scores >= 0.5).astype(np.uint8)


def plain_divergence(target: NDArray[np.uint8], group: NDArray[np.int64], scores: Floats) -> float:
    """Symmetric KL between the groups' histograms, mean over both target values."""
    steps = np.arange(-SMOOTHING_REACH, SMOOTHING_REACH + 1)
    gauss = np.exp(-0.5 * steps**2) / np.exp(-0.5 * steps**2).sum()
    total = 0.0
    for value in (0, 1):
        densities = []
        for person in (0, 1):
            chosen = scores[(target == value) & (group == person)]
            counts = np.bincount(np.minimum((chosen * 50).astype(int), 49), minlength=50)
            mirrored = np.pad(counts / counts.sum(), SMOOTHING_REACH, mode="symmetric")
            smooth = np.convolve(mirrored, gauss, mode="valid") + 1e-6
            densities.append(smooth / smooth.sum())
        p, q = densities
        total += float((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum())
    return total / 2


def plain_round(table: Table, rows: NDArray[np.int64], signs: NDArray[np.int8]) -> Floats:
    """`[4, t]`: the four measures of one resample, by the plain loop over attributes."""
    targets, groups, scores, decisions = (array[rows] for array in table)
    values = np.empty((4, targets.shape[1]))
    first, second = groups == 1, groups == 0
    for t in range(targets.shape[1]):
        target, decided = targets[:, t], decisions[:, t]
        values[0, t] = average_precision_score(target, scores[:, t])
        values[1, t] = decided[first & (target == 1)].mean() - decided[second & (target == 1)].mean()
        gains = [decided[chosen].mean() - target[chosen].mean() for chosen in (second, first)]
        values[2, t] = np.mean(signs[:, t] * gains)
        values[3, t] = plain_divergence(target, groups, scores[:, t])
    return values


def largest_difference(panel: LabelPanel, table: Table, weights: NDArray[np.uint8], signs: NDArray[np.int8]) -> float:
    """Between the panel and the plain loop, over every round of `weights`; NaN where one is undefined."""
    ours = np.stack(
        [
            panel.average_precision,
            panel.opportunity,
            panel.directional_amplification,
            panel.score_divergence,
        ]
    )
    images = np.arange(len(weights))
    plain = [plain_round(table, np.repeat(images, weights[:, r]), signs) for r in range(weights.shape[1])]
    return float(np.abs(ours[:, : len(plain)] - np.stack(plain, axis=1)).max())


def main() -> None:
    table = simulated(IMAGES, LABELS)
    targets, groups, scores, decisions = table
    signs = direction_signs(targets, groups, 2)

    start = time.perf_counter()
    weights = draw_weights(IMAGES, ROUNDS, rng=stream(0, "bootstrap"))
    panel = label_panel(targets, groups, scores, decisions, k=2, probabilities=scores, signs=signs, weights=weights)
    ours = time.perf_counter() - start

    start = time.perf_counter()
    difference = largest_difference(panel, table, weights[:, :PLAIN_ROUNDS], signs)
    plain = (time.perf_counter() - start) * ROUNDS / PLAIN_ROUNDS
    if not difference <= 1e-9:
        raise SystemExit(f"bootstrap: the plain loop differs by {difference:.2e}, more than 1e-9")

    print(f"bootstrap: AP, DEO, BA, KL; {IMAGES:,} images, {LABELS} labels, {ROUNDS} rounds, {os.cpu_count()} cores")
    print(f"  by weights            {ours:8.2f} s   all rounds, drawing included")
    print(f"  plain loop            {plain:8.1f} s   scaled from {PLAIN_ROUNDS} of {ROUNDS} rounds")
    print(f"  ratio                 {plain / ours:8.1f}     wanted: 7 or more, and 7 s or less")
    print(f"  largest difference    {difference:8.1e}     on the same {PLAIN_ROUNDS} resamples; wanted: 1e-9")


if __name__ == "__main__":
    main()
