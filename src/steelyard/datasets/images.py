"""Image files read into arrays; what cannot be read whole is an error that names the file.

Many a decoder makes an image of a JPEG or PNG file that breaks off, grey or black from there on, so the end of the file
is looked at before the pixels are.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.tables.messages import complaint, one_line

_JPEG, _JPEG_END, _SCAN = b"\xff\xd8\xff", b"\xff\xd9", 0xDA
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_DO = "restore the file, or take its row out of the labels"


def read_image(path: Path, *, upright: bool = False) -> NDArray[np.uint8]:
    """Read one image file.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF: whatever OpenCV reads.
        upright: turn the image as its EXIF orientation says. Boxes and segments of published data sets are in the
            pixels as stored, so their readers do not.

    Returns:
        `[h, w, 3]`, RGB, 8 bits; grey images have three equal channels, transparency is dropped.

    Raises:
        InputError: there is no such file, it breaks off, or it is no image.
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = require_cv2()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, "no file") from None
    except OSError as error:
        raise _unreadable(path, one_line(error.strerror or error, longest=160)) from error
    if not content:
        raise _unreadable(path, "an empty file")
    if _breaks_off(content):
        raise _unreadable(path, f"a file that breaks off after {len(content):,} bytes")
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error as error:
        raise _unreadable(path, one_line(error, longest=160)) from error
    if pixels is None:
        raise _unreadable(path, "bytes that do not decode")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def require_cv2() -> Any:
    """OpenCV, imported when first needed.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        if error.name != "cv2":
            raise
        raise MissingExtraError("reading images needs OpenCV: pip install 'steelyard[train]'") from error
    return cv2


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(complaint(str(path), "", expected="an image", found=found, do=_DO))


def _breaks_off(content: bytes) -> bool:
    """Whether the end of a JPEG or PNG file is missing; other formats are left to the decoder."""
    if content.startswith(_PNG):
        return _PNG_END not in content[-4096:] and _PNG_END not in content
    if content.startswith(_JPEG):
        return content.find(_JPEG_END, _scan_start(content)) < 0
    return False


def _scan_start(content: bytes) -> int:
    """Where the compressed pixels of a JPEG start: behind the header, in which a thumbnail may end before."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        if content[at + 1] == 0xFF:  # padding
            at += 1
            continue
        if content[at + 1] == _SCAN:
            return at
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return min(at, len(content))
