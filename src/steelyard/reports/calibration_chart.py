"""The picture of the calibration: each label's training share against its predicted share, before and after.

Figure 2 of Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017,
https://arxiv.org/abs/1707.09457: on the diagonal predictions are as skewed as the training images.
"""

from dataclasses import dataclass

from steelyard.base.errors import first_few
from steelyard.reports.calibration import CalibrationReport, LabelRatios
from steelyard.reports.charts import Axis
from steelyard.reports.label_places import LINE, WIDTHS, Place, Side

HEIGHT = 400
"""Of a panel, in pixels."""
NAMED = 6
"""Labels that are named on a panel."""
_LAPS = 12


@dataclass(frozen=True, slots=True)
class Shift:
    """One label on a panel: x in percent, both y in pixels; None where the label is not predicted."""

    x: float
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class NamedShift:
    """A label that lay furthest outside the margin: its name, the point before, and where the name goes."""

    label: str
    x: float
    y: float
    place: Place


@dataclass(frozen=True, slots=True)
class Panel:
    """Training share against predicted share of one group.

    Attributes:
        group: its name.
        axis: of both shares.
        shifts: the constrained labels.
        named: those furthest outside the margin before.
        band: the margin around the diagonal, as a polygon on a square of 100 × 100, y downwards.
        absent: constrained labels that are predicted neither before nor after.
        gone: names of those that are predicted before alone, and have a hollow mark by itself; empty for none.
        come: those that are predicted after alone.
    """

    group: str
    axis: Axis
    shifts: tuple[Shift, ...]
    named: tuple[NamedShift, ...]
    band: str
    absent: int
    gone: str
    come: str

    def top(self, share: float) -> float:
        """Pixels from the top of the panel."""
        return _top(self.axis, share)


def ratio_panels(report: CalibrationReport) -> tuple[Panel, ...]:
    """A panel for each group; of two groups the first alone, as the other is its mirror image."""
    shown = 1 if len(report.groups) == 2 else len(report.groups)
    return tuple(_panel(report, group) for group in range(shown))


def _panel(report: CalibrationReport, group: int) -> Panel:
    axis, rows = Axis(0.0, 1.0), report.constrained
    shifts = [
        Shift(
            x=axis.at(row.training[group]),
            before=_top(axis, row.before.shares[group].value) if row.before.shares else None,
            after=_top(axis, row.after.shares[group].value) if row.after.shares else None,
        )
        for row in rows
    ]
    worst = sorted(rows, key=lambda row: (-_beyond(row, group, report.margin), row.label))[:NAMED]
    named = [row for row in worst if _beyond(row, group, report.margin) > 0]
    points = [(axis.at(row.training[group]), _top(axis, row.before.shares[group].value)) for row in named]
    marks = [(s.x, y) for s in shifts for y in (s.before, s.after) if y is not None]
    texts = [_cut(row.label) for row in named]
    placed: list[tuple[str, Place]] = []
    for text, point in zip(texts, points, strict=True):
        candidates = _candidates(*point, upward=point[1] < HEIGHT * (100 - point[0]) / 100)
        costs = [_cost(place, point[1], len(text), marks, placed) for place in candidates]
        placed.append((text, candidates[costs.index(min(costs))]))
    return Panel(
        group=report.groups[group],
        axis=axis,
        shifts=tuple(shift for shift in shifts if shift.before is not None or shift.after is not None),
        named=tuple(NamedShift(text, *point, place) for point, (text, place) in zip(points, placed, strict=True)),
        band=_band(report.margin),
        absent=sum(shift.before is None and shift.after is None for shift in shifts),
        gone=first_few([row.label for row in report.gone]),
        come=first_few([row.label for row in rows if row.after.images and not row.before.images]),
    )


def _candidates(x: float, y: float, *, upward: bool) -> list[Place]:
    """Beside the point, and further and further from the diagonal, where there is room."""
    sides: tuple[tuple[float, Side], ...] = ((-9.0, "end"), (9.0, "start"))
    step = -LINE if upward else LINE
    found = [
        Place(x, dx, y + 4.5 + lap * step, side, leader=lap > 0)
        for lap in range(_LAPS)
        for dx, side in (sides if x >= 50 else sides[::-1])
    ]
    return [place for place in found if LINE - 4 <= place.y <= HEIGHT - 5] or found[:2]


def _cost(
    place: Place,
    y: float,
    letters: int,
    marks: list[tuple[float, float]],
    placed: list[tuple[str, Place]],
) -> float:
    """How far a name is from its point, and what it covers or leaves, at every width of the page."""
    total = abs(place.y - 4.5 - y) / LINE
    for width in WIDTHS:
        left, right, top, bottom = place.box(width, letters)
        total += 50 * (left < 0 or right > width + 8)
        total += sum(left - 5 < x * width / 100 < right + 5 and top - 4 < at < bottom + 4 for x, at in marks)
        for text, other in placed:
            a, b, c, d = other.box(width, len(text))
            total += 100 * (left < b and a < right and top < d and c < bottom)
    return total


def _beyond(row: LabelRatios, group: int, margin: float) -> float:
    """How far the share before lies outside the margin; below 0 inside it."""
    if not row.before.shares:
        return -1.0
    return abs(row.before.shares[group].value - row.training[group]) - margin - 1e-9


def _band(margin: float) -> str:
    """The corners of {|y − x| ≤ margin} within the square."""
    m = 100 * margin
    corners = [(0, 0), (0, m), (100 - m, 100), (100, 100), (100, 100 - m), (m, 0)]
    return " ".join(f"{x:g},{100 - y:g}" for x, y in corners)


def _top(axis: Axis, share: float) -> float:
    return round(HEIGHT * (100 - axis.at(share)) / 100, 1)


def _cut(label: str, length: int = 18) -> str:
    return label if len(label) <= length else f"{label[: length - 1]}…"
