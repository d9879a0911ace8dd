"""Tables written to Parquet or CSV, whole or not at all."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError
from steelyard.tables.files import KIND_KEY
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import complaint, counted, listed, one_line, quoted
from steelyard.tables.prediction_table import PredictionTable
from steelyard.tables.roles import SPLIT_COLUMN, WRITTEN_ID_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

PREDICTED_GROUP_COLUMN = "group"
"""The column that a written predictions table keeps the predicted groups in."""


def write_labels(path: str | Path, table: LabelTable) -> None:
    """Write labels that `read_labels` reads back: ids, splits, groups and targets by name.

    Columns keep their names, so that the options that read the source read this file too. Groups and
    categories that no row has are not kept.

    Args:
        path: `.parquet` or `.csv`; replaced in one step, so that a reader never sees half a file.
        table: what to write.

    Raises:
        InputError: another extension, a folder that is not there or not writable, or names that collide.
    """
    import numpy as np
    import pyarrow as pa

    target = table.target_column or "target"
    targets = (target,) if table.kind == "single" else table.target_names
    others = {table.protected, *targets}
    columns: list[tuple[str, object]] = [(_id_name(path, table.id_column, others), table.ids)]
    if table.splits is not None:
        columns.append((table.split_column or SPLIT_COLUMN, table.splits))
    columns.append((table.protected, np.asarray(table.group_names)[table.groups]))
    if table.kind == "single":
        columns.append((target, np.asarray(table.target_names)[table.targets]))
    else:
        columns += [(name, table.targets[:, j]) for j, name in enumerate(table.target_names)]
    _write(path, [name for name, _ in columns], [pa.array(values) for _, values in columns], kind=None)


def write_predictions(path: str | Path, table: PredictionTable) -> None:
    """Write predictions that `read_predictions` reads back; Parquet says their kind in its metadata.

    Predicted groups go to the column `group`.

    Args:
        path: `.parquet` or `.csv`; replaced in one step, so that a reader never sees half a file.
        table: what to write.

    Raises:
        InputError: another extension, a folder that is not there or not writable, or names that collide.
    """
    import pyarrow as pa

    columns: list[tuple[str, object]] = [(_id_name(path, "", set(table.target_names)), table.ids)]
    if table.splits is not None:
        columns.append((SPLIT_COLUMN, table.splits))
    if table.predicted_groups is not None:
        columns.append((PREDICTED_GROUP_COLUMN, table.predicted_groups))
    columns += [(name, table.scores[:, j]) for j, name in enumerate(table.target_names)]
    _write(path, [name for name, _ in columns], [pa.array(values) for _, values in columns], kind=table.kind)


def _id_name(path: str | Path, own: str, others: set[str]) -> str:
    """The ids' own column name, else a usual one that no other column has."""
    free = [name for name in (own, *WRITTEN_ID_COLUMNS) if name and name not in others]
    if not free:
        do = "rename one of these targets"
        found = f"other columns called {listed(WRITTEN_ID_COLUMNS)}"
        raise InputError(complaint(str(path), "", expected="a free name for the ids", found=found, do=do))
    return free[0]


def _write(path: str | Path, names: Sequence[str], arrays: Sequence["pa.Array"], *, kind: str | None) -> None:
    import pyarrow as pa

    path = Path(path)
    writers: dict[str, Callable[[Path, pa.Table], None]] = {".parquet": _write_parquet, ".csv": _write_csv}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        found, do = f"the extension {quoted(path.suffix)}", "name a file with one of these"
        raise InputError(complaint(str(path), "", expected=".parquet or .csv", found=found, do=do))
    repeated = [name for position, name in enumerate(names) if name in names[:position]]
    if repeated:
        found = f"{counted(len(repeated), 'name')} more than once ({listed(repeated)})"
        do = "rename the target, or leave out the column that has its name"
        raise InputError(complaint(str(path), "", expected="a name for each column", found=found, do=do))
    metadata = None if kind is None else {KIND_KEY: kind}
    table = pa.Table.from_arrays(list(arrays), names=list(names), metadata=metadata)
    try:
        with draft_of(path) as draft:
            writer(draft, table)
    except OSError as error:
        found, do = one_line(error.strerror or error, longest=160), "check the folder and its free space"
        raise InputError(complaint(str(path), "", expected="a writable path", found=found, do=do)) from error


def _write_parquet(path: Path, table: "pa.Table") -> None:
    import pyarrow.parquet as parquet

    parquet.write_table(table, path)


def _write_csv(path: Path, table: "pa.Table") -> None:
    """Write comma-separated text with quotes only where a column needs them."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    header = ",".join(map(_csv_cell, table.column_names)) + "\n"
    with path.open("wb") as file:
        file.write(header.encode())
        start = file.tell()
        for style in ("none", "needed"):
            file.seek(start)
            file.truncate()
            options = arrow_csv.WriteOptions(include_header=False, quoting_style=style)
            try:
                arrow_csv.write_csv(table, file, options)
                return
            except pa.ArrowInvalid:
                if style == "needed":
                    raise


def _csv_cell(text: str) -> str:
    """A name as it stands in a header: in quotes where a comma, a quote or a line break asks for them."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text
