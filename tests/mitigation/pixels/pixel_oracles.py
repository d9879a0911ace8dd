"""The changes pixel by pixel, in plain Python on plain numbers: slow, and written from their definitions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def luma(pixel: Any) -> float:
    red, green, blue = (float(value) for value in pixel)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def where(image: Image, mask: Mask, value: Callable[[int, int], Any]) -> NDArray[np.float64]:
    """The image with `value(row, column)` where the mask is."""
    out = image.astype(np.float64)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if mask[row, column]:
                out[row, column] = value(row, column)
    return out


def at(image: NDArray[Any], row: int, column: int) -> Any:
    """The pixel; beyond the border the nearest one."""
    height, width = image.shape[:2]
    return image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]


def slow_blackout(image: Image, mask: Mask) -> NDArray[np.float64]:
    return where(image, mask, lambda row, column: 0.0)


def slow_greyscale(image: Image, mask: Mask) -> NDArray[np.float64]:
    return where(image, mask, lambda row, column: luma(image[row, column]))


def slow_edges(grey: NDArray[np.float64], image: Image, mask: Mask) -> NDArray[np.float64]:
    def value(row: int, column: int) -> float:
        around = [
            float(at(grey, row + down, column + right))
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if (down, right) != (0, 0)
        ]
        return min(max(255.0 + 8.0 * float(grey[row, column]) - sum(around), 0.0), 255.0)

    return where(image, mask, value)


def slow_blur(image: Image, mask: Mask, sigma: float, tail: float) -> NDArray[np.float64]:
    """Rows, then columns, each a weighted mean of the pixels within `tail` deviations."""
    reach = math.ceil(tail * sigma)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(-reach, reach + 1)]
    total = sum(weights)
    steps = list(zip(range(-reach, reach + 1), weights, strict=True))
    across = image.astype(np.float64)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            across[row, column] = sum(w * at(image, row, column + step).astype(float) for step, w in steps) / total
    return where(image, mask, lambda row, column: sum(w * at(across, row + s, column) for s, w in steps) / total)
