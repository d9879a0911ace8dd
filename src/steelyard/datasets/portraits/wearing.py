"""The attributes that are drawn on a head: each in large, so that it can be read at 32 pixels, and in either group."""

import numpy as np

from steelyard.datasets.portraits.head import Head, jaw_line, mixed
from steelyard.datasets.scenes.pen import Colour, Pen, shade

FRAME: Colour = (28, 28, 36)
BEARD: Colour = (66, 40, 30)
EARRING: Colour = (0, 186, 168)
BLUSH: Colour = (238, 70, 88)
TEETH: Colour = (252, 250, 246)


def draw_beard(pen: Pen, f: Head) -> None:
    """Jaw and chin covered with hair; brown, a little lighter where the hair is, so that it differs from any skin."""
    line = jaw_line(f, 1.03)
    low = line[line[:, 1] >= f.y + 0.08 * f.h]  # from the right under the chin to the left
    inner = np.array([[-0.62, 0.42], [-0.3, 0.4], [0.0, 0.44], [0.3, 0.4], [0.62, 0.42]])
    pen.outline(np.concatenate([low, inner * (f.w, f.h) + (f.x, f.y)]), mixed(BEARD, f.hair, 0.2))


def draw_mouth(pen: Pen, f: Head) -> None:
    """A closed mouth that does not smile."""
    lips, y = mixed(f.skin, (176, 58, 62), 0.65), f.y + 0.62 * f.h
    pen.line(f.x - 0.22 * f.w, y, f.x + 0.22 * f.w, y, 0.09 * f.h, lips)


def draw_smile(pen: Pen, f: Head) -> None:
    """A wide mouth with teeth, its corners up."""
    lips, y = mixed(f.skin, (176, 58, 62), 0.65), f.y + 0.54 * f.h
    pen.ellipse(f.x, y, 0.56 * f.w, 0.33 * f.h, lips, 0, 180)
    pen.ellipse(f.x, y + 0.025 * f.h, 0.46 * f.w, 0.235 * f.h, TEETH, 0, 180)


def draw_cheeks(pen: Pen, f: Head) -> None:
    """Red cheeks."""
    for side in (-1, 1):
        x, y = f.x + side * 0.62 * f.w, f.y + 0.34 * f.h
        pen.ellipse(x, y, 0.28 * f.w, 0.19 * f.h, mixed(f.skin, BLUSH, 0.5))
        pen.ellipse(x, y, 0.2 * f.w, 0.135 * f.h, mixed(f.skin, BLUSH, 0.8))


def draw_glasses(pen: Pen, f: Head) -> None:
    """Round glasses with a dark frame."""
    level, width = f.y + 0.02 * f.h, 0.075 * f.h
    for side in (-1, 1):
        x = f.x + side * 0.43 * f.w
        pen.ring(x, level, 0.34 * f.w, 0.235 * f.h, width, FRAME, 0, 360)
        pen.line(f.x + side * 0.77 * f.w, level, f.x + side * 1.0 * f.w, level - 0.03 * f.h, width, FRAME)
    pen.line(f.x - 0.1 * f.w, level, f.x + 0.1 * f.w, level, width, FRAME)


def draw_hat(pen: Pen, f: Head, fill: Colour) -> None:
    """A woollen hat on the crown: the hair stays to be seen below and beside it."""
    brim = f.y - 0.63 * f.h
    pen.ellipse(f.x, brim, 1.12 * f.w, 0.72 * f.h, fill, 180, 360)
    pen.line(f.x - 1.06 * f.w, brim, f.x + 1.06 * f.w, brim, 0.17 * f.h, shade(fill, 1.3))
    pen.disc(f.x, brim - 0.74 * f.h, 0.13 * f.h, shade(fill, 1.5))


def draw_earrings(pen: Pen, f: Head) -> None:
    """Large drops below the ears, before the hair."""
    for side in (-1, 1):
        x, y = f.x + side * 1.1 * f.w, f.y + 0.46 * f.h
        pen.line(x, f.y + 0.26 * f.h, x, y, 0.04 * f.h, EARRING)
        pen.disc(x, y, 0.15 * f.h, EARRING)
        pen.disc(x - 0.03 * f.h, y - 0.04 * f.h, 0.05 * f.h, shade(EARRING, 1.55))


def draw_scarf(pen: Pen, f: Head, fill: Colour) -> None:
    """A thick scarf around the neck, below the chin."""
    dark = shade(fill, 0.75)
    pen.polygon(
        [
            (f.x + 0.12 * f.w, f.y + 1.2 * f.h),
            (f.x + 0.62 * f.w, f.y + 1.2 * f.h),
            (f.x + 0.7 * f.w, f.y + 2.2 * f.h),
            (f.x + 0.22 * f.w, f.y + 2.2 * f.h),
        ],
        dark,
    )
    pen.ellipse(f.x, f.y + 1.14 * f.h, 0.95 * f.w, 0.27 * f.h, fill)
    pen.ring(f.x, f.y + 1.0 * f.h, 0.85 * f.w, 0.25 * f.h, 0.05 * f.h, dark, 25, 155)
