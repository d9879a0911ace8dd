"""How good decisions are: F1 per label, macro and micro, and balanced accuracy.

F1 macro, over labels with positives, is the quality that Wang et al., *Balanced Datasets Are Not Enough*,
ICCV 2019, https://arxiv.org/abs/1811.08489, hold fixed when they compare leakages.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.estimate import Estimate
from steelyard.metrics.arrays import binary, integers, same_rows, target_matrices
from steelyard.metrics.counting import (
    Floats,
    Weights,
    drop_round,
    mean_defined,
    ratio,
    unit_weights,
    weighted_sums,
)
from steelyard.metrics.estimating import estimate

Binary = NDArray[np.uint8]


def _counts(targets: Binary, decisions: Binary, weights: Weights | None) -> tuple[Floats, Floats, Floats]:
    """Positives, predicted positives and their overlap: each `[rounds, t]`."""
    columns = np.concatenate([targets, decisions, targets & decisions], axis=1)
    sums = weighted_sums(columns, unit_weights(len(targets), weights))
    positive, predicted, both = np.split(sums, 3, axis=1)
    return positive, predicted, both


def f1_kernel(targets: Binary, decisions: Binary, weights: Weights | None = None) -> Floats:
    """F1 of every label: `[rounds, t]`, or `[t]` without weights; NaN for a label without positives.

    Args:
        targets: `[n, t]`, 0 or 1.
        decisions: `[n, t]`, 0 or 1.
        weights: `[n, rounds]`, or None.
    """
    positive, predicted, both = _counts(targets, decisions, weights)
    values = ratio(2 * both, positive + predicted)
    values[positive == 0] = np.nan
    return drop_round(values, weights)


def f1_macro_kernel(targets: Binary, decisions: Binary, weights: Weights | None = None) -> Floats:
    """Mean of `f1_kernel` over the labels with positives in the round: `[rounds]`."""
    return mean_defined(f1_kernel(targets, decisions, weights), -1)


def f1_micro_kernel(targets: Binary, decisions: Binary, weights: Weights | None = None) -> Floats:
    """F1 of all (image, label) pairs pooled: `[rounds]`; NaN without positives."""
    positive, predicted, both = (counts.sum(axis=1) for counts in _counts(targets, decisions, weights))
    values = ratio(2 * both, positive + predicted)
    values[positive == 0] = np.nan
    return drop_round(values, weights)


def balanced_accuracy_kernel(
    classes: NDArray[np.int64], predictions: NDArray[np.int64], weights: Weights | None = None
) -> Floats:
    """Mean over classes of the share that is recognised, of the classes in the round: `[rounds]`.

    Args:
        classes: `[n]` integers, any codes.
        predictions: `[n]` integers, the same codes.
        weights: `[n, rounds]`, or None.
    """
    of_class = (classes[:, None] == np.unique(classes)).astype(np.uint8)
    right = of_class & (classes == predictions)[:, None]
    sums = weighted_sums(np.concatenate([of_class, right], axis=1), unit_weights(len(classes), weights))
    total, hits = np.split(sums, 2, axis=1)
    return drop_round(mean_defined(ratio(hits, total), -1), weights)


def f1(
    targets: ArrayLike,
    decisions: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """Harmonic mean of precision and recall of the decisions on one label.

    Args:
        targets: `[image]`, 0 or 1.
        decisions: `[image]`, 0 or 1.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]; 0 where there are positives and none is found.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no image has the label.
    """
    truth, decided = binary("targets", targets, 1)[:, None], binary("decisions", decisions, 1)[:, None]
    return estimate(
        "f1",
        lambda weights: f1_kernel(truth, decided, weights)[..., 0],
        same_rows(targets=truth, decisions=decided),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="decisions",
        undefined="no image has the label; leave it out",
    )


def f1_macro(
    targets: ArrayLike,
    decisions: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """F1, averaged over the labels that have positives.

    Args:
        targets: `[image, label]`, 0 or 1, or `[image]` integer categories.
        decisions: in the same form.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]. Labels without positives are left out and counted in the note.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no label has a positive.
    """
    given = target_matrices({"targets": targets, "decisions": decisions})
    truth, decided = given["targets"], given["decisions"]
    absent = int((truth.sum(axis=0) == 0).sum())
    return estimate(
        "f1_macro",
        lambda weights: f1_macro_kernel(truth, decided, weights),
        same_rows(**given),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="decisions",
        undefined="no label has a positive image",
        note=f"{absent} of {truth.shape[1]} labels have no positives and are left out" if absent else "",
    )


def f1_micro(
    targets: ArrayLike,
    decisions: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """F1 of all (image, label) pairs pooled, so that frequent labels weigh more.

    Args:
        targets: `[image, label]`, 0 or 1, or `[image]` integer categories.
        decisions: in the same form.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]; false positives on labels without positives count.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no label has a positive.
    """
    given = target_matrices({"targets": targets, "decisions": decisions})
    return estimate(
        "f1_micro",
        lambda weights: f1_micro_kernel(given["targets"], given["decisions"], weights),
        same_rows(**given),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="decisions",
        undefined="no label has a positive image",
    )


def balanced_accuracy(
    classes: ArrayLike,
    predictions: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """Share of each class that is recognised, averaged over the classes that occur.

    Args:
        classes: `[image]` integers, any k ≥ 2 codes.
        predictions: `[image]` integers, the same codes.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]; 1/k for any rule that ignores the input.

    Raises:
        InputError: shapes or values are not as above.
    """
    truth, guessed = integers("classes", classes), integers("predictions", predictions)
    return estimate(
        "balanced_accuracy",
        lambda weights: balanced_accuracy_kernel(truth, guessed, weights),
        same_rows(classes=truth, predictions=guessed),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="decisions",
        undefined="there are no images",
    )
