"""What rendering gives: images, and the truth about their pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from steelyard.datasets.scenes.face import Face


@dataclass(frozen=True, slots=True)
class Rendered:
    """`n` images of side h = w and what is known of their pixels; boxes are x0, y0, x1, y1 in pixels, ends excluded.

    Attributes:
        images: `[n, h, w, 3]` uint8, red, green, blue.
        person_mask: `[n, h, w]` bool: the person's visible pixels (hair and clothes included, what stands before not).
        person_box: `[n, 4]` int64: the smallest box around the mask.
        face_box: `[n, 4]` int64: around the head without its hair, within the person's box.
    """

    images: NDArray[np.uint8]
    person_mask: NDArray[np.bool_]
    person_box: NDArray[np.int64]
    face_box: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the person and the face are in some images, whose pixels are not kept.

    Attributes:
        place: index of an image to its position, below.
        person_mask: `[n, h, w]`.
        person_box: `[n, 4]`.
        face_box: `[n, 4]`.
    """

    place: Mapping[int, int]
    person_mask: NDArray[np.bool_]
    person_box: NDArray[np.int64]
    face_box: NDArray[np.int64]

    @classmethod
    def of(cls, indices: Sequence[int], made: Rendered) -> "Whereabouts":
        """Of images just rendered."""
        place = {index: at for at, index in enumerate(indices)}
        return cls(place, made.person_mask, made.person_box, made.face_box)


def boxes_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`[n, 4]` smallest boxes (x0, y0, x1, y1, ends excluded) around `[n, h, w]` masks, none of them empty."""
    columns: NDArray[np.bool_] = np.any(mask, axis=1)
    rows: NDArray[np.bool_] = np.any(mask, axis=2)
    ends = [columns.argmax(1), rows.argmax(1)]
    ends += [line.shape[1] - line[:, ::-1].argmax(1) for line in (columns, rows)]
    return np.stack(ends, axis=1).astype(np.int64)


def face_boxes(faces: "Sequence[Face]", side: int, within: NDArray[np.int64]) -> NDArray[np.int64]:
    """`[n, 4]` boxes in whole pixels around faces of images of this side, within the persons' boxes `[n, 4]`."""
    edges = side * np.array([face.box for face in faces]).reshape(-1, 4)
    low, high = np.floor(edges[:, :2]), np.ceil(edges[:, 2:])
    low, high = np.maximum(low, within[:, :2]), np.minimum(high, within[:, 2:])
    return np.concatenate([low, high], axis=1).astype(np.int64)
