"""Files read into a RawTable: CSV, Parquet, NPZ and CelebA's list of attributes."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from steelyard.base.errors import InputError
from steelyard.tables.archives import npz_arrays, parquet_table, reason
from steelyard.tables.columns import normalise
from steelyard.tables.messages import complaint, counted, listed, one_line, quoted
from steelyard.tables.raw_table import RawTable, build, check_names

KIND_KEY = "steelyard.kind"
"""Key of the schema's metadata that says what the scores of a Parquet file are."""
_PANDAS_INDEX = "__index_level_0__"


def read_file(path: Path) -> RawTable:
    """Read a file by its extension; every fault of the file is an `InputError` of one line."""
    source = str(path)
    readers: dict[str, Callable[[Path], RawTable]] = {
        ".csv": read_csv,
        ".parquet": read_parquet,
        ".npz": read_npz,
        ".txt": read_attribute_list,
    }
    reader = readers.get(path.suffix.lower())
    try:
        if path.is_dir():
            _fail(source, "a file", "a folder", "name a file in it")
        if not path.exists():
            _fail(source, "a file", "nothing of this name", "correct the path")
        if reader is None:
            found = f"the extension {quoted(path.suffix)}" if path.suffix else "no extension"
            _fail(source, ".csv, .parquet, .npz or CelebA's .txt", found, "convert or rename the file")
        if path.stat().st_size == 0:
            _fail(source, "a table", "an empty file (0 bytes)", "write the table again")
        return reader(path)
    except OSError as error:
        _fail(source, "a readable file", reason(error), "check the file or write it again")


def read_csv(path: Path) -> RawTable:
    """Read comma-separated text in UTF-8 with a header; every cell stays text until its role is known.

    A column without a name is the index that a data frame wrote.
    """
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    source, names, ragged = str(path), _header(path), []

    def skip(row: Any) -> str:
        ragged.append(row)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            # Ids such as 007 and scores with a stray word must reach the checks as they were written.
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        _decode(source, path.read_bytes())
        _fail(source, "comma-separated rows", reason(error), "check quotes and commas")
    if ragged:
        first = ragged[0]
        row = f"the row {quoted(first.text)} has {first.actual_columns:,}"
        found = f"{counted(len(ragged), 'row')} with another number: {row}"
        do = "check commas, quotes and missing cells"
        _fail(source, f"{counted(first.expected_columns, 'cell')} in each row", found, do)
    columns = dict(zip(table.column_names, table.columns, strict=True))
    index = columns.pop("", None)
    return build(source, columns.items(), index=None if index is None else normalise(index))


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file, and from its metadata what its scores are."""
    source, mark = str(path), b"PAR1"
    damaged = "the file is truncated or damaged, write it again"
    with path.open("rb") as content:
        first = content.read(len(mark))
        content.seek(-len(first), os.SEEK_END)
        last = content.read()
    if first != mark or last != mark:
        _fail(source, "a Parquet file, PAR1 at both ends", "other bytes", damaged)
    table = parquet_table(path)
    columns = [(n, c) for n, c in zip(table.column_names, table.columns, strict=True) if n != _PANDAS_INDEX]
    index = normalise(table[_PANDAS_INDEX]) if len(columns) < table.num_columns else None
    return build(source, columns, index=index, score_kind=score_kind(table.schema))


def score_kind(schema: Any) -> str | None:
    """What the metadata of an Arrow schema says that the scores are."""
    kind = (schema.metadata or {}).get(KIND_KEY.encode())
    return None if kind is None else kind.decode(errors="replace")


def read_npz(path: Path) -> RawTable:
    """Read arrays `[n]` by column name; `targets` or `scores` may be `[n, t]` beside `target_names` `[t]`."""
    source = str(path)

    def every(names: list[str]) -> list[str]:
        check_names(source, names)
        return names

    arrays = npz_arrays(path, every)
    return build(source, _flat(source, arrays))


def _flat(source: str, arrays: dict[str, np.ndarray[Any, Any]]) -> list[tuple[str, Any]]:
    """The archive's arrays as columns, a matrix split at its `target_names`."""
    names = arrays.get("target_names")
    matrices = [name for name in ("targets", "scores") if name in arrays and arrays[name].ndim == 2]
    columns: list[tuple[str, Any]] = []
    for name, array in arrays.items():
        if name in matrices and names is not None:
            if names.shape != (array.shape[1],):
                found, where = f"the shape {names.shape}", "array 'target_names'"
                expected = f"one name for each of the {array.shape[1]:,} columns of {quoted(name)}"
                _fail(source, expected, found, "write one name a column", where)
            columns += [(str(n), array[:, j]) for j, n in enumerate(names)]
        elif array.ndim != 1:
            found, where = f"the shape {array.shape}", f"array {quoted(name)}"
            expected = "one value for each row, [n] (or targets or scores [n, t] with target_names [t])"
            _fail(source, expected, found, "write one array a column", where)
        elif name != "target_names" or not matrices:
            columns.append((name, array))
    return columns


def read_attribute_list(path: Path) -> RawTable:
    """Read CelebA's layout: the number of images, the attributes' names, then an id and ±1s a line."""
    source = str(path)
    lines = _decode(source, path.read_bytes()).splitlines()
    if len(lines) < 2 or not lines[0].strip().isdigit():
        layout = "CelebA's layout (the number of images, then the attributes' names)"
        _fail(source, layout, f"the first line {quoted(lines[0] if lines else '')}", "name a .csv or .parquet")
    names, rows = lines[1].split(), [line.split() for line in lines[2:] if line.strip()]
    ragged = [row[0] for row in rows if len(row) != len(names) + 1]
    if ragged:
        expected = f"an id and {counted(len(names), 'value')} a line"
        _fail(source, expected, f"another number for {listed(ragged)}", "the file may be truncated")
    if int(lines[0]) != len(rows):
        expected = f"{int(lines[0]):,} images, as the first line says"
        _fail(source, expected, f"{len(rows):,}", "the file may be truncated")
    cells = np.array(rows, dtype=np.str_).reshape(len(rows), len(names) + 1)
    ids, values = cells[:, 0], cells[:, 1:]
    signs = (values == "1").astype(np.int8)
    bad = (signs == 0) & (values != "-1")
    if bad.any():
        row, column = np.argwhere(bad)[0]
        found = f"{quoted(values[row, column])} (id {one_line(ids[row])})"
        _fail(source, "1 or -1", found, "correct the cell", f"column {quoted(names[column])}")
    columns = [("image", ids), *((name, signs[:, j]) for j, name in enumerate(names))]
    return build(source, columns, annotated=True)


def _header(path: Path) -> list[str]:
    """The names in the first line, each there once."""
    source = str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next((row for row in csv.reader(file) if row), [])
    except (UnicodeDecodeError, csv.Error) as error:
        _decode(source, path.read_bytes())
        _fail(source, "a header of column names", reason(error), "check the first line")
    if not names:
        _fail(source, "a header of column names", "empty lines", "write the table again")
    check_names(source, names)
    return names


def _decode(source: str, content: bytes) -> str:
    """The text of a file in UTF-8; an `InputError` that names the first line that is not."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x} in line {line:,}"
        _fail(source, "text in UTF-8", found, "save the file as UTF-8")


def _fail(source: str, expected: str, found: str, do: str, where: str = "") -> NoReturn:
    raise InputError(complaint(source, where, expected=expected, found=found, do=do))
