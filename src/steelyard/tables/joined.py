"""Joined: labels and predictions of the same images, in the same order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.tables.label_table import LabelTable
from steelyard.tables.prediction_table import ScoreKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a model said of labelled images.

    Attributes:
        labels: the `n` rows of the label table that have predictions (their splits: the labels').
        scores: `[n, t]` floats in the order of `labels.ids` and `labels.target_names`.
        kind: what the scores are.
        predicted_groups: `[n]` integers, positions in `labels.group_names`, or None.
        source: the predictions' file, for messages.
    """

    labels: LabelTable
    scores: NDArray[np.float64]
    kind: ScoreKind
    predicted_groups: NDArray[np.int64] | None = None
    source: str = "predictions"

    def __len__(self) -> int:
        return len(self.labels)
