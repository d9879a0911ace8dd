"""The images of a label table by row: decoded, changed, resized, and kept in memory where they fit.

Kept images are those after every step that is the same each time, so later epochs decode nothing.
"""

from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Dataset, ManyImages
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import quoted
from steelyard.training.ahead import Processes
from steelyard.training.sampling import Rows
from steelyard.training.transforms import Pixels, resized

OnBadImage = Literal["raise", "skip"]
Cache = Literal["auto", "memory", "none"]

CACHE_BYTES = 2 * 2**30
_BLOCK_IMAGES, _BLOCK_BYTES = 64, 4 * 2**20  # containers may have no more than 64 MiB of shared memory


class PixelChange(Protocol):
    """What a network may see of an image: `[h, w, 3]` in, `[h, w, 3]` out, before any transform."""

    def __call__(self, image_id: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image of this id, changed; the one given stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """Images of some rows.

    Attributes:
        images: one per row that could be read, `[h, w, 3]`.
        rows: `[m]` those rows, in the order asked for.
        bad: rows that could not be read, once each.
        decoded: images decoded for this.
    """

    images: list[Pixels]
    rows: Rows
    bad: tuple[int, ...]
    decoded: int


class Images:
    """The images of a label table, by row."""

    def __init__(
        self,
        dataset: Dataset,
        table: LabelTable,
        *,
        pixels: PixelChange | None = None,
        on_bad_image: OnBadImage = "raise",
        cache: Cache = "auto",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Nothing is decoded yet.

        Args:
            dataset: has the images.
            table: rows of its labels.
            pixels: changes each image as it was decoded; what it raises is never skipped.
            on_bad_image: `raise` stops at an image that cannot be read, `skip` leaves it out.
            cache: `auto` keeps the images in memory if all of them, at the size of the first, take `cache_bytes` or
                less, and of larger ones those that fit; `memory` keeps them in any case, `none` never.
            cache_bytes: of each process, for each size that is asked for; 2 GiB.

        Raises:
            InputError: an unknown option, or a table without rows.
        """
        for name, value, known in (("on_bad_image", on_bad_image, OnBadImage), ("cache", cache, Cache)):
            if value not in get_args(known):
                raise InputError(f"{name}: expected one of {', '.join(get_args(known))}, found {value!r}; choose one")
        if not len(table):
            raise InputError(f"{table.source}: expected one image or more, found none; choose another split or subset")
        self.dataset, self.table, self.pixels = dataset, table, pixels
        self.on_bad_image, self.cache, self.cache_bytes = on_bad_image, cache, cache_bytes
        self._prepared: dict[int | None, Prepared] = {}

    def __len__(self) -> int:
        return len(self.table)

    def prepared(self, resize: int | None) -> "Prepared":
        """The images with this length of the shorter side; always the same object for the same length."""
        if resize not in self._prepared:
            self._prepared[resize] = Prepared(self, resize)
        return self._prepared[resize]

    def read(self, rows: Rows, resize: int | None) -> tuple[dict[int, Pixels], list[int]]:
        """Decode, change and resize: row → image, and the rows that cannot be read.

        Raises:
            InputError: a bad image that is not to be skipped; names its id and file.
        """
        found: dict[int, Pixels] = {}
        bad: list[int] = []
        for row, image_id, image in self._decoded(rows, bad):
            changed = image if self.pixels is None else self.pixels(image_id, image)
            if changed.ndim != 3 or changed.shape[2] != 3 or changed.dtype != np.uint8:
                shape = f"{list(changed.shape)} of {changed.dtype}"
                raise InputError(f"image {quoted(image_id)}: expected [h, w, 3] of uint8, found {shape}; correct it")
            found[row] = resized(changed, resize)
        return found, bad

    def _decoded(self, rows: Rows, bad: list[int]) -> Iterator[tuple[int, str, Pixels]]:
        ids = self.table.ids[rows].tolist()
        if isinstance(self.dataset, ManyImages):
            yield from zip(rows.tolist(), ids, self.dataset.images(ids) if ids else (), strict=True)
            return
        for row, image_id in zip(rows.tolist(), ids, strict=True):
            try:
                image = self.dataset.image(image_id)
            except InputError as error:
                if self.on_bad_image == "raise":
                    raise InputError(f"image {quoted(image_id)}: {error}") from error
                bad.append(row)
            else:
                yield row, image_id, image


class Prepared:
    """Images of one length of the shorter side, kept in memory once they are decoded, if they fit."""

    def __init__(self, images: Images, resize: int | None) -> None:
        self.images, self.resize = images, resize
        self._kept: dict[int, Pixels] = {}
        self._bad: set[int] = set()
        self._bytes, self._full = 0, False
        self._size: tuple[int, int] | None = None
        self._keeps: bool | None = {"memory": True, "none": False}.get(images.cache)

    def __getstate__(self) -> dict[str, object]:
        # A copy for another process: what is kept stays here.
        return {**self.__dict__, "_kept": {}, "_bytes": 0}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first image that can be read.

        Raises:
            InputError: there is none.
        """
        if self._size is None:
            self._size = self._first_size()
        return self._size

    @property
    def keeps(self) -> bool:
        """Whether images stay in memory."""
        if self._keeps is None:
            height, width = self.size
            self._keeps = len(self.images) * height * width * 3 <= self.images.cache_bytes
        return self._keeps

    @property
    def full(self) -> bool:
        """Whether an image was to be kept that found no room."""
        return self._full

    def take(self, rows: Rows, ready: dict[int, Pixels] | None = None) -> Taken:
        """The images of these rows; one that is asked for twice is decoded once.

        Args:
            rows: of the table, in any order.
            ready: images that need not be decoded, by row.

        Raises:
            InputError: a bad image that is not to be skipped.
        """
        there = ChainMap(ready or {}, self._kept)
        missing = [row for row in dict.fromkeys(rows.tolist()) if row not in there and row not in self._bad]
        found, bad = self.images.read(np.array(missing, dtype=np.int64), self.resize) if missing else ({}, [])
        self.keep(found, bad)
        here = [row for row in rows.tolist() if row not in self._bad]
        return Taken(
            images=[found[row] if row in found else there[row] for row in here],
            rows=np.array(here, dtype=np.int64),
            bad=tuple(dict.fromkeys(row for row in rows.tolist() if row in self._bad)),
            decoded=len(found),
        )

    def filler(self, rows: Rows, workers: int) -> "Filler":
        """Processes that decode rows into memory, in the order in which they are needed.

        Args:
            rows: in this order; those that are kept already are left out.
            workers: processes, 1 or more.
        """
        missing = [row for row in dict.fromkeys(rows.tolist()) if row not in self._kept and row not in self._bad]
        length = max(1, min(_BLOCK_IMAGES, _BLOCK_BYTES // (self.size[0] * self.size[1] * 3)))
        return Filler(self, np.array(missing, dtype=np.int64), length, workers)

    def lacks(self, rows: Rows) -> bool:
        """Whether one of these rows would have to be decoded."""
        return any(row not in self._kept and row not in self._bad for row in rows.tolist())

    def keep(self, found: dict[int, Pixels], bad: list[int]) -> None:
        """Keep images that were decoded elsewhere, if they fit, and remember the bad ones."""
        self._bad.update(bad)
        if self._full or not self.keeps:
            return
        for row, image in found.items():
            # Images of several sizes may come out larger than the first one promised; the rest is decoded each time.
            if self.images.cache == "auto" and self._bytes + image.nbytes > self.images.cache_bytes:
                self._full = True
            elif row not in self._kept:
                self._kept[row] = image
                self._bytes += image.nbytes

    def _first_size(self) -> tuple[int, int]:
        for row in range(len(self.images)):
            found, bad = self.images.read(np.array([row]), self.resize)
            self._bad.update(bad)
            if found:
                height, width = found[row].shape[:2]
                return height, width
        source = self.images.table.source
        raise InputError(f"{source}: expected images that can be read, found none of {len(self.images):,}; check them")


class Filler:
    """Decodes rows in several processes, block after block, ahead of those who ask for them.

    What finds no room in memory is held until it is first taken, so that it is not decoded again for that.
    """

    def __init__(self, prepared: Prepared, missing: Rows, length: int, workers: int) -> None:
        self.images = prepared.images
        self._prepared = prepared
        self._coming, self._ready = set(missing.tolist()), dict[int, Pixels]()
        blocks = [missing[start : start + length] for start in range(0, len(missing), length)]
        read = _Block(prepared.images, prepared.resize)
        self._processes = Processes(read, min(workers, max(1, len(blocks))))
        # Set to work here, in the caller's thread; who asks for rows may be another.
        self._results = self._processes.run(blocks)

    def take(self, rows: Rows) -> Taken:
        """The images of these rows, once they have come; asked for in the order that the filler was told.

        Raises:
            InputError: a bad image that is not to be skipped.
        """
        decoded = 0
        while not self._coming.isdisjoint(rows.tolist()):
            flat, shapes, good, bad = next(self._results)
            found = dict(zip(good, _apart(flat.numpy(), shapes), strict=True))
            self._prepared.keep(found, bad)
            self._ready.update(found)
            self._coming.difference_update(good, bad)
            decoded += len(good)
        taken = self._prepared.take(rows, self._ready)
        for row in rows.tolist():
            self._ready.pop(row, None)
        return replace(taken, decoded=decoded + taken.decoded)

    def close(self) -> None:
        """End the processes."""
        self._processes.close()


class _Block:
    """Reads a block of rows in a worker process; its images travel as one tensor, one file descriptor."""

    def __init__(self, images: Images, resize: int | None) -> None:
        self._images, self._resize = images, resize

    def __call__(self, rows: Rows) -> tuple[Tensor, list[tuple[int, ...]], list[int], list[int]]:
        found, bad = self._images.read(rows, self._resize)
        flat = np.concatenate([image.ravel() for image in found.values()]) if found else np.empty(0, dtype=np.uint8)
        return torch.from_numpy(flat), [image.shape for image in found.values()], list(found), bad


def _apart(flat: Pixels, shapes: list[tuple[int, ...]]) -> list[Pixels]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    # Copies: of shared memory there is little, and one image that is kept must not hold its whole block.
    return [part.reshape(shape).copy() for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
