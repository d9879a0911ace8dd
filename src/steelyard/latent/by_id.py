"""Tables by latent: ids with latents, scores or labels, as Parquet; put together by id, never by row position."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError, JoinError
from steelyard.tables.messages import complaint, counted, listed, one_line, some_ids

ID_COLUMN, LATENT_COLUMN = "latent", "z"


@dataclass(frozen=True, slots=True)
class ByLatent:
    """Numbers of `n` latents, row by row.

    Attributes:
        ids: `[n]` strings, unique: `g0000123`.
        values: `[n, t]`: the latents themselves (float32), scores (float32) or labels (uint8).
        names: of the t columns; empty for latents.
        source: the file that it came from, for messages.

    Raises:
        InputError: shapes that do not fit each other, or an id that is there twice.
    """

    ids: NDArray[np.str_]
    values: NDArray[Any]
    names: tuple[str, ...] = ()
    source: str = "latents"

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.names)) if self.names else (len(self.ids), *self.values.shape[1:2])
        if self.values.shape != shape or self.values.ndim != 2:
            found = f"{list(self.values.shape)}"
            raise InputError(
                complaint(self.source, "", expected=f"a row for each of {shape[0]:,} ids", found=found, do="mend it")
            )
        _require_distinct(self.ids, self.source, ID_COLUMN)

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, ids: NDArray[np.str_]) -> NDArray[Any]:
        """`[m, t]`: the rows of these ids, in their order.

        Raises:
            JoinError: an id is not there.
        """
        order = np.argsort(self.ids, kind="stable")
        at = np.searchsorted(self.ids[order], ids)
        at = np.minimum(at, max(len(self) - 1, 0))
        missing = ids != self.ids[order[at]] if len(self) else np.ones(len(ids), dtype=np.bool_)
        if missing.any():
            found = f"none for {counted(int(missing.sum()), 'latent')} ({some_ids(ids[missing])})"
            expected, do = f"a row for each of {counted(len(ids), 'latent')}", "make the files from the same latents"
            raise JoinError(complaint(self.source, ID_COLUMN, expected=expected, found=found, do=do))
        return np.asarray(self.values[order[at]])

    def mark(self) -> str:
        """A fingerprint of ids and values."""
        digest = hashlib.sha256("\n".join(self.ids.tolist()).encode())
        digest.update(f"\n{self.values.dtype} {self.values.shape}\n".encode())
        digest.update(np.ascontiguousarray(self.values).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def column(self, name: str) -> NDArray[Any]:
        """`[n]`: one column.

        Raises:
            InputError: there is none of this name.
        """
        if name not in self.names:
            expected, found = f"the column {name!r}", f"{listed(self.names, 12)}"
            raise InputError(complaint(self.source, "", expected=expected, found=found, do="score that attribute"))
        return np.asarray(self.values[:, self.names.index(name)])


def latent_ids(n: int, *, start: int = 0) -> NDArray[np.str_]:
    """`[n]` ids of latents: `g0000000`, `g0000001` and so on from `start`."""
    return np.array([f"g{number:07d}" for number in range(start, start + n)], dtype=np.str_)


def mirror_ids(ids: NDArray[np.str_], flipped: Sequence[str]) -> NDArray[np.str_]:
    """`[n]` ids of mirror images: `g0000123-Male`; several flipped attributes are joined by "+"."""
    ending = f"-{'+'.join(flipped)}"
    return np.array([f"{name}{ending}" for name in ids.tolist()], dtype=np.str_)


def write_latents(path: Path, table: ByLatent) -> None:
    """Write ids and latents, a list of fixed size each.

    Raises:
        InputError: the file cannot be written.
    """
    import pyarrow as pa

    flat = np.ascontiguousarray(table.values, dtype=np.float32).ravel()
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat), table.values.shape[1])
    _write(path, [ID_COLUMN, LATENT_COLUMN], [pa.array(table.ids), lists])


def write_columns(path: Path, table: ByLatent) -> None:
    """Write ids and a column for each name.

    Raises:
        InputError: the file cannot be written.
    """
    import pyarrow as pa

    columns = [pa.array(table.values[:, at]) for at in range(len(table.names))]
    _write(path, [ID_COLUMN, *table.names], [pa.array(table.ids), *columns])


def read_latents(path: Path, *, width: int | None = None, generator: str = "the generator") -> ByLatent:
    """Read ids and latents; the ids' column is the one of text, the latents' the one of lists.

    Args:
        path: what `write_latents` wrote, or a file of one's own: latents inverted from real images, by image id.
        width: d, of the generator's latents; None for any.
        generator: its name, for the message.

    Raises:
        InputError: no such file, no such columns, latents of another width, or a number that is not finite.
        JoinError: an id is there twice.
    """
    import pyarrow as pa

    table = _read(path)
    kinds = {field.name: field.type for field in table.schema}
    texts = [name for name, kind in kinds.items() if pa.types.is_string(kind) or pa.types.is_large_string(kind)]
    many = pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list
    lists = [name for name, kind in kinds.items() if any(one(kind) for one in many)]
    if not texts or not lists:
        expected, do = "a column of ids (text) and one of latents (lists of numbers)", "write the two columns"
        raise InputError(complaint(str(path), "", expected=expected, found=listed(kinds, 6), do=do))
    column = table[lists[0]].combine_chunks()
    lengths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False)) if len(column) else np.array([0])
    wanted = width if width is not None else int(lengths[0])
    if len(column) and (len(lengths) > 1 or int(lengths[0]) != wanted):
        expected = f"latents of {wanted:,} numbers, the width of {generator}"
        found = f"{' and '.join(f'{int(length):,}' for length in lengths[:3])}"
        do = "name latents of this generator, or sample them anew"
        raise InputError(complaint(str(path), lists[0], expected=expected, found=found, do=do))
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(column), wanted)
    ids = np.array(table[texts[0]].to_pylist(), dtype=np.str_).reshape(len(column))
    if not np.isfinite(values).all():
        bad = ids[~np.isfinite(values).all(axis=1)]
        found, do = f"others ({some_ids(bad)})", "drop these rows"
        raise InputError(complaint(str(path), lists[0], expected="finite numbers", found=found, do=do))
    _require_distinct(ids, str(path), texts[0])  # by the name of its own column
    return ByLatent(ids, values, source=str(path))


def read_columns(path: Path) -> ByLatent:
    """The inverse of `write_columns`.

    Raises:
        InputError: no such file, or it is not what `write_columns` wrote.
        JoinError: an id is there twice.
    """
    table = _read(path)
    if ID_COLUMN not in table.column_names or len(table.column_names) < 2:
        expected, found = f"the column {ID_COLUMN!r} and others", listed(table.column_names, 6)
        raise InputError(complaint(str(path), "", expected=expected, found=found, do="label the latents anew"))
    names = tuple(name for name in table.column_names if name != ID_COLUMN)
    values = np.stack([table[name].to_numpy() for name in names], axis=1)
    return ByLatent(np.array(table[ID_COLUMN].to_pylist(), dtype=np.str_), values, names, str(path))


def _read(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            return file.read()
    except FileNotFoundError:
        found = "nothing of this name"
    except (pa.ArrowException, OSError, ValueError) as error:
        words = str(error).partition("\n")[0]
        found = "another kind of file" if "magic bytes" in words else one_line(words, longest=120)
    raise InputError(complaint(str(path), "", expected="a Parquet file", found=found, do="make it anew"))


def _require_distinct(ids: NDArray[np.str_], source: str, column: str) -> None:
    distinct, counts = np.unique(ids, return_counts=True)
    if len(again := distinct[counts > 1]):
        found = f"{counted(len(again), 'repeated id')} ({some_ids(again)})"
        raise JoinError(complaint(source, column, expected="each id once", found=found, do="drop one row"))


def _write(path: Path, names: Sequence[str], arrays: Sequence[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with draft_of(path) as draft:
            parquet.write_table(pa.Table.from_arrays(list(arrays), names=list(names)), draft)
    except OSError as error:
        found, do = one_line(error.strerror or error, longest=160), "make room, then run it again"
        raise InputError(complaint(str(path), "", expected="to be written", found=found, do=do)) from error
