"""MALS bias amplification, the first measure of the kind: undirected, over labels that lean towards a group.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.metrics.arrays import group_codes, same_rows, target_matrices
from steelyard.metrics.counting import Floats, Weights, cell_sums, drop_round, ratio, unit_weights
from steelyard.metrics.estimating import estimate

Binary = NDArray[np.uint8]
Codes = NDArray[np.int64]


def group_label_counts(targets: Binary, groups: Codes, k: int) -> Floats:
    """`[k, t]`: images of each group with each label."""
    return np.asarray(cell_sums(groups, k, targets, unit_weights(len(targets), None))[0])


def mals_kernel(
    train_counts: Floats,
    predictions: Binary,
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
    if (train_targets is None) != (train_groups is None):
        raise InputError("train_targets, train_groups: expected both or neither, found one; pass both")
    matrices = target_matrices({"targets": targets, "predictions": predictions, "train_targets": train_targets})
    codes, levels = group_codes({"groups": groups, "train_groups": train_groups, "predicted_groups": predicted_groups})
    truth, decided, group, k = matrices["targets"], matrices["predictions"], codes["groups"], len(levels)
    shown = codes.get("predicted_groups", group)
    n = same_rows(targets=truth, groups=group, predictions=decided, predicted_groups=shown)
    fixed: Floats | None = None
    if train_targets is not None:
        same_rows(train_targets=matrices["train_targets"], train_groups=codes["train_groups"])
        fixed = group_label_counts(matrices["train_targets"], codes["train_groups"], k)

    def kernel(weights: Weights | None) -> Floats:
        own = cell_sums(group, k, truth, unit_weights(n, weights)) if fixed is None else fixed
        return mals_kernel(own, decided, shown, weights=weights)

    silent = int((decided.sum(axis=0) == 0).sum())
    of_truth = predicted_groups is None
    return estimate(
        "mals_amplification",
        kernel,
        n,
        interval=interval,
        rounds=rounds,
        level=level,
        seed=seed,
        unit="difference",
        of="decisions",
        scheme=f"{'true' if of_truth else 'predicted'} groups of the images predicted with each label",
        undefined="no label occurs in the training labels",
        note=f"{silent} of {decided.shape[1]} labels are never predicted and add 0" if silent else "",
    )
