"""How good generated images are: the Fréchet distance to real ones, and how often classifiers are sure of them.

Heusel et al.: GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS 2017,
https://arxiv.org/abs/1706.08500 (the distance; there between features of an Inception network).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, UndefinedError
from steelyard.models.network import Network

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Mean and covariance of features.

    Attributes:
        mean: `[d]`.
        covariance: `[d, d]`.
        n: images that they rest on.
    """

    mean: Features
    covariance: Features
    n: int


def gaussian_of(features: ArrayLike) -> Gaussian:
    """Mean and (unbiased) covariance of features `[n, d]`.

    Raises:
        InputError: another shape, or numbers that are not finite.
        UndefinedError: fewer than two rows.
    """
    held = np.asarray(features, dtype=np.float64)
    if held.ndim != 2 or not np.isfinite(held).all():
        raise InputError(f"features: expected finite numbers [n, d], found {list(held.shape)}; correct them")
    if len(held) < 2:
        raise UndefinedError(f"features: expected 2 images or more, found {len(held)}; there is no covariance")
    return Gaussian(held.mean(axis=0), np.cov(held, rowvar=False).reshape(held.shape[1], held.shape[1]), len(held))


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """The squared Fréchet (2-Wasserstein) distance of two normal distributions.

    ‖m₁ − m₂‖² + tr(C₁) + tr(C₂) − 2 tr((C₁ C₂)^½). From few images it comes out too large, so compare it only between
    sets of equally many.

    Returns:
        0 for equal ones, or more; in squared units of the features.

    Raises:
        InputError: features of different widths.
    """
    if first.mean.shape != second.mean.shape:
        widths = f"{len(first.mean)} and {len(second.mean)}"
        raise InputError(f"features: expected of one width, found {widths}; take both from the same network")
    # tr((C₁ C₂)^½) is the sum of the roots of the eigenvalues of the symmetric C₁^½ C₂ C₁^½, which are never negative.
    root = _root(first.covariance)
    eigenvalues = np.linalg.eigvalsh(root @ second.covariance @ root)
    overlap = np.sqrt(np.clip(eigenvalues, 0.0, None)).sum()
    apart = np.square(first.mean - second.mean).sum()
    return max(0.0, float(apart + np.trace(first.covariance) + np.trace(second.covariance) - 2 * overlap))


@torch.inference_mode()
def features_of(network: Network, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """What a network says of images before its head.

    Args:
        network: in evaluation mode.
        images: batches `[b, h, w, 3]` of 8 bits, of the size that it was trained on.

    Returns:
        `[n, d]`: its embedding.

    Raises:
        InputError: no image.
    """
    if network.training:
        raise InputError("network: expected evaluation mode, found training mode; call eval() first")
    device = next(network.parameters()).device
    made = []
    for batch in images:
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(device).permute(0, 3, 1, 2).float() / 255
        made.append(network(pixels).embedding.float().cpu().numpy())
    if not made:
        raise InputError("images: expected one or more, found none; give some")
    return np.concatenate(made)


def share_confident(probabilities: ArrayLike, *, margin: float = 0.4) -> float:
    """Share of images on which a classifier of a binary attribute is sure.

    Args:
        probabilities: `[n]` in [0, 1].
        margin: distance from 0.5 that counts as sure, in [0, 0.5]; 0.4: below 0.1 or above 0.9.

    Returns:
        In [0, 1]; compare it with the same classifier's on real images.

    Raises:
        InputError: probabilities outside [0, 1] or not a number, or a margin outside its range.
        UndefinedError: no image.
    """
    held = np.asarray(probabilities, dtype=np.float64)
    if held.ndim != 1 or not ((held >= 0) & (held <= 1)).all():
        raise InputError(f"probabilities: expected [n] in [0, 1], found others ({list(held.shape)}); correct them")
    if not 0 <= margin <= 0.5:
        raise InputError(f"margin: expected a number from 0 to 0.5, found {margin:g}; change it")
    if not len(held):
        raise UndefinedError("probabilities: expected one image or more, found none")
    return float((np.abs(held - 0.5) >= margin - 1e-12).mean())


def _root(matrix: Features) -> Features:
    """The symmetric root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T)
