"""PredictionTable: a model's scores, keyed by the ids of a LabelTable."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.tables.shapes import require_shape

ScoreKind = Literal["logits", "probabilities", "decisions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionTable:
    """A model's output for `n` images.

    Attributes:
        ids: `[n]` strings, unique.
        scores: `[n, t]` floats, one column per target in the order of `target_names`.
        target_names: names of the t targets.
        kind: `logits` (any real number), `probabilities` (in [0, 1]) or `decisions` (0 or 1).
        splits: `[n]` strings (`train`, `val`, `test`), or None.
        predicted_groups: `[n]` strings, the group that the model predicted, or None.
        source: the file (or kind of data frame) that the table came from, for messages.
        ignored: columns of the source that were not used.

    Raises:
        InputError: fields that do not fit each other in shape.
    """

    ids: NDArray[np.str_]
    scores: NDArray[np.float64]
    target_names: tuple[str, ...]
    kind: ScoreKind
    splits: NDArray[np.str_] | None = None
    predicted_groups: NDArray[np.str_] | None = None
    source: str = "predictions"
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = (len(self.ids),)
        require_shape(self.source, "scores", self.scores, (*rows, len(self.target_names)))
        require_shape(self.source, "splits", self.splits, rows)
        require_shape(self.source, "predicted_groups", self.predicted_groups, rows)

    def __len__(self) -> int:
        return len(self.ids)
