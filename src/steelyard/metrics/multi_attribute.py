"""Directional amplification over sets of labels that occur together.

Zhao, Andrews, Xiang, *Men Also Do Laundry: Multi-Attribute Bias Amplification*, ICML 2023,
https://arxiv.org/abs/2210.11924.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.metrics.counting import Floats, Weights, blocks, drop_round, ratio, unit_weights
from steelyard.metrics.directional import direction_signs, directional_shift_kernel
from steelyard.metrics.estimating import estimate
from steelyard.metrics.evaluated import Binary, Codes, Direction, Evaluated, evaluated

Statistic = Literal["mean_absolute", "mean_signed", "variance_signed"]
LabelSet = tuple[int, ...]

_NAMES: dict[Statistic, str] = {
    "mean_absolute": "multi_attribute_amplification",
    "mean_signed": "multi_attribute_amplification_signed",
    "variance_signed": "multi_attribute_amplification_variance",
}
_SETS = 256  # sets turned into columns at a time


def label_sets(targets: Binary, *, max_size: int = 3, min_support: int = 30) -> tuple[LabelSet, ...]:
    """Every set of 1 … `max_size` labels that at least `min_support` images carry together.

    A set is only grown from sets that have the support, because no set is carried more often than its parts.

    Args:
        targets: `[n, t]`, 0 or 1.
        max_size: labels in the largest sets.
        min_support: images that carry all labels of a set, at least 1.

    Returns:
        Sets as rising column positions, smaller sets first.
    """
    support = targets.sum(axis=0, dtype=np.int64)
    current: list[LabelSet] = [(int(t),) for t in np.flatnonzero(support >= min_support)]
    found = list(current)
    images = targets.astype(np.float32)
    for _ in range(max_size - 1):
        grown: list[LabelSet] = []
        for block in blocks(len(current), _SETS):
            together = set_columns(targets, current[block]).astype(np.float32).T @ images
            for labels, counts in zip(current[block], together, strict=True):
                more = np.flatnonzero(counts[labels[-1] + 1 :] >= min_support) + labels[-1] + 1
                grown += [(*labels, int(t)) for t in more]
        found += grown
        current = grown
    return tuple(found)


def set_columns(targets: NDArray[np.integer], sets: Sequence[LabelSet]) -> Binary:
    """`[n, s]`: 1 where an image carries every label of the set."""
    columns = np.empty((len(targets), len(sets)), dtype=np.uint8)
    for position, labels in enumerate(sets):
        columns[:, position] = targets[:, labels].all(axis=1)
    return columns


def set_signs(data: Evaluated, sets: Sequence[LabelSet]) -> NDArray[np.int8]:
    """`direction_signs` of label sets in the training labels: `[k, s]`."""
    parts = [
        direction_signs(set_columns(data.train_targets, sets[block]), data.train_groups, data.k)
        for block in blocks(len(sets), _SETS)
    ]
    return np.concatenate(parts, axis=1)


def multi_attribute_kernel(
    targets: Binary,
    groups: Codes,
    predictions: Binary | Codes,
    sets: Sequence[LabelSet],
    *,
    k: int,
    direction: Direction = "attribute_to_target",
    signs: NDArray[np.int8] | None = None,
    weights: Weights | None = None,
) -> Floats:
    """Mean |Δ|, mean y·Δ and variance of y·Δ over (group, label set) pairs.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        predictions: `[n, t]` predicted labels, or `[n]` predicted groups for `target_to_attribute`.
        sets: the label sets, from `label_sets`.
        k: groups.
        direction: what is taken as given.
        signs: `[k, s]`, y from the training labels; None takes it from the resampled truth.
        weights: `[n, rounds]`, or None.

    Returns:
        `[rounds, 3]`, or `[3]`; pairs whose condition never occurs are left out, NaN where none is left.
    """
    drawn = unit_weights(len(targets), weights)
    totals = np.zeros((4, drawn.shape[1]))
    for block in blocks(len(sets), _SETS):
        guessed = set_columns(predictions, sets[block]) if direction == "attribute_to_target" else predictions
        shift, own = directional_shift_kernel(
            set_columns(targets, sets[block]), groups, guessed, k=k, direction=direction, weights=drawn
        )
        signed = np.nan_to_num(shift * (own if signs is None else signs[:, block]))
        parts = (~np.isnan(shift), np.abs(np.nan_to_num(shift)), signed, signed**2)
        totals += [part.sum(axis=(1, 2)) for part in parts]
    count, absolute, mean, square = totals[0], *(ratio(total, totals[0]) for total in totals[1:])
    variance = np.where(count > 0, np.maximum(square - mean**2, 0), np.nan)
    return drop_round(np.stack([absolute, mean, variance], axis=1), weights)


def multi_attribute_amplification(
    targets: ArrayLike,
    groups: ArrayLike,
    predictions: ArrayLike,
    *,
    direction: Direction = "attribute_to_target",
    statistic: Statistic = "mean_absolute",
    train_targets: ArrayLike | None = None,
    train_groups: ArrayLike | None = None,
    max_size: int = 3,
    min_support: int = 30,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How far predictions move the groups' shares of single labels and of labels that occur together.

    Args:
        targets: `[image, label]`, 0 or 1, or `[image]` integer categories (whose sets are all of size 1).
        groups: `[image]` integers.
        predictions: predicted labels in the form of `targets`, or, with `target_to_attribute`, predicted
            groups.
        direction: what is taken as given.
        statistic: `mean_absolute`, the mean of |Δ|; `mean_signed`, of y·Δ; `variance_signed`, the variance of
            y·Δ between pairs: how unevenly it is spread.
        train_targets: labels of the training set, for the support and the direction; default `targets`.
        train_groups: groups of the training set.
        max_size: labels in the largest sets.
        min_support: training images that carry a whole set; the noise of a set grows as this shrinks.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        `mean_absolute` is a difference of fractions in [0, 1]; 0 is no amplification, but noise alone makes
        it positive, and resampling adds to that. The variance is in [0, 1], the signed mean in [−1, 1].

    Raises:
        InputError: shapes, values or options are not as above.
        UndefinedError: no set has the support, or there is one group.
    """
    if statistic not in _NAMES:
        raise InputError(f"statistic: expected one of {', '.join(_NAMES)}, found {statistic!r}")
    if max_size < 1 or min_support < 1:
        raise InputError(f"max_size, min_support: expected at least 1, found {max_size} and {min_support}")
    data = evaluated(
        targets,
        groups,
        predictions,
        direction=direction,
        train_targets=train_targets,
        train_groups=train_groups,
    )
    sets = label_sets(data.train_targets, max_size=max_size, min_support=min_support)
    if not sets:
        raise UndefinedError(
            f"multi_attribute_amplification: no label has {min_support} training images; lower min_support"
        )
    signs = set_signs(data, sets) if data.trained else None
    statistics = list(_NAMES)

    def kernel(weights: Weights | None) -> Floats:
        values = multi_attribute_kernel(
            data.targets,
            data.groups,
            data.predictions,
            sets,
            k=data.k,
            direction=direction,
            signs=signs,
            weights=weights,
        )
        return np.asarray(values[..., statistics.index(statistic)])

    return estimate(
        _NAMES[statistic],
        kernel,
        len(data),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="fraction" if statistic == "variance_signed" else "difference",
        of="decisions",
        scheme=f"{statistic.replace('_', ' ')} over {len(sets):,} label sets of up to {max_size} labels with"
        f" {min_support} or more {'training' if data.trained else 'evaluated'} images, {direction.replace('_', ' ')}",
        undefined="no pair of a group and a label set occurs among the evaluated images",
    )
