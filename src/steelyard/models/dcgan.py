"""The generator of a DCGAN: transposed convolutions from a latent to an image.

Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks,
ICLR 2016, https://arxiv.org/abs/1511.06434; layers in the order of PyTorch's tutorial on it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError


class DcganGenerator(nn.Module):
    """Latents → images in [−1, 1].

    Attributes:
        latent_dim: d.
        widths: channels of the map of 4 × 4 pixels, and of each twice as large.
        main: transposed convolutions without bias, BatchNorm and ReLU between them, tanh at the end.
    """

    def __init__(self, latent_dim: int, widths: Sequence[int], *, channels: int = 3) -> None:
        """Parameters are drawn from PyTorch's generator: see `initialising.seeded`.

        Args:
            latent_dim: d, 1 or more.
            widths: of the maps, one or more; images have 4 · 2^len(widths) pixels a side.
            channels: of an image.

        Raises:
            InputError: a number below 1, or no map.
        """
        super().__init__()
        if min(latent_dim, channels, *widths, 1 if widths else 0) < 1:
            found = f"{latent_dim}, {channels} and {list(widths)}"
            raise InputError(f"DCGAN: expected latent_dim, channels and widths of 1 or more, found {found}; raise them")
        self.latent_dim, self.widths = latent_dim, tuple(widths)
        layers: list[nn.Module] = [*_enlarged(latent_dim, widths[0], stride=1)]
        for inputs, outputs in pairwise(widths):
            layers += _enlarged(inputs, outputs, stride=2)
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    @property
    def size(self) -> int:
        """Side of its images, in pixels."""
        return int(4 * 2 ** len(self.widths))

    def forward(self, z: Tensor) -> Tensor:
        """Images `[b, channels, side, side]` of latents `[b, d]`."""
        made: Tensor = self.main(z[:, :, None, None])
        return made


def dcgan_like(tensors: Mapping[str, Tensor]) -> DcganGenerator | None:
    """A generator of the shape that a state dict has, drawn at random; None where it is of another network.

    Args:
        tensors: by the names of `DcganGenerator`.
    """
    shapes: list[torch.Size] = []
    while (weight := tensors.get(f"main.{3 * len(shapes)}.weight")) is not None and weight.dim() == 4:
        shapes.append(weight.shape)
    if len(shapes) < 2 or any(before[1] != after[0] for before, after in pairwise(shapes)):
        return None
    return DcganGenerator(shapes[0][0], [shape[1] for shape in shapes[:-1]], channels=shapes[-1][1])


def _enlarged(inputs: int, outputs: int, *, stride: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride, stride - 1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
