"""From latents to images as every other image is: uint8, RGB, in one fixed range, of one size.

No image is stretched by its own minimum and maximum, and none is compressed: either would tell generated images from
real ones (trap R12).
"""

import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.datasets.scenes.painting import grained
from steelyard.latent.generator import Generator, Latents
from steelyard.training.transforms import Pixels, resized

Images = NDArray[np.uint8]


def to_uint8(images: Tensor) -> Images:
    """`[n, h, w, 3]`, RGB: round((x + 1) · 127.5) of images `[n, 3, h, w]`, clamped to [−1, 1]."""
    scaled = ((images.detach().float().clamp(-1.0, 1.0) + 1.0) * 127.5).round()
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy())


class Synthesis:
    """A generator that makes uint8 images and counts them.

    Attributes:
        generator: as it was given.
        made: images made so far.
        seconds: that making them took.
    """

    def __init__(self, generator: Generator, *, batch: int = 64, noise: float = 0.0) -> None:
        """Nothing is made yet.

        Args:
            generator: of the images.
            batch: latents that it is given at once.
            noise: standard deviation of noise that every pixel gets, a share of white; the same for the same latent.
        """
        self.generator, self._batch, self._noise = generator, batch, noise
        self.made, self.seconds = 0, 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.generator.size

    def __call__(self, latents: Latents) -> Images:
        """`[n, h, w, 3]`: the images of `[n, d]` latents.

        Raises:
            InputError: latents of another width, or images of another size than the generator says.
        """
        height, width = self.size
        made = np.empty((len(latents), height, width, 3), dtype=np.uint8)
        for span, images in self.batches(latents):
            made[span] = images
        return made

    def batches(self, latents: Latents) -> Iterator[tuple[slice, Images]]:
        """The same, batch after batch, each with its rows."""
        require_width(latents, self.generator)
        for start in range(0, len(latents), self._batch):
            begun = time.perf_counter()
            part = torch.from_numpy(np.array(latents[start : start + self._batch], dtype=np.float32))
            with torch.inference_mode():
                images = to_uint8(self.generator.synthesize(part))
            if images.shape != (len(part), *self.size, 3):
                expected, found = [len(part), 3, *self.size], list(images.transpose(0, 3, 1, 2).shape)
                raise InputError(
                    f"{self.generator.name}: expected images {expected}, found {found}; mend the generator"
                )
            if self._noise:
                images = np.stack([self._with_noise(*pair) for pair in zip(images, part.numpy(), strict=True)])
            self.made += len(part)
            self.seconds += time.perf_counter() - begun
            yield slice(start, start + len(part)), images

    def _with_noise(self, image: Images, latent: Latents) -> Images:
        return grained(image, self._noise, stream(zlib.crc32(latent.tobytes()), "noise"))


def look(generator: Generator) -> NDArray[np.int64]:
    """`[6, 4, 4, 3]`: how a generator's images look, so coarsely that rounding on another machine does not show.

    Mean colours of 4 × 4 fields (fewer of images below 4 pixels) in steps of 2 of 255. Half of the images are of
    latents that lie further out than those it samples, as mirror images do.

    Raises:
        InputError: its images are not what it says.
    """
    latents = generator.sample(3, seed=0)
    images = Synthesis(generator)(np.concatenate([latents, 1.5 * latents]))
    rows, columns = (np.unique(np.arange(5) * side // 4) for side in images.shape[1:3])
    sums = np.add.reduceat(np.add.reduceat(images.astype(np.int64), rows[:-1], axis=1), columns[:-1], axis=2)
    means = sums / np.outer(np.diff(rows), np.diff(columns))[..., None]
    # No edge of a step is a whole number, as the mean of one even colour is.
    return np.asarray(np.floor((means + 0.5) / 2), dtype=np.int64)


def require_width(latents: NDArray[np.floating], generator: Generator, *, source: str = "latents") -> None:
    """Refuse latents of another width than the generator's.

    Raises:
        InputError: they are.
    """
    if latents.ndim != 2 or latents.shape[1] != generator.latent_dim:
        found = " by ".join(f"{length:,}" for length in latents.shape)
        raise InputError(
            f"{source}: expected rows of {generator.latent_dim:,} numbers, the width of {generator.name}, "
            f"found {found}; sample them from this generator"
        )


def framed(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An image scaled to cover a frame, and the middle of it: `[h, w, 3]`.

    Args:
        image: of any size.
        size: h and w, the generator's; so that sharpness does not tell real images from generated ones.
    """
    height, width = size
    if image.shape[:2] == size:
        return image
    scale = max(height / image.shape[0], width / image.shape[1])
    shorter = max(min(size), round(min(image.shape[:2]) * scale))
    made = resized(image, shorter)
    top, left = (made.shape[0] - height) // 2, (made.shape[1] - width) // 2
    return np.ascontiguousarray(made[top : top + height, left : left + width])


Told = Callable[[int], None]
"""Told of each number of images that is done."""
