"""Geometry of the page's charts: data in, positions in percent out; `templates/charts.html` draws them.

Widths are percentages and heights are pixels, so a chart keeps its type size on a phone and on a wide screen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.reports.rows import CurvePoint

_MARGIN = 0.04


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis.

    Attributes:
        low: value at 0 %.
        high: value at 100 %; greater than `low`.
    """

    low: float
    high: float

    def at(self, value: float) -> float:
        """Position of `value` in percent, kept within 0 … 100."""
        share = (value - self.low) / (self.high - self.low)
        return round(100.0 * min(max(share, 0.0), 1.0), 2)

    def ticks(self, count: int = 5) -> tuple[float, ...]:
        """Round values on the axis, about `count` of them."""
        step = _round_step((self.high - self.low) / max(count - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple(round(i * step, 10) for i in range(first, last + 1))


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))


def axis_over(values: Sequence[float], *, lower: float | None = None, upper: float | None = None) -> Axis:
    """The axis that shows all `values` with a margin; `lower` and `upper` stop the margin (a fraction ends at 1)."""
    low, high = min(values), max(values)
    pad = _MARGIN * (high - low) or max(abs(high), 1.0) * _MARGIN
    low, high = low - pad, high + pad
    if lower is not None:
        low = max(low, lower)
    if upper is not None:
        high = min(high, upper)
    return Axis(low, high) if high > low else Axis(low - pad, high + pad)


def axis_in_steps(values: Sequence[float]) -> Axis:
    """The axis over all `values` whose ends are round numbers, so that they can be written beside it."""
    low, high = min(values), max(values)
    step = _round_step((high - low) / 4) if high > low else 1.0
    return Axis(math.floor(low / step + 1e-9) * step, max(math.ceil(high / step - 1e-9), 1 + low // step) * step)


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure in a chart.

    Attributes:
        label: what it belongs to.
        value, low, high: the figure and its interval.
        text: the figure, written.
        span: its interval, written.
        series: 0, 1, 2 …: which colour and shape.
    """

    label: str
    value: float
    low: float
    high: float
    text: str
    span: str
    series: int = 0


@dataclass(frozen=True, slots=True)
class RowChart:
    """Figures in rows, each a point and its interval on one shared axis.

    Attributes:
        rows: one or more marks per row; a row takes the label of its first mark.
        axis: the shared axis.
        reference: the value that a vertical line marks (chance, 0, the overall share), or None.
        reference_text: what that line is.
        ends: words at the left and right end of the axis.
    """

    rows: tuple[tuple[Mark, ...], ...]
    axis: Axis
    reference: float | None = None
    reference_text: str = ""
    ends: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Curve:
    """Leakage over quality, with the model on it.

    Attributes:
        points: the curve, by rising F1.
        x: axis of F1.
        y: axis of leakage.
        chance: accuracy of guessing.
        models: the model's leakage: on scores (series 1), on decisions (series 2).
        at: F1 of the model, or None.
        reference: leakage of the labels at that F1, or None.
    """

    points: tuple[CurvePoint, ...]
    x: Axis
    y: Axis
    chance: float
    models: tuple[Mark, ...] = ()
    at: float | None = None
    reference: float | None = None

    def line(self) -> str:
        """The curve as `x,y` pairs on a square of 100 × 100, y downwards."""
        return " ".join(f"{self.x.at(p.f1)},{100 - self.y.at(p.dataset_leakage):.2f}" for p in self.points)

    def band(self) -> str:
        """The interval as a closed polygon on the same square."""
        upper = [f"{self.x.at(p.f1)},{100 - self.y.at(p.high):.2f}" for p in self.points]
        lower = [f"{self.x.at(p.f1)},{100 - self.y.at(p.low):.2f}" for p in reversed(self.points)]
        return " ".join(upper + lower)


def curve_chart(
    points: Sequence[CurvePoint],
    *,
    chance: float,
    models: Sequence[Mark] = (),
    at: float | None = None,
    reference: float | None = None,
) -> Curve:
    """Lay out the leakage curve.

    Args:
        points: one or more points of one scheme and channel.
        chance: accuracy of guessing, 1/k.
        models: the model's leakages, drawn at `at`.
        at: the model's F1; needed where `models` are given.
        reference: leakage of the labels at the model's F1.
    """
    ordered = tuple(sorted(points, key=lambda point: point.f1))
    values = [chance, *(p.low for p in ordered), *(p.high for p in ordered)]
    if at is not None:
        values += [end for mark in models for end in (mark.low, mark.high)]
    return Curve(
        points=ordered,
        x=Axis(0.0, 1.0),
        y=axis_over(values, lower=0.0, upper=1.0),
        chance=chance,
        models=tuple(models) if at is not None else (),
        at=at,
        reference=reference,
    )
