"""From a kernel to an Estimate: the point value, the bootstrap, the interval."""

from collections.abc import Callable

import numpy as np

from steelyard.base.errors import InputError, UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.metrics.bootstrap import MAX_UNDEFINED, Interval, bootstrap_samples, percentile_interval
from steelyard.metrics.catalog import by_name
from steelyard.metrics.counting import Floats, Weights

Kernel = Callable[[Weights | None], Floats]


def estimate(
    name: str,
    kernel: Kernel,
    n: int,
    *,
    interval: bool,
    rounds: int,
    level: float,
    seed: int,
    undefined: str,
    unit: str = "fraction",
    of: str = "",
    scheme: str = "",
    note: str = "",
) -> Estimate | float:
    """Evaluate `kernel` on the images as they are, and on `rounds` resamples of them.

    The same `seed`, `n` and `rounds` give the same resamples to every measure, so that measures of the same
    images can be compared round by round.

    Args:
        name: the catalogue's name of the measure.
        kernel: takes weights `[n, rounds]`, or None, and gives `[rounds]`, or a single value.
        n: images.
        interval: False gives the bare point value as a float.
        rounds: resamples.
        level: of the interval.
        seed: of the resampling.
        undefined: why the value can be undefined, and what to do, for the error.
        unit: of the value.
        of: the evidence.
        scheme: how it was measured, beside the resampling.
        note: what a reader must know.

    Raises:
        InputError: `rounds` or `level` is out of range.
        UndefinedError: the value is undefined on the images, or on more than a tenth of the resamples.
    """
    value = float(kernel(None))
    if np.isnan(value):
        raise UndefinedError(f"{name}: {undefined}")
    if not interval:
        return value
    if rounds < 2:
        raise InputError(f"rounds: an interval needs at least 2, found {rounds}")
    samples = bootstrap_samples(kernel, n, rounds=rounds, rng=stream(seed, "bootstrap"))
    ends = percentile_interval(samples, level, around=value)
    lost = int(ends.undefined)
    if np.isnan(ends.low):
        raise UndefinedError(
            f"{name}: no interval, as {lost:,} of {rounds:,} resamples leave it undefined, more than"
            f" {MAX_UNDEFINED:.0%}: {undefined}"
        )
    left_out = f"undefined in {lost:,} of {rounds:,} resamples, which are left out" if lost else ""
    low, high = within_range(name, ends.low, ends.high)
    drawn = f"centred percentile bootstrap over images, {rounds:,} rounds"
    return Estimate(
        name=name,
        value=value,
        low=float(low),
        high=float(high),
        n=n,
        level=level,
        unit=unit,
        of=of,
        scheme="; ".join(part for part in (scheme, drawn) if part),
        sd_images=float(ends.sd),
        note="; ".join(part for part in (note, left_out, bias_note(ends)) if part),
    )


def within_range(name: str, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The ends of an interval, kept within the range that the catalogue gives the measure."""
    least, most = by_name(name).range
    return np.clip(low, least, most), np.clip(high, least, most)


def bias_note(ends: Interval) -> str:
    """What to say of a measure that resampling moves by more than its standard error; empty for the others."""
    if not abs(float(ends.bias)) > float(ends.sd):
        return ""
    return (
        f"noise alone moves this measure: resampling shifts it by {float(ends.bias):+.4f}, more than its standard "
        "error; compare it only at equal numbers of images"
    )
