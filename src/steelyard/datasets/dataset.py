"""What every data set offers: labels per split, images by the same ids, and which images do not count, and why.

A data set is anything with these members; nothing is inherited. Labels need no image library and no PyTorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import closest, complaint, quoted

if TYPE_CHECKING:
    from steelyard.datasets.people import People

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which images of one split count.

    Attributes:
        split: `train`, `val` or `test`; empty where there are no splits.
        images: images that the files list.
        dropped: reason to number of images, in the order in which the rules are applied; each image counts once.
        kept: group to number of images.
    """

    split: str
    images: int
    dropped: Mapping[str, int]
    kept: Mapping[str, int]

    def __str__(self) -> str:
        kept = " + ".join(f"{count:,} {group}" for group, count in self.kept.items())
        lost = "".join(f"; {count:,} {reason}" for reason, count in self.dropped.items())
        return f"{self.split or 'all'}: {self.images:,} images{lost}; {sum(self.kept.values()):,} kept ({kept})"


class Dataset(Protocol):
    """Labels and images that share their ids."""

    @property
    def name(self) -> str:
        """The data set's name in the catalogue: `coco`, `imsitu`, `celeba`, `table` and so on."""
        ...

    @property
    def source(self) -> str:
        """The folder or file that it was read from, for messages."""
        ...

    def labels(self, split: Split | None = None) -> LabelTable:
        """The labels of one split, or of all images, with their splits, for None."""
        ...

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB: the image of this id."""
        ...

    def selections(self) -> tuple[Selection, ...]:
        """What was kept and dropped, by split."""
        ...


@runtime_checkable
class OnDisk(Protocol):
    """A data set of image files."""

    def image_path(self, image_id: str) -> Path:
        """Where the image of this id belongs, there or not."""
        ...


@runtime_checkable
class WithPeople(Protocol):
    """A data set that says where the people are."""

    def people(self, image_id: str) -> "People":
        """Boxes, and masks where there are segments."""
        ...


@runtime_checkable
class WithFaces(Protocol):
    """A data set that says where the faces are."""

    def faces(self, image_id: str) -> NDArray[np.float64]:
        """`[f, 4]`: left, top, right, bottom in pixels, as edges; no row where there is no face."""
        ...


@runtime_checkable
class ManyImages(Protocol):
    """A data set that makes many images at once faster than one by one, all of one size and none of them damaged."""

    def images(self, image_ids: Sequence[str]) -> NDArray[np.uint8]:
        """`[n, h, w, 3]`, RGB: the images of these ids, in their order."""
        ...


@runtime_checkable
class InBlocks(ManyImages, Protocol):
    """One that says of many images at once, too, where people and faces are, for less."""

    def people_of(self, image_ids: Sequence[str]) -> "list[People]":
        """As `people`, of each of these images."""
        ...

    def faces_of(self, image_ids: Sequence[str]) -> list[NDArray[np.float64]]:
        """As `faces`, of each of these images."""
        ...


def rows_of(table: LabelTable, split: Split | None) -> LabelTable:
    """The rows of one split; all of them for None or where there are no splits.

    Raises:
        InputError: the split is unknown or has no image.
    """
    if split is None or table.splits is None:
        return table
    part = table.split(split)
    if not len(part):
        there = [name for name in SPLITS if (table.splits == name).any()]
        found, do = f"images of {', '.join(there)} only", "name one of these or give a file of splits"
        raise InputError(complaint(table.source, "", expected=f"images of the split {split!r}", found=found, do=do))
    return part


def by_split(table: LabelTable) -> tuple[Selection, ...]:
    """Selections of a data set of which every listed image counts."""
    splits = np.full(len(table), "") if table.splits is None else table.splits
    made = []
    for split in [name for name in ("", *SPLITS) if (splits == name).any()]:
        counts = np.bincount(table.groups[splits == split], minlength=len(table.group_names))
        kept = dict(zip(table.group_names, counts.tolist(), strict=True))
        made.append(Selection(split=split, images=int(counts.sum()), dropped={}, kept=kept))
    return tuple(made)


def unknown_image(source: str, image_id: str, known: Mapping[str, object]) -> InputError:
    """The error for an id that the data set does not have."""
    found = f"{quoted(image_id)}{closest(image_id, list(known)[:20_000])}"
    do = "take ids from the labels"
    return InputError(complaint(source, "", expected=f"one of its {len(known):,} image ids", found=found, do=do))
