"""The types of objects: each a few strokes in a square of side 2 r around a point, in a colour typical of it."""

from collections.abc import Callable
from dataclasses import dataclass

from steelyard.datasets.scenes.pen import Colour, Dice, Pen, colour, shade

_DARK = (50, 45, 50)
_WOOD = (150, 105, 60)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where and how large: offsets are given in radii from the middle, mirrored where `flip` is −1."""

    pen: Pen
    x: float
    y: float
    r: float
    flip: int

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        """A rectangle between two corners."""
        left, right = sorted((self.x + self.flip * x0 * self.r, self.x + self.flip * x1 * self.r))
        self.pen.box(left, self.y + y0 * self.r, right, self.y + y1 * self.r, fill)

    def disc(self, x: float, y: float, r: float, fill: Colour) -> None:
        """A circle."""
        self.pen.disc(self.x + self.flip * x * self.r, self.y + y * self.r, r * self.r, fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour, start: int = 0, end: int = 360) -> None:
        """An ellipse or a sector of one; sectors are not mirrored."""
        self.pen.ellipse(
            self.x + self.flip * x * self.r, self.y + y * self.r, rx * self.r, ry * self.r, fill, start, end
        )

    def polygon(self, fill: Colour, *points: tuple[float, float]) -> None:
        """A polygon."""
        self.pen.polygon([(self.x + self.flip * x * self.r, self.y + y * self.r) for x, y in points], fill)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float, fill: Colour) -> None:
        """A stroke."""
        self.pen.line(
            self.x + self.flip * x0 * self.r,
            self.y + y0 * self.r,
            self.x + self.flip * x1 * self.r,
            self.y + y1 * self.r,
            width * self.r,
            fill,
        )


def draw_object(pen: Pen, dice: Dice, name: str, x: float, y: float, r: float) -> None:
    """One object of the type `name`, its colour and side drawn by `dice`."""
    hue, painter = _PAINTERS[name]
    fill = colour(hue + dice(-0.06, 0.06), dice(0.5, 0.95), dice(0.5, 0.95))
    painter(Spot(pen, x, y, r, 1 if dice() < 0.5 else -1), fill)


def draw_cover(pen: Pen, dice: Dice, x: float, y: float, r: float) -> None:
    """Something dull before an object, over about two fifths of it."""
    fill, side = colour(dice(), 0.1, dice(0.35, 0.75)), dice()
    if side < 0.33:
        pen.box(x - 1.1 * r, y + 0.2 * r, x + 1.1 * r, y + 1.1 * r, fill)
    elif side < 0.67:
        pen.box(x - 1.1 * r, y - 1.1 * r, x - 0.2 * r, y + 1.1 * r, fill)
    else:
        pen.box(x + 0.2 * r, y - 1.1 * r, x + 1.1 * r, y + 1.1 * r, fill)


def _ball(s: Spot, fill: Colour) -> None:
    s.disc(0, 0, 0.9, fill)
    for start in (20, 140, 260):
        s.ellipse(0, 0, 0.9, 0.9, (245, 245, 245), start, start + 60)


def _boat(s: Spot, fill: Colour) -> None:
    s.line(0, -1, 0, 0.4, 0.14, _WOOD)
    s.polygon((245, 245, 240), (0.1, -0.95), (0.85, 0.25), (0.1, 0.25))
    s.polygon(fill, (-1, 0.35), (1, 0.35), (0.6, 0.9), (-0.6, 0.9))


def _book(s: Spot, fill: Colour) -> None:
    s.polygon((250, 245, 225), (0, -0.5), (0.95, -0.7), (0.95, 0.5), (0, 0.7), (-0.95, 0.5), (-0.95, -0.7))
    s.line(-1, -0.7, -1, 0.55, 0.2, fill)
    s.line(1, -0.7, 1, 0.55, 0.2, fill)
    s.polygon(fill, (-1, 0.45), (0, 0.65), (1, 0.45), (1, 0.7), (0, 0.95), (-1, 0.7))
    s.line(0, -0.5, 0, 0.7, 0.12, shade(fill, 0.7))


def _bottle(s: Spot, fill: Colour) -> None:
    s.box(-0.4, -0.3, 0.4, 1, fill)
    s.ellipse(0, -0.3, 0.4, 0.35, fill)
    s.box(-0.15, -0.9, 0.15, -0.3, fill)
    s.box(-0.2, -1, 0.2, -0.78, _DARK)
    s.box(-0.4, 0.1, 0.4, 0.6, (240, 235, 215))


def _car(s: Spot, fill: Colour) -> None:
    s.polygon(fill, (-0.55, -0.1), (-0.35, -0.6), (0.35, -0.6), (0.6, -0.1))
    s.box(-1, -0.15, 1, 0.45, fill)
    s.polygon((190, 225, 245), (-0.4, -0.12), (-0.27, -0.48), (0.27, -0.48), (0.42, -0.12))
    s.disc(-0.5, 0.45, 0.3, _DARK)
    s.disc(0.5, 0.45, 0.3, _DARK)


def _chair(s: Spot, fill: Colour) -> None:
    s.box(-0.7, -1, -0.42, 1, fill)
    s.box(-0.7, 0.0, 0.7, 0.28, fill)
    s.box(0.45, 0.1, 0.7, 1, fill)


def _cup(s: Spot, fill: Colour) -> None:
    s.ellipse(0.6, 0.05, 0.4, 0.38, shade(fill, 0.8))
    s.ellipse(0.6, 0.05, 0.2, 0.18, (235, 235, 235))
    s.polygon(fill, (-0.75, -0.6), (0.6, -0.6), (0.45, 0.75), (-0.6, 0.75))
    s.ellipse(-0.08, -0.6, 0.67, 0.18, shade(fill, 1.6))


def _fish(s: Spot, fill: Colour) -> None:
    s.polygon(shade(fill, 0.8), (0.4, 0), (1, -0.55), (1, 0.55))
    s.ellipse(-0.15, 0, 0.8, 0.48, fill)
    s.disc(-0.55, -0.1, 0.16, (250, 250, 250))
    s.disc(-0.55, -0.1, 0.08, _DARK)
    s.line(0.05, -0.35, 0.05, 0.35, 0.12, shade(fill, 1.5))


def _guitar(s: Spot, fill: Colour) -> None:
    s.line(0.1, -0.1, 0.8, -0.85, 0.22, _DARK)
    s.disc(0.02, 0.05, 0.42, fill)
    s.disc(-0.35, 0.45, 0.55, fill)
    s.disc(-0.15, 0.22, 0.2, _DARK)


def _kite(s: Spot, fill: Colour) -> None:
    s.line(0, 0.5, -0.5, 1, 0.1, _DARK)
    s.polygon(fill, (0, -1), (0.7, -0.25), (0, 0.65), (-0.7, -0.25))
    s.polygon(shade(fill, 1.55), (0, -1), (0.7, -0.25), (0, -0.25))
    s.polygon(shade(fill, 1.55), (0, 0.65), (-0.7, -0.25), (0, -0.25))


def _plant(s: Spot, fill: Colour) -> None:
    s.ellipse(-0.42, -0.3, 0.42, 0.28, fill)
    s.ellipse(0.42, -0.3, 0.42, 0.28, shade(fill, 0.85))
    s.ellipse(0, -0.6, 0.28, 0.42, fill)
    s.line(0, -0.4, 0, 0.35, 0.12, shade(fill, 0.6))
    s.polygon((185, 95, 60), (-0.5, 0.25), (0.5, 0.25), (0.35, 1), (-0.35, 1))


def _umbrella(s: Spot, fill: Colour) -> None:
    s.line(0, -0.5, 0, 0.85, 0.13, _DARK)
    s.line(0, 0.88, 0.25, 0.88, 0.13, _DARK)
    s.ellipse(0, 0, 1, 0.95, fill, 180, 360)
    s.polygon(shade(fill, 1.55), (0, -0.95), (0.3, 0), (-0.3, 0))


def _apple(s: Spot, fill: Colour) -> None:
    s.disc(-0.28, 0.15, 0.6, fill)
    s.disc(0.28, 0.15, 0.6, fill)
    s.line(0, -0.4, 0.1, -0.9, 0.14, _DARK)
    s.ellipse(0.35, -0.7, 0.28, 0.15, (80, 150, 60))


def _bag(s: Spot, fill: Colour) -> None:
    s.disc(0, -0.4, 0.5, shade(fill, 0.6))
    s.disc(0, -0.4, 0.32, (225, 220, 215))
    s.polygon(fill, (-0.7, -0.35), (0.7, -0.35), (0.85, 0.9), (-0.85, 0.9))
    s.box(-0.2, -0.05, 0.2, 0.25, (240, 210, 120))


def _clock(s: Spot, fill: Colour) -> None:
    s.disc(0, 0, 0.95, fill)
    s.disc(0, 0, 0.7, (250, 250, 245))
    s.line(0, 0, 0, -0.5, 0.14, _DARK)
    s.line(0, 0, 0.38, 0.15, 0.14, _DARK)


def _drum(s: Spot, fill: Colour) -> None:
    s.box(-0.85, -0.3, 0.85, 0.6, fill)
    s.ellipse(0, 0.6, 0.85, 0.28, fill)
    for at in range(4):
        s.line(-0.8 + 0.4 * at, -0.2, -0.4 + 0.4 * at, 0.65, 0.1, (245, 235, 200))
    s.ellipse(0, -0.3, 0.85, 0.28, (245, 240, 230))


def _flag(s: Spot, fill: Colour) -> None:
    s.box(-0.75, -1, -0.58, 1, _WOOD)
    s.polygon(fill, (-0.58, -0.95), (0.9, -0.8), (0.6, -0.35), (0.9, 0.15), (-0.58, 0.0))
    s.polygon(shade(fill, 1.7), (-0.58, -0.62), (0.74, -0.55), (0.62, -0.3), (-0.58, -0.35))


def _house(s: Spot, fill: Colour) -> None:
    s.box(-0.7, -0.1, 0.7, 0.9, (240, 225, 195))
    s.polygon(fill, (-1, 0), (0, -0.95), (1, 0))
    s.box(-0.2, 0.3, 0.2, 0.9, shade(fill, 0.6))


def _key(s: Spot, fill: Colour) -> None:
    s.line(-0.2, 0, 0.9, 0, 0.22, fill)
    s.box(0.4, 0, 0.55, 0.45, fill)
    s.box(0.75, 0, 0.95, 0.45, fill)
    s.disc(-0.5, 0, 0.48, fill)
    s.disc(-0.5, 0, 0.2, _DARK)


def _mushroom(s: Spot, fill: Colour) -> None:
    s.box(-0.28, -0.1, 0.28, 0.9, (240, 230, 205))
    s.ellipse(0, 0.05, 0.95, 0.9, fill, 180, 360)
    s.disc(-0.4, -0.3, 0.17, (250, 245, 240))
    s.disc(0.35, -0.4, 0.17, (250, 245, 240))


_PAINTERS: dict[str, tuple[float, Callable[[Spot, Colour], None]]] = {
    "ball": (0.98, _ball),
    "boat": (0.60, _boat),
    "book": (0.80, _book),
    "bottle": (0.38, _bottle),
    "car": (0.00, _car),
    "chair": (0.08, _chair),
    "cup": (0.55, _cup),
    "fish": (0.06, _fish),
    "guitar": (0.10, _guitar),
    "kite": (0.85, _kite),
    "plant": (0.33, _plant),
    "umbrella": (0.72, _umbrella),
    "apple": (0.26, _apple),
    "bag": (0.92, _bag),
    "clock": (0.48, _clock),
    "drum": (0.65, _drum),
    "flag": (0.44, _flag),
    "house": (0.02, _house),
    "key": (0.14, _key),
    "mushroom": (0.96, _mushroom),
}
"""For each type its hue, in turns, and how it is drawn."""
