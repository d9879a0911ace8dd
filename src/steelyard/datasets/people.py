"""Where the people of an image are: a box each, and a mask each where they were segmented.

Segments are COCO's (https://cocodataset.org/#format-data): polygons, or run lengths for crowds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.tables.messages import complaint

_OUTWARD = np.array([1.0, 1.0, -1.0, -1.0])  # rounding down, of the negative: rounding up


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The p people of one image, crowds counted as one.

    Attributes:
        size: height and width of the image, in pixels.
        boxes: `[p, 4]`: left, top, right, bottom, in pixels, as edges: a box of one pixel is `x, y, x + 1, y + 1`.
        masks: `[p, h, w]`, True on the person; None where the data set has no segments.
        crowds: `[p]`, True where the box and mask are of a crowd.
    """

    size: tuple[int, int]
    boxes: NDArray[np.float64]
    masks: NDArray[np.bool_] | None
    crowds: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.boxes)

    def pixel_boxes(self) -> NDArray[np.int64]:
        """`[p, 4]`: the boxes widened to whole pixels and cut at the border; rows and columns `[top, bottom)`."""
        return whole_pixels(self.boxes, self.size)

    def box_mask(self) -> NDArray[np.bool_]:
        """`[h, w]`, True in any person's own box, last row and column included."""
        return cover_boxes(self.boxes, self.size)

    def mask(self) -> NDArray[np.bool_]:
        """`[h, w]`, True on any person; the boxes where there are no segments."""
        if self.masks is None:
            return self.box_mask()
        return np.asarray(self.masks.any(axis=0))


def whole_pixels(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    """`[b, 4]`: boxes (left, top, right, bottom, as edges) widened to whole pixels and cut at the image's border.

    Args:
        boxes: `[b, 4]`, in pixels.
        size: height and width of the image.
    """
    height, width = size
    outward = _OUTWARD * np.floor(_OUTWARD * boxes)
    return np.asarray(np.minimum(np.maximum(outward, 0), [width, height, width, height]), dtype=np.int64)


def cover_boxes(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """`[h, w]`, True in any of the boxes, each covered on its own, last row and column included (trap W15).

    Args:
        boxes: `[b, 4]`: left, top, right, bottom in pixels, as edges; none for nothing covered.
        size: height and width of the image.
    """
    covered = np.zeros(size, dtype=np.bool_)
    for left, top, right, bottom in whole_pixels(boxes, size).tolist():
        covered[top:bottom, left:right] = True
    return covered


def edges(box: Sequence[float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of COCO's left, top, width, height."""
    left, top, width, height = (float(number) for number in box)
    return left, top, left + width, top + height


def decode_segment(
    segment: Any, size: tuple[int, int], box: tuple[float, float, float, float], *, source: str, where: str
) -> NDArray[np.bool_]:
    """`[h, w]`: COCO's polygons, run lengths (lists or compressed) or, where there is no segment, the box.

    Args:
        segment: `segmentation` of an annotation.
        size: height and width of the image.
        box: left, top, right, bottom; taken where no polygon has three points, lest the person stay visible.
        source: the file, for messages.
        where: the annotation, for messages.

    Raises:
        InputError: polygons of an odd number of coordinates, or run lengths of another size.
        MissingExtraError: pycocotools is not installed.
    """
    try:
        return _decoded(segment, size, box, source, where)
    except (TypeError, ValueError) as error:
        found, do = "other values", "correct the annotation"
        raise InputError(complaint(source, where, expected="numbers in 'segmentation'", found=found, do=do)) from error


def _decoded(
    segment: Any, size: tuple[int, int], box: tuple[float, float, float, float], source: str, where: str
) -> NDArray[np.bool_]:
    height, width = size
    if isinstance(segment, dict):
        if list(segment.get("size", ())) != [height, width] or "counts" not in segment:
            found = f"the size {segment.get('size')}"
            expected = f"run lengths of {height} by {width} pixels"
            raise InputError(complaint(source, where, expected=expected, found=found, do="correct the annotation"))
        counts = segment["counts"]
        runs = _unpacked(counts) if isinstance(counts, str | bytes) else np.asarray(counts, dtype=np.int64)
        if (runs < 0).any() or runs.sum() != height * width:
            expected, found = f"runs of {height * width:,} pixels together", f"{runs.sum():,}"
            raise InputError(complaint(source, where, expected=expected, found=found, do="correct the annotation"))
        return _painted(runs, size)
    # Four numbers would be taken for a box by pycocotools; they are a line, which covers no pixel.
    polygons = [[float(number) for number in polygon] for polygon in segment or () if len(polygon) >= 6]
    if any(len(polygon) % 2 for polygon in polygons):
        found, do = "an odd number", "correct the annotation"
        raise InputError(complaint(source, where, expected="polygons of x, y pairs", found=found, do=do))
    if not polygons:
        one = People(size=size, boxes=np.array([box]), masks=None, crowds=np.zeros(1, dtype=np.bool_))
        return one.box_mask()
    coder = _require_pycocotools()
    return _painted(_unpacked(coder.merge(coder.frPyObjects(polygons, height, width))["counts"]), size)


def _painted(runs: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """`[h, w]` from run lengths, which go down the columns and start off the person."""
    height, width = size
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def _unpacked(counts: str | bytes) -> NDArray[np.int64]:
    """Run lengths from COCO's compressed form.

    Read here, because pycocotools' own decoding hands over arrays in a way that numpy 2 deprecates. A character holds
    five bits, lowest first, and whether more follow; from the fourth number on, differences to the last but one.
    """
    codes = np.frombuffer(counts.encode() if isinstance(counts, str) else counts, dtype=np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((codes & 0x20) == 0)
    if not len(last):
        return np.zeros(0, dtype=np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(last[-1] + 1) - np.repeat(first, last - first + 1)
    numbers = np.add.reduceat((codes[: len(place)] & 0x1F) << (5 * place), first)
    numbers -= np.where(codes[last] & 0x10, np.int64(1) << (5 * (last - first + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _require_pycocotools() -> Any:
    try:
        return import_module("pycocotools.mask")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pycocotools":
            raise
        raise MissingExtraError("person segments need pycocotools: pip install 'steelyard[train]'") from error
