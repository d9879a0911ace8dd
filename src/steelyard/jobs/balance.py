"""Balance: the largest α-balanced subset of a label table, written as a table of the same form."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.jobs.output import check_file
from steelyard.jobs.progress import Progress, silent
from steelyard.mitigation.samples import Balanced, balance, exact_alpha
from steelyard.tables import LabelTable, read_labels, write_labels
from steelyard.tables.roles import SPLIT_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceOptions:
    """What to keep.

    Attributes:
        alpha: largest ratio between the groups' counts of a label, 1 or more.
        split: `train`, `val` or `test`: only rows of it; None takes all rows.
        balance_groups: hold the groups' totals within α, too.
        min_support: images to keep of every label that can have them.
        time_limit: seconds for the search (multi-label).
        seed: draws which of interchangeable images stay.
    """

    alpha: float
    split: str | None = None
    balance_groups: bool = True
    min_support: int = 0
    time_limit: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every option before anything is read.

        Raises:
            InputError: names the option, what was expected and found.
        """
        exact_alpha(self.alpha)
        for name in ("min_support", "seed"):
            if (value := getattr(self, name)) < 0:
                raise InputError(f"--{name.replace('_', '-')}: expected 0 or more, found {value}")
        if not self.time_limit > 0:
            raise InputError(f"--time-limit: expected seconds above 0, found {self.time_limit}")


def run_balance(
    labels: Any,
    *,
    protected: str,
    options: BalanceOptions,
    target: str | None = None,
    targets: str | Sequence[str] | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    out: str | Path | None = None,
    progress: Progress = silent,
) -> tuple[LabelTable, Balanced]:
    """Keep as many images as α allows.

    Args:
        labels: path or data frame.
        protected: column of the protected attribute.
        options: what to keep.
        target: column of the categories, or None.
        targets: names or globs of the 0/1 columns, or None.
        id_column: column of the ids.
        split_column: column of train / val / test.
        out: `.csv` or `.parquet` for the kept rows, or None.
        progress: told of each stage.

    Returns:
        The kept rows, and the report of what was kept.

    Raises:
        InputError: a file, column or option is not what it must be.
        UndefinedError: nothing can be kept.
    """
    if out is not None:
        _check_out(Path(out), labels)
    table = read_labels(
        labels,
        protected=protected,
        target=target,
        targets=targets,
        id_column=id_column,
        split_column=split_column,
    )
    table = _rows_of(table, options.split)
    progress(f"searching the largest subset of {len(table):,} images")
    kept = balance(
        table.targets,
        table.groups,
        alpha=options.alpha,
        rng=stream(options.seed, "balance"),
        balance_groups=options.balance_groups,
        min_support=options.min_support,
        time_limit=options.time_limit,
        target_names=table.target_names,
        group_names=table.group_names,
    )
    subset = table.take(kept.kept)
    if out is not None:
        write_labels(out, subset)
    return subset, kept


def _check_out(path: Path, labels: Any) -> None:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"--out {path}: expected a name that ends in .csv or .parquet")
    check_file(path, inputs=(labels,))


def _rows_of(table: LabelTable, split: str | None) -> LabelTable:
    if split is None:
        return table
    if split.lower() not in SPLIT_NAMES:
        raise InputError(f"--split: expected train, val or test, found {split!r}")
    if table.splits is None:
        raise InputError(
            f"--split {split}: {table.source} has no split column; name it with --split-column, or leave out"
        )
    rows = np.flatnonzero(table.splits == SPLIT_NAMES[split.lower()])
    if not len(rows):
        raise InputError(f"--split {split}: {table.source} has no such rows")
    absent = np.flatnonzero(np.bincount(table.groups[rows], minlength=len(table.group_names)) == 0)
    if len(absent):
        group = table.group_names[absent[0]]
        raise InputError(f"--split {split}: {table.source} has no image of group {group!r} there, so none can stay")
    return table.take(rows)
