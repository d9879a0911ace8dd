"""Images changed where a mask says so; every other pixel keeps its value.

The baselines of Wang et al., ICCV 2019 (https://arxiv.org/abs/1811.08489), section 5. Each takes one image `[h, w, 3]`
with a mask `[h, w]`, or a stack of images of one size `[n, h, w, 3]` with masks `[n, h, w]`, and returns a new array.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.images import require_cv2
from steelyard.datasets.people import whole_pixels

Images = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Boxes = NDArray[np.float64]

RADIUS = 10.0
"""The paper's blur, in pixels of the image as stored."""
_TAIL = 3.0  # deviations after which the bell is cut off


def blackout(images: Images, mask: Mask) -> Images:
    """0, 0, 0 where the mask is.

    Args:
        images: `[h, w, 3]` or `[n, h, w, 3]`, RGB.
        mask: `[h, w]` or `[n, h, w]`.

    Raises:
        InputError: shapes or types that do not fit each other; so in all functions here.
    """
    _check(images, mask)
    out = np.array(images, order="C")
    if out.size:
        below = _below(out)
        require_cv2().subtract(below, below, dst=below, mask=_mask_below(mask))
    return out


def blackout_boxes(images: Images, boxes: Boxes | Sequence[Boxes]) -> Images:
    """0, 0, 0 in each box, one for each person or face, last row and column included (trap W15).

    Args:
        images: `[h, w, 3]` or `[n, h, w, 3]`, RGB.
        boxes: `[b, 4]` (left, top, right, bottom in pixels, as edges); for a stack one such array for each image. Boxes
            are widened to whole pixels and cut at the border.
    """
    _check_images(images)
    out = images.copy()
    single = out.ndim == 3
    for target, own in zip(out[None] if single else out, [boxes] if single else boxes, strict=True):
        for left, top, right, bottom in whole_pixels(np.asarray(own), (out.shape[-3], out.shape[-2])).tolist():
            target[top:bottom, left:right] = 0
    return out


def greyscale(images: Images, mask: Mask) -> Images:
    """Luma (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601) in all three channels, where the mask is."""
    _check(images, mask)
    cv2 = require_cv2()
    if not images.size:
        return images.copy()
    grey = cv2.cvtColor(cv2.cvtColor(_below(images), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _composite(grey, images, mask)


def blur(images: Images, mask: Mask, radius: float = RADIUS) -> Images:
    """The blurred image where the mask is: what surrounds a person bleeds in, and the person does not bleed out.

    Args:
        images: `[h, w, 3]` or `[n, h, w, 3]`, RGB.
        mask: `[h, w]` or `[n, h, w]`.
        radius: standard deviation of the Gaussian in pixels, which is what Pillow's `GaussianBlur(radius)` and thus the
            published code mean by it. The bell ends after three deviations; beyond the border the outermost pixels
            go on.

    Raises:
        InputError: the radius is not positive.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise InputError(f"blur: expected a radius of more than 0 pixels, found {radius}; change it")
    reach = math.ceil(_TAIL * radius)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2).astype(np.float32)
    bell /= bell.sum()
    cv2 = require_cv2()

    def smoothed(part: Images) -> Any:
        # Not GaussianBlur, which on 8 bits is slower and off by up to 3 levels.
        return cv2.sepFilter2D(part, cv2.CV_8U, bell, bell, borderType=cv2.BORDER_REPLICATE)

    return _filtered(images, mask, smoothed, reach)


def edges(images: Images, mask: Mask) -> Images:
    """A drawing where the mask is: dark lines on white, the second derivative of the luma.

    255 + 8 · luma − the luma of the eight neighbours, cut at 0 and 255, as Pillow's `CONTOUR`, which the published code
    takes; beyond the border the outermost pixels go on.
    """
    cv2 = require_cv2()
    kernel = np.full((3, 3), -1.0, dtype=np.float32)
    kernel[1, 1] = 8.0

    def outlined(part: Images) -> Any:
        grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
        lines = cv2.filter2D(grey, cv2.CV_8U, kernel, delta=255.0, borderType=cv2.BORDER_REPLICATE)
        return cv2.cvtColor(lines, cv2.COLOR_GRAY2RGB)

    return _filtered(images, mask, outlined, 1)


def _filtered(images: Images, mask: Mask, change: Callable[[Images], Any], reach: int) -> Images:
    """A filter's result where the mask is, worked out around the mask only, image by image.

    Args:
        images: `[h, w, 3]` or `[n, h, w, 3]`.
        mask: `[h, w]` or `[n, h, w]`.
        change: the filter, `[h, w, 3]` to the same shape.
        reach: pixels on each side that the filter's result at one pixel depends on.
    """
    _check(images, mask)
    out = images.copy()
    stack = (out[None], images[None], mask[None]) if images.ndim == 3 else (out, images, mask)
    for target, image, covered in zip(*stack, strict=True):
        spans = _spans(covered)
        if spans is None:
            continue
        # The filter sees as far as it reaches, so that it gives what it would give on the whole image.
        wide = tuple(
            slice(max(0, span.start - reach), min(length, span.stop + reach))
            for span, length in zip(spans, covered.shape, strict=True)
        )
        changed = change(np.ascontiguousarray(image[wide]))
        inner = tuple(
            slice(span.start - around.start, span.stop - around.start) for span, around in zip(spans, wide, strict=True)
        )
        target[spans] = _composite(changed[inner], image[spans], covered[spans])
    return out


def _spans(mask: Mask) -> tuple[slice, slice] | None:
    """Rows and columns of the smallest box around the mask, or None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _composite(changed: Any, images: Images, mask: Mask) -> Images:
    """`changed` where the mask is, else `images`, as a new array."""
    out = np.array(images, order="C")
    if images.size:
        require_cv2().copyTo(_below(changed), _mask_below(mask), _below(out))
    return out


def _below(images: Any) -> Any:
    """`[n · h, w, 3]`: the images of a stack one below the other, as OpenCV knows no stacks."""
    return np.ascontiguousarray(images).reshape(-1, *images.shape[-2:])


def _mask_below(mask: Mask) -> Any:
    """`[n · h, w]`: the masks in the same way, in OpenCV's type."""
    return np.ascontiguousarray(mask).view(np.uint8).reshape(-1, mask.shape[-1])


def _check(images: Images, mask: Mask) -> None:
    """Raise an `InputError` where these are not images and their mask."""
    _check_images(images)
    if mask.dtype != np.bool_ or mask.shape != images.shape[:-1]:
        expected, found = f"{list(images.shape[:-1])} of bool", f"{list(mask.shape)} of {mask.dtype}"
        raise InputError(f"mask: expected {expected}, as the images, found {found}; make one for each pixel")


def _check_images(images: Images) -> None:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] != 3:
        found = f"{list(images.shape)} of {images.dtype}"
        raise InputError(f"images: expected [h, w, 3] or [n, h, w, 3] of uint8, found {found}; convert them")
