"""MALS bias amplification, the first measure of the kind: undirected, over labels that lean towards a group.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.estimate import Estimate
from steelyard.metrics.counting import Floats, Weights, cell_sums, drop_round, ratio, unit_weights
from steelyard.metrics.estimating import estimate
from steelyard.metrics.evaluated import Binary, Codes, evaluated


def group_label_counts(targets: Binary, groups: Codes, k: int) -> Floats:
    """`[k, t]`: images of each group with each label."""
    return np.asarray(cell_sums(groups, k, targets, unit_weights(len(targets), None))[0])


def mals_kernel(
    train_counts: Floats,
    predictions: NDArray[np.integer],
    predicted_groups: Codes,
    *,
    weights: Weights | None = None,
) -> Floats:
    """What the groups that a label leans to gain in its predictions, mean over labels with training support.

    Args:
        train_counts: `[k, t]` from `group_label_counts`, or `[rounds, k, t]`.
        predictions: `[n, t]`, 0 or 1.
        predicted_groups: `[n]`, 0 … k − 1.
        weights: `[n, rounds]`, or None.

    Returns:
        `[rounds]`, or a single value without weights; NaN without training support. A label that is never
        predicted has no predicted share and adds 0.
    """
    k = train_counts.shape[-2]
    predicted = cell_sums(predicted_groups, k, predictions, unit_weights(len(predictions), weights))
    counts = np.broadcast_to(train_counts, predicted.shape)
    total = counts.sum(axis=1, keepdims=True)
    leans = (k * counts > total) & (predicted.sum(axis=1, keepdims=True) > 0)
    gain = ratio(predicted, predicted.sum(axis=1, keepdims=True)) - ratio(counts, total)
    support = (total > 0).sum(axis=(1, 2)).astype(np.float64)
    return drop_round(ratio(np.where(leans, gain, 0.0).sum(axis=(1, 2)), support), weights)


def mals_amplification(
    targets: ArrayLike,
    groups: ArrayLike,
    predictions: ArrayLike,
    *,
    train_targets: ArrayLike | None = None,
    train_groups: ArrayLike | None = None,
    predicted_groups: ArrayLike | None = None,
    interval: bool = True,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | float:
    """How much larger the leading groups' share is among predictions of a label than in its training labels.

    (1/|O|) Σ b̃ − b* over (label o, group g) with b*(o, g) > 1/k, where b* is the share of g among the
    training images with o, b̃ among the images predicted with o, and O the labels with training support.

    Args:
        targets: `[image, label]`, 0 or 1, or `[image]` integer categories: the training side where
            `train_targets` is not given, else unused beside its shape.
        groups: `[image]` integers.
        predictions: predicted labels, in the form of `targets`.
        train_targets: labels of the training set.
        train_groups: groups of the training set.
        predicted_groups: `[image]`; without them the true groups of the images predicted with a label are
            counted.
        interval: False gives the bare value as a float. The interval holds a given training side fixed.
        rounds: bootstrap rounds.
        level: probability that the interval is built for.
        seed: of the resampling.

    Returns:
        A difference of fractions in [−1, 1]; 0 is no amplification.

    Raises:
        InputError: shapes or values are not as above.
        UndefinedError: no label has training support.
    """
    data = evaluated(
        targets,
        groups,
        predictions,
        direction="attribute_to_target",
        train_targets=train_targets,
        train_groups=train_groups,
        predicted_groups=predicted_groups,
    )
    fixed = group_label_counts(data.train_targets, data.train_groups, data.k)

    def kernel(weights: Weights | None) -> Floats:
        drawn = unit_weights(len(data), weights)
        own = fixed if data.trained else cell_sums(data.groups, data.k, data.targets, drawn)
        return mals_kernel(own, data.predictions, data.predicted_groups, weights=weights)

    t = data.targets.shape[1]
    silent = int((data.predictions.sum(axis=0) == 0).sum())
    whose = "true" if predicted_groups is None else "predicted"
    return estimate(
        "mals_amplification",
        kernel,
        len(data),
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="difference",
        of="decisions",
        scheme=f"{whose} groups of the images predicted with each label, against the shares in the"
        f" {'training' if data.trained else 'evaluated'} labels",
        undefined="no label occurs in the training labels",
        note=f"{silent} of {t} labels are never predicted and add 0" if silent else "",
    )
