"""What the rest asks of a generator of images.

Latents are always those in which hyperplanes are fitted and mirrored: as the generator uses them (a progressive GAN
divides z by its root mean square first; a StyleGAN maps z to w), so that a plane speaks of what the images depend on.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Latents = NDArray[np.float32]


class Generator(Protocol):
    """Latents → images."""

    @property
    def name(self) -> str:
        """Which one it is, in one line, for messages and records."""
        ...

    @property
    def latent_dim(self) -> int:
        """d, the width of a latent."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its images."""
        ...

    def sample(self, n: int, *, seed: int) -> Latents:
        """`[n, d]` float32: latents as the generator uses them; the first rows do not depend on n."""
        ...

    def synthesize(self, z: Tensor) -> Tensor:
        """`[n, 3, h, w]` float32 in [−1, 1]: images of `[n, d]` latents, in evaluation mode, without gradients."""
        ...


@runtime_checkable
class BringsLatents(Protocol):
    """A generator that changes latents before it makes images of them; without this, any `[n, d]` is used as it is."""

    def as_used(self, z: Latents) -> Latents:
        """`[n, d]` float32: the latents, of whatever origin, as the generator uses them; of the same images."""
        ...
