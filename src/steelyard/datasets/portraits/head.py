"""The head, hair and clothes of a portrait; everything that goes with the group is here.

The group shows in one style of head: jaw, brows, cut of the hair and collar go together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.datasets.scenes.face import KNOT, LONG, ROUND, SHORT
from steelyard.datasets.scenes.pen import Colour, Pen, shade

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
_COS, _SIN = np.cos(_ANGLES), np.sin(_ANGLES)  # y points down: the jaw is where the sine is positive
_LOW = _SIN > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What a group looks like.

    Attributes:
        cut: of the hair.
        jaw: 0 for a pointed chin, 1 for a square one.
        brow: thickness of the brows, a share of the head's half height.
        arch: how far their middle is raised, a share of it.
        wide: factor of the head's width.
        collar: depth of the neckline, a share of the head's half height; a pointed one if negative.
    """

    cut: int
    jaw: float
    brow: float
    arch: float
    wide: float
    collar: float


STYLES = (
    Style(cut=SHORT, jaw=1.0, brow=0.15, arch=0.0, wide=1.05, collar=-0.5),
    Style(cut=LONG, jaw=0.0, brow=0.06, arch=0.12, wide=0.97, collar=0.42),
    Style(cut=ROUND, jaw=0.5, brow=0.10, arch=0.06, wide=1.0, collar=0.15),
    Style(cut=KNOT, jaw=0.25, brow=0.06, arch=0.0, wide=1.02, collar=-0.25),
)
"""The look of each group, a, b, c, d."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head seen from the front; lengths in units of the image's side.

    Attributes:
        x: centre.
        y: centre.
        w: half the width.
        h: half the height, chin to crown.
        style: of the group.
        vary: small variation of the style, in [−1, 1].
        skin: colour.
        hair: colour of hair, brows and beard.
        clothes: colour.
    """

    x: float
    y: float
    w: float
    h: float
    style: Style
    vary: float
    skin: Colour
    hair: Colour
    clothes: Colour


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """The colour between two: the first at 0, the second at 1."""
    rest = 1.0 - share
    return (
        int(rest * first[0] + share * second[0]),
        int(rest * first[1] + share * second[1]),
        int(rest * first[2] + share * second[2]),
    )


def jaw_line(head: Head, scale: float = 1.0) -> NDArray[np.float64]:
    """`[48, 2]` outline of the head, from its right clockwise: a half ellipse above, the jaw below."""
    jaw = min(1.0, max(0.0, head.style.jaw + 0.12 * head.vary))
    power = 2.0 / (1.95 + 1.25 * jaw)
    x, y = _COS.copy(), _SIN.copy()
    x[_LOW] = np.sign(_COS[_LOW]) * np.abs(_COS[_LOW]) ** power
    y[_LOW] = _SIN[_LOW] ** power
    x[_LOW] *= 1.0 - (0.32 - 0.22 * jaw) * y[_LOW] ** 2
    return np.stack([head.x + scale * head.w * x, head.y + scale * head.h * y], axis=1)


def draw_hair_behind(pen: Pen, f: Head) -> None:
    """Hair that is behind the head and the shoulders."""
    fill = shade(f.hair, 0.8)
    cut, longer = f.style.cut, 1.0 + 0.05 * f.vary
    if cut == LONG:
        pen.ellipse(f.x, f.y - 0.16 * f.h, 1.32 * f.w, 1.1 * f.h, fill)
        pen.box(f.x - 1.32 * f.w, f.y - 0.16 * f.h, f.x + 1.32 * f.w, f.y + 1.1 * f.h * longer, fill)
        pen.ellipse(f.x, f.y + 1.1 * f.h * longer, 1.32 * f.w, 0.16 * f.h, fill)
    elif cut == ROUND:
        pen.ellipse(f.x, f.y - 0.32 * f.h, 1.5 * f.w * longer, 1.0 * f.h * longer, fill)
    elif cut == KNOT:
        for side in (-1, 1):
            pen.disc(f.x + side * 1.22 * f.w, f.y - 0.45 * f.h, 0.44 * f.w * longer, fill)


def draw_body(pen: Pen, f: Head) -> None:
    """Neck, shoulders and collar."""
    shadow, base = shade(f.skin, 0.82), f.y + 1.25 * f.h
    pen.ellipse(f.x, f.y + 2.15 * f.h, 1.95 * f.w, 0.98 * f.h, f.clothes)
    collar = f.style.collar
    half = 0.52 * f.w
    if collar < 0:
        edge = shade(f.clothes, 1.35)
        pen.polygon([(f.x - 1.5 * half, base), (f.x + 1.5 * half, base), (f.x, base + (0.22 - collar) * f.h)], edge)
        pen.polygon([(f.x - half, base), (f.x + half, base), (f.x, base - collar * f.h)], shadow)
    else:
        pen.ellipse(f.x, base, 1.25 * half, collar * f.h, shadow)
    pen.box(f.x - half, f.y + 0.6 * f.h, f.x + half, base, shadow)


def draw_skull(pen: Pen, f: Head) -> None:
    """Ears and the head without its features."""
    for side in (-1, 1):
        pen.ellipse(f.x + side * 1.0 * f.w, f.y + 0.08 * f.h, 0.16 * f.w, 0.2 * f.h, shade(f.skin, 0.9))
    pen.outline(jaw_line(f), f.skin)


def draw_eyes_and_nose(pen: Pen, f: Head) -> None:
    """Eyes, brows and nose."""
    level, spread = f.y + 0.02 * f.h, 0.43 * f.w
    brow_fill, rise = mixed(f.hair, (60, 40, 30), 0.45), f.style.arch * f.h
    thick = f.style.brow * f.h * (1.0 + 0.12 * f.vary)
    for side in (-1, 1):
        x = f.x + side * spread
        pen.ellipse(x, level, 0.2 * f.w, 0.115 * f.h, (250, 250, 250))
        pen.disc(x, level, 0.115 * f.w, (50, 38, 36))
        brow = level - 0.24 * f.h
        pen.line(x - 0.25 * f.w, brow, x, brow - rise, thick, brow_fill)
        pen.line(x, brow - rise, x + 0.25 * f.w, brow, thick, brow_fill)
    nose = shade(f.skin, 0.8)
    pen.ellipse(f.x, f.y + 0.3 * f.h, 0.13 * f.w, 0.07 * f.h, nose)
    pen.line(f.x + 0.02 * f.w, f.y + 0.1 * f.h, f.x + 0.08 * f.w, f.y + 0.28 * f.h, 0.05 * f.h, nose)


def draw_hair_before(pen: Pen, f: Head) -> None:
    """Hair before the forehead and beside the face."""
    cut, hair = f.style.cut, f.hair
    gloss = shade(hair, 1.18)
    top = f.y - 0.36 * f.h
    if cut == SHORT:
        pen.ellipse(f.x, top, 1.08 * f.w, 0.78 * f.h, hair, 180, 360)
        for side in (-1, 1):
            pen.line(f.x + side * 0.99 * f.w, top, f.x + side * 0.98 * f.w, f.y - 0.02 * f.h, 0.16 * f.w, hair)
        pen.ring(f.x, top, 0.75 * f.w, 0.52 * f.h, 0.06 * f.h, gloss, 205, 285)
    elif cut == LONG:
        pen.outline(_parted(f), hair)
        for side in (-1, 1):
            x, low = f.x + side * 1.13 * f.w, f.y + 1.05 * f.h
            pen.line(f.x + side * 1.04 * f.w, top, x, low, 0.3 * f.w, hair)
            pen.line(f.x + side * 1.08 * f.w, top + 0.1 * f.h, x, low, 0.05 * f.w, gloss)
    elif cut == ROUND:
        pen.ellipse(f.x, f.y - 0.44 * f.h, 1.12 * f.w, 0.66 * f.h, hair, 170, 370)
    else:
        pen.ellipse(f.x, f.y - 0.4 * f.h, 1.05 * f.w, 0.68 * f.h, hair, 180, 360)
        pen.line(f.x, f.y - 1.02 * f.h, f.x, f.y - 0.42 * f.h, 0.03 * f.h, shade(hair, 0.75))


def _parted(f: Head) -> NDArray[np.float64]:
    """`[n, 2]` a fringe that is parted in the middle: the upper half of an ellipse, the parting cut out below."""
    over = _SIN <= 1e-9
    x, y = 1.16 * _COS[over], -0.3 + 0.84 * _SIN[over]
    order = np.argsort(x)
    under = np.array([[1.1, 0.15], [0.9, -0.1], [0.55, -0.42], [0.12, -0.68], [0.0, -0.74]])
    lower = np.concatenate([under, under[-2::-1] * (-1, 1)])
    unit = np.concatenate([np.stack([x[order], y[order]], axis=1), lower])
    return np.asarray(unit * (f.w, f.h) + (f.x, f.y))
