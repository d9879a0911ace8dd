"""The frontier: what models give away against how well they do, with the line of noise between; data in, places out."""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.base.estimate import Estimate
from steelyard.reports.charts import Axis, axis_in_steps, axis_over
from steelyard.reports.figures import Style, typeset, write_figure, write_interval
from steelyard.reports.label_places import Place, Point, place_labels
from steelyard.reports.story import NoisePoint, Story

HEIGHT = 360
"""Of the plot, in pixels."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One model on the chart.

    Attributes:
        label: its short name.
        f1, amplification: the figures.
        series: 0, 1, 2 …: which colour and shape.
        place: of its label.
    """

    label: str
    f1: Estimate
    amplification: Estimate
    series: int
    place: Place


@dataclass(frozen=True, slots=True)
class Frontier:
    """Amplification over F1.

    Attributes:
        dots: a model each, those with both figures.
        noise: the sweep, by rising F1, where both figures exist; some may lie left of the axis.
        x: axis of F1.
        y: axis of amplification.
        missing: (model, why it is not on the chart).
        beyond: scales whose F1 lies left of the axis.
        cells: the table under the chart.
    """

    dots: tuple[Dot, ...]
    noise: tuple[NoisePoint, ...]
    x: Axis
    y: Axis
    missing: tuple[tuple[str, str], ...]
    beyond: tuple[float, ...]
    cells: tuple[tuple[str, ...], ...]

    def top(self, value: float) -> float:
        """Pixels from the top of the plot."""
        return _top(self.y, value)

    def line(self) -> str:
        """The noise as `x,y` pairs on a square of 100 × 100, y downwards, unclipped."""
        return " ".join(f"{self._x(p):.2f},{self._y(p.amplification.value):.2f}" for p in self.noise if p.amplification)

    def band(self) -> str:
        """Its interval as a closed polygon on the same square."""
        pairs = [(self._x(p), p.amplification) for p in self.noise if p.amplification]
        upper = [f"{x:.2f},{self._y(e.high):.2f}" for x, e in pairs]
        lower = [f"{x:.2f},{self._y(e.low):.2f}" for x, e in reversed(pairs)]
        return " ".join(upper + lower)

    def shown(self) -> tuple[tuple[float, float], ...]:
        """The points of the noise on the chart: x in percent, y in pixels."""
        return tuple(
            (self.x.at(p.f1_macro.value), self.top(p.amplification.value))
            for p in self.noise
            if p.amplification and p.f1_macro.value >= self.x.low
        )

    def _x(self, point: NoisePoint) -> float:
        return 100 * (point.f1_macro.value - self.x.low) / (self.x.high - self.x.low)

    def _y(self, value: float) -> float:
        return 100 * (self.y.high - value) / (self.y.high - self.y.low)


def frontier(story: Story) -> Frontier | None:
    """Lay out the chart; None where no model has both figures."""
    rows = [(row, row.estimate("f1_macro"), row.estimate("amplification")) for row in story.models]
    known = [(row.name, f1, amp, i) for i, (row, f1, amp) in enumerate(rows) if f1 is not None and amp is not None]
    if not known:
        return None
    noise = sorted((p for p in story.noise if p.amplification is not None), key=lambda p: p.f1_macro.value)
    x = _f1_axis([f1 for _, f1, _, _ in known], noise)
    near = [p.amplification for p in noise if p.amplification and p.f1_macro.value >= x.low]
    shown = [*near, *(amp for _, _, amp, _ in known)]
    y = axis_in_steps([0.0, *(end for e in shown for end in (e.low, e.high))])
    points = [
        Point(name, *(x.at(v) for v in (f1.value, f1.low, f1.high)), *(_top(y, v) for v in (e.value, e.high, e.low)))
        for name, f1, e, _ in known
    ]
    places = place_labels(points, HEIGHT)
    return Frontier(
        dots=tuple(Dot(name, f1, amp, i, place) for (name, f1, amp, i), place in zip(known, places, strict=True)),
        noise=tuple(noise),
        x=x,
        y=y,
        missing=tuple(
            (row.title, row.reason("f1_macro" if f1 is None else "amplification"))
            for row, f1, found in rows
            if f1 is None or found is None
        ),
        beyond=tuple(sorted(p.scale for p in noise if p.f1_macro.value < x.low)),
        cells=_cells(story),
    )


def _f1_axis(models: Sequence[Estimate], noise: Sequence[NoisePoint]) -> Axis:
    """All models, and the noise as far as it leaves them room."""
    ends = [end for f1 in models for end in (f1.low, f1.high)]
    room = max(max(ends) - min(ends), 0.05)
    near = [p.f1_macro.value for p in noise if p.f1_macro.value >= min(ends) - room]
    return axis_over([*ends, *near], lower=0.0, upper=1.0)


def _top(axis: Axis, value: float) -> float:
    return round(HEIGHT * (100 - axis.at(value)) / 100, 1)


def _cells(story: Story) -> tuple[tuple[str, ...], ...]:
    """The table: every model and every scale, with what is not on the chart."""
    rows = [(row.name, row.estimate("f1_macro"), row.estimate("amplification")) for row in story.models]
    rows += [(f"noise at scale {point.scale:g}", point.f1_macro, point.amplification) for point in story.noise]
    return tuple((name, *_written(f1, "score"), *_written(found, "points")) for name, f1, found in rows)


def _written(found: Estimate | None, style: Style) -> tuple[str, str]:
    if found is None:
        return "–", "–"
    return typeset(write_figure(found.value, style)), typeset(write_interval(found.low, found.high, style))
