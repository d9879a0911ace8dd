"""A generator in two parts, as StyleGANs have it, with hyperplanes in W: how to bring one's own generator.

    generator:
      source: stylegan_like:StyleGanLike     # importable: PYTHONPATH=examples
      arguments: {seed: 0}
      mapping: mapping                       # latents are w = mapping(z): planes are fitted and mirrored there

Karras, Laine, Aila: A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019,
https://arxiv.org/abs/1812.04948. This one is tiny and its weights are random; load trained ones in `__init__`.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Mapping(nn.Module):
    """z → w: some linear layers, after z was divided by its root mean square."""

    def __init__(self, latent_dim: int, width: int, layers: int = 3) -> None:
        super().__init__()
        widths = [latent_dim, *[width] * layers]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))

    def forward(self, z: Tensor) -> Tensor:
        """`[n, w]` of `[n, z]`."""
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2) * 2**0.5
        return x


class Styled(nn.Module):
    """A convolution whose output w scales and shifts, channel by channel (adaptive instance normalisation)."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.style = nn.Linear(width, 2 * outputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """`[n, o, h, w]` of `[n, i, h, w]` and styles `[n, w]`."""
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        x = functional.instance_norm(functional.leaky_relu(self.convolution(x), 0.2))
        return (1 + scale) * x + shift


class StyleGanLike(nn.Module):
    """w → images `[n, 3, 32, 32]` in [−1, 1].

    Attributes:
        latent_dim: width of z, which is drawn.
        mapping: z → w.
    """

    def __init__(self, latent_dim: int = 64, width: int = 48, channels: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.mapping = Mapping(latent_dim, width)
            self.start = nn.Parameter(torch.randn(1, channels, 4, 4))
            self.blocks = nn.ModuleList(Styled(channels, channels, width) for _ in range(4))
            self.colours = nn.Conv2d(channels, 3, 1)

    def forward(self, w: Tensor) -> Tensor:
        """The images of `[n, w]`."""
        x = self.start.expand(len(w), -1, -1, -1)
        for number, block in enumerate(self.blocks):
            x = block(functional.interpolate(x, scale_factor=2.0) if number else x, w)
        images: Tensor = torch.tanh(self.colours(x))
        return images
