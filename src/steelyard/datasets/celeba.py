"""CelebA: faces with 40 attributes, any of which may be the protected one.

Liu, Luo, Wang, Tang, *Deep Learning Face Attributes in the Wild*, ICCV 2015
(https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Selection, by_split, rows_of, unknown_image
from steelyard.datasets.images import read_image
from steelyard.datasets.json_files import wrong
from steelyard.datasets.layout import first_of, require_files, require_folder
from steelyard.tables import read_labels
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import counted, one_line, quoted, some_ids

_PARTS = {"0": "train", "1": "val", "2": "test"}
# Of the aligned images, 218 rows by 178 columns: the square that published work on faces cuts out, and its middle.
_ROWS, _COLUMNS, _SIDE, _MIDDLE = 218, 178, 128, (121, 89)


class Celeba:
    """CelebA's aligned images, of any size, in the official layout; ids are file names."""

    name = "celeba"

    def __init__(
        self,
        source: str | Path,
        *,
        protected: str = "Male",
        targets: Sequence[str] | str | None = None,
        images: str | Path | None = None,
        region: str | None = None,
    ) -> None:
        """Find the files; they are read when they are needed.

        Args:
            source: folder with `list_attr_celeba.txt`, `list_eval_partition.txt` and `img_align_celeba/` (or these in
                `Anno/`, `Eval/` and `Img/`).
            protected: the attribute whose groups are `NAME` and `not NAME`.
            targets: the other attributes to recognise: names or globs, or `@file`; by default all.
            images: folder of the images, where it is not in `source`.
            region: `face` cuts `face_square` out of every image; None takes the whole.

        Raises:
            InputError: the layout is not what it must be, or there is no such region.
        """
        self.root = Path(source)
        self.source = str(self.root)
        if region not in (None, "face"):
            raise InputError(f"--region: expected face, or none for the whole image, found {quoted(region)}; change it")
        self._protected, self._targets, self._region = protected, targets, region
        require_folder(self.root, layout="CelebA")
        self._attributes = first_of(self.root, "list_attr_celeba.txt", "Anno/list_attr_celeba.txt")
        self._partition = first_of(self.root, "list_eval_partition.txt", "Eval/list_eval_partition.txt")
        files = [self._attributes, self._partition]
        require_files(self.root, files, layout="the layout of CelebA", source="its Anno and Eval folders")
        folders = "img_align_celeba", "Img/img_align_celeba"
        self._images = Path(images) if images is not None else first_of(self.root, *folders)

    def labels(self, split: Split | None = None) -> LabelTable:
        """Multi-label targets (attributes) of every image."""
        return rows_of(self._table, split)

    def selections(self) -> tuple[Selection, ...]:
        """By split; every image counts."""
        return by_split(self._table)

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        if image_id not in self._ids:
            raise unknown_image(self.source, image_id, dict.fromkeys(self._ids))
        return self._images / image_id

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB: the whole image, or the square around the face; the file stays as it is."""
        whole = read_image(self.image_path(image_id))
        return whole if self._region is None else np.ascontiguousarray(whole[face_square(*whole.shape[:2])])

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._table.ids.tolist())

    @cached_property
    def _table(self) -> LabelTable:
        table = read_labels(self._attributes, protected=self._protected, targets=self._targets)
        parts = _read_partition(self._partition)
        absent = [image for image in table.ids.tolist() if image not in parts]
        if absent:
            expected = f"the {counted(len(table), 'image')} of {self._attributes.name}"
            found = f"{counted(len(absent), 'image')} without a line ({some_ids(absent)})"
            raise wrong(self._partition, "", expected, found, "the file may be truncated")
        splits = np.array([parts[image] for image in table.ids.tolist()], dtype=np.str_)
        return replace(table, splits=splits, split_column="split")


def face_square(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the square around the face in an aligned image, whole or scaled.

    128 by 128 pixels around row 121 and column 89 of 218 by 178: rows 57 to 184, columns 25 to 152; in proportion for
    other sizes. As in the public code of Ramaswamy, Kim, Russakovsky, CVPR 2021 (https://arxiv.org/abs/2012.01469).

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
    """
    spans = []
    for length, full, middle in ((height, _ROWS, _MIDDLE[0]), (width, _COLUMNS, _MIDDLE[1])):
        size = max(1, int(_SIDE * length / full + 0.5))
        start = int((middle - _SIDE / 2) * length / full + 0.5)
        spans.append(slice(start, min(start + size, length)))
    return spans[0], spans[1]


def _read_partition(path: Path) -> dict[str, str]:
    """Image to split: a name and 0 (train), 1 (val) or 2 (test) a line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = one_line(error, longest=160)
        raise InputError(f"{path}: expected lines of an image and 0, 1 or 2, found {found}; check the file") from error
    parts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != 2 or cells[1] not in _PARTS:
            expected = "an image and 0 (train), 1 (val) or 2 (test)"
            raise wrong(path, f"line {number:,}", expected, quoted(line), "correct the line")
        if cells[0] in parts:
            raise wrong(path, f"line {number:,}", "each image once", f"{quoted(cells[0])} again", "remove one line")
        parts[cells[0]] = _PARTS[cells[1]]
    return parts
