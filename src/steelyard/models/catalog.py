"""The networks by name, and how one is made ready: drawn by a seed, then set to given weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.models.backbone import Backbone
from steelyard.models.compact import compact
from steelyard.models.efficientnet_lite import efficientnet_lite0
from steelyard.models.initialising import seeded
from steelyard.models.network import Network
from steelyard.models.options import ModelOptions
from steelyard.models.resnets import resnet
from steelyard.models.small_maps import speed_small_maps
from steelyard.models.timm_models import timm_network
from steelyard.models.weights import SUFFIXES, read_weights, require_fit, require_metadata

__all__ = ["MODELS", "ModelOptions", "build_network"]

MODELS: dict[str, Callable[[ModelOptions], Backbone]] = {
    "resnet18": resnet,
    "resnet34": resnet,
    "resnet50": resnet,
    "resnet101": resnet,
    "efficientnet_lite0": efficientnet_lite0,
    "compact": compact,
}
"""What makes each; any other name is `timm:NAME`."""

_BACKBONE, _HIDDEN, _HEAD = "backbone.", "hidden.", "head."


def build_network(options: ModelOptions, *, outputs: int, seed: int) -> Network:
    """A network of these options.

    Args:
        options: which one, and what it starts from.
        outputs: o, the width of its head.
        seed: decides what is drawn at random, the same each time; torch's own random state stays as it is.

    Raises:
        InputError: unknown weights, a file that does not fit, or a download that fails.
        MissingExtraError: the package that the network comes from is not installed.
    """
    if outputs < 1:
        raise InputError(f"model: expected 1 output or more, found {outputs}; give the number of targets")
    with seeded(seed, "network"):
        backbone = MODELS.get(options.name, timm_network)(options)
        hidden = None
        if options.hidden is not None:
            hidden = nn.Sequential(nn.Linear(backbone.width, options.hidden), nn.ReLU())
        head = nn.Linear(options.hidden or backbone.width, outputs)
        network = Network(
            backbone.module,
            head,
            mean=backbone.mean,
            std=backbone.std,
            aliases=backbone.aliases,
            dropout=backbone.dropout,
            hidden=hidden,
        )
        if options.weights not in (None, "none"):
            _start_from(network, backbone, options, options.weights)
    speed_small_maps(network)
    return network


def _start_from(network: Network, backbone: Backbone, options: ModelOptions, weights: str) -> None:
    if Path(weights).suffix.lower() in SUFFIXES or "/" in weights:
        read = read_weights(weights)
        if "model" in read.metadata:  # this package's own
            require_metadata(weights, read.metadata, options.describe(), f"the network {options.name}")
        tensors: Mapping[str, Tensor] = read.tensors
    elif backbone.pretrained is None:
        raise InputError(
            f"model.weights: expected none or a file ({', '.join(SUFFIXES)}) for {options.name}, found {weights!r}; "
            "give a file or leave it out"
        )
    else:
        tensors = backbone.pretrained(weights)
    _load(network, _named_as_ours(tensors, backbone.heads), where=weights, what=f"the network {options.name}")


def _named_as_ours(tensors: Mapping[str, Tensor], heads: tuple[str, ...]) -> dict[str, Tensor]:
    """A state dict under a network's names: without the prefix of a parallel wrapper, backbone and head apart."""
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    if any(name.startswith(_BACKBONE) for name in tensors):
        return dict(tensors)
    named = {}
    for name, value in tensors.items():
        layer, _, part = name.rpartition(".")
        named[_HEAD + part if layer in heads else _BACKBONE + name] = value
    return named


def _load(network: Network, tensors: dict[str, Tensor], *, where: str, what: str) -> None:
    state = network.state_dict()
    head = [name for name in state if name.startswith((_HIDDEN, _HEAD))]
    # A head of other targets is not this one's.
    if any(name in tensors and tensors[name].shape != state[name].shape for name in head):
        tensors = {name: value for name, value in tensors.items() if name not in head}
    require_fit(where, tensors, state, what, optional=head)
    network.load_state_dict(tensors, strict=False)
