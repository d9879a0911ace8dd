"""Noise and erasure as edits of a network's taps (needs PyTorch): `network.edits["embedding"] = noise_edit(…)`."""

from collections.abc import Iterable
from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from steelyard.base.errors import InputError, UndefinedError
from steelyard.mitigation.features.leace import Eraser, LeaceFitter
from steelyard.models.network import Edit, Network
from steelyard.training.objective import Batch

MAP_LIMIT = 4096
"""Most numbers of one image that are erased jointly: the covariance has the square of it."""


def noise_edit(scale: float, generator: torch.Generator, *, spread: ArrayLike | None = None) -> Edit:
    """Gaussian noise on a tap, drawn anew for each batch.

    Args:
        scale: standard deviation of the noise, at least 0, in units of `spread`; at 0 the tap is handed on as it is.
        generator: draws the noise; the same state and the same batches give the same noise.
        spread: standard deviation of the tap without noise, `[d]` for vectors (`noise.spread_of` of an embedding),
            `[c]` or `[c, h, w]` for maps; None takes `scale` in the tap's own units.

    Raises:
        InputError: the scale is below 0.
    """
    if not scale >= 0:
        raise InputError(f"scale: expected a number of at least 0, found {scale}")
    factor = None if spread is None else torch.as_tensor(np.asarray(spread, dtype=np.float32))

    def edit(output: Tensor) -> Tensor:
        if scale == 0:
            return output
        noise = torch.randn(output.shape, generator=generator, device=generator.device).mul_(scale).to(output.device)
        if factor is not None:
            noise *= _broadcast(factor, output).to(noise)
        return output + noise.to(output.dtype)

    return edit


def erasure_edit(eraser: Eraser) -> Edit:
    """Erasure of a tap: vectors `[b, d]`, or maps `[b, c, h, w]` with all numbers of an image jointly.

    Called with a tap of another size than the eraser was fitted on, the edit raises an InputError.
    """
    parts = [torch.from_numpy(part) for part in (eraser.mean, eraser.back.T, eraser.into.T)]

    def edit(output: Tensor) -> Tensor:
        flat = output.flatten(1)
        if flat.shape[1] != len(eraser.mean):
            found = tuple(output.shape[1:])
            raise InputError(
                f"erasure: expected a tap of {len(eraser.mean):,} numbers, found {found}; fit it on this tap"
            )
        # Apple's devices have no float64.
        wide = torch.float32 if output.device.type == "mps" else torch.float64
        mean, back, into = (part.to(output.device, wide) for part in parts)
        taken = (flat.to(wide) - mean) @ back @ into
        return (flat.to(wide) - taken).to(output.dtype).view_as(output)

    return edit


@torch.no_grad()
def fit_tap_eraser(network: Network, tap: str, batches: Iterable[Batch], k: int) -> Eraser:
    """Fit LEACE on a tap.

    Args:
        network: in evaluation mode, all of it; its edits of earlier taps count.
        tap: layer, alias or `embedding`.
        batches: of images that the network was not trained on.
        k: groups.

    Raises:
        InputError: the network is in training mode, there is no such tap, or it holds more than `MAP_LIMIT` numbers
            per image.
        UndefinedError: there are no batches, or none of some group.
    """
    if any(module.training for module in network.modules()):
        # Each batch would be normalised by itself, and would move the statistics that the network keeps.
        raise InputError(
            f"LEACE at {tap!r}: expected a network in evaluation mode, found training mode; call network.eval() first"
        )
    fitter: LeaceFitter | None = None
    for batch in batches:
        seen = network(batch.images, taps=[tap]).taps[tap]
        if fitter is None:
            fitter = LeaceFitter(_jointly(tap, tuple(seen.shape[1:])), k)
        fitter.update(seen.flatten(1).float().cpu().numpy(), batch.groups.cpu().numpy())
    if fitter is None:
        raise UndefinedError(f"LEACE at {tap!r}: expected batches to fit on, found none")
    return fitter.eraser()


def _jointly(tap: str, shape: tuple[int, ...]) -> int:
    """Numbers of one image."""
    count = prod(shape)
    if count > MAP_LIMIT:
        size = "×".join(map(str, shape))
        raise InputError(
            f"tap {tap!r}: expected at most {MAP_LIMIT:,} numbers per image to erase jointly, "
            f"found {size} = {count:,}; use the tap 'embedding'"
        )
    return count


def _broadcast(factor: Tensor, output: Tensor) -> Tensor:
    """The shape of one image's output as it is, `[c]` over the places of maps."""
    shape = output.shape[1:]
    if factor.shape == shape:
        return factor
    if output.ndim == 4 and factor.shape == shape[:1]:
        return factor.view(-1, 1, 1)
    raise InputError(f"spread: expected the shape of the tap {tuple(shape)}, found {tuple(factor.shape)}")
