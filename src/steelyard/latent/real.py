"""Real images as a data set beside generated ones: the generator's size, and any attributes as targets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, first_few
from steelyard.datasets.dataset import ManyImages, Selection, by_split, rows_of
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import complaint, listed

if TYPE_CHECKING:
    from steelyard.datasets.dataset import Dataset


class RealImages:
    """Some images of a data set, scaled and cut to one size (`latent.pixels.framed`), under labels of one's choice."""

    name = "real"

    def __init__(self, dataset: "Dataset", table: LabelTable, size: tuple[int, int]) -> None:
        """Nothing is read yet.

        Args:
            dataset: has the images.
            table: labels of some or all of them.
            size: height and width that every image gets, the generator's.
        """
        self._dataset, self._table, self._size = dataset, table, size
        self.source = dataset.source

    def labels(self, split: Split | None = None) -> LabelTable:
        """As given."""
        return rows_of(self._table, split)

    def selections(self) -> tuple[Selection, ...]:
        """By split; every image counts."""
        return by_split(self._table)

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB."""
        from steelyard.latent.pixels import framed

        return framed(self._dataset.image(image_id), self._size)

    def images(self, image_ids: Sequence[str]) -> NDArray[np.uint8]:
        """`[n, h, w, 3]`, RGB."""
        from steelyard.latent.pixels import framed

        made = np.empty((len(image_ids), *self._size, 3), dtype=np.uint8)
        many = self._dataset.images(image_ids) if isinstance(self._dataset, ManyImages) and image_ids else None
        for at, image_id in enumerate(image_ids):
            made[at] = framed(self._dataset.image(image_id) if many is None else many[at], self._size)
        return made


def with_targets(table: LabelTable, names: Sequence[str]) -> LabelTable:
    """The table with these attributes as its targets; the protected one counts as present in `present_group`.

    Args:
        table: multi-label.
        names: of targets, or the protected attribute's.

    Raises:
        InputError: there is no such attribute, or the protected one has other than two groups.
    """
    columns = [attribute(table, name) for name in names]
    kept = table.protected if table.protected not in names else f"group by {table.protected}"
    targets = np.stack(columns, axis=1).astype(np.uint8)
    return replace(table, targets=targets, target_names=tuple(names), protected=kept, target_column="")


def attribute(table: LabelTable, name: str) -> NDArray[np.uint8]:
    """`[n]` of 0 and 1: a target, or whether an image is of `present_group`, for the protected attribute.

    Raises:
        InputError: there is no such attribute.
    """
    if table.kind != "multi":
        found, do = "one column of categories", "name columns of 0 and 1 with data.targets"
        raise InputError(complaint(table.source, "", expected="attributes of 0 and 1", found=found, do=do))
    if name in table.target_names:
        return np.asarray(table.targets[:, table.target_names.index(name)], dtype=np.uint8)
    if name != table.protected:
        known = (*table.target_names, table.protected)
        found, do = f"{name!r}", "name one of these, or add it to data.targets"
        raise InputError(
            complaint(table.source, "", expected=f"an attribute ({listed(known, 12)})", found=found, do=do)
        )
    return np.asarray(table.groups == present_group(table), dtype=np.uint8)


def present_group(table: LabelTable) -> int:
    """The group that has the protected attribute: the one of its name (`Male`, not `not Male`), else the second.

    Raises:
        InputError: there are other than two groups; a mirror image changes one into the other.
    """
    names = table.group_names
    if len(names) != 2:
        expected, do = "two groups, as a mirror image changes one into the other", "choose a protected attribute of two"
        found = f"{len(names)} ({first_few(names)})"
        raise InputError(complaint(table.source, f"column {table.protected!r}", expected=expected, found=found, do=do))
    return names.index(table.protected) if table.protected in names else 1
