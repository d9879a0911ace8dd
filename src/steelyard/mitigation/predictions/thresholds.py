"""A threshold for each group and label, fitted on validation rows; deciding needs the group of each image, too.

Equal true positive rates: Hardt, Price, Srebro: Equality of Opportunity in Supervised Learning, NeurIPS 2016,
https://arxiv.org/abs/1610.02413, here without its randomised thresholds: of the rates that can be reached the nearest.
The threshold without groups is in `metrics/thresholds.py`. The rule is: positive where score ≥ threshold.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.metrics.arrays import binary, integers, real, same_rows
from steelyard.metrics.thresholds import f1_optimal_thresholds

Rule = Literal["f1", "opportunity", "parity"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StandIn:
    """A cell that could not be fitted, and what stands in.

    Attributes:
        group: 0 … k − 1.
        label: 0 … t − 1.
        support: its images with the label (`f1`, `opportunity`), or all its images (`parity`).
        cut: `pooled`, the threshold without groups, or `fallback`, where no image at all has the label.
    """

    group: int
    label: int
    support: int
    cut: Literal["pooled", "fallback"]


@dataclass(frozen=True, slots=True)
class GroupThresholds:
    """What was fitted.

    Attributes:
        cuts: `[k, t]`, a threshold for each group and label.
        pooled: `[t]`, the F1-optimal threshold of all groups together, or the fallback.
        rule: `f1`, `opportunity` or `parity`.
        stand_ins: the cells that could not be fitted.
    """

    cuts: Floats
    pooled: Floats
    rule: Rule
    stand_ins: tuple[StandIn, ...]

    def decide(self, scores: ArrayLike, groups: ArrayLike) -> NDArray[np.uint8]:
        """Decisions, with the threshold of each image's own group.

        Args:
            scores: `[n, t]`, finite, of the kind fitted on.
            groups: `[n]` integers in 0 … k − 1.

        Returns:
            `[n, t]`, 0 or 1.

        Raises:
            InputError: shapes or values are not as above.
        """
        values, codes = real("scores", scores, 2), integers("groups", groups)
        same_rows(scores=values, groups=codes)
        k, t = self.cuts.shape
        if values.shape[1] != t:
            raise InputError(f"scores: expected {t} columns, as fitted on, found {values.shape[1]}")
        _within(codes, k)
        return (values >= self.cuts[codes]).astype(np.uint8)


def fit_group_thresholds(
    targets: ArrayLike,
    groups: ArrayLike,
    scores: ArrayLike,
    *,
    rule: Rule = "f1",
    k: int | None = None,
    min_support: int = 1,
    fallback: float = 0.0,
) -> GroupThresholds:
    """Fit a threshold for each group and label.

    Args:
        targets: `[n, t]`, 0 or 1; multi-label.
        groups: `[n]` integers in 0 … k − 1.
        scores: `[n, t]`, finite.
        rule: `f1`, the highest F1 within each group; `opportunity`, the true positive rate nearest to that of all
            groups together at their F1-optimal threshold; `parity`, the same for the rate of positives. Of equals,
            the highest threshold.
        k: groups; default one more than the highest in `groups`.
        min_support: cells with fewer images (see `StandIn.support`) take the pooled threshold; at least 1.
        fallback: threshold of a label that no image has: 0 for logits, 0.5 for probabilities.

    Raises:
        InputError: shapes or values are not as above.
    """
    truth, codes, values = binary("targets", targets, 2), integers("groups", groups), real("scores", scores, 2)
    same_rows(targets=truth, groups=codes, scores=values)
    if truth.shape != values.shape:
        raise InputError(f"expected the same labels, found targets {truth.shape[1]}, scores {values.shape[1]} columns")
    if rule not in get_args(Rule):
        raise InputError(f"rule: expected one of {', '.join(get_args(Rule))}, found {rule!r}")
    if min_support < 1:
        raise InputError(f"min_support: expected at least 1, found {min_support}")
    count = int(codes.max()) + 1 if k is None else k
    _within(codes, count)
    found = f1_optimal_thresholds(truth, values)
    never = np.isnan(found)
    pooled = np.where(never, fallback, found)
    cuts, missing = np.tile(pooled, (count, 1)), []
    for group in range(count):
        rows = codes == group
        own, ranks = truth[rows], values[rows]
        support = np.full(truth.shape[1], rows.sum()) if rule == "parity" else own.sum(axis=0)
        short = (support < min_support) | never
        if rule == "f1":
            fitted = f1_optimal_thresholds(own[:, ~short], ranks[:, ~short])
        else:
            fitted = _at_pooled_rate(truth, values, rows, pooled, ~short, rule)
        cuts[group, ~short] = fitted
        missing += [
            StandIn(group, int(label), int(support[label]), "fallback" if never[label] else "pooled")
            for label in np.flatnonzero(short)
        ]
    return GroupThresholds(cuts, pooled, rule, tuple(missing))


def _at_pooled_rate(
    truth: NDArray[np.uint8],
    values: Floats,
    rows: NDArray[np.bool_],
    pooled: Floats,
    labels: NDArray[np.bool_],
    rule: Rule,
) -> Floats:
    """The thresholds of one group under which the rate of each of the `labels` is nearest to the pooled one."""
    cuts = []
    for label in np.flatnonzero(labels):
        counted = truth[:, label] == 1 if rule == "opportunity" else np.ones(len(truth), dtype=bool)
        scores = values[:, label]
        wanted = int((scores[counted] >= pooled[label]).sum())
        cuts.append(_nearest(scores[counted & rows], wanted, int(counted.sum())))
    return np.array(cuts)


def _nearest(scores: Floats, wanted: int, total: int) -> float:
    """The threshold at or above which the share of `scores` is nearest to wanted / total; of equals, the highest."""
    thresholds, counts = np.unique(scores, return_counts=True)
    # One more cut, just above every score, under which none counts.
    thresholds = np.append(np.nextafter(thresholds[-1], np.inf), thresholds[::-1])
    reached = np.append(0, np.cumsum(counts[::-1]))
    # In integers, so that equals are equal.
    return float(thresholds[np.argmin(np.abs(reached * total - wanted * len(scores)))])


def _within(codes: NDArray[np.int64], k: int) -> None:
    outside = np.flatnonzero((codes < 0) | (codes >= k))
    if len(outside):
        raise InputError(f"groups: expected 0 to {k - 1}, found {codes[outside[0]]} in row {outside[0]}")
