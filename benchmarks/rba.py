"""RBA at the size of COCO's test images: the whole calibration, and its rounds beside a plain loop over images.

The loop takes one image at a time with numpy along its labels, and the same steps, so both end at the same prices.
"""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.balance import coco_like
from steelyard.mitigation.predictions import ShareConstraints, calibrate, share_constraints
from steelyard.mitigation.predictions.multi_label import MultiLabelCorpus
from steelyard.mitigation.predictions.relaxation import relax

IMAGES, LABELS, TRAINING = 5_000, 79, 22_826
ROUNDS = 8
Floats = NDArray[np.float64]


def corpus(seed: int) -> tuple[Floats, Floats, ShareConstraints]:
    """Potentials and group scores that know the truth and lean towards the training shares; constraints."""
    rng = np.random.default_rng(seed)
    targets, groups = coco_like(TRAINING + IMAGES, LABELS, rng)
    train, test = slice(TRAINING), slice(TRAINING, None)
    names = [str(label) for label in range(LABELS)]
    constraints = share_constraints(targets[train], groups[train], k=2, names=names)
    rate = np.stack([targets[train][groups[train] == g].mean(axis=0) for g in (0, 1)]) + 0.001
    truth, noise = targets[test].astype(float), rng.normal(0, 1, (IMAGES, 1, LABELS))
    own = rng.normal(0, 0.5, (IMAGES, 2, LABELS))
    potentials = np.zeros((IMAGES, 2, LABELS, 2))
    potentials[..., 1] = 4 * truth[:, None] - 2.5 + noise + own + 3 * np.log(rate / rate.mean(axis=0))
    scores = 5 * np.eye(2)[groups[test]] + rng.normal(0, 1, (IMAGES, 2))
    return potentials, scores, constraints


def plain_loop(
    potentials: Floats, scores: Floats, limits: ShareConstraints, unit: float, rounds: int
) -> list[tuple[float, Floats, float]]:
    """The bound, the counts and the seconds of each round, one image at a time."""
    above, below = np.zeros_like(limits.low), np.zeros_like(limits.low)
    gain = potentials[..., 1] - potentials[..., 0]
    base = scores + potentials[..., 0].sum(axis=2)
    record = []
    for t in range(1, rounds + 1):
        start = time.perf_counter()
        shared = (limits.low * below - limits.high * above).sum(axis=1, keepdims=True)
        prices = np.zeros((gain.shape[2], limits.k))
        prices[limits.targets] = above - below + shared
        counts, value = np.zeros((limits.k, gain.shape[2])), 0.0
        for image in range(len(gain)):
            best, group, labels = -np.inf, 0, None
            for g in range(limits.k):
                worth = gain[image, g] - prices[:, g]
                present = worth > 0
                total = base[image, g] + worth[present].sum()
                if total > best:
                    best, group, labels = total, g, present
            value += best
            counts[group] += labels
        own = counts.T[limits.targets]
        totals = own.sum(axis=1, keepdims=True)
        shares = own / np.maximum(totals, 1)
        above = np.maximum(above + unit / np.sqrt(t) * np.where(totals > 0, shares - limits.high, 0), 0)
        below = np.maximum(below + unit / np.sqrt(t) * np.where(totals > 0, limits.low - shares, 0), 0)
        record.append((value, own, time.perf_counter() - start))
    return record


def main() -> None:
    """Print the calibration, then the seconds of a round both ways."""
    potentials, scores, constraints = corpus(0)
    start = time.perf_counter()
    found = calibrate(potentials, scores, constraints)
    seconds = time.perf_counter() - start
    print(f"calibrating {IMAGES:,} images x {LABELS} labels, 2 groups, {len(constraints)} labels constrained")
    print(
        f"{seconds:.2f} s: {found.finish}, gap {found.gap:.4%}, price {found.price:.3%};"
        f" labels violated {found.rounds[0].violated} -> {(found.violations_after > 0).any(axis=1).sum()}"
    )
    own = MultiLabelCorpus(potentials, scores, constraints)
    tries = []
    for _ in range(10):
        start = time.perf_counter()
        relaxed = relax(own, rounds=ROUNDS, step=1.0)
        tries.append((time.perf_counter() - start) / ROUNDS)
    looped = plain_loop(potentials, scores, constraints, own.unit, ROUNDS)
    free = looped[0][0]  # without prices; a corpus counts from there
    for step, (value, counts, _) in zip(relaxed.rounds, looped, strict=True):
        if not np.isclose(step.dual + free, value, rtol=1e-12) or step.violated != _violated(counts, constraints):
            raise AssertionError(f"the loop found a bound of {value}, the vectorised round {step.dual}")
    # The shortest of each, as other work on the machine only ever lengthens them.
    ours, plain = min(tries), min(seconds for *_, seconds in looped)
    print(f"one round: {ours * 1e3:.2f} ms; a loop over images {plain * 1e3:.0f} ms, {plain / ours:.0f} times as long")


def _violated(counts: Floats, limits: ShareConstraints) -> int:
    return int((~limits.holds(counts.astype(np.int64))).any(axis=1).sum())


if __name__ == "__main__":
    main()
