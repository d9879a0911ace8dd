"""Hyperplanes of attributes, fitted to latents and the labels of their images by a linear support vector machine.

Ramaswamy, Kim, Russakovsky: Fair Attribute Classification through Latent Space De-biasing, CVPR 2021,
https://arxiv.org/abs/2012.01469 (10,000 latents to fit, 5,000 held out). The primal solver finds what their dual one
does, in less time.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from steelyard.base.errors import InputError, UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.latent.hyperplanes import Hyperplane
from steelyard.metrics.arrays import binary
from steelyard.metrics.decisions import balanced_accuracy
from steelyard.tables.messages import quoted

MIN_CLASS = 10
"""Latents of either class below which no plane is fitted."""
_HELD_OUT_LEAST = 2
_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedHyperplane:
    """A plane, and how well it tells on latents that it was not fitted on.

    Attributes:
        plane: with the attribute's name.
        accuracy: share of held-out latents on the right side.
        balanced_accuracy: the mean of that share among those without and those with the attribute; 0.5 is chance.
        majority: share of the larger class among the held-out latents: what a plane must beat to have learned anything.
        counts: latents fitted on, without and with the attribute.
        held_out: latents held out, without and with the attribute.
    """

    plane: Hyperplane
    accuracy: Estimate
    balanced_accuracy: Estimate
    majority: float
    counts: tuple[int, int]
    held_out: tuple[int, int]

    @property
    def name(self) -> str:
        """The attribute."""
        return self.plane.name

    def to_dict(self) -> dict[str, Any]:
        """All but the plane itself (`write_hyperplanes` keeps it), as plain JSON types."""
        found = {"accuracy": self.accuracy.to_dict(), "balanced_accuracy": self.balanced_accuracy.to_dict()}
        counted = {"counts": list(self.counts), "held_out": list(self.held_out)}
        return {"name": self.name, **found, "majority": self.majority, **counted}


def fit_hyperplane(
    latents: ArrayLike,
    labels: ArrayLike,
    *,
    seed: int,
    name: str = "",
    held_out: float | ArrayLike = 1 / 3,
    min_class: int = MIN_CLASS,
    strength: float = 1.0,
    rounds: int = 1000,
) -> FittedHyperplane:
    """The plane that best tells latents with an attribute from those without.

    Args:
        latents: `[n, d]`, as the generator uses them, finite.
        labels: `[n]`, 0 or 1: what the images of these latents show.
        seed: of what is held out, and of the intervals.
        name: of the attribute.
        held_out: share of the latents that the accuracy is found on, the same share of both classes; or `[n]` booleans,
            True where a latent is held out.
        min_class: latents of either class to fit on, at least.
        strength: C of the support vector machine.
        rounds: bootstrap rounds of the interval of the balanced accuracy.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: too few latents of a class to fit on, or fewer than two of a class held out.
    """
    x, y = _latents(latents), binary("labels", labels, 1)
    if len(x) != len(y):
        raise InputError(f"labels: expected one for each of {len(x):,} latents, found {len(y):,}; join them by id")
    rest = _held_out(held_out, y, seed, name)
    counts, tested = _counts(y[~rest]), _counts(y[rest])
    _require_classes(counts, tested, min_class, name)
    plane = _fit(x[~rest], y[~rest], strength, seed, name)
    guesses = (plane.score(x[rest]) > 0).astype(np.int64)
    scheme = f"linear support vector machine on {sum(counts):,} latents; held-out latents"
    balanced = balanced_accuracy(y[rest], guesses, rounds=rounds, seed=seed)
    assert isinstance(balanced, Estimate)
    return FittedHyperplane(
        plane=plane,
        accuracy=_accuracy(int((guesses == y[rest]).sum()), sum(tested), name, scheme),
        balanced_accuracy=balanced,
        majority=max(tested) / sum(tested),
        counts=counts,
        held_out=tested,
    )


def fit_hyperplanes(
    latents: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str],
    *,
    seed: int,
    held_out: float | ArrayLike = 1 / 3,
    min_class: int = MIN_CLASS,
    strength: float = 1.0,
    rounds: int = 1000,
) -> dict[str, FittedHyperplane]:
    """A plane for each of several attributes, by name.

    Args:
        latents: as in `fit_hyperplane`.
        labels: `[n, t]`, 0 or 1.
        names: of the t attributes, all different.
        seed: as in `fit_hyperplane`, as are the others.
        held_out: a share of every class of each attribute, or the same `[n]` latents for all.
        min_class: latents of either class to fit on, at least.
        strength: C of the support vector machines.
        rounds: bootstrap rounds.

    Raises:
        InputError: as in `fit_hyperplane`; names that do not fit the labels.
        UndefinedError: as in `fit_hyperplane`; the first attribute of which a class is too rare.
    """
    x, y = _latents(latents), binary("labels", labels, 2)
    if len(names) != y.shape[1] or len(set(names)) != len(names) or not names:
        raise InputError(f"names: expected {y.shape[1]} different ones, one for each column of labels, found {names}")
    return {
        name: fit_hyperplane(
            x,
            y[:, j],
            seed=seed,
            name=name,
            held_out=held_out,
            min_class=min_class,
            strength=strength,
            rounds=rounds,
        )
        for j, name in enumerate(names)
    }


def fit_hyperplanes_by_group(
    latents: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    seed: int,
    name: str = "",
    held_out: float | ArrayLike = 1 / 3,
    min_class: int = MIN_CLASS,
    strength: float = 1.0,
    rounds: int = 1000,
) -> tuple[FittedHyperplane, FittedHyperplane]:
    """Planes of one attribute among the latents without and those with a protected one (domain-dependent hyperplanes).

    Args:
        latents: as in `fit_hyperplane`.
        labels: `[n]`, 0 or 1.
        groups: `[n]`, 0 or 1: the protected attribute.
        seed: as in `fit_hyperplane`, as are the others.
        name: of the attribute; the planes are called `name | 0` and `name | 1`.
        held_out: a share of every class in each group, or `[n]` booleans.
        min_class: latents of either class to fit on in each group, at least.
        strength: C of the support vector machines.
        rounds: bootstrap rounds.

    Raises:
        InputError: as in `fit_hyperplane`.
        UndefinedError: as in `fit_hyperplane`, in either group.
    """
    x, y, g = _latents(latents), binary("labels", labels, 1), binary("groups", groups, 1)
    if not len(x) == len(y) == len(g):
        found = f"{len(x):,}, {len(y):,} and {len(g):,}"
        raise InputError(f"latents, labels, groups: expected as many of each, found {found}; join them by id")
    held = held_out if isinstance(held_out, int | float) else _mask(held_out, len(x))

    def of_group(group: int) -> FittedHyperplane:
        rows = g == group
        return fit_hyperplane(
            x[rows],
            y[rows],
            seed=seed,
            name=f"{name} | {group}",
            held_out=held if isinstance(held, int | float) else held[rows],
            min_class=min_class,
            strength=strength,
            rounds=rounds,
        )

    return of_group(0), of_group(1)


def _fit(x: NDArray[np.float64], y: NDArray[np.uint8], strength: float, seed: int, name: str) -> Hyperplane:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if not strength > 0:
        raise InputError(f"strength: expected a number above 0, found {strength:g}; change it")
    machine = LinearSVC(dual=False, C=strength, max_iter=10_000, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            machine.fit(x, y)
        except ConvergenceWarning:
            raise UndefinedError(
                f"{_called(name)}: the support vector machine found no end in 10,000 steps; lower strength, now "
                f"{strength:g}"
            ) from None
    return Hyperplane.from_weights(machine.coef_[0], float(machine.intercept_[0]), name)


def _accuracy(right: int, n: int, name: str, scheme: str) -> Estimate:
    """The share on the right side with Wilson's interval, https://doi.org/10.1080/01621459.1927.10502953."""
    ends = binomtest(right, n).proportion_ci(_LEVEL, method="wilson")
    return Estimate(
        name="accuracy",
        value=right / n,
        low=float(ends.low),
        high=float(ends.high),
        n=n,
        level=_LEVEL,
        of=name or "decisions",
        scheme=f"{scheme}; Wilson's interval",
    )


def _latents(latents: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(latents)
    if x.ndim != 2 or x.dtype.kind != "f" or not x.size:
        found = f"{x.dtype} {list(x.shape)}"
        raise InputError(f"latents: expected floats [n, d], one row for each image, found {found}; convert them")
    # Once for all attributes: the solver computes in float64 anyway.
    x = np.ascontiguousarray(x, dtype=np.float64)
    if not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x))[0][0])
        raise InputError(f"latents: expected finite numbers, found NaN or infinity in row {row:,}; check them")
    return x


def _held_out(held_out: float | ArrayLike, y: NDArray[np.uint8], seed: int, name: str) -> NDArray[np.bool_]:
    """`[n]`, True where a latent is held out."""
    if not isinstance(held_out, int | float):
        return _mask(held_out, len(y))
    if not 0 < held_out < 1:
        raise InputError(f"held_out: expected a share between 0 and 1, or booleans, found {held_out:g}; change it")
    rng = stream(seed, "held-out", name)
    rest = np.zeros(len(y), dtype=np.bool_)
    for value in (0, 1):
        rows = rng.permutation(np.flatnonzero(y == value))
        rest[rows[: round(held_out * len(rows))]] = True
    return rest


def _mask(held_out: ArrayLike, n: int) -> NDArray[np.bool_]:
    mask = np.asarray(held_out)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        found = f"{mask.dtype} {list(mask.shape)}"
        raise InputError(f"held_out: expected a share or {n:,} booleans, found {found}; give one for each latent")
    return mask


def _counts(y: NDArray[np.uint8]) -> tuple[int, int]:
    with_it = int(y.sum())
    return len(y) - with_it, with_it


def _require_classes(counts: tuple[int, int], tested: tuple[int, int], min_class: int, name: str) -> None:
    if min_class < 1:
        raise InputError(f"min_class: expected 1 or more, found {min_class}; raise it")
    for least, found, use in ((min_class, counts, "to fit on"), (_HELD_OUT_LEAST, tested, "held out")):
        if min(found) < least:
            which = "without" if found[0] < found[1] else "with"
            raise UndefinedError(
                f"{_called(name)}: expected {least} latents or more {which} the attribute {use}, found {min(found):,} "
                f"of {sum(found):,}; label more images, or take another attribute or threshold"
            )


def _called(name: str) -> str:
    return f"hyperplane {quoted(name)}" if name else "hyperplane"
