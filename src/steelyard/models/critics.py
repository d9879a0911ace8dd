"""Critics: what reads the group out of a tap or an image inside training.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
Every layer is made here: the published conv4 critic copied layers of the network that it worked against after freezing
them, so that a part of it never learned (trap W11).
"""

import math
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.models.catalog import build_network
from steelyard.models.initialising import seeded
from steelyard.models.network import Network
from steelyard.models.options import ModelOptions
from steelyard.tables.messages import closest

HIDDEN = 300
LAYERS = 4
_SLOPE = 0.01
_LARGEST_FLAT = 7  # side of the paper's conv5 map
_LARGEST_COMPACT = 96  # images up to this side need no ResNet-18


class CriticBuilder(Protocol):
    """Makes a critic: evidence of this shape, without the batch → logits `[b, k]`."""

    def __call__(self, shape: Sequence[int], groups: int, *, seed: int) -> nn.Module:
        """A critic of k groups; the seed decides its parameters."""
        ...


def vector_critic(
    shape: Sequence[int], groups: int, hidden: int = HIDDEN, layers: int = LAYERS, *, seed: int
) -> nn.Module:
    """A critic of vectors: the MLP of the paper's attacker, BatchNorm on what comes in and after each hidden layer.

    Args:
        shape: (d,): `[b, d]` → logits `[b, k]`.
        groups: k, 2 or more.
        hidden: width of the hidden layers.
        layers: linear layers, the last one included.
        seed: decides the parameters.

    Raises:
        InputError: another shape, or a number outside its range.
    """
    _require(shape, (1,), "vector", groups)
    with seeded(seed, "critic"):
        return nn.Sequential(*_mlp(shape[0], groups, hidden, layers))


def conv5_critic(
    shape: Sequence[int], groups: int, hidden: int = HIDDEN, layers: int = LAYERS, *, seed: int
) -> nn.Module:
    """The paper's critic of the last map: flattened into the MLP of `vector_critic`.

    Args:
        shape: (c, h, w), or (tokens, d) of a transformer: `[b, *shape]` → logits `[b, k]`.
        groups: k, 2 or more.
        hidden: width of the hidden layers.
        layers: linear layers, the last one included.
        seed: decides the parameters.

    Raises:
        InputError: another shape, or a number outside its range.
    """
    _require(shape, (2, 3), "conv5", groups)
    with seeded(seed, "critic"):
        return nn.Sequential(nn.Flatten(), *_mlp(math.prod(shape), groups, hidden, layers))


def conv4_critic(
    shape: Sequence[int], groups: int, channels: int = 256, hidden: int = HIDDEN, layers: int = LAYERS, *, seed: int
) -> nn.Module:
    """The paper's critic of the last map but one: three convolutions (the first halves the map), then four layers.

    Args:
        shape: (c, h, w): `[b, c, h, w]` → logits `[b, k]`.
        groups: k, 2 or more.
        channels: of the convolutions.
        hidden: width of the hidden layers.
        layers: linear layers, the last one included.
        seed: decides the parameters.

    Raises:
        InputError: another shape, or a number outside its range.
    """
    _require(shape, (3,), "conv4", groups)
    inputs, height, width = shape
    with seeded(seed, "critic"):
        convolutions = [
            *_convolution(inputs, channels, stride=2),
            *_convolution(channels, channels, stride=1),
            *_convolution(channels, channels, stride=1),
        ]
        flat = channels * math.ceil(height / 2) * math.ceil(width / 2)
        return nn.Sequential(*convolutions, nn.Flatten(), *_mlp(flat, groups, hidden, layers))


class ImageCritic(nn.Module):
    """A whole network that reads the group out of (masked) images.

    Attributes:
        network: the network; its head has k outputs.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[b, k]` of images `[b, 3, h, w]` in [0, 1]."""
        logits: Tensor = self.network(images).logits
        return logits


def image_critic(groups: int, options: ModelOptions | None = None, *, seed: int) -> nn.Module:
    """The paper's critic of masked images: images `[b, 3, h, w]` in [0, 1] → logits `[b, k]`.

    Args:
        groups: k, 2 or more.
        options: the network; None is a ResNet-18 drawn at random.
        seed: decides the parameters.

    Raises:
        InputError: fewer than two groups, or weights that do not fit.
    """
    _require((3, 1, 1), (3,), "image", groups)
    return ImageCritic(build_network(options or ModelOptions(), outputs=groups, seed=seed))


def _resnet_critic(shape: Sequence[int], groups: int, *, seed: int) -> nn.Module:
    _require_image(shape, "image")
    return image_critic(groups, seed=seed)


def _compact_critic(shape: Sequence[int], groups: int, *, seed: int) -> nn.Module:
    _require_image(shape, "image-compact")
    return image_critic(groups, ModelOptions(name="compact"), seed=seed)


CRITICS: dict[str, CriticBuilder] = {
    "vector": vector_critic,
    "conv5": conv5_critic,
    "conv4": conv4_critic,
    "image": _resnet_critic,
    "image-compact": _compact_critic,
}
"""Critics by name."""


def critic_for(shape: Sequence[int], groups: int, name: str = "auto", *, seed: int) -> nn.Module:
    """The critic of this name, or the usual one for evidence of this shape.

    `auto` takes `vector` for vectors; for images (three channels) `image`, up to 96 pixels `image-compact`; for maps
    `conv5` up to 7 × 7 and `conv4` beyond; `conv5` for the tokens of a transformer.

    Args:
        shape: of the evidence, without the batch.
        groups: k, 2 or more.
        name: of `CRITICS`, or `auto`.
        seed: decides the parameters.

    Raises:
        InputError: an unknown name, or a shape that the critic does not read.
    """
    name = _usual(shape) if name == "auto" else name
    if name not in CRITICS:
        known = ", ".join(CRITICS)
        raise InputError(f"critic: expected auto, {known}, found {name!r}{closest(name, list(CRITICS))}; choose one")
    return CRITICS[name](shape, groups, seed=seed)


def _usual(shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return "vector"
    if len(shape) == 3 and shape[0] == 3:
        return "image-compact" if max(shape[1:]) <= _LARGEST_COMPACT else "image"
    return "conv4" if len(shape) == 3 and max(shape[1:]) > _LARGEST_FLAT else "conv5"


def _mlp(inputs: int, outputs: int, hidden: int, layers: int) -> list[nn.Module]:
    if hidden < 1 or layers < 1:
        raise InputError(f"critic: expected hidden and layers of 1 or more, found {hidden} and {layers}; raise them")
    made: list[nn.Module] = [nn.BatchNorm1d(inputs)]
    for _ in range(layers - 1):
        # A bias before BatchNorm would be taken away again.
        made += [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.LeakyReLU(_SLOPE, inplace=True)]
        inputs = hidden
    return [*made, nn.Linear(inputs, outputs)]


def _convolution(inputs: int, outputs: int, *, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(_SLOPE, inplace=True)]


def _require(shape: Sequence[int], dimensions: tuple[int, ...], name: str, groups: int) -> None:
    if len(shape) not in dimensions or min(shape) < 1:
        expected = "(d,)" if 1 in dimensions else "(c, h, w)"
        raise InputError(
            f"critic {name!r}: expected evidence of shape {expected}, found {tuple(shape)}; choose another critic"
        )
    if groups < 2:
        raise InputError(f"critic {name!r}: expected 2 groups or more, found {groups}; give the number of groups")


def _require_image(shape: Sequence[int], name: str) -> None:
    if len(shape) != 3 or shape[0] != 3:
        raise InputError(
            f"critic {name!r}: expected images (3, h, w), found a tap of shape {tuple(shape)}; choose another critic"
        )
