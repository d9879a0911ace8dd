"""Directional bias amplification: do predictions exaggerate the training set's correlations?

Wang, Russakovsky, *Directional Bias Amplification*, ICML 2021, https://arxiv.org/abs/2102.12594.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.metrics.counting import (
    Floats,
    Weights,
    cell_sums,
    drop_round,
    mean_defined,
    ratio,
    unit_weights,
)
from steelyard.metrics.estimating import estimate
from steelyard.metrics.evaluated import Binary, Codes, Direction, Evaluated, evaluated

Signs = NDArray[np.int8]

BALANCED = (
    "every (group, label) pair of the training set is exactly balanced, so that there is no direction to"
    " amplify; pass the training labels before balancing, or leave the measure out"
)


def direction_signs(targets: Binary, groups: Codes, k: int) -> Signs:
    """Sign of P(group, label) − P(group)·P(label), as sign(N·n_at − n_a·n_t): integers, so ties are exact.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        k: groups.

    Returns:
        `[k, t]`: 1 where the group has the label more often than the whole, −1 less often, 0 exactly as
        often.
    """
    joint = np.stack([targets[groups == group].sum(axis=0, dtype=np.int64) for group in range(k)])
    sizes = np.bincount(groups, minlength=k).astype(np.int64)
    return np.asarray(np.sign(len(groups) * joint - sizes[:, None] * joint.sum(axis=0)), dtype=np.int8)


def directional_shift_kernel(
    targets: Binary,
    groups: Codes,
    predictions: Binary | Codes,
    *,
    k: int,
    direction: Direction = "attribute_to_target",
    weights: Weights | None = None,
) -> tuple[Floats, Floats]:
    """What the predictions change, before it is given a sign.

    Args:
        targets: `[n, t]`, 0 or 1, the truth.
        groups: `[n]`, 0 … k − 1, the truth.
        predictions: `[n, t]` predicted labels for `attribute_to_target`; `[n]` predicted groups for
            `target_to_attribute`.
        k: groups.
        direction: what is taken as given.
        weights: `[n, rounds]`, or None.

    Returns:
        Δ, `[rounds, k, t]`: P(T̂|A) − P(T|A) or P(Â|T) − P(A|T), NaN where the condition never occurs; and
        the signs of the resampled truth itself, of the same shape. The round axis stays (1 without weights).
    """
    drawn = unit_weights(len(targets), weights)
    ones = np.ones_like(targets[:, :1])
    t = targets.shape[1]
    if direction == "attribute_to_target":
        sums = cell_sums(groups, k, np.concatenate([targets, predictions, ones], axis=1), drawn)
        joint, predicted, sizes = np.split(sums, [t, 2 * t], axis=2)
        given = sizes
    else:
        sums = cell_sums(groups, k, np.concatenate([targets, ones], axis=1), drawn)
        joint, sizes = np.split(sums, [t], axis=2)
        predicted = cell_sums(predictions, k, targets, drawn)
        given = joint.sum(axis=1, keepdims=True)
    signs = np.sign(sizes.sum(axis=1, keepdims=True) * joint - sizes * joint.sum(axis=1, keepdims=True))
    return ratio(predicted - joint, given), signs


def directional_kernel(
    targets: Binary,
    groups: Codes,
    predictions: Binary | Codes,
    *,
    k: int,
    direction: Direction = "attribute_to_target",
    signs: Signs | None = None,
    per_label: bool = False,
    weights: Weights | None = None,
) -> Floats:
    """Mean of y·Δ over (group, label) pairs, or over groups for each label.

    Args:
        targets: see `directional_shift_kernel`, as for the other arguments.
        groups: likewise.
        predictions: likewise.
        k: likewise.
        direction: likewise.
        signs: `[k, t]`, y from `direction_signs` of the training labels; None takes y from the resampled
            truth of each round, because it varies with the images then.
        per_label: the mean over groups only.
        weights: likewise.

    Returns:
        `[rounds]`, or with `per_label` `[rounds, t]`; without the round axis where no weights are given.
        Pairs with y = 0 count 0; pairs whose condition never occurs are left out; NaN where no other pair is
        left.
    """
    shift, own = directional_shift_kernel(targets, groups, predictions, k=k, direction=direction, weights=weights)
    sign = own if signs is None else np.broadcast_to(signs, shift.shape)
    over = 1 if per_label else (1, 2)
    value = mean_defined(shift * sign, over)
    settled = ((sign != 0) & ~np.isnan(shift)).any(axis=over)
    return drop_round(np.where(settled, value, np.nan), weights)


def directional_amplification(
    targets: ArrayLike,
    groups: ArrayLike,
    predictions: ArrayLike,
    *,
    direction: Direction = "attribute_to_target",
    train_targets: ArrayLike | None = None,
    train_groups: ArrayLike | None = None,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How much further predictions follow the training correlations of group and label than the truth does.

    `attribute_to_target` asks it of the predicted labels, given the group; `target_to_attribute` of the
    predicted groups, given the label.

    Args:
        targets: `[image, label]`, 0 or 1, or `[image]` integer categories.
        groups: `[image]` integers.
        predictions: predicted labels in the form of `targets`, or, with `target_to_attribute`, predicted
            groups `[image]`.
        direction: what is taken as given.
        train_targets: labels of the training set, from which the direction of each correlation is taken;
            without them it is taken from `targets` and `groups` themselves, anew in every resample.
        train_groups: groups of the training set.
        interval: False gives the bare value as a float.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A difference of fractions in [−1, 1]; 0 is no amplification, below 0 the correlations are weakened.
        Pairs that the training set balances exactly count 0; their share is in the note.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: every (group, label) pair of the training set is exactly balanced, or there is one
            group.
    """
    data = evaluated(
        targets,
        groups,
        predictions,
        direction=direction,
        train_targets=train_targets,
        train_groups=train_groups,
    )
    signs = direction_signs(data.train_targets, data.train_groups, data.k)
    if not signs.any():
        raise UndefinedError(f"directional_amplification_{direction}: {BALANCED}")
    return estimate(
        f"directional_amplification_{direction}",
        lambda weights: directional_kernel(
            data.targets,
            data.groups,
            data.predictions,
            k=data.k,
            direction=direction,
            signs=signs if data.trained else None,
            weights=weights,
        ),
        len(data),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="difference",
        of="decisions" if direction == "attribute_to_target" else "predicted groups",
        scheme=f"direction from the {'training' if data.trained else 'evaluated'} labels",
        undefined="no pair with a direction occurs among the evaluated images",
        note=pair_note(data, signs, direction),
    )


def pair_note(data: Evaluated, signs: Signs, direction: Direction) -> str:
    """What a reader must know of the pairs: the share of ties, and what is left out."""
    parts = []
    if (ties := float((signs == 0).mean())) > 0:
        where = "training" if data.trained else "the evaluated labels"
        parts.append(f"{ties:.1%} of the (group, label) pairs are exactly balanced in {where} and count 0")
    absent = int((data.targets.sum(axis=0) == 0).sum())
    empty = int((np.bincount(data.groups, minlength=data.k) == 0).sum())
    if direction == "target_to_attribute" and absent:
        parts.append(f"{absent} of {data.targets.shape[1]} labels have no positives and are left out")
    if direction == "attribute_to_target" and empty:
        parts.append(f"{empty} of {data.k} groups have no images and are left out")
    return "; ".join(parts)
