"""Passes through a network that leave no trace: evaluation, frozen parameters, the network under its wrapper."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from lightning.fabric.wrappers import is_wrapped
from torch import Tensor, nn

from steelyard.models.network import Network, Output

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def plain(module: nn.Module) -> nn.Module:
    """The module itself, out of what Fabric wrapped around it for processes and precision."""
    return cast(nn.Module, module.module) if is_wrapped(module) else module


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients pass through the module inside, and none are made for its parameters."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; the mode before it afterwards."""
    was = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was)


def output_of(fabric: "Fabric", network: Network, images: Tensor, taps: tuple[str, ...] = ()) -> Output:
    """What the network says in evaluation mode, without gradients.

    It goes around the wrapper of processes, which would wait for the others although each has batches of its own.

    Args:
        fabric: of the engine.
        network: perhaps wrapped.
        images: `[b, 3, h, w]` in [0, 1].
        taps: layers to read out.
    """
    inner = cast(Network, plain(network))
    with evaluating(inner), fabric.autocast():
        return cast(Output, inner(images, taps=taps))
