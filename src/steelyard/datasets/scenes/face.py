"""Faces and hair: drawn in units of the face itself, so that the same strokes make a head in a scene or a portrait."""

from dataclasses import dataclass

from steelyard.datasets.scenes.pen import Colour, Pen, Points, shade

SHORT, LONG, KNOT, ROUND = range(4)
"""Cuts of hair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A head seen from the front.

    Attributes:
        x: centre, in units of the image's side (as are `y` and the two lengths).
        y: centre.
        wide: half the width.
        high: half the height, chin to crown.
        skin: colour.
        hair: colour of hair and brows.
        cut: `SHORT`, `LONG`, `KNOT` or `ROUND`.
        jaw: 0 for a pointed chin, 1 for a square one.
        brow: thickness of the brows, a share of `high`.
        lips: colour of the mouth.
        mouth: half its width, a share of `wide`.
        cheeks: whether they are red.
        beard: whether chin and jaw are covered with hair.
        glasses: whether there are any.
    """

    x: float
    y: float
    wide: float
    high: float
    skin: Colour
    hair: Colour
    cut: int
    jaw: float
    brow: float
    lips: Colour
    mouth: float
    cheeks: bool = False
    beard: bool = False
    glasses: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the head without its hair."""
        return self.x - self.wide, self.y - self.high, self.x + self.wide, self.y + self.high


def draw_head(pen: Pen, face: Face) -> None:
    """Hair behind the head, the head, its features, the hair before it."""
    _hair_behind(pen, face)
    _head(pen, face)
    _features(pen, face)
    _hair_before(pen, face)


def _hair_behind(pen: Pen, f: Face) -> None:
    if f.cut == LONG:
        pen.ellipse(f.x, f.y - 0.1 * f.high, 1.3 * f.wide, 1.15 * f.high, f.hair)
        pen.box(f.x - 1.3 * f.wide, f.y, f.x + 1.3 * f.wide, f.y + 1.5 * f.high, f.hair)
    elif f.cut == KNOT:
        pen.disc(f.x, f.y - 1.2 * f.high, 0.5 * f.wide, f.hair)
    elif f.cut == ROUND:
        pen.disc(f.x, f.y - 0.35 * f.high, 1.35 * f.high, f.hair)


def _head(pen: Pen, f: Face) -> None:
    fill = shade(f.hair, 1.25) if f.beard else f.skin
    half = f.wide * (0.3 + 0.6 * f.jaw)
    pen.ellipse(f.x, f.y - 0.05 * f.high, f.wide, 0.95 * f.high, f.skin)
    jaw: Points = [
        (f.x - f.wide, f.y),
        (f.x + f.wide, f.y),
        (f.x + f.wide * (0.6 + 0.38 * f.jaw), f.y + 0.55 * f.high),
        (f.x + half, f.y + f.high),
        (f.x - half, f.y + f.high),
        (f.x - f.wide * (0.6 + 0.38 * f.jaw), f.y + 0.55 * f.high),
    ]
    pen.polygon(jaw, f.skin)
    if f.beard:
        pen.polygon([(x, y + (0.35 * f.high if y == f.y else 0.0)) for x, y in jaw], fill)
        pen.ellipse(f.x, f.y + 0.5 * f.high, 0.55 * f.wide, 0.2 * f.high, f.skin)


def _features(pen: Pen, f: Face) -> None:
    dark = (45, 35, 35)
    eye, level, spread = 0.13 * f.high, f.y - 0.05 * f.high, 0.42 * f.wide
    for side in (-1, 1):
        x = f.x + side * spread
        pen.disc(x, level, eye, dark)
        brow = level - 0.3 * f.high
        pen.line(x - 0.26 * f.wide, brow, x + 0.26 * f.wide, brow, f.brow * f.high, shade(f.hair, 0.6))
        if f.cheeks:
            pen.disc(f.x + side * 0.55 * f.wide, f.y + 0.3 * f.high, 0.2 * f.wide, (225, 110, 110))
        if f.glasses:
            pen.ring(x, level, 0.34 * f.wide, 0.26 * f.high, 0.1 * f.high, (30, 30, 40), 0, 360)
    pen.line(f.x, level + 0.12 * f.high, f.x, f.y + 0.25 * f.high, 0.1 * f.high, shade(f.skin, 0.8))
    mouth = f.y + 0.52 * f.high
    pen.line(f.x - f.mouth * f.wide, mouth, f.x + f.mouth * f.wide, mouth, 0.14 * f.high, f.lips)


def _hair_before(pen: Pen, f: Face) -> None:
    top = f.y - 0.35 * f.high
    if f.cut == SHORT:
        pen.ellipse(f.x, top, 1.08 * f.wide, 0.75 * f.high, f.hair, 180, 360)
    elif f.cut == LONG:
        pen.ellipse(f.x, top, 1.15 * f.wide, 0.8 * f.high, f.hair, 180, 360)
        for side in (-1, 1):
            pen.line(f.x + side * 1.12 * f.wide, top, f.x + side * 1.2 * f.wide, f.y + f.high, 0.3 * f.wide, f.hair)
    elif f.cut == KNOT:
        pen.ellipse(f.x, f.y - 0.45 * f.high, 1.05 * f.wide, 0.6 * f.high, f.hair, 180, 360)
    else:
        pen.ellipse(f.x, f.y - 0.5 * f.high, 1.05 * f.wide, 0.62 * f.high, f.hair, 180, 360)
