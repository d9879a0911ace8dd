"""A progressive GAN: generator and critic that grow from 4 × 4 pixels, doubling the side with each scale.

Karras, Aila, Laine, Lehtinen: Progressive Growing of GANs for Improved Quality, Stability, and Variation, ICLR 2018,
https://arxiv.org/abs/1710.10196. Scale s makes images of 4 · 2^s pixels. While a scale is faded in, `alpha` falls from
1 (only the scale before counts) to 0.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from steelyard.base.errors import InputError

SLOPE = 0.2
"""Of the leaky ReLUs, below 0."""

_TINY = 1e-8


def pixel_norm(x: Tensor) -> Tensor:
    """Divide by the root mean square over channels, `[b, c, …]`; the size of a feature vector says nothing then."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + _TINY)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """One more channel that tells the critic how much the images of a batch differ (section 3 of the paper).

    Args:
        x: `[b, c, h, w]`.
        group: images that are compared with each other, at most; the largest number up to it that divides b counts.

    Returns:
        `[b, c + 1, h, w]`: the new channel is, in each group, the standard deviation over its images, averaged over
        channels and places.
    """
    images, channels, height, width = x.shape
    group = max(size for size in range(1, group + 1) if images % size == 0)
    # Image i is compared with i + b/group, i + 2b/group, …
    parts = x.float().reshape(group, images // group, channels, height, width)
    deviation = (parts.var(dim=0, correction=0) + _TINY).sqrt().mean(dim=(1, 2, 3))
    plane = deviation.repeat(group).to(x.dtype)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, plane], dim=1)


class EqualisedConv2d(nn.Conv2d):
    """A convolution whose output, the bias included, is multiplied by sqrt(2 / fan_in); weights begin as N(0, 1)."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        """Padded so that the map keeps its size; `side` is 1 or 3."""
        super().__init__(inputs, outputs, side, padding=side // 2)
        self.gain = _begin(self)

    def forward(self, input: Tensor) -> Tensor:
        """`[b, o, h, w]` of `[b, c, h, w]`."""
        assert self.bias is not None
        return functional.conv2d(input, self.weight * self.gain, self.bias * self.gain, padding=self.padding)


class EqualisedLinear(nn.Linear):
    """A linear layer whose output, the bias included, is multiplied by sqrt(2 / fan_in); weights begin as N(0, 1)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.gain = _begin(self)

    def forward(self, input: Tensor) -> Tensor:
        """`[b, o]` of `[b, i]`."""
        return functional.linear(input, self.weight * self.gain, self.bias * self.gain)


class ProgressiveGenerator(nn.Module):
    """Latents → images.

    Attributes:
        latent_dim: d.
        depths: channels of each scale, from 4 pixels on.
        channels: of an image.
        normalize: whether `forward` divides z by its root mean square.
        dense: the linear layer from z to the first 4 × 4 map.
        blocks: convolutions of each scale: one at 4 × 4 pixels, two at each further scale.
        to_rgb: each scale's layer from features to pixels.
    """

    def __init__(self, latent_dim: int, depths: Sequence[int], *, channels: int = 3, normalize: bool = True) -> None:
        """Parameters are drawn from PyTorch's generator: see `initialising.seeded`.

        Args:
            latent_dim: d, 1 or more.
            depths: channels of each scale, 1 scale or more.
            channels: of an image.
            normalize: divide z by its root mean square first, as the public models do. Latents of `Generator.sample`
                have the root mean square 1 already, and stay as they are. A mirrored latent does not lie on that
                sphere; with True it is brought back to it: its direction counts, not its length, and its score on a
                hyperplane through the origin keeps its sign. With False it is used as it is.

        Raises:
            InputError: a number below 1, or no scale.
        """
        super().__init__()
        depths = _checked(latent_dim, depths, channels)
        self.latent_dim, self.depths, self.channels, self.normalize = latent_dim, depths, channels, normalize
        self.dense = EqualisedLinear(latent_dim, 16 * depths[0])
        blocks = [nn.ModuleList([EqualisedConv2d(depths[0], depths[0], 3)])]
        for before, depth in pairwise(depths):
            blocks.append(nn.ModuleList([EqualisedConv2d(before, depth, 3), EqualisedConv2d(depth, depth, 3)]))
        self.blocks = nn.ModuleList(blocks)
        self.to_rgb = nn.ModuleList(EqualisedConv2d(depth, channels, 1) for depth in depths)

    @property
    def scales(self) -> int:
        """How many there are."""
        return len(self.depths)

    @property
    def size(self) -> int:
        """Side of its largest images, in pixels."""
        return side_of(self.scales - 1)

    def forward(self, z: Tensor, *, scale: int | None = None, alpha: float = 0.0) -> Tensor:
        """Images of latents.

        Args:
            z: `[b, d]`.
            scale: from 0 on; None for the last.
            alpha: weight of the enlarged image of the scale before, in [0, 1].

        Returns:
            `[b, channels, 4 · 2^scale, 4 · 2^scale]`, about [−1, 1], not clamped.
        """
        scale = self.scales - 1 if scale is None else scale
        z = pixel_norm(z) if self.normalize else z
        x = _activated(self.dense(z)).reshape(len(z), self.depths[0], 4, 4)
        x = self._block(0, pixel_norm(x))
        before = x
        for number in range(1, scale + 1):
            before = x
            x = self._block(number, functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        made: Tensor = self.to_rgb[scale](x)
        if alpha > 0 and scale > 0:
            old = functional.interpolate(self.to_rgb[scale - 1](before), scale_factor=2.0, mode="nearest")
            made = alpha * old + (1 - alpha) * made
        return made

    def _block(self, number: int, x: Tensor) -> Tensor:
        block = self.blocks[number]
        assert isinstance(block, nn.ModuleList)
        for layer in block:
            x = pixel_norm(_activated(layer(x)))
        return x


class ProgressiveCritic(nn.Module):
    """Images → how real they are: the generator mirrored, with the deviation of the batch before the last block.

    Attributes:
        depths: channels of each scale, from 4 pixels on.
        from_rgb: each scale's layer from pixels to features.
        blocks: two convolutions of each scale from 8 pixels on; the map is halved after them.
        last: the convolution at 4 × 4 pixels.
        dense: two linear layers, to the value and the logits of labels.
    """

    def __init__(self, depths: Sequence[int], *, channels: int = 3, labels: int = 0) -> None:
        """Parameters are drawn from PyTorch's generator: see `initialising.seeded`.

        Args:
            depths: channels of each scale, 1 scale or more.
            channels: of an image.
            labels: t, that it recognises beside its value; 0 for none.

        Raises:
            InputError: a number below 1, or no scale.
        """
        super().__init__()
        self.depths = depths = _checked(1, depths, channels)
        self.from_rgb = nn.ModuleList(EqualisedConv2d(channels, depth, 1) for depth in depths)
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualisedConv2d(depth, depth, 3), EqualisedConv2d(depth, before, 3)])
            for before, depth in pairwise(depths)
        )
        self.last = EqualisedConv2d(depths[0] + 1, depths[0], 3)
        self.dense = nn.ModuleList([EqualisedLinear(16 * depths[0], depths[0]), EqualisedLinear(depths[0], 1 + labels)])

    def forward(self, images: Tensor, *, scale: int | None = None, alpha: float = 0.0) -> Tensor:
        """The critic's values.

        Args:
            images: `[b, channels, 4 · 2^scale, 4 · 2^scale]`.
            scale: from 0 on; None for the last.
            alpha: weight of what the scale before sees in the halved image, in [0, 1].

        Returns:
            `[b]`, any number: higher for images that look real.
        """
        return self.judge(images, scale=scale, alpha=alpha)[0]

    def judge(self, images: Tensor, *, scale: int | None = None, alpha: float = 0.0) -> tuple[Tensor, Tensor]:
        """The critic's values `[b]`, as `forward`, and its logits of the labels `[b, t]`."""
        scale = len(self.depths) - 1 if scale is None else scale
        x = _activated(self.from_rgb[scale](images))
        for number in range(scale, 0, -1):
            block = self.blocks[number - 1]
            assert isinstance(block, nn.ModuleList)
            for layer in block:
                x = _activated(layer(x))
            x = functional.avg_pool2d(x, 2)
            if number == scale and alpha > 0:
                old = _activated(self.from_rgb[scale - 1](functional.avg_pool2d(images, 2)))
                x = alpha * old + (1 - alpha) * x
        x = _activated(self.last(minibatch_deviation(x)))
        # Rounded to 16 bits, values of several units would differ by less than their own steps.
        with torch.autocast(x.device.type, enabled=False):
            x = _activated(self.dense[0](x.float().flatten(1)))
            said: Tensor = self.dense[1](x)
        return said[:, 0], said[:, 1:]


def side_of(scale: int) -> int:
    """Side of the images of a scale, in pixels."""
    return int(4 * 2**scale)


def _activated(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def _begin(layer: nn.Conv2d | nn.Linear) -> float:
    """Draw a layer's weights from N(0, 1), its bias 0; returns what its output is multiplied by."""
    nn.init.normal_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return math.sqrt(2 / layer.weight[0].numel())


def _checked(latent_dim: int, depths: Sequence[int], channels: int) -> tuple[int, ...]:
    for name, value in {"latent_dim": latent_dim, "channels": channels, "depths": min(depths, default=0)}.items():
        if value < 1:
            raise InputError(f"progressive GAN: {name}: expected 1 or more, found {value}; raise it")
    return tuple(depths)
