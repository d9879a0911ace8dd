"""What the labels themselves say of the groups: shares of each group, and what one label gives away.

Shares as in Zhao et al., *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457; leakage as
in Wang et al., *Balanced Datasets Are Not Enough*, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.metrics.arrays import binary, group_codes, same_rows
from steelyard.metrics.counting import Floats, Weights, cell_sums, drop_round, ratio, unit_weights
from steelyard.metrics.estimating import estimate


def group_share_kernel(
    targets: NDArray[np.uint8], groups: NDArray[np.int64], *, k: int, weights: Weights | None = None
) -> Floats:
    """Share of each group among the images with each label.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        k: groups.
        weights: `[n, rounds]`, or None.

    Returns:
        `[rounds, k, t]`, or `[k, t]`; NaN for a label without positives.
    """
    counts = cell_sums(groups, k, targets, unit_weights(len(targets), weights))
    return drop_round(ratio(counts, counts.sum(axis=1, keepdims=True)), weights)


def single_label_leakage_kernel(
    targets: NDArray[np.uint8], groups: NDArray[np.int64], *, k: int, weights: Weights | None = None
) -> Floats:
    """(1/k)·(max over groups of P(1|g) + max over groups of P(0|g)) of every label.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        k: groups.
        weights: `[n, rounds]`, or None.

    Returns:
        `[rounds, t]`, or `[t]`; NaN where a group has no images.
    """
    columns = np.concatenate([targets, np.ones_like(targets[:, :1])], axis=1)
    sums = cell_sums(groups, k, columns, unit_weights(len(targets), weights))
    rate = ratio(sums[:, :, :-1], sums[:, :, -1:])
    return drop_round((rate.max(axis=1) + (1 - rate).max(axis=1)) / k, weights)


def group_share(
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    group: int,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """Share of one group among the images with a label.

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers.
        group: the group asked about.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1]; balanced groups show 1/k.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no image has the label.
    """
    truth = binary("targets", targets, 1)[:, None]
    coded, levels = group_codes({"groups": groups})
    n = same_rows(targets=truth, groups=coded["groups"])
    if group not in levels:
        raise InputError(f"group: expected one of the groups {levels.tolist()}, found {group}")
    position = int(np.searchsorted(levels, group))
    return estimate(
        "group_share",
        lambda weights: group_share_kernel(truth, coded["groups"], k=len(levels), weights=weights)[..., position, 0],
        n,
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of=f"labels, group {group}",
        undefined="too few images have the label",
    )


def single_label_leakage(
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How often an attacker who sees this label alone names the group, when all groups are equally frequent.

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers, any k ≥ 2 groups.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [1/k, 2/k]; 1/k is nothing given away. The best rule is read off the same images, so
        that rare labels look a little more telling than they are.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: there is one group.
    """
    truth = binary("targets", targets, 1)[:, None]
    coded, levels = group_codes({"groups": groups})
    return estimate(
        "single_label_leakage",
        lambda weights: single_label_leakage_kernel(truth, coded["groups"], k=len(levels), weights=weights)[..., 0],
        same_rows(targets=truth, groups=coded["groups"]),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of="labels",
        undefined="a group has too few images",
    )
