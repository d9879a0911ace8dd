"""Images for the small data sets; needs OpenCV, as reading them does."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def picture(height: int = 40, width: int = 60, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth RGB picture, which JPEG keeps nearly as it is."""
    rows, columns = np.mgrid[:height, :width]
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [127 + 100 * np.sin(rows / 9 + columns / 13 + phase) for phase in phases]
    return np.stack(waves, axis=-1).astype(np.uint8)


def write_picture(path: Path, pixels: NDArray[np.uint8] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture() if pixels is None else pixels
    assert cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        write_picture(folder / name)
