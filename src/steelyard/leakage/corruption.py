"""Corruption channels: labels with random errors only, at a wanted F1.

λ_D(a) asks how much labels would give away if their errors were chance alone. One corruption, drawn once, feeds both
the F1 and the attacker (trap W3), and its strength is solved for on that same draw (trap W4).

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, UndefinedError
from steelyard.leakage.evidence import Evidence, label_evidence
from steelyard.tables.label_table import Kind

Channel = Literal["flip", "replace", "prevalence"]
CHANNELS: tuple[Channel, ...] = ("flip", "replace", "prevalence")
_MOST = {"flip": 0.5, "replace": 1.0, "prevalence": 1.0}
_STEPS = 40


def default_channel(kind: Kind) -> Channel:
    """`replace` for single-label data, `flip` for multi-label data."""
    return "replace" if kind == "single" else "flip"


def macro_f1(truth: NDArray[np.integer], decided: NDArray[np.integer], categories: int) -> float:
    """Macro-F1 over targets with positives, in [0, 1]; NaN where no target has one.

    Args:
        truth: `[n]` categories or `[n, t]` 0/1.
        decided: the same shape, or `[n, t]` 0/1 beside categories.
        categories: t.
    """
    if truth.ndim == 1 and decided.ndim == 1:
        both = np.bincount(truth[truth == decided], minlength=categories)
        sizes = np.bincount(truth, minlength=categories) + np.bincount(decided, minlength=categories)
        positives = np.bincount(truth, minlength=categories)
    else:
        known = np.eye(categories, dtype=bool)[truth] if truth.ndim == 1 else truth.astype(bool)
        said = decided.astype(bool)
        both = (known & said).sum(axis=0)
        positives = known.sum(axis=0)
        sizes = positives + said.sum(axis=0)
    scored = positives > 0
    return float(np.mean(2.0 * both[scored] / sizes[scored])) if scored.any() else float("nan")


@dataclass(frozen=True, slots=True)
class Noise:
    """One draw of a channel over all rows; `at(p)` are the labels corrupted with probability p.

    The entries corrupted at p are among those corrupted at any larger p, so that F1 falls on the whole as p rises.

    Attributes:
        channel: which channel.
        truth: `[n]` categories or `[n, t]` 0/1.
        categories: t.
        when: uniform numbers, one per label that can be corrupted; corrupted where below p.
        instead: what stands there then.
    """

    channel: Channel
    truth: NDArray[np.integer]
    categories: int
    when: NDArray[np.float32]
    instead: NDArray[np.integer]

    def at(self, p: float) -> NDArray[np.integer]:
        """Corrupted labels: `[n]` categories, or `[n, t]` 0/1 (`flip` on categories gives 0/1 columns)."""
        truth = self.truth
        if self.channel == "flip" and truth.ndim == 1:
            truth = np.eye(self.categories, dtype=np.uint8)[truth]
        return np.where(self.when < np.float32(p), self.instead, truth)

    def evidence(self, p: float) -> Evidence:
        """The corrupted labels as an attacker sees them."""
        labels = self.at(p)
        return label_evidence(labels, "single" if labels.ndim == 1 else "multi", self.categories)

    def f1(self, p: float, rows: NDArray[np.int64]) -> float:
        """Macro-F1 of the corrupted labels of `rows` against the truth."""
        return macro_f1(self.truth[rows], self.at(p)[rows], self.categories)


def draw_noise(targets: NDArray[np.integer], categories: int, channel: Channel, rng: np.random.Generator) -> Noise:
    """Draw a channel once.

    Args:
        targets: `[n]` categories (single-label) or `[n, t]` 0/1 (multi-label).
        categories: t.
        channel: `flip` inverts each 0/1 label with probability p ≤ ½; `replace` puts a category drawn uniformly from
            all of them (single-label only); `prevalence` puts a label drawn from the labels' own marginals.
        rng: source of randomness.

    Raises:
        InputError: `replace` on multi-label data, or an unknown channel.
    """
    if channel not in CHANNELS:
        raise InputError(f"--channel: there is no {channel!r}; choose from {', '.join(CHANNELS)}")
    n = len(targets)
    if targets.ndim == 1:
        if channel == "flip":
            wrong = np.eye(categories, dtype=np.uint8)[targets] ^ 1
            return Noise(channel, targets, categories, rng.random((n, categories), dtype=np.float32), wrong)
        drawn = rng.integers(categories, size=n) if channel == "replace" else targets[rng.integers(n, size=n)]
        return Noise(channel, targets, categories, rng.random(n, dtype=np.float32), drawn)
    if channel == "replace":
        raise InputError(
            "--channel replace: swaps one category for another, and these labels are many 0/1 columns; "
            "use flip or prevalence"
        )
    when = rng.random(targets.shape, dtype=np.float32)
    if channel == "flip":
        return Noise(channel, targets, categories, when, (targets ^ 1).astype(np.uint8))
    drawn = (rng.random(targets.shape) < targets.mean(axis=0)).astype(np.uint8)
    return Noise(channel, targets, categories, when, drawn)


def floor_of(noise: Noise, rows: NDArray[np.int64]) -> float:
    """The lowest F1 that the channel reaches on `rows`: all information gone (flip: p = ½, trap W5)."""
    return noise.f1(_MOST[noise.channel], rows)


def solve(noise: Noise, f1: float, rows: NDArray[np.int64]) -> float:
    """The corruption probability at which this draw scores `f1` on `rows`, by bisection.

    Raises:
        UndefinedError: `f1` lies below the channel's floor, or above 1 (nothing is extrapolated), or no target has a
            positive in `rows`, so that F1 is not defined.
    """
    low, high = 0.0, _MOST[noise.channel]
    floor = noise.f1(high, rows)
    if np.isnan(floor) or np.isnan(f1):
        raise UndefinedError("F1 is not defined: no target has a positive among these images")
    if f1 < floor:
        raise UndefinedError(
            f"F1 {f1:.3f} is below what the channel {noise.channel!r} can reach here ({floor:.3f}); "
            "no random-error labels of that quality exist to compare with"
        )
    if f1 > 1.0:
        raise UndefinedError(f"an F1 of {f1:.3f} is above 1")
    if f1 == 1.0:
        return 0.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if noise.f1(middle, rows) > f1:
            low = middle
        else:
            high = middle
        if high - low < 1e-6:
            break
    return 0.5 * (low + high)
