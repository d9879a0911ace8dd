"""From scores to decisions, by a rule that the report names."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.metrics.thresholds import calibrated_thresholds, f1_optimal_thresholds
from steelyard.tables import Joined


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions on the rows of a `Joined`.

    Attributes:
        matrix: `[n, t]` 0 or 1.
        codes: `[n]` categories for single-label data, else None.
        rule: the rule in words.
        without_threshold: targets whose threshold could not be fitted (no validation positives; ½ stands in).
    """

    matrix: NDArray[np.uint8]
    codes: NDArray[np.int64] | None
    rule: str
    without_threshold: tuple[str, ...] = ()

    def native(self) -> NDArray[np.integer]:
        """Decisions in the labels' own form: categories or a 0/1 matrix."""
        return self.matrix if self.codes is None else self.codes


def decide(joined: Joined, threshold: str) -> Decided:
    """Turn scores into decisions.

    Args:
        joined: labels and scores; `f1` and `calibrated` are fitted on its validation rows only.
        threshold: `0.5`, `f1` or `calibrated`.

    Raises:
        InputError: a fitted threshold is asked for without validation rows, for single-label data, or for decisions.
    """
    labels, scores = joined.labels, joined.scores
    t = len(labels.target_names)
    fitted = threshold != "0.5"
    if joined.kind == "decisions":
        if fitted:
            raise InputError(f"--threshold {threshold}: {joined.source} holds decisions, there is no score to cut")
        rule = "decisions as given"
        codes = scores.argmax(axis=1) if labels.kind == "single" else None
        return Decided(scores.astype(np.uint8), codes, rule)
    if labels.kind == "single":
        if fitted:
            raise InputError(
                f"--threshold {threshold}: cuts 0/1 labels; single-label data are decided by the top score"
            )
        codes = scores.argmax(axis=1)
        return Decided(np.eye(t, dtype=np.uint8)[codes], codes, "the category with the highest score")
    half = 0.0 if joined.kind == "logits" else 0.5
    if not fitted:
        # Logits are cut as they are: the sigmoid rounds the smallest negative ones up to 0.5.
        return Decided((scores >= half).astype(np.uint8), None, "probability of 0.5 or more")
    rows = np.flatnonzero(labels.splits == "val") if labels.splits is not None else np.empty(0, dtype=np.int64)
    if not len(rows):
        raise InputError(
            f"--threshold {threshold}: is fitted on validation rows, and {joined.source} has none; "
            "add predictions for the val split, or use --threshold 0.5"
        )
    fit = f1_optimal_thresholds if threshold == "f1" else calibrated_thresholds
    truth = labels.matrix()[rows]
    cuts = fit(truth, scores[rows])
    unfitted = np.isnan(cuts) | (truth.sum(axis=0) == 0)
    cuts = np.where(unfitted, half, cuts)
    what = "highest F1" if threshold == "f1" else "as many positives predicted as true"
    rule = f"a threshold per label fitted on {len(rows):,} validation images ({what})"
    names = tuple(name for name, none in zip(labels.target_names, unfitted, strict=True) if none)
    return Decided((scores >= cuts).astype(np.uint8), None, rule, names)
