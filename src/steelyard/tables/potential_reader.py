"""Potentials read from an NPZ archive, or from a Parquet file with flat list columns."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.archives import npz_arrays, parquet_table
from steelyard.tables.columns import is_plain, normalise, texts, type_name
from steelyard.tables.messages import complaint, counted, listed, one_line, quoted, some_ids
from steelyard.tables.potential_table import PotentialKind, PotentialTable
from steelyard.tables.roles import ID_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT_KEY = "steelyard.potentials"
"""Key of the schema's metadata that holds, as JSON, the `kind`, `groups`, `targets` and `shape` of each row."""
_KINDS: dict[int, PotentialKind] = {3: "single", 4: "multi"}
_NAMED = ("ids", "groups", "targets", "potentials")


def read_potentials(path: str | Path) -> PotentialTable:
    """Read potentials that any model wrote.

    Args:
        path: `.npz` with the arrays `ids [n]`, `groups [k]`, `targets [t]`, `potentials` (multi-label
            `[n, k, t, 2]`, single-label `[n, v, k]`) and, for multi-label, `group_scores [n, k]`; nothing pickled is
            read. Or `.parquet` with a column of ids (`image`, `id` or `path`) and the list columns `potentials` and
            `group_scores`, each row flattened in the same order (the last axis runs fastest); names, kind and shape
            are JSON in the schema's metadata, under `steelyard.potentials`.

    Raises:
        InputError: the file cannot be read, something is missing, or shapes, names, ids or values are not as above.
    """
    path = Path(path)
    source, readers = str(path), {".npz": _read_npz, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    try:
        if path.is_dir():
            _fail(source, "", "a file", "a folder", "name a file in it")
        if not path.exists():
            _fail(source, "", "a file", "nothing of this name", "correct the path")
        if reader is None:
            found = f"the extension {quoted(path.suffix)}" if path.suffix else "no extension"
            _fail(source, "", "potentials in .npz or .parquet", found, "write them with steelyard.tables")
        if path.stat().st_size == 0:
            _fail(source, "", "potentials", "an empty file (0 bytes)", "write the file again")
        return reader(path)
    except OSError as error:
        found = one_line(error.strerror or error, longest=160)
        _fail(source, "", "a readable file", found, "check the file or write it again")


def _read_npz(path: Path) -> PotentialTable:
    source = str(path)

    def chosen(there: list[str]) -> list[str]:
        found = sorted(there)
        if absent := [name for name in _NAMED if name not in found]:
            expected = f"the arrays {listed(_NAMED, len(_NAMED))}"
            words = f"{counted(len(found), 'array')}{f': {listed(found, 8)}' if found else ''}"
            _fail(source, "", expected, words, f"add {listed(absent, len(absent))}")
        return [*_NAMED, *(["group_scores"] if "group_scores" in found else [])]

    arrays = npz_arrays(path, chosen)
    potentials = arrays["potentials"]
    if potentials.ndim not in _KINDS:
        expected = "[n, k, t, 2] (multi-label) or [n, v, k] (single-label)"
        _fail(source, "potentials", expected, f"the shape {potentials.shape}", "write the axes in this order")
    return PotentialTable(
        ids=_words(source, "ids", arrays["ids"]),
        potentials=_floats(potentials),
        group_names=tuple(_words(source, "groups", arrays["groups"]).tolist()),
        target_names=tuple(_words(source, "targets", arrays["targets"]).tolist()),
        kind=_KINDS[potentials.ndim],
        group_scores=_floats(arrays["group_scores"]) if "group_scores" in arrays else None,
        source=source,
    )


def _read_parquet(path: Path) -> PotentialTable:
    source, table = str(path), parquet_table(path)
    layout = _layout(source, (table.schema.metadata or {}).get(LAYOUT_KEY.encode()))
    column = next((name for name in ID_COLUMNS if name in table.column_names), None)
    if column is None or "potentials" not in table.column_names:
        expected = f"a column of ids ({', '.join(map(quoted, ID_COLUMNS))}) and the list column 'potentials'"
        found = f"{counted(table.num_columns, 'column')}{': ' if table.num_columns else ''}"
        _fail(source, "", expected, f"{found}{listed(table.column_names, 8)}", "add what is missing")
    cells = normalise(table[column])
    if not is_plain(cells):
        _fail(source, f"column {quoted(column)}", "one id in each row", f"the type {type_name(cells)}", "write text")
    ids = texts(cells)[0]
    kind, shape = layout["kind"], tuple(layout["shape"])
    scores = None
    if "group_scores" in table.column_names:
        scores = _lists(source, "group_scores", table["group_scores"], (len(layout["groups"]),), ids)
    return PotentialTable(
        ids=ids,
        potentials=_lists(source, "potentials", table["potentials"], shape, ids),
        group_names=tuple(layout["groups"]),
        target_names=tuple(layout["targets"]),
        kind=kind,
        group_scores=scores,
        source=source,
    )


def _layout(source: str, content: bytes | None) -> dict[str, Any]:
    """The names, kind and shape from the metadata, each of its type."""
    where, do = f"metadata {quoted(LAYOUT_KEY)}", "write the file with steelyard.tables.write_potentials"
    expected = "JSON with kind (single or multi), groups, targets and shape (of a row)"
    if content is None:
        _fail(source, where, expected, "none", do)
    try:
        layout = json.loads(content)
    except ValueError:
        _fail(source, where, expected, quoted(content.decode(errors="replace")), do)
    if not isinstance(layout, dict):
        _fail(source, where, expected, quoted(layout), do)
    kinds = tuple(_KINDS.values())
    for key, of in (("groups", str), ("targets", str), ("shape", int)):
        value = layout.get(key)
        if not (isinstance(value, list) and value and all(type(item) is of for item in value)):
            what = "names" if of is str else "whole numbers"
            _fail(source, where, f"a list of {what} in {quoted(key)}", quoted(value), do)
    if layout.get("kind") not in kinds:
        _fail(source, where, f"{' or '.join(kinds)} in 'kind'", quoted(layout.get("kind")), do)
    k, t = len(layout["groups"]), len(layout["targets"])
    shape = [k, t, 2] if layout["kind"] == "multi" else [t, k]
    if layout["shape"] != shape:
        expected = f"the shape {shape} of a row for {counted(k, 'group')} and {counted(t, 'target')}"
        _fail(source, where, expected, f"{layout['shape']}", do)
    return layout


def _lists(
    source: str, name: str, column: "pa.ChunkedArray", shape: tuple[int, ...], ids: NDArray[np.str_]
) -> NDArray[np.floating]:
    """`[n, *shape]` from a column of lists, each as long as the shape says."""
    import pyarrow as pa

    where, size = f"column {quoted(name)}", int(np.prod(shape))
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    listy = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not listy or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        _fail(source, where, f"a list of {size:,} numbers in each row", f"the type {kind}", "write flat lists")
    valid = np.asarray(array.is_valid().to_pylist(), dtype=np.bool_)
    if pa.types.is_fixed_size_list(kind):
        lengths = np.full(len(array), kind.list_size)
    else:
        lengths = np.diff(np.asarray(array.offsets.to_numpy(), dtype=np.int64))
    wrong = (lengths != size) | ~valid
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        other = f"{lengths[first]:,}" if valid[first] else "none"
        found = f"{other} in {counted(int(wrong.sum()), 'row')} ({some_ids(ids[wrong])})"
        _fail(source, where, f"{size:,} numbers in each row, {list(shape)}", found, "write lists of this length")
    flat = array.flatten()
    values: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return _floats(values).reshape(len(array), *shape)


def _words(source: str, field: str, values: NDArray[Any]) -> NDArray[np.str_]:
    """Names or ids as text; whole numbers are names, too."""
    if values.ndim != 1:
        _fail(source, f"array {quoted(field)}", "one name for each, [n]", f"the shape {values.shape}", "flatten it")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", errors="replace")
    if values.dtype.kind not in "Uiu" and len(values):
        found = f"the type {one_line(values.dtype)}"
        _fail(source, f"array {quoted(field)}", "text", found, "write the names as text")
    return values.astype(np.str_)


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    """Whole and half-precision numbers as floats that can be added up; every other type as it is."""
    return values.astype(np.float64) if values.dtype.kind in "iu" or values.dtype == np.float16 else values


def _fail(source: str, where: str, expected: str, found: str, do: str) -> NoReturn:
    raise InputError(complaint(source, where, expected=expected, found=found, do=do))
