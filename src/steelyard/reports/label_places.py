"""Where the labels of points go, so that none covers another at any width of the page.

A chart's x is in percent and its text in pixels: two labels clear of each other on a wide screen may collide on a
phone. So each place is tried at every width from a phone's to the widest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

WIDTHS = tuple(range(250, 701, 30))
"""Widths of the plot, in pixels, at which places are tried."""
LETTER, LINE = 7.6, 17.0
"""Width of a letter and height of a line, in pixels, on the safe side."""
_OFF = 7.0
_MARK = 9.0
_LAPS = 12

Side = Literal["start", "middle", "end"]
_BESIDE: tuple[tuple[float, Side], ...] = ((_OFF, "start"), (-_OFF, "end"))
_SIDES: tuple[tuple[float, Side], ...] = ((0.0, "middle"), (-4.0, "start"), (4.0, "end"))


@dataclass(frozen=True, slots=True)
class Point:
    """A point with a label: x, and its bar from `left` to `right`, in percent; y, `top` and `bottom` in pixels."""

    label: str
    x: float
    left: float
    right: float
    y: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a label goes.

    Attributes:
        x: percent.
        dx: pixels beside it.
        y: baseline, in pixels downwards.
        side: `start`, `middle` or `end`: what of the text is there.
        leader: the label stands so far from its point that a line leads there.
    """

    x: float
    dx: float
    y: float
    side: Side
    leader: bool

    def box(self, width: float, letters: int) -> tuple[float, float, float, float]:
        """Left, right, top and bottom in a plot of this width."""
        at, length = self.x * width / 100 + self.dx, letters * LETTER
        left = at - length * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.side]
        return left, left + length, self.y - LINE + 4, self.y + 4


def place_labels(points: Sequence[Point], height: float) -> tuple[Place, ...]:
    """A place for each label, in the order of the points.

    Args:
        points: with their labels.
        height: of the plot, in pixels.
    """
    chosen: dict[int, Place] = {}
    # The crowded ones first: whoever comes late has to stand further off.
    for index in sorted(range(len(points)), key=lambda i: (-_crowd(points, i), points[i].y)):
        chosen[index] = min(
            _candidates(points[index], height), key=lambda place: _cost(place, index, points, chosen, height)
        )
    return tuple(chosen[index] for index in range(len(points)))


def _crowd(points: Sequence[Point], index: int) -> int:
    own = points[index]
    return sum(abs(p.x - own.x) < 30 and abs(p.y - own.y) < 40 for p in points)


def _candidates(point: Point, height: float) -> list[Place]:
    """Above and below first, clear of the point's own bars; then further off, with a line that leads there."""
    found = [
        Place(point.x, dx, y, side, leader=False)
        for y in (point.y - _OFF, point.y + _OFF + LINE - 7)
        for dx, side in _BESIDE
    ]
    found += [Place(point.x, 0.0, y, "middle", leader=False) for y in (point.top - 6, point.bottom + LINE - 2)]
    for lap in range(1, _LAPS):
        for y in (point.top - 6 - lap * LINE, point.bottom + LINE - 2 + lap * LINE):
            found += [Place(point.x, dx, y, side, leader=True) for dx, side in _SIDES]
            # For a label too long for any of these: from one edge of the plot to the other.
            found += [Place(0.0, 0.0, y, "start", leader=True), Place(100.0, 0.0, y, "end", leader=True)]
    inside = [place for place in found if LINE - 4 <= place.y <= height - 5]
    return inside or found


def _cost(place: Place, index: int, points: Sequence[Point], chosen: dict[int, Place], height: float) -> float:
    """Far from its point is bad, over a mark worse, over another label or out of the plot never."""
    point, letters = points[index], len(points[index].label)
    total = abs(place.y - point.y - 4.5) / LINE + (4.0 if place.x != point.x else 0.0)
    for width in WIDTHS:
        box = place.box(width, letters)
        # How far the near end of the text is from its point: a line across the plot is hard to follow.
        aside = max(0.0, box[0] - point.x * width / 100, point.x * width / 100 - box[1])
        total += aside / LINE / 2
        out = max(0.0, -box[0]) + max(0.0, box[1] - width - 8)
        total += 50 * (out > 0)
        for other, there in chosen.items():
            total += 100 * _overlap(box, there.box(width, len(points[other].label)))
        for mark in points:
            at = mark.x * width / 100
            total += 2 * _overlap(box, (at - _MARK, at + _MARK, mark.y - _MARK, mark.y + _MARK))
            total += 0.2 * _overlap(box, (at - 2, at + 2, mark.top, mark.bottom))
            ends = (mark.left * width / 100, mark.right * width / 100)
            total += 0.2 * _overlap(box, (*ends, mark.y - 2, mark.y + 2))
    return total


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
