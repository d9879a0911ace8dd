"""Latents of a progressive generator, and pictures of what it makes of them: grids, and PNG files."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.datasets.images import require_cv2


def sphere_latents(n: int, latent_dim: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """`[n, d]`: normal draws, each divided by its root mean square, as a progressive generator uses them."""
    return on_sphere(rng.standard_normal((n, latent_dim)))


def on_sphere(z: NDArray[np.floating]) -> NDArray[np.float32]:
    """`[n, d]`: latents, each divided by its root mean square."""
    wide = z.astype(np.float64, copy=False)
    return np.asarray(wide / np.sqrt(np.square(wide).mean(axis=1, keepdims=True) + 1e-8), dtype=np.float32)


def grid_latents(n: int, latent_dim: int, seed: int) -> Tensor:
    """The latents of a run's grids, always the same."""
    return torch.from_numpy(sphere_latents(n, latent_dim, stream(seed, "grid")))


def as_grid(images: NDArray[np.uint8], columns: int, *, side: int | None = None) -> NDArray[np.uint8]:
    """One picture of images in rows; places that remain are black.

    Args:
        images: `[n, h, w, 3]`.
        columns: images of a row.
        side: enlarge each image by whole times up to this height, if there is room for twice or more.

    Returns:
        `[rows · h, columns · w, 3]`.
    """
    times = max(1, (side or 0) // images.shape[1])
    images = images.repeat(times, axis=1).repeat(times, axis=2)
    n, height, width, _ = images.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, 3), dtype=np.uint8)
    cells[:n] = images
    ordered = cells.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return ordered.reshape(rows * height, columns * width, 3)


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image without loss, replacing the file in one step.

    Args:
        path: the file; its folder is made if need be.
        image: `[h, w, 3]`, RGB.

    Raises:
        InputError: the folder is not writable or full.
    """
    cv2 = require_cv2()
    _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_bytes(content.tobytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); make room, then go on") from None
