"""F1 of each label before and after: rows of two points, sorted by the change; data in, places out.

Figure 7 of Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019,
https://arxiv.org/abs/1811.08489
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.reports.charts import Mark, RowChart, axis_over
from steelyard.reports.figures import typeset, write_figure, write_interval
from steelyard.reports.rows import Interval

TOP = 15
"""Rows at either end of a chart of many labels; the table has them all."""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """F1 of one label in two models on the same images.

    Attributes:
        label: its name.
        before, after: F1 in [0, 1].
        change: after − before with its own interval (paired over images), where it was measured.
    """

    label: str
    before: Interval
    after: Interval
    change: Interval | None = None

    @property
    def difference(self) -> float:
        """After − before."""
        return self.after.value - self.before.value if self.change is None else self.change.value

    def written(self) -> str:
        """The change, in points."""
        return write_figure(self.difference, "points")

    def span(self) -> str:
        """Its interval; empty where it was not measured."""
        return "" if self.change is None else write_interval(self.change.low, self.change.high, "points")

    @property
    def clear(self) -> bool:
        """Whether 0 lies outside the interval of the change."""
        return self.change is not None and (self.change.low > 0 or self.change.high < 0)


@dataclass(frozen=True, slots=True)
class ChangeChart:
    """The chart and its table.

    Attributes:
        chart: a row for each label shown, of two marks: before (series 0), after (series 1).
        changes: of the same rows, written.
        cells: label, before, after, change, interval of the change: all labels.
        left_out: labels between both ends that the table alone shows.
        up, down: labels whose change is clear of 0, either way.
    """

    chart: RowChart
    changes: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    left_out: int
    up: int
    down: int


def change_chart(changes: Sequence[LabelChange]) -> ChangeChart:
    """Lay out the rows, the largest rise first.

    Args:
        changes: at least one.
    """
    ordered = sorted(changes, key=lambda c: (-c.difference, c.label))
    shown = ordered if len(ordered) <= 2 * TOP else [*ordered[:TOP], *ordered[-TOP:]]
    ends = [end for c in shown for f1 in (c.before, c.after) for end in (f1.low, f1.high)]
    rows = tuple((_mark(c.label, c.before, 0), _mark(c.label, c.after, 1)) for c in shown)
    axis = axis_over(ends, lower=0.0, upper=1.0)
    return ChangeChart(
        chart=RowChart(rows, axis, ends=(f"F1 {axis.low:.2f}", f"{axis.high:.2f}")),
        changes=tuple(c.written() for c in shown),
        cells=tuple(_cells(c) for c in ordered),
        left_out=len(ordered) - len(shown),
        up=sum(c.clear and c.difference > 0 for c in ordered),
        down=sum(c.clear and c.difference < 0 for c in ordered),
    )


def _mark(label: str, f1: Interval, series: int) -> Mark:
    text, span = write_figure(f1.value, "score"), write_interval(f1.low, f1.high, "score")
    return Mark(label, f1.value, f1.low, f1.high, text, span, series)


def _cells(c: LabelChange) -> tuple[str, ...]:
    both = [f"{f1.value:.3f} ({write_interval(f1.low, f1.high, 'score')})" for f1 in (c.before, c.after)]
    return (c.label, *both, typeset(c.written()), typeset(c.span()) or "–")
