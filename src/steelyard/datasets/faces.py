"""Where the faces of an image are: the data set's own truth, a file of boxes, or a detector's finds.

All three are a function of an image's id, `[f, 4]`: left, top, right, bottom in pixels, as edges.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Dataset, WithFaces
from steelyard.tables.columns import numbers, texts
from steelyard.tables.files import read_file
from steelyard.tables.messages import complaint, counted, listed, quoted, some_ids
from steelyard.tables.raw_table import RawTable
from steelyard.tables.roles import choose_id

Faces = Callable[[str], NDArray[np.float64]]

SIDES = ("left", "top", "right", "bottom")
NOBODY: NDArray[np.float64] = np.zeros((0, 4))


@dataclass(frozen=True, slots=True)
class FaceBoxes:
    """Faces by id, as they were written down.

    Attributes:
        boxes: id to `[f, 4]`; f may be 0.
        source: the file, for messages.
        others_have_none: whether an image that is not in `boxes` has no face; otherwise nobody looked at it.
    """

    boxes: Mapping[str, NDArray[np.float64]]
    source: str
    others_have_none: bool

    def __call__(self, image_id: str) -> NDArray[np.float64]:
        """`[f, 4]`: the faces of this image.

        Raises:
            InputError: nobody has looked for faces in this image.
        """
        found = self.boxes.get(image_id)
        if found is None:
            if not self.others_have_none:
                expected, do = "an image in which faces were looked for", "look for faces in this image too"
                raise InputError(complaint(self.source, "", expected=expected, found=quoted(image_id), do=do))
            found = NOBODY
        return found.copy()


def own_faces(dataset: Dataset) -> Faces:
    """The data set's own faces.

    Raises:
        InputError: it has none.
    """
    if not isinstance(dataset, WithFaces):
        expected, do = "a data set that says where faces are", "give a file of boxes, or have them detected"
        raise InputError(complaint(dataset.source, "", expected=expected, found=dataset.name, do=do))
    return dataset.faces


def read_face_file(path: str | Path, *, known: Collection[str] | None = None) -> FaceBoxes:
    """Faces from a table of boxes.

    Args:
        path: CSV, Parquet or NPZ with the columns `image` (or `id`), `left`, `top`, `right`, `bottom`, in pixels of the
            images as stored, as edges: the pixel in the corner is 0, 0, 1, 1. A row per face; an image without a row,
            or with a row whose four numbers are empty, has no face. Further columns are ignored.
        known: ids of the data set's images; one of them at least must be in the table.

    Raises:
        InputError: the file cannot be read, a column is missing, a number is none, a box is empty, or the table is of
            other images.
    """
    raw = read_file(Path(path))
    id_column = choose_id(raw, None, set(SIDES))
    missing = [side for side in SIDES if side not in raw.columns]
    if id_column is None or missing:
        expected = f"the columns image, {', '.join(SIDES)}"
        raise InputError(complaint(raw.source, "", expected=expected, found=listed(raw.names, 12), do="rename them"))
    ids, no_id = texts(raw.plain(id_column))
    if no_id.any():
        where = f"column {quoted(id_column)}"
        found = f"none in data row {int(np.flatnonzero(no_id)[0]) + 1:,}"
        raise InputError(complaint(raw.source, where, expected="an image's id", found=found, do="fill the cell"))
    sides, empty = _sides(raw, ids)
    if known is not None and not set(ids.tolist()) & set(known):
        expected = f"ids of the data set, {some_ids(list(known)[:3])}" if known else "ids of the data set"
        found, do = f"{counted(len(ids), 'row')} of other images ({some_ids(ids[:3])})", "write the ids of the labels"
        raise InputError(complaint(raw.source, f"column {quoted(id_column)}", expected=expected, found=found, do=do))
    return FaceBoxes(by_image(ids, sides, ~empty), raw.source, others_have_none=True)


def by_image(
    ids: NDArray[np.str_], boxes: NDArray[np.float64], there: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Id to its boxes, in the order of the rows; an image has none where none of its rows is there.

    Args:
        ids: `[n]`, of the rows.
        boxes: `[n, 4]`.
        there: `[n]`, False where the row says that there is no face.
    """
    order = np.argsort(ids, kind="stable")
    names, first = np.unique(ids[order], return_index=True)
    parts = np.split(order, first[1:])
    return {str(name): boxes[rows[there[rows]]] for name, rows in zip(names, parts, strict=True)}


def _sides(raw: RawTable, ids: NDArray[np.str_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`[n, 4]` boxes, and where a row has no number at all."""
    columns, words = zip(*(numbers(raw.plain(side)) for side in SIDES), strict=True)
    boxes, text = np.stack(columns, axis=1), np.stack(words, axis=1)
    empty = (np.isnan(boxes) & ~text).all(axis=1)
    _refuse(raw, ids, ~np.isfinite(boxes) & ~empty[:, None], boxes, "a number of pixels", "correct the cell")
    for low, high in ((0, 2), (1, 3)):
        bad = np.zeros_like(text)
        bad[:, high] = ~empty & (boxes[:, high] <= boxes[:, low])
        _refuse(raw, ids, bad, boxes, f"more than {SIDES[low]}", "write edges: a pixel's right is its left + 1")
    if not empty.all() and np.nanmax(boxes) <= 1.0:
        do = "multiply by the images' width and height"
        found = "no number above 1"
        raise InputError(complaint(raw.source, "", expected="boxes in pixels", found=found, do=do))
    return boxes, empty


def _refuse(
    raw: RawTable, ids: NDArray[np.str_], bad: NDArray[np.bool_], boxes: NDArray[np.float64], expected: str, do: str
) -> None:
    """Raise an `InputError` that names the first bad cell of `[n, 4]`."""
    if bad.any():
        row, side = (int(at) for at in np.argwhere(bad)[0])
        cell = raw.columns[SIDES[side]][row].as_py()
        where = f"column {quoted(SIDES[side])}, data row {row + 1:,}"
        found = f"{quoted(cell) if cell is not None else 'nothing'} ({some_ids(ids[[row]])})"
        raise InputError(complaint(raw.source, where, expected=expected, found=found, do=do))
