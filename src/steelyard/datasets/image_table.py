"""A table of images: any data set, as a CSV or Parquet with a path and labels in each row."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.datasets.dataset import Selection, by_split, rows_of, unknown_image
from steelyard.datasets.images import read_image
from steelyard.tables import read_labels
from steelyard.tables.frames import read_raw
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.roles import choose_id

_TABLES = "labels.csv", "labels.parquet"


class ImageTable:
    """Images named by a table's column of paths; images are turned upright as their EXIF says."""

    name = "table"

    def __init__(
        self,
        source: Any,
        *,
        protected: str,
        target: str | None = None,
        targets: Sequence[str] | str | None = None,
        id_column: str | None = None,
        split_column: str | None = None,
        path_column: str = "path",
        images: str | Path | None = None,
    ) -> None:
        """Read the labels and paths.

        Args:
            source: path of a table, of a folder with it as `labels.csv` or `labels.parquet`, or a data frame.
            protected: column of the protected attribute.
            target: categorical column (single-label).
            targets: 0/1 columns (multi-label): names, globs or `@file`; by default every other 0/1 column.
            id_column: by default `image`, else `id`, else the paths themselves.
            split_column: by default `split` where there is one.
            path_column: column of the images' files.
            images: folder that relative paths start from; by default the table's own.

        Raises:
            InputError: the table or a column is not what it must be.
        """
        if isinstance(source, str | Path) and Path(source).is_dir():
            there = [Path(source) / name for name in _TABLES if (Path(source) / name).exists()]
            source = there[0] if there else Path(source) / _TABLES[0]
        raw = read_raw(source)
        raw.require(path_column, "--path-column")
        roles = {name for name in (protected, target, split_column, path_column) if name is not None}
        self.source = raw.source
        self._table = read_labels(
            source,
            protected=protected,
            target=target,
            targets=targets,
            id_column=id_column or choose_id(raw, None, roles) or path_column,
            split_column=split_column,
        )
        self._paths = raw.texts(path_column, self._table.ids, expected="the path of an image")
        start = Path(source).parent if isinstance(source, str | Path) else Path()
        self._images = start if images is None else Path(images)

    def labels(self, split: Split | None = None) -> LabelTable:
        """The labels of every row."""
        return rows_of(self._table, split)

    def selections(self) -> tuple[Selection, ...]:
        """By split; every image counts."""
        return by_split(self._table)

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        row = self._rows.get(image_id)
        if row is None:
            raise unknown_image(self.source, image_id, self._rows)
        return self._images / str(self._paths[row])

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB."""
        return read_image(self.image_path(image_id), upright=True)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image: row for row, image in enumerate(self._table.ids.tolist())}
