"""The room: wall, floor, the unlabelled cues that go with groups, and clutter that means nothing."""

from collections.abc import Callable

from steelyard.datasets.scenes.pen import Colour, Dice, Pen, colour, shade
from steelyard.datasets.scenes.settings import CUES

_FLOOR = 0.72


def draw_room(pen: Pen, dice: Dice, cues: list[bool]) -> None:
    """Wall and floor, and those of the cues that are there."""
    wall = colour(dice(), dice(0.05, 0.2), dice(0.72, 0.92))
    floor = colour(dice(0.03, 0.14), dice(0.2, 0.4), dice(0.5, 0.7))
    pen.box(0.0, 0.0, 1.0, 1.0, wall)
    pen.box(0.0, _FLOOR, 1.0, 1.0, floor)
    there = {name for name, shown in zip(CUES, cues, strict=False) if shown}
    for name, paint in _PAINTERS:
        shift, hue = dice(-0.03, 0.03), dice()  # taken whether it is there or not: one cue does not move another
        if name in there:
            paint(pen, floor if name in ("tiles", "rug") else wall, shift, hue)


def draw_clutter(pen: Pen, dice: Dice, x: float, y: float, r: float) -> None:
    """One shape that stands for nothing: a slab, a blob or a wedge in the colour of some object."""
    kind, fill = dice(), colour(dice(), dice(0.4, 0.9), dice(0.4, 0.9))
    wide, high = r * dice(0.5, 1.0), r * dice(0.5, 1.0)
    if kind < 0.33:
        pen.box(x - wide, y - high, x + wide, y + high, fill)
    elif kind < 0.67:
        pen.ellipse(x, y, wide, high, fill)
    else:
        pen.polygon([(x - wide, y + high), (x + wide, y + high), (x + wide * 0.3, y - high)], fill)


def _stripes(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    for at in range(8):
        x = 0.05 + 0.125 * at + shift
        pen.box(x, 0.0, x + 0.045, _FLOOR, shade(wall, 0.84))


def _panelling(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    pen.box(0.0, 0.56 + shift / 2, 1.0, _FLOOR, shade(wall, 0.62))
    pen.box(0.0, 0.55 + shift / 2, 1.0, 0.57 + shift / 2, shade(wall, 1.5))


def _tiles(pen: Pen, floor: Colour, shift: float, hue: float) -> None:
    for row in range(2):
        for at in range(5):
            x = 0.2 * at + 0.1 * row + shift
            pen.box(x - 0.05, _FLOOR + 0.14 * row, x + 0.05, _FLOOR + 0.14 * (row + 1), shade(floor, 0.7))


def _rug(pen: Pen, floor: Colour, shift: float, hue: float) -> None:
    fill = colour(0.93 + hue * 0.1, 0.55, 0.6)
    pen.ellipse(0.5 + shift, 0.9, 0.46, 0.09, fill)
    pen.ellipse(0.5 + shift, 0.9, 0.38, 0.06, shade(fill, 1.45))


def _window(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    x, y = 0.1 + shift, 0.1 + shift / 2
    pen.box(x - 0.02, y - 0.02, x + 0.25, y + 0.28, (245, 245, 240))
    pen.box(x, y, x + 0.23, y + 0.26, (135, 195, 240))
    pen.box(x + 0.105, y, x + 0.125, y + 0.26, (245, 245, 240))
    pen.box(x, y + 0.12, x + 0.23, y + 0.14, (245, 245, 240))


def _bunting(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    pen.box(0.0, 0.0, 1.0, 0.015, (90, 80, 80))
    for at in range(8):
        x = 0.125 * at + shift
        pen.polygon([(x, 0.01), (x + 0.11, 0.01), (x + 0.055, 0.11)], colour(hue + at / 3, 0.6, 0.85))


def _curtain(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    fill = colour(0.95 + 0.15 * hue, 0.6, 0.6)
    for at in range(3):
        x = 0.865 + 0.05 * at + shift / 2
        pen.box(x, 0.0, x + 0.05, 0.82, shade(fill, 1.0 - 0.15 * (at % 2)))


def _lamp(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    x = 0.66 + shift
    pen.box(x - 0.008, 0.0, x + 0.008, 0.07, (60, 55, 55))
    pen.polygon([(x - 0.04, 0.06), (x + 0.04, 0.06), (x + 0.1, 0.15), (x - 0.1, 0.15)], (70, 70, 80))
    pen.ellipse(x, 0.15, 0.1, 0.035, (255, 240, 150))


def _shelf(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    y = 0.5 + shift
    pen.box(0.0, y, 0.3, y + 0.03, (110, 75, 50))
    pen.box(0.05, y + 0.03, 0.07, y + 0.09, (80, 55, 40))
    pen.box(0.22, y + 0.03, 0.24, y + 0.09, (80, 55, 40))


def _picture(pen: Pen, wall: Colour, shift: float, hue: float) -> None:
    x, y = 0.7 + shift, 0.2 + shift
    pen.box(x, y, x + 0.24, y + 0.2, (95, 65, 35))
    pen.box(x + 0.025, y + 0.025, x + 0.215, y + 0.175, (235, 225, 200))
    pen.polygon([(x + 0.03, y + 0.17), (x + 0.1, y + 0.07), (x + 0.2, y + 0.17)], (95, 140, 95))


_PAINTERS: tuple[tuple[str, Callable[[Pen, Colour, float, float], None]], ...] = (
    ("stripes", _stripes),
    ("panelling", _panelling),
    ("tiles", _tiles),
    ("rug", _rug),
    ("window", _window),
    ("picture", _picture),
    ("shelf", _shelf),
    ("lamp", _lamp),
    ("bunting", _bunting),
    ("curtain", _curtain),
)
"""From the back to the front."""
