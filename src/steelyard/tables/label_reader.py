"""Labels read from a file or a data frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.flag_targets import flag_targets, target_patterns
from steelyard.tables.frames import read_raw
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import complaint, counted, quoted
from steelyard.tables.raw_table import RawTable
from steelyard.tables.roles import choose_id, choose_split, read_ids, read_splits, require_different


def read_labels(
    source: Any,
    *,
    protected: str,
    target: str | None = None,
    targets: Sequence[str] | str | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
) -> LabelTable:
    """Read what is in each image and who is in it.

    Args:
        source: a path (`str` or `Path`) of a `.csv`, `.parquet` or `.npz` file or of CelebA's
            `list_attr_celeba.txt` (±1 become 1 and 0, the column `Male` has the groups `Male` and
            `not Male`), or a data frame (pandas, polars, pyarrow).
        protected: column of the protected attribute, of k ≥ 2 groups with any names.
        target: categorical column, for a single-label table.
        targets: 0/1 columns, for a multi-label table: names or globs in a list or parted by commas, or
            `@file` with one a line. Without `target` and `targets`: every 0/1 column that has no other role.
        id_column: column of the ids; by default `image`, else `id`, else the names or numbers of the rows.
        split_column: column of the splits; by default `split` where there is one.

    Returns:
        The table, rows in the order of the source; columns without a role are listed in `ignored`.

    Raises:
        InputError: the source cannot be read, a named column is missing, an id is empty or there twice, a
            cell is empty, a target is neither 0 nor 1, or there are fewer than two groups.
    """
    if target is not None and targets is not None:
        do = "drop one: --target is for one categorical column, --targets for 0/1 columns"
        found = f"{quoted(target)} and {quoted(targets)}"
        where = str(source) if isinstance(source, str | Path) else "labels"
        raise InputError(complaint(where, "", expected="--target or --targets", found=found, do=do))
    raw = read_raw(source)
    raw.require(protected, "--protected")
    raw.require(target, "--target")
    fixed = {"--protected": protected, "--target": target, "--id": id_column, "--split-column": split_column}
    require_different(raw.source, fixed)
    patterns = None if targets is None else target_patterns(raw, targets)
    spoken_for = {name for name in (protected, target, split_column, *(patterns or ())) if name is not None}
    ids_from = choose_id(raw, id_column, spoken_for)
    split_from = choose_split(raw, split_column, {*spoken_for, *([] if ids_from is None else [ids_from])})
    ids = read_ids(raw, ids_from)
    groups, group_names = _groups(raw, protected, ids)
    roles = {name for name in (protected, target, ids_from, split_from) if name is not None}
    table: NDArray[np.integer]
    if target is not None:
        values = raw.categories(target, ids, expected="a category")
        names, encoded = np.unique(values, return_inverse=True)
        chosen, table = tuple(names.tolist()), encoded.astype(np.int64)
    else:
        chosen, table = flag_targets(raw, patterns, roles, ids)
        roles |= set(chosen)
    return LabelTable(
        ids=ids,
        groups=groups,
        group_names=group_names,
        targets=table,
        target_names=chosen,
        kind="multi" if target is None else "single",
        splits=read_splits(raw, split_from, ids),
        protected=protected,
        source=raw.source,
        ignored=tuple(name for name in raw.names if name not in roles),
        id_column=ids_from or "",
        split_column=split_from or "",
        target_column=target or "",
    )


def _groups(raw: RawTable, protected: str, ids: NDArray[np.str_]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    values = raw.categories(protected, ids, expected="a group")
    names, groups = np.unique(values, return_inverse=True)
    if len(names) < 2:
        raise InputError(
            complaint(
                raw.source,
                f"column {quoted(protected)}",
                expected="two or more groups",
                found=f"only {quoted(names[0])} in {counted(len(ids), 'row')}",
                do="name another column with --protected",
            )
        )
    return groups.astype(np.int64), tuple(names.tolist())
