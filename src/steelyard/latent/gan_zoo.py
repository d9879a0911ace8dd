"""Progressive GANs of pytorch_GAN_zoo (https://github.com/facebookresearch/pytorch_GAN_zoo), read from their files.

A file is a dictionary: `config` (an object of settings), `netG`, `netD`, often `avgG`, the generator whose weights were
averaged over training: the one to use. The network is that of Karras, Aila, Laine, Lehtinen: Progressive Growing of
GANs for Improved Quality, Stability, and Variation, ICLR 2018, https://arxiv.org/abs/1710.10196.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional

from steelyard.base.errors import InputError
from steelyard.latent.progressive_file import GeneratorFile
from steelyard.latent.torch_file import Bag, read_torch
from steelyard.models.initialising import seeded
from steelyard.models.progressive import SLOPE, EqualisedConv2d, EqualisedLinear, ProgressiveGenerator
from steelyard.models.weights import require_fit
from steelyard.tables.messages import complaint, quoted

SETTINGS = "BaseConfig"
"""The one class, of whatever module, whose objects a file may hold."""
_NETWORKS = ("avgG", "netG")
_FIRST = "formatLayer.weight"
_WHAT = "a progressive GAN of pytorch_GAN_zoo"
_LAYERS = (
    (re.compile(r"^formatLayer\."), "dense."),
    (re.compile(r"^groupScale0\."), "blocks.0."),
    (re.compile(r"^toRGBLayers\."), "to_rgb."),
)
_LATER = re.compile(r"^scaleLayers\.(\d+)\.")


class _Convolution(EqualisedConv2d):
    """As published: the output is multiplied, not the weights.

    Where a pixel's features nearly vanish before they are normalised, rounding shows in the fifth digit of an image, so
    that the order of operations counts.
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.conv2d(input, self.weight, self.bias, padding=self.padding) * self.gain


class _Linear(EqualisedLinear):
    """As published: the output is multiplied, not the weights."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self.weight, self.bias) * self.gain


_AS_PUBLISHED: dict[type, type] = {EqualisedConv2d: _Convolution, EqualisedLinear: _Linear}


def read_gan_zoo(path: str | Path) -> GeneratorFile:
    """The generator of a file.

    Raises:
        InputError: no such file, one that holds more than tensors, plain containers and settings, or a network that is
            built differently: names which setting.
    """
    return from_held(path, read_torch(path, bags=(SETTINGS,)))


def is_gan_zoo(held: Any) -> bool:
    """Whether what was read from a file is such a dictionary."""
    return isinstance(held, Mapping) and any(_FIRST in _bare(held.get(name)) for name in _NETWORKS)


def from_held(path: str | Path, held: Any) -> GeneratorFile:
    """The generator of what `read_torch` read from a file.

    Raises:
        InputError: as in `read_gan_zoo`.
    """
    if not is_gan_zoo(held):
        found, do = "no generator of this kind in it", "give another file"
        raise InputError(complaint(str(path), "", expected=_WHAT, found=found, do=do))
    tensors = next(bare for bare in (_bare(held.get(name)) for name in _NETWORKS) if _FIRST in bare)
    settings = held.get("config")
    config = settings.held if isinstance(settings, Bag) else settings if isinstance(settings, dict) else {}
    named = {_our_name(name): value.float() for name, value in tensors.items()}
    module = _built(path, named)
    scales = module.scales
    alpha = _alpha(path, config, scales)
    _require_usual(path, config, module)
    require_fit(path, named, module.state_dict(), _WHAT)
    if config.get("equalizedlR") is False:  # then the layers' output was never multiplied
        named = {name: value / _gain(name, named) for name, value in named.items()}
    module.load_state_dict(named)
    for layer in module.modules():
        if type(layer) in _AS_PUBLISHED:
            # A change of class keeps parameters and names.
            layer.__class__ = _AS_PUBLISHED[type(layer)]
    return GeneratorFile(module.eval().requires_grad_(False), scales - 1, alpha, "", 0)


def _bare(tensors: Any) -> dict[str, Tensor]:
    """A network's tensors without the `module` that wrappers (of layers, of parallel networks) put into their names."""
    if not isinstance(tensors, Mapping):
        return {}
    return {
        ".".join(part for part in name.split(".") if part != "module"): value
        for name, value in tensors.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _our_name(name: str) -> str:
    for pattern, ours in _LAYERS:
        name = pattern.sub(ours, name)
    return _LATER.sub(lambda found: f"blocks.{int(found[1]) + 1}.", name)


def _built(path: str | Path, named: Mapping[str, Tensor]) -> ProgressiveGenerator:
    """A network of the shape that the tensors have, its parameters drawn at random."""
    depths: list[int] = []
    while (layer := named.get(f"blocks.{len(depths)}.0.weight")) is not None and layer.dim() == 4:
        depths.append(layer.shape[0])
    dense, colours = named["dense.weight"], named.get("to_rgb.0.weight")
    if not depths or dense.dim() != 2 or colours is None or colours.dim() != 4:
        found = "names or shapes of other layers"
        raise InputError(complaint(str(path), "", expected=_WHAT, found=found, do="give another file"))
    with seeded(0, "gan zoo"):
        return ProgressiveGenerator(dense.shape[1], depths, channels=colours.shape[0])


def _gain(name: str, named: Mapping[str, Tensor]) -> float:
    weight = named[name.rpartition(".")[0] + ".weight"]
    return math.sqrt(2 / weight[0].numel())


def _alpha(path: str | Path, config: Mapping[str, Any], scales: int) -> float:
    """Weight of the scale before the last; networks of one scale have none."""
    alpha = config.get("alpha", 0.0)
    number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if not number or not 0 <= alpha <= 1:
        raise _other(path, "alpha", "a number from 0 to 1", alpha)
    return float(alpha) if scales > 1 else 0.0


def _require_usual(path: str | Path, config: Mapping[str, Any], module: ProgressiveGenerator) -> None:
    """Refuse settings with which the network makes other images than ours would of the same weights."""
    depths = list(module.depths)
    told = {"depthScale0": depths[0], "depthOtherScales": depths[1:], "latentVectorDim": module.latent_dim}
    for name, expected in told.items():
        found = config.get(name, expected)
        if type(found) is not type(expected) or found != expected:
            raise _other(path, name, f"{expected}, as the weights have", found)
    slope = config.get("leakyReluLeak", SLOPE)
    if not isinstance(slope, int | float) or not math.isclose(slope, SLOPE):
        raise _other(path, "leakyReluLeak", f"{SLOPE:g}", slope)
    for name, usual, wrong in (
        ("perChannelNormalization", "True", config.get("perChannelNormalization", True) is False),
        ("lossCriterion", "WGANGP", config.get("lossCriterion", "WGANGP") != "WGANGP"),
        ("categoryVectorDim", "0: latents without classes", bool(config.get("categoryVectorDim", 0))),
        ("dimOutput", "3: RGB", module.channels != 3),
    ):
        if wrong:
            raise _other(path, name, usual, config.get(name))


def _other(path: str | Path, name: str, expected: str, found: object) -> InputError:
    do = "this network cannot be read; give another file"
    return InputError(complaint(str(path), f"config.{name}", expected=expected, found=quoted(found), do=do))
