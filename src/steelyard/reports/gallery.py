"""Images on a page: what a model was given beside what it was let see, group by group, inside the file itself."""

from base64 import b64encode
from dataclasses import dataclass

from steelyard.base.errors import InputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class MaskedPair:
    """One image before and after the mask.

    Attributes:
        original: a PNG file.
        masked: a PNG file of the same size.
        caption: what is in the image, for eyes and for readers who cannot see it.
    """

    original: bytes
    masked: bytes
    caption: str

    def __post_init__(self) -> None:
        for name, data in (("original", self.original), ("masked", self.masked)):
            if not data.startswith(_SIGNATURE):
                raise InputError(f"gallery: {name} of {self.caption!r}: expected a PNG file, found other bytes")

    def uris(self) -> tuple[str, str]:
        """Both images as data URIs."""
        first, second = (f"data:image/png;base64,{b64encode(data).decode()}" for data in (self.original, self.masked))
        return first, second


@dataclass(frozen=True, slots=True)
class Gallery:
    """Masked images by group.

    Attributes:
        rows: (group, its images).
        what: what masked them, in words.
    """

    rows: tuple[tuple[str, tuple[MaskedPair, ...]], ...]
    what: str = ""
