"""Which column of a table is the id, which the split; and what these two hold."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.columns import texts
from steelyard.tables.label_table import Split
from steelyard.tables.messages import complaint, counted, listed, quoted, some_ids
from steelyard.tables.raw_table import RawTable

WRITTEN_ID_COLUMNS = ("image", "id")
"""What a column of ids is called where it had no name."""
ID_COLUMNS = (*WRITTEN_ID_COLUMNS, "path")
"""Columns that hold the ids where none is named; the last is that of a table of images."""
SPLIT_COLUMN = "split"
"""The column that holds the split where none is named."""
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}


def require_different(source: str, roles: dict[str, str | None]) -> None:
    """Raise an `InputError` where two options (keys) name the same column."""
    taken: dict[str, str] = {}
    for option, name in roles.items():
        if name is None:
            continue
        if name in taken:
            raise InputError(
                complaint(
                    source,
                    f"column {quoted(name)}",
                    expected="one role for each column",
                    found=f"{taken[name]} and {option}",
                    do="name another column for one of them",
                )
            )
        taken[name] = option


def choose_id(raw: RawTable, named: str | None, taken: Collection[str], first: Sequence[str] = ()) -> str | None:
    """The id column: the one named, else the first of the usual ones that has no other role.

    Returns:
        A column's name, or None where the names or numbers of the rows are the ids.
    """
    if named is not None:
        raw.require(named, "--id")
        return named
    candidates = (*first, *ID_COLUMNS, raw.index_name)
    return next((name for name in candidates if name in raw.columns and name not in taken), None)


def choose_split(raw: RawTable, named: str | None, taken: Collection[str], first: Sequence[str] = ()) -> str | None:
    """The split column: the one named, else the first usual one that is there and has no other role."""
    if named is not None:
        raw.require(named, "--split-column")
        return named
    candidates = (*first, SPLIT_COLUMN)
    return next((name for name in candidates if name in raw.columns and name not in taken), None)


def read_ids(raw: RawTable, column: str | None) -> NDArray[np.str_]:
    """`[rows]` ids, each there once; row names or numbers where `column` is None."""
    where = "index" if column is None else f"column {quoted(column)}"
    if column is not None:
        ids, missing = texts(raw.plain(column))
    elif raw.index is not None:
        ids, missing = texts(raw.index)
    else:
        return np.arange(raw.rows).astype(np.str_)
    if missing.any():
        rows = [f"{row + 1:,}" for row in np.flatnonzero(missing)]
        found = f"{counted(len(rows), 'empty id')} (data row{'' if len(rows) == 1 else 's'} {_few(rows)})"
        do = "fill these ids or name another column with --id"
        raise InputError(complaint(raw.source, where, expected="an id in each row", found=found, do=do))
    distinct, counts = np.unique(ids, return_counts=True)
    if len(distinct) < len(ids):
        several = set(distinct[counts > 1].tolist())
        repeated = [name for name in dict.fromkeys(ids.tolist()) if name in several]
        found = f"{counted(len(repeated), 'repeated id')} ({some_ids(repeated)})"
        do = "keep one row for each image or name another column with --id"
        raise InputError(complaint(raw.source, where, expected="each id once", found=found, do=do))
    return ids


def read_splits(raw: RawTable, column: str | None, ids: NDArray[np.str_]) -> NDArray[np.str_] | None:
    """`[rows]` of `train`, `val` and `test`, or None without a split column."""
    if column is None:
        return None
    names = raw.texts(column, ids, expected="a split")
    distinct, positions = np.unique(names, return_inverse=True)
    known = [SPLIT_NAMES.get(name.strip().lower()) for name in distinct.tolist()]
    unknown = [name for name, split in zip(distinct.tolist(), known, strict=True) if split is None]
    if unknown:
        raise InputError(
            complaint(
                raw.source,
                f"column {quoted(column)}",
                expected="train, val (dev, valid, validation) or test",
                found=f"{listed(unknown)} ({some_ids(ids[np.isin(names, unknown)])})",
                do="rename these splits or name another column with --split-column",
            )
        )
    return np.array([split or "" for split in known], dtype=np.str_)[positions]


def _few(rows: list[str]) -> str:
    return ", ".join(rows[:3]) + (f" and {len(rows) - 3:,} more" if len(rows) > 3 else "")
