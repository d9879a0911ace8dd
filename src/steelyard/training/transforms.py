"""From a decoded image to the pixels that the network sees: resize, crop, flip, all on 8-bit images.

The resize is the same every time and its result can be kept; crop and flip follow from three numbers per image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.images import require_cv2

Pixels = NDArray[np.uint8]

DRAWS = 3
"""Numbers that one training image needs: where the crop starts (down, across), and whether it is mirrored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformOptions:
    """How images are brought to one size, and varied in training.

    Attributes:
        resize: length of the shorter side in pixels, the proportions kept; None leaves the size as it is.
        crop: side of the square that is cut out, in pixels, at random in training and from the middle in evaluation;
            None takes the whole image.
        flip: mirror half of the training images left to right.
        shift: in training, let the cut reach this many pixels over the edges, which repeat the outermost pixels.

    Raises:
        InputError: a length below 1, or a crop larger than the resized image.
    """

    resize: int | None = None
    crop: int | None = None
    flip: bool = True
    shift: int = 0

    def __post_init__(self) -> None:
        for name, value in (("resize", self.resize), ("crop", self.crop)):
            if value is not None and value < 1:
                raise InputError(f"{name}: expected 1 pixel or more, or none, found {value}; change it")
        if self.shift < 0:
            raise InputError(f"shift: expected 0 pixels or more, found {self.shift}; change it")
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise InputError(f"crop: expected resize ({self.resize}) or less, found {self.crop}; lower it")


def resized(image: Pixels, shorter: int | None) -> Pixels:
    """The image with this length of its shorter side; the image itself where it has it already, or for None.

    Args:
        image: `[h, w, 3]`.
        shorter: pixels.
    """
    height, width = image.shape[:2]
    if shorter is None or min(height, width) == shorter:
        return image
    scale = shorter / min(height, width)
    size = max(shorter, round(width * scale)), max(shorter, round(height * scale))
    cv2 = require_cv2()
    # Areas are averaged when shrinking, as sampling alone would alias.
    made = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(made, dtype=np.uint8)


def cut(image: Pixels, into: Pixels, *, shift: int, draw: NDArray[np.float64] | None, flip: bool) -> None:
    """Copy a window of an image, mirrored or not.

    Args:
        image: `[h, w, 3]`, resized.
        into: `[c, d, 3]`, c ≤ h and d ≤ w, written to.
        shift: pixels that a drawn window may reach over each edge.
        draw: `[3]` numbers in [0, 1): the window's place down and across, mirrored below 0.5; None takes the middle.
        flip: whether a drawn window may be mirrored.
    """
    height, width = into.shape[:2]
    down, across = image.shape[0] - height, image.shape[1] - width
    if draw is None:
        top, left = down // 2, across // 2
        into[:] = image[top : top + height, left : left + width]
        return
    top = int(draw[0] * (down + 2 * shift + 1)) - shift
    left = int(draw[1] * (across + 2 * shift + 1)) - shift
    cv2 = require_cv2()
    if not (0 <= top <= down and 0 <= left <= across):
        image = cv2.copyMakeBorder(image, shift, shift, shift, shift, cv2.BORDER_REPLICATE)
        top, left = top + shift, left + shift
    window = image[top : top + height, left : left + width]
    into[:] = cv2.flip(window, 1) if flip and draw[2] < 0.5 else window
