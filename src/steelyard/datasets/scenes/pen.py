"""The pen: shapes in units of the image's side, drawn enlarged and then averaged down, so that edges are smooth.

The canvas has a fourth channel that says whose pixel it is, so that the person's mask comes out of the same strokes.
"""

import colorsys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

_SMALLEST_CANVAS = 128
SCENERY, PERSON = 0, 255


def colour(hue: float, saturation: float, value: float) -> Colour:
    """RGB, 0 to 255, of a hue in turns (any number), a saturation and a value in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return int(255 * red), int(255 * green), int(255 * blue)


def shade(of: Colour, factor: float) -> Colour:
    """The colour darkened (factor below 1) or lightened towards white (above 1, at 2 white)."""
    if factor <= 1.0:
        return int(of[0] * factor), int(of[1] * factor), int(of[2] * factor)
    part = factor - 1.0
    return tuple(int(c + (255 - c) * part) for c in of)  # type: ignore[return-value]


class Dice:
    """Numbers drawn beforehand for one part of an image, taken one after the other."""

    __slots__ = ("_at", "_numbers")

    def __init__(self, numbers: list[float]) -> None:
        self._numbers = numbers
        self._at = 0

    def __call__(self, low: float = 0.0, high: float = 1.0) -> float:
        """The next number, spread over [low, high)."""
        number = self._numbers[self._at]
        self._at += 1
        return low + (high - low) * number


class Pen:
    """Draws on a canvas of its own, which is used again for the next image.

    Attributes:
        size: side of the finished image in pixels.
        layer: `SCENERY` or `PERSON`: what the next strokes belong to.
    """

    __slots__ = ("_canvas", "_side", "layer", "size")

    def __init__(self, size: int, *, canvas: int = _SMALLEST_CANVAS) -> None:
        """A pen with an empty canvas.

        Args:
            size: side of the finished image in pixels.
            canvas: smallest side of the canvas; it is a whole multiple of `size`, twice or more.
        """
        self.size = size
        self.layer = SCENERY
        self._side = size * max(2, -(-canvas // size))
        self._canvas = np.zeros((self._side, self._side, 4), dtype=np.uint8)

    def image(self) -> NDArray[np.uint8]:
        """The picture so far, `[size, size, 4]`: red, green, blue, and the person's share of the pixel × 255."""
        return np.asarray(cv2.resize(self._canvas, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)

    @contextmanager
    def faintly(self, strength: float) -> Iterator[None]:
        """What is drawn meanwhile shows with this share of its contrast: at 1 fully, at 0 not at all."""
        before = self._canvas.copy() if strength < 1.0 else None
        yield
        if before is not None:
            cv2.addWeighted(self._canvas, strength, before, 1.0 - strength, 0.0, dst=self._canvas)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        """A filled rectangle between two corners."""
        s = self._side
        corners = (round(x0 * s), round(y0 * s)), (round(x1 * s) - 1, round(y1 * s) - 1)
        cv2.rectangle(self._canvas, *corners, (*fill, self.layer), cv2.FILLED)

    def disc(self, x: float, y: float, r: float, fill: Colour) -> None:
        """A filled circle."""
        s = self._side
        cv2.circle(self._canvas, (round(x * s), round(y * s)), round(r * s), (*fill, self.layer), cv2.FILLED)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour, start: int = 0, end: int = 360) -> None:
        """A filled ellipse, or the sector of it between two angles (degrees, clockwise from the right)."""
        s = self._side
        centre, axes = (round(x * s), round(y * s)), (round(rx * s), round(ry * s))
        cv2.ellipse(self._canvas, centre, axes, 0, start, end, (*fill, self.layer), cv2.FILLED)

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, fill: Colour, start: int, end: int) -> None:
        """An arc of an ellipse, `width` thick."""
        s = self._side
        centre, axes = (round(x * s), round(y * s)), (round(rx * s), round(ry * s))
        cv2.ellipse(self._canvas, centre, axes, 0, start, end, (*fill, self.layer), max(1, round(width * s)))

    def polygon(self, points: Points, fill: Colour) -> None:
        """A filled polygon."""
        s = self._side
        corners = np.array([(round(x * s), round(y * s)) for x, y in points], dtype=np.int32)
        cv2.fillPoly(self._canvas, [corners], (*fill, self.layer))

    def outline(self, points: NDArray[np.float64], fill: Colour) -> None:
        """A filled polygon of many corners, `[n, 2]`."""
        cv2.fillPoly(self._canvas, [np.rint(points * self._side).astype(np.int32)], (*fill, self.layer))

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float, fill: Colour) -> None:
        """A straight stroke with round ends."""
        s = self._side
        ends = (round(x0 * s), round(y0 * s)), (round(x1 * s), round(y1 * s))
        cv2.line(self._canvas, *ends, (*fill, self.layer), max(1, round(width * s)))
