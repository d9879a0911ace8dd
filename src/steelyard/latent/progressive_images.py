"""The real images of a progressive GAN: kept in memory at full size, halved to the size of each scale.

What a step sees is a function of the seed, the step and the process alone: training can stop anywhere and go on.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.datasets.dataset import Dataset
from steelyard.latent.pixels import framed
from steelyard.tables.label_table import LabelTable
from steelyard.training.images import Images, OnBadImage
from steelyard.training.sampling import Rows
from steelyard.training.transforms import Pixels

_BLOCK = 256


def read_squares(
    dataset: Dataset,
    table: LabelTable,
    side: int,
    *,
    on_bad_image: OnBadImage = "raise",
) -> Pixels:
    """Every image of a table as a square.

    Args:
        dataset: has the images.
        table: rows of its labels.
        side: of the square in pixels; an image's shorter side is brought to it, and the middle of the longer taken.
        on_bad_image: `raise` stops at an image that cannot be read, `skip` leaves it out.

    Returns:
        `[n, side, side, 3]`.

    Raises:
        InputError: an image that cannot be read (with `raise`), or none that can.
    """
    images = Images(dataset, table, on_bad_image=on_bad_image, cache="none")
    prepared, made, count = images.prepared(side), np.empty((len(table), side, side, 3), dtype=np.uint8), 0
    for start in range(0, len(table), _BLOCK):
        for image in prepared.take(np.arange(start, min(start + _BLOCK, len(table)))).images:
            made[count] = framed(image, (side, side))
            count += 1
    if not count:
        raise InputError(f"{table.source}: expected images that can be read, found none of {len(table):,}; check them")
    return made[:count]


class GrowingImages:
    """Batches of real images for each scale and step."""

    def __init__(self, images: Pixels, *, seed: int, flip: bool, labels: NDArray[np.integer] | None = None) -> None:
        """Nothing is halved yet.

        Args:
            images: `[n, side, side, 3]`; side 4 · 2^s for a whole s.
            seed: of their order and of the flips.
            flip: mirror half of them left to right.
            labels: `[n, t]` of 0 and 1, for a guide; None for none.
        """
        self.labels = np.empty((len(images), 0)) if labels is None else labels
        self._full, self._seed, self._flip = images, seed, flip
        self._held: tuple[int, Pixels] | None = None
        self._order: tuple[int, Rows] | None = None

    def __len__(self) -> int:
        return len(self._full)

    def batch(self, side: int, alpha: float, *, first: int, count: int) -> Tensor:
        """Images `first` to `first + count` of the endless row of shuffled images.

        Args:
            side: in pixels.
            alpha: weight of the image halved and enlarged again, as in the generator while a scale is faded in.
            first: images that all processes were shown before.
            count: of this batch.

        Returns:
            `[count, 3, side, side]` float32 in [−1, 1].
        """
        rows = self._rows(first, count)
        real = torch.from_numpy(self._at(side)[rows]).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        if self._flip:
            mirrored = stream(self._seed, "flips", first).random(count) < 0.5
            real = torch.where(torch.from_numpy(mirrored)[:, None, None, None], real.flip(3), real)
        if alpha > 0:
            old = functional.interpolate(functional.avg_pool2d(real, 2), scale_factor=2.0, mode="nearest")
            real = alpha * old + (1 - alpha) * real
        return real

    def labels_of(self, *, first: int, count: int) -> Tensor:
        """`[count, t]` float32: the labels of the images of `batch`."""
        return torch.from_numpy(self.labels[self._rows(first, count)].astype(np.float32))

    def _rows(self, first: int, count: int) -> Rows:
        return np.array([self._row(place) for place in range(first, first + count)])

    def _row(self, place: int) -> int:
        epoch, at = divmod(place, len(self))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, stream(self._seed, "order", epoch).permutation(len(self))
        return int(self._order[1][at])

    def _at(self, side: int) -> Pixels:
        """The images at this size; those of one size are kept."""
        if self._held is None or self._held[0] != side:
            self._held = side, halved(self._full, side)
        return self._held[1]


def halved(images: Pixels, side: int) -> Pixels:
    """Images `[n, h, h, 3]` at a smaller side that divides h: means over squares of pixels, rounded."""
    times = images.shape[1] // side
    if times == 1:
        return images
    made = np.empty((len(images), side, side, 3), dtype=np.uint8)
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        squares = block.reshape(len(block), side, times, side, times, 3).astype(np.float32)
        made[start : start + len(block)] = np.rint(squares.mean(axis=(2, 4)))
    return made
