"""Which labels a latent is to show: a guide, so that attributes lie on the two sides of hyperplanes in z.

Generators of many images put attributes on sides of hyperplanes by themselves (Shen et al., InterFaceGAN, CVPR 2020,
https://arxiv.org/abs/1907.10786); a small one, trained for an hour, does not. Here the critic learns the labels of the
real images beside its value, and the generator is told which labels each latent is to show (Odena, Olah, Shlens:
Conditional Image Synthesis with Auxiliary Classifier GANs, ICML 2017, https://arxiv.org/abs/1610.09585; there labels
are an input of their own, here they are thresholds of z, so that latents stay as they are: drawn from one normal).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm
from torch import Tensor
from torch.nn import functional

from steelyard.base.errors import InputError

Floats = NDArray[np.float64]
_FULL = 0.98
"""Correlations of the normals are kept within this, so that no two attributes share a plane."""


@dataclass(frozen=True, slots=True)
class Guide:
    """Which labels a latent shows: label j is 1 where `mix[j] · z` is above `cuts[j]`.

    The latents' first t numbers are mixed so that labels are as frequent, and two of them as often together, as among
    the real images.

    Attributes:
        mix: `[t, t]`, rows of length 1.
        cuts: `[t]`.
    """

    mix: Floats
    cuts: Floats

    @property
    def labels(self) -> int:
        """t, how many there are."""
        return len(self.cuts)

    def wanted(self, z: Tensor) -> Tensor:
        """`[b, t]` of 0 and 1: the labels that latents `[b, d]` are to show."""
        mix, cuts = (torch.as_tensor(part, dtype=z.dtype, device=z.device) for part in (self.mix, self.cuts))
        return (z[:, : self.labels] @ mix.T > cuts).to(z.dtype)

    @classmethod
    def of(cls, labels: ArrayLike, *, latent_dim: int) -> "Guide":
        """The guide of real images' labels.

        Args:
            labels: `[n, t]` of 0 and 1, each with some of both.
            latent_dim: d, t or more.

        Raises:
            InputError: too narrow latents, or a label that all images or none have.
        """
        held = np.asarray(labels, dtype=np.float64)
        shares = held.mean(axis=0)
        if held.shape[1] > latent_dim:
            raise InputError(
                f"guide: expected latents as wide as the {held.shape[1]} labels, found {latent_dim} numbers"
            )
        if not ((shares > 0) & (shares < 1)).all():
            at = int(np.flatnonzero((shares <= 0) | (shares >= 1))[0])
            raise InputError(f"guide: label {at}: expected images with and without it, found one kind; leave it out")
        cuts = norm.isf(shares)
        together = np.eye(len(cuts))
        for i, j in combinations(range(len(cuts)), 2):
            both = float((held[:, i] * held[:, j]).mean())
            together[i, j] = together[j, i] = _correlation(-cuts[i], -cuts[j], both)
        return cls(_root(together), cuts)


def guidance(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the critic's logits of the labels `[b, t]` are from them: binary cross-entropy, in nats a label."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels)


def _correlation(a: float, b: float, both: float) -> float:
    """Of two normals that lie below a and b together with this probability."""

    def excess(r: float) -> float:
        return float(multivariate_normal.cdf([a, b], cov=[[1.0, r], [r, 1.0]])) - both

    if excess(-_FULL) >= 0:
        return -_FULL
    return _FULL if excess(_FULL) <= 0 else float(brentq(excess, -_FULL, _FULL, xtol=1e-4))


def _root(matrix: Floats) -> Floats:
    """R with R Rᵀ the matrix, or the nearest that is one of correlations; rows have length 1."""
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.clip(values, 1e-3, None))
    # The symmetric root: attribute j depends on number j most of all.
    root = root @ vectors.T
    return np.asarray(root / np.linalg.norm(root, axis=1, keepdims=True))
