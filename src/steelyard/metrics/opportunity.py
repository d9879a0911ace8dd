"""Rates per group and the gaps between them.

Opportunity difference: Hardt, Price, Srebro, NeurIPS 2016, https://arxiv.org/abs/1610.02413; its absolute
value for two groups is the DEO of Ramaswamy, Kim, Russakovsky, CVPR 2021, https://arxiv.org/abs/2012.01469.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.metrics.counting import Floats, Weights
from steelyard.metrics.estimating import estimate
from steelyard.metrics.group_rates import checked_arrays, group_position, group_rates_kernel

Binary = NDArray[np.uint8]
Codes = NDArray[np.int64]


def opportunity_difference_kernel(
    targets: Binary,
    groups: Codes,
    decisions: Binary,
    *,
    k: int,
    group: int,
    reference: int,
    weights: Weights | None = None,
) -> Floats:
    """TPR(group) − TPR(reference) per label: `[rounds, t]`, or `[t]`; NaN where either has no positives."""
    rates, _ = group_rates_kernel(targets, groups, decisions, k, weights)
    return np.asarray(rates[..., group, :] - rates[..., reference, :])


def opportunity_range_kernel(
    targets: Binary, groups: Codes, decisions: Binary, *, k: int, weights: Weights | None = None
) -> Floats:
    """Largest minus smallest TPR over groups: `[rounds, t]`, or `[t]`; NaN where a group has no positives."""
    rates, _ = group_rates_kernel(targets, groups, decisions, k, weights)
    return np.asarray(rates.max(axis=-2) - rates.min(axis=-2))


def reference_group(groups: Codes, k: int) -> int:
    """The largest group; of equals, the first."""
    return int(np.argmax(np.bincount(groups, minlength=k)))


def opportunity_difference(
    targets: ArrayLike,
    groups: ArrayLike,
    decisions: ArrayLike,
    *,
    group: int | None = None,
    reference: int | None = None,
    absolute: bool = False,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How much likelier a label is found in one group than in another: TPR(group) − TPR(reference).

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers.
        decisions: `[image]`, 0 or 1.
        group: compared with the reference; may be left out where there are two groups.
        reference: default the largest of the other groups; of equals, the first.
        absolute: the size of the gap only, named `opportunity_difference_absolute`. Sampling noise alone
            makes it positive (its null median is 0.08 at 50 positives per group), so prefer the signed gap.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A difference of fractions in [−1, 1]; 0 is no gap, positive favours `group`.

    Raises:
        InputError: shapes or values are not as above, or `group` is needed to choose among more than two.
        UndefinedError: one of both groups has no image with the label.
    """
    truth, coded, decided, levels = checked_arrays(targets, groups, decisions)
    first, second = _pair(coded, levels, group, reference)
    between = f"group {levels[first]} minus group {levels[second]}"

    def kernel(weights: Weights | None) -> Floats:
        gap = opportunity_difference_kernel(
            truth, coded, decided, k=len(levels), group=first, reference=second, weights=weights
        )[..., 0]
        return np.abs(gap) if absolute else gap

    return estimate(
        "opportunity_difference_absolute" if absolute else "opportunity_difference",
        kernel,
        len(truth),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="difference",
        of="decisions",
        scheme=f"true positive rates, {between}",
        undefined=f"{between}: a group has too few images with the label",
    )


def _pair(groups: Codes, levels: NDArray[np.int64], group: int | None, reference: int | None) -> tuple[int, int]:
    """Positions of the group and its reference."""
    k = len(levels)
    if group is None and k > 2:
        raise InputError(f"group: expected one of {levels.tolist()} to compare; opportunity_range compares all")
    sizes = np.bincount(groups, minlength=k)
    first = None if group is None else group_position("group", group, levels)
    if reference is not None:
        second = group_position("reference", reference, levels)
    else:
        second = int(np.argmax(np.where(np.arange(k) == first, -1, sizes)))
    first = 1 - second if first is None else first
    if first == second:
        raise InputError(f"group, reference: expected two different groups, found {levels[first]} twice")
    return first, second


def opportunity_range(
    targets: ArrayLike,
    groups: ArrayLike,
    decisions: ArrayLike,
    *,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """The largest gap between any two groups in how likely a label is found: largest minus smallest TPR.

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers, any k ≥ 2 groups.
        decisions: `[image]`, 0 or 1.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A difference of fractions in [0, 1]; 0 is no gap. Noise alone makes it positive.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: a group has no image with the label.
    """
    truth, coded, decided, levels = checked_arrays(targets, groups, decisions)
    return estimate(
        "opportunity_range",
        lambda weights: opportunity_range_kernel(truth, coded, decided, k=len(levels), weights=weights)[..., 0],
        len(truth),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="difference",
        of="decisions",
        undefined="a group has too few images with the label",
    )
