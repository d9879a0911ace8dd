"""The bootstrap by weights: how often each image counts in each resample, drawn once, used by every measure.

Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 1979,
https://doi.org/10.1214/aos/1176344552. Intervals are percentile ones, centred on the figure: honest for means and
rates from some tens of images per cell, too narrow below that. The bias that the images themselves put into a figure
(absolute values near 0, average precision of rare labels) stays in it, and its note says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.metrics.counting import Floats, Weights, blocks, mean_defined

WeightKind = Literal["multinomial", "poisson"]

_ENTRIES = 2**23  # weights drawn and used at a time: bounds memory at some hundreds of megabytes
_DRAWN = 32  # rounds drawn at a time: their counts stay in the cache
MAX_UNDEFINED = 0.1


def draw_weights(
    n: int,
    rounds: int,
    *,
    rng: np.random.Generator,
    kind: WeightKind = "multinomial",
    strata: NDArray[np.integer] | None = None,
) -> NDArray[np.uint8]:
    """How often each of `n` images counts in each of `rounds` resamples.

    Args:
        n: images.
        rounds: resamples.
        rng: where the draws come from.
        kind: `multinomial`, n images drawn with replacement (each round sums to n), or `poisson`, an
            independent Poisson(1) count per image (each round sums to about n).
        strata: `[n]` integers; with `multinomial`, images are redrawn within each stratum, whose size stays.

    Returns:
        `[n, rounds]` in C order. An image counts 255 times or more with a probability below 1e-500.

    Raises:
        InputError: no images, no rounds, an unknown kind, or strata that do not fit.
    """
    if n < 1 or rounds < 1:
        raise InputError(f"draw_weights: expected n ≥ 1 and rounds ≥ 1, found n = {n}, rounds = {rounds}")
    if kind == "poisson":
        if strata is not None:
            raise InputError("strata: Poisson counts do not keep the size of a stratum; use kind='multinomial'")
        return rng.poisson(1.0, (n, rounds)).astype(np.uint8)
    if kind != "multinomial":
        raise InputError(f"kind: expected 'multinomial' or 'poisson', found {kind!r}")
    if strata is None:
        return _multinomial(n, rounds, rng)
    if np.shape(strata) != (n,):
        raise InputError(f"strata: expected one per image, shape ({n},), found {np.shape(strata)}")
    weights = np.empty((n, rounds), dtype=np.uint8)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        weights[rows] = _multinomial(len(rows), rounds, rng)
    return weights


def _multinomial(n: int, rounds: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    weights = np.empty((n, rounds), dtype=np.uint8)
    for drawn in blocks(rounds, _DRAWN):
        count = drawn.stop - drawn.start
        images = rng.integers(0, n, (count, n))
        images += np.arange(count)[:, None] * n
        weights[:, drawn] = np.bincount(images.ravel(), minlength=count * n).reshape(count, n).T
    return weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A percentile interval for each column of a set of bootstrap values.

    Attributes:
        low: lower ends; NaN where too many rounds were undefined.
        high: upper ends; likewise.
        sd: standard deviations between rounds (standard errors); likewise.
        bias: mean of the rounds less the figure; taken off both ends. 0 where no figure was given.
        undefined: how many rounds were undefined (NaN) and left out.
    """

    low: Floats
    high: Floats
    sd: Floats
    bias: Floats
    undefined: NDArray[np.int64]


def percentile_interval(samples: Floats, level: float = 0.95, *, around: Floats | float | None = None) -> Interval:
    """The central interval of bootstrap values, over axis 0.

    Resampling repeats images, and that alone moves some measures (absolute values rise, and so does average
    precision of rare labels), at times so far that the figure itself would lie outside. Given `around`, the figures
    on the images as they are, each interval is moved by that bias: its width and shape are the resamples', its
    centre the figure's.

    Rounds in which a value is NaN are left out and counted; where they are more than a tenth, the interval
    would describe only the lucky resamples, and is NaN.

    Args:
        samples: `[rounds, …]`.
        level: the probability inside, in (0, 1).
        around: `[…]`, the figures; None leaves the percentiles where they are.

    Raises:
        InputError: `level` is not inside (0, 1), or there are fewer than two rounds.
    """
    if not 0 < level < 1:
        raise InputError(f"level: expected a number between 0 and 1, found {level}")
    rounds = len(samples)
    if rounds < 2:
        raise InputError(f"rounds: an interval needs at least 2, found {rounds}")
    flat = samples.reshape(rounds, -1)
    undefined = np.isnan(flat).sum(axis=0)
    ends = np.full((3, flat.shape[1]), np.nan)
    kept = (undefined <= MAX_UNDEFINED * rounds) & (undefined <= rounds - 2)
    tails = [(1 - level) / 2, (1 + level) / 2]
    whole, partial = kept & (undefined == 0), np.flatnonzero(kept & (undefined > 0))
    ends[:2, whole] = np.quantile(flat[:, whole], tails, axis=0)
    ends[2, whole] = flat[:, whole].std(axis=0, ddof=1)
    if len(partial):
        ends[:2, partial] = np.nanquantile(flat[:, partial], tails, axis=0)
        ends[2, partial] = np.nanstd(flat[:, partial], axis=0, ddof=1)
    low, high, sd = ends.reshape(3, *samples.shape[1:])
    bias = np.zeros(samples.shape[1:])
    if around is not None:
        bias = mean_defined(samples, 0) - around
        low, high = low - bias, high - bias
    return Interval(low=low, high=high, sd=sd, bias=bias, undefined=undefined.reshape(samples.shape[1:]))


def bootstrap_samples(
    kernel: Callable[[Weights | None], Floats], n: int, *, rounds: int, rng: np.random.Generator
) -> Floats:
    """A kernel's values in `rounds` resamples of `n` images: `[rounds, …]`.

    The weights are those of one call of `draw_weights` with the same generator, drawn in blocks to bound
    memory.
    """
    parts = [
        kernel(draw_weights(n, block.stop - block.start, rng=rng)) for block in blocks(rounds, max(1, _ENTRIES // n))
    ]
    return np.concatenate(parts)
