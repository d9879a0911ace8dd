"""Potentials written to NPZ or Parquet, whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, one_line, quoted
from steelyard.tables.potential_reader import LAYOUT_KEY
from steelyard.tables.potential_table import PotentialTable
from steelyard.tables.roles import WRITTEN_ID_COLUMNS


def write_potentials(path: str | Path, table: PotentialTable) -> None:
    """Write potentials that `read_potentials` reads back, in the precision of the table.

    Args:
        path: `.npz` or `.parquet`; replaced in one step, so that a reader never sees half a file.
        table: what to write.

    Raises:
        InputError: another extension, or a folder that is not there or not writable.
    """
    path = Path(path)
    writers: dict[str, Callable[[Path, PotentialTable], None]] = {".npz": _write_npz, ".parquet": _write_parquet}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        found, do = f"the extension {quoted(path.suffix)}", "name a file with one of these"
        raise InputError(complaint(str(path), "", expected=".npz or .parquet", found=found, do=do))
    try:
        with draft_of(path) as draft:
            writer(draft, table)
    except OSError as error:
        found, do = one_line(error.strerror or error, longest=160), "check the folder and its free space"
        raise InputError(complaint(str(path), "", expected="a writable path", found=found, do=do)) from error


def _write_npz(path: Path, table: PotentialTable) -> None:
    scores = {} if table.group_scores is None else {"group_scores": table.group_scores}
    with path.open("wb") as file:  # a path would be given another extension
        np.savez(
            file,
            ids=np.asarray(table.ids, dtype=np.str_),
            groups=np.array(table.group_names, dtype=np.str_),
            targets=np.array(table.target_names, dtype=np.str_),
            potentials=table.potentials,
            **scores,  # type: ignore[arg-type]  # numpy's stub takes what is spread for its own option
        )


def _write_parquet(path: Path, table: PotentialTable) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    def lists(values: NDArray[np.floating]) -> pa.Array:
        rows = values.reshape(len(values), -1)
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])

    columns = {WRITTEN_ID_COLUMNS[0]: pa.array(table.ids.astype(np.str_)), "potentials": lists(table.potentials)}
    if table.group_scores is not None:
        columns["group_scores"] = lists(table.group_scores)
    layout = {
        "kind": table.kind,
        "groups": table.group_names,
        "targets": table.target_names,
        "shape": table.potentials.shape[1:],
    }
    metadata = {LAYOUT_KEY: json.dumps(layout, ensure_ascii=False)}
    parquet.write_table(pa.Table.from_arrays(list(columns.values()), names=list(columns), metadata=metadata), path)
