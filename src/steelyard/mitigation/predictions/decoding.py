"""The best assignment of each image alone, and what an assignment is worth; exact for any number of groups.

Multi-label: score(g, y) = s_g + Σ_o θ_{g,o}(y_o); given g each label is its own choice, so the best assignment is the
best of k sums. Single-label: score(v, g), the best of v · k numbers.
Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, section 4, https://arxiv.org/abs/1707.09457.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.mitigation.predictions.losses import group_values

Floats = NDArray[np.float64]

_LARGEST = 1e290
"""Scores beyond have sums that are infinite."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A group and labels for each image.

    Attributes:
        groups: `[n]` integers in 0 … k − 1.
        targets: `[n, t]` of 0 and 1 (uint8), or `[n]` categories in 0 … v − 1.
    """

    groups: NDArray[np.int64]
    targets: NDArray[np.uint8] | NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.groups)


def decode(potentials: ArrayLike, group_scores: ArrayLike | None = None) -> Decoded:
    """The assignment of each image with the highest score.

    Args:
        potentials: multi-label `[n, k, t, 2]`, the last axis label absent, label present; single-label `[n, v, k]`.
        group_scores: `[n, k]` for multi-label, None for single-label.

    Returns:
        Groups and targets. Of equals the first group and category, and labels absent.

    Raises:
        InputError: shapes are not as above, k is below 2, or a value is NaN, infinite or so large that sums would be.
    """
    values, scores = checked(potentials, group_scores)
    if scores is None:
        n, v, k = values.shape
        best = values.reshape(n, v * k).argmax(axis=1)
        return Decoded(groups=best % k, targets=best // k)
    groups = group_values(values, scores).argmax(axis=1)
    own = values[np.arange(len(values)), groups]
    return Decoded(groups=groups, targets=(own[..., 1] > own[..., 0]).astype(np.uint8))


def total_score(potentials: Floats, group_scores: Floats | None, decoded: Decoded) -> float:
    """The sum of score over the images of a corpus, of checked potentials; any real number."""
    rows = np.arange(len(decoded))
    if group_scores is None:
        return float(potentials[rows, decoded.targets, decoded.groups].sum())
    own = potentials[rows, decoded.groups]
    chosen = np.where(decoded.targets == 1, own[..., 1], own[..., 0])
    return float(chosen.sum() + group_scores[rows, decoded.groups].sum())


def checked(potentials: ArrayLike, group_scores: ArrayLike | None) -> tuple[Floats, Floats | None]:
    """Potentials and group scores as finite float64 arrays that fit each other.

    Raises:
        InputError: see `decode`.
    """
    values = _floats("potentials", potentials)
    if group_scores is None:
        if values.ndim != 3:
            do = "; pass group_scores [n, k] with multi-label potentials" if values.ndim == 4 else ""
            raise InputError(f"potentials: expected [n, v, k] without group_scores, found shape {values.shape}{do}")
        n, v, k = values.shape
        _check_sizes(n, v, k)
        return _finite("potentials", values), None
    scores = _floats("group_scores", group_scores)
    if values.ndim != 4 or values.shape[3] != 2:
        raise InputError(f"potentials: expected [n, k, t, 2] beside group_scores, found shape {values.shape}")
    n, k, t, _ = values.shape
    if scores.shape != (n, k):
        raise InputError(
            f"group_scores: expected shape {(n, k)}, images and groups of potentials, found {scores.shape}"
        )
    _check_sizes(n, t, k)
    return _finite("potentials", values), _finite("group_scores", scores)


def _check_sizes(n: int, labels: int, k: int) -> None:
    if n < 1 or labels < 1 or k < 2:
        found = f"{n} images, {labels} labels and {k} groups"
        raise InputError(f"potentials: expected at least 1 image, 1 label and 2 groups, found {found}")


def _floats(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected numbers, found {array.dtype}")
    return array


def _finite(name: str, values: NDArray[Any]) -> Floats:
    array = values.astype(np.float64)
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0]
        where = f"image {place[0]}, position {tuple(place[1:].tolist())}"
        found = f"{array[tuple(place)]} at {where}"
        raise InputError(f"{name}: expected finite numbers, found {found}; clip scores or drop the image")
    if len(array) and np.abs(array).max() > _LARGEST:
        place = np.argwhere(np.abs(array) > _LARGEST)[0]
        where = f"image {place[0]}, position {tuple(place[1:].tolist())}"
        do = "clip scores (a mask of -1e9 says as much)"
        raise InputError(f"{name}: expected scores up to {_LARGEST:g}, found {array[tuple(place)]:g} at {where}; {do}")
    return array
