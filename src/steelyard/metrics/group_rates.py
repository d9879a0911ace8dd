"""True and false positive rates per group.

Hardt, Price, Srebro, *Equality of Opportunity in Supervised Learning*, NeurIPS 2016,
https://arxiv.org/abs/1610.02413.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.metrics.arrays import binary, group_codes, same_rows
from steelyard.metrics.counting import Floats, Weights, cell_sums, drop_round, ratio, unit_weights
from steelyard.metrics.estimating import estimate

Binary = NDArray[np.uint8]
Codes = NDArray[np.int64]


def group_rates_kernel(
    targets: Binary, groups: Codes, decisions: Binary, k: int, weights: Weights | None = None
) -> tuple[Floats, Floats]:
    """True and false positive rates of every group and label.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        decisions: `[n, t]`, 0 or 1.
        k: groups.
        weights: `[n, rounds]`, or None.

    Returns:
        Twice `[rounds, k, t]`, or `[k, t]` without weights; NaN where a group has no positives (no
        negatives).
    """
    columns = np.concatenate([targets, targets & decisions, decisions, np.ones_like(targets[:, :1])], axis=1)
    sums = cell_sums(groups, k, columns, unit_weights(len(targets), weights))
    t = targets.shape[1]
    positive, hits, predicted, total = np.split(sums, [t, 2 * t, 3 * t], axis=2)
    true_rate, false_rate = ratio(hits, positive), ratio(predicted - hits, total - positive)
    return drop_round(true_rate, weights), drop_round(false_rate, weights)


def checked_arrays(
    targets: ArrayLike, groups: ArrayLike, decisions: ArrayLike
) -> tuple[Binary, Codes, Binary, NDArray[np.int64]]:
    """Targets `[n, 1]`, groups 0 … k − 1, decisions `[n, 1]`, and the groups as they were given."""
    truth, decided = binary("targets", targets, 1)[:, None], binary("decisions", decisions, 1)[:, None]
    coded, levels = group_codes({"groups": groups})
    same_rows(targets=truth, groups=coded["groups"], decisions=decided)
    return truth, coded["groups"], decided, levels


def group_position(name: str, group: int, levels: NDArray[np.int64]) -> int:
    """Where `group` stands in `levels`; the argument's `name` is for the error."""
    found = np.flatnonzero(levels == group)
    if not len(found):
        raise InputError(f"{name}: expected one of the groups {levels.tolist()}, found {group}")
    return int(found[0])


def true_positive_rate(
    targets: ArrayLike,
    groups: ArrayLike,
    decisions: ArrayLike,
    *,
    group: int,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """Share of a group's images with the label that are found.

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers.
        decisions: `[image]`, 0 or 1.
        group: the group asked about.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1].

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: the group has no image with the label.
    """
    return _rate(
        "true_positive_rate",
        (targets, groups, decisions),
        group,
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
    )


def false_positive_rate(
    targets: ArrayLike,
    groups: ArrayLike,
    decisions: ArrayLike,
    *,
    group: int,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """Share of a group's images without the label that are taken to have it.

    Args:
        targets: `[image]`, 0 or 1.
        groups: `[image]` integers.
        decisions: `[image]`, 0 or 1.
        group: the group asked about.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A fraction in [0, 1].

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: the group has no image without the label.
    """
    return _rate(
        "false_positive_rate",
        (targets, groups, decisions),
        group,
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
    )


def _rate(
    name: Literal["true_positive_rate", "false_positive_rate"],
    arrays: tuple[ArrayLike, ArrayLike, ArrayLike],
    group: int,
    *,
    interval: bool,
    rounds: int,
    level: float,
    seed: int,
) -> Estimate | float:
    """One group's rate of one label; `group_rates_kernel` gives both rates."""
    truth, coded, decided, levels = checked_arrays(*arrays)
    chosen = group_position("group", group, levels)
    which, images = (0, "with") if name == "true_positive_rate" else (1, "without")
    return estimate(
        name,
        lambda weights: group_rates_kernel(truth, coded, decided, len(levels), weights)[which][..., chosen, 0],
        len(truth),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        of=f"decisions, group {group}",
        undefined=f"group {group} has too few images {images} the label",
    )
