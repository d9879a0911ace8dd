"""LabelTable: what is in each image and who is in it; no pixels."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.tables.shapes import require_positions, require_shape

Kind = Literal["single", "multi"]
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """Labels and the protected attribute of `n` images, row by row.

    Attributes:
        ids: `[n]` strings, unique.
        groups: `[n]` integers in 0 … k − 1, positions in `group_names`.
        group_names: the k ≥ 2 groups, as annotated, sorted.
        targets: single-label: `[n]` integers, positions in `target_names`; multi-label: `[n, t]` uint8, 0
            or 1.
        target_names: the t categories or labels, in the order of the columns (single-label: sorted).
        kind: `single` (one categorical target column) or `multi` (many 0/1 columns).
        splits: `[n]` strings, each `train`, `val` or `test`; None where the table has no split column.
        protected: name of the protected attribute's column.
        source: the file (or kind of data frame) that the table came from, for messages.
        ignored: columns of the source that were not used.
        id_column: name of the ids' column; empty where the rows' own names or numbers are the ids.
        split_column: name of the splits' column; empty where there is none.
        target_column: name of the categorical target column; empty for multi-label tables.

    Raises:
        InputError: fields that do not fit each other in shape, or positions outside the names.
    """

    ids: NDArray[np.str_]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    targets: NDArray[np.integer]
    target_names: tuple[str, ...]
    kind: Kind
    splits: NDArray[np.str_] | None = None
    protected: str = "group"
    source: str = "labels"
    ignored: tuple[str, ...] = ()
    id_column: str = ""
    split_column: str = ""
    target_column: str = ""

    def __post_init__(self) -> None:
        rows = (len(self.ids),)
        shape = rows if self.kind == "single" else (*rows, len(self.target_names))
        require_shape(self.source, "groups", self.groups, rows)
        require_shape(self.source, "targets", self.targets, shape)
        require_shape(self.source, "splits", self.splits, rows)
        require_positions(self.source, "groups", self.groups, len(self.group_names))
        highest = len(self.target_names) if self.kind == "single" else 2
        require_positions(self.source, "targets", self.targets, highest)

    def __len__(self) -> int:
        return len(self.ids)

    def matrix(self) -> NDArray[np.uint8]:
        """The targets as `[n, t]` of 0 and 1 (one-hot for single-label tables)."""
        if self.kind == "multi":
            return np.asarray(self.targets, dtype=np.uint8)
        hot: NDArray[np.uint8] = np.eye(len(self.target_names), dtype=np.uint8)[self.targets]
        return hot

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "LabelTable":
        """The table of these rows only, in this order; groups and targets keep their names and positions."""
        return replace(
            self,
            ids=self.ids[rows],
            groups=self.groups[rows],
            targets=self.targets[rows],
            splits=None if self.splits is None else self.splits[rows],
        )

    def split(self, name: Split) -> "LabelTable":
        """The rows of one split; all rows where the table has no split column."""
        return self if self.splits is None else self.take(np.flatnonzero(self.splits == name))
