"""Arrays in shards of some rows each; a shard is written whole or not at all, and work goes on at the first missing.

FOLDER/shards.json            rows, rows of a shard, and a mark of what the shards were made from
FOLDER/00000.npy, 00001.npy   uint8 images or float32 scores, as `numpy.save` writes them: lossless
"""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError

INDEX = "shards.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folder of shards holds.

    Attributes:
        rows: n, of all shards together.
        length: rows of each shard; of the last one, what remains.
        mark: a fingerprint of what the rows are made from; shards of another mark are not these.
    """

    rows: int
    length: int
    mark: str

    def __len__(self) -> int:
        return -(-self.rows // self.length)

    def span(self, shard: int) -> slice:
        """The rows of a shard."""
        return slice(shard * self.length, min((shard + 1) * self.length, self.rows))


def make_shards(
    folder: Path, plan: Plan, make: Callable[[slice], NDArray[Any]], *, told: Callable[[int], None] | None = None
) -> int:
    """Make the shards that are not there yet; those of another plan go first.

    Args:
        folder: made if need be.
        plan: of the shards.
        make: rows → `[rows, …]`.
        told: called with the number of rows of each shard that was made.

    Returns:
        Rows that were made; the rest stood already.

    Raises:
        InputError: the disk is full or not writable; what stands is sound, and the work goes on from there.
    """
    try:
        if _index(folder) != asdict(plan):
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / INDEX, json.dumps(asdict(plan)).encode())
        made = 0
        for shard in range(len(plan)):
            if (path := _path(folder, shard)).exists():
                continue
            span = plan.span(shard)
            # Not to the file itself: of a full disk NumPy says only how many bytes it wrote.
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(make(span)), allow_pickle=False)
            write_whole(path, content.getbuffer())
            made += span.stop - span.start
            if told:
                told(span.stop - span.start)
        return made
    except OSError as error:
        raise cannot_write(folder, error) from None


class Shards:
    """Shards as they are read; one of them is mapped into memory at a time."""

    def __init__(self, folder: Path) -> None:
        """Read what the folder says that it holds.

        Raises:
            InputError: it holds no shards, or some are missing.
        """
        found = _index(folder)
        if found is None:
            raise InputError(f"{folder}: expected a folder of shards with {INDEX}, found none; make them anew")
        self.folder, self.plan = folder, Plan(**found)
        missing = [shard for shard in range(len(self.plan)) if not _path(folder, shard).exists()]
        if missing:
            raise InputError(
                f"{folder}: expected {len(self.plan):,} shards, found {len(self.plan) - len(missing):,}; run the step "
                "again, and it makes the rest"
            )

    def rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """`[m, …]`: these rows, in their order.

        Raises:
            InputError: a shard is damaged.
        """
        parts: list[tuple[NDArray[np.int64], NDArray[Any]]] = []
        of = rows // self.plan.length
        for shard in np.unique(of).tolist():
            at = np.flatnonzero(of == shard)
            parts.append((at, self._open(shard)[rows[at] - shard * self.plan.length]))
        if not parts:
            return self._open(0)[:0]
        made = np.empty((len(rows), *parts[0][1].shape[1:]), dtype=parts[0][1].dtype)
        for at, values in parts:
            made[at] = values
        return made

    def each(self) -> Iterator[NDArray[Any]]:
        """Shard after shard."""
        for shard in range(len(self.plan)):
            yield self._open(shard)

    def _open(self, shard: int) -> NDArray[Any]:
        path, span = _path(self.folder, shard), self.plan.span(shard)
        try:
            held = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise InputError(
                f"{path}: expected an array, found a damaged file; remove it and run the step again"
            ) from None
        if len(held) != span.stop - span.start:
            expected, found = f"{span.stop - span.start:,} rows", f"{len(held):,}"
            raise InputError(f"{path}: expected {expected}, found {found}; remove it and run the step again")
        return np.asarray(held)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Put a file in its place at once.

    Raises:
        OSError: it cannot be written.
    """
    with draft_of(path) as draft:
        draft.write_bytes(content)


def cannot_write(path: Path, error: OSError) -> InputError:
    """The error for a disk that is full or not writable."""
    return InputError(f"{path}: cannot be written ({error.strerror or error}); make room, then run it again")


def _path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}.npy"


def _index(folder: Path) -> dict[str, Any] | None:
    try:
        held = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return asdict(Plan(**held))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError):
        return None
