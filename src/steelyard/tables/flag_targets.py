"""The 0/1 target columns of a multi-label table: which they are, and what they hold."""

import fnmatch
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.columns import MISSING, OTHER, flag_codes, may_be_flags
from steelyard.tables.messages import complaint, counted, listed, missing_column, quoted, some_ids
from steelyard.tables.raw_table import RawTable


def target_patterns(raw: RawTable, targets: Sequence[str] | str) -> list[str]:
    """The names and globs of `targets`, lists in files opened, in order and each once."""
    items = [targets] if isinstance(targets, str) else list(targets)
    found: list[str] = []
    for item in items:
        if item in raw.columns:
            found.append(item)
        elif item.startswith("@"):
            found += _lines(Path(item[1:]))
        elif isinstance(targets, str):
            found += [part.strip() for part in item.split(",") if part.strip()]
        else:
            found.append(item)
    if not found:
        do = "name columns, or drop --targets to take every 0/1 column"
        raise InputError(complaint(raw.source, "--targets", expected="names or globs", found="none", do=do))
    return list(dict.fromkeys(found))


def _lines(path: Path) -> list[str]:
    """The lines of a list of targets, without the empty ones."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror or "an error" if isinstance(error, OSError) else "bytes that are not UTF-8"
        do = "correct the path after @ in --targets"
        raise InputError(complaint(str(path), "", expected="a list of targets", found=found, do=do)) from error
    return [line.strip() for line in lines if line.strip()]


def flag_targets(
    raw: RawTable, patterns: list[str] | None, roles: Collection[str], ids: NDArray[np.str_]
) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """The names and the `[n, t]` matrix of the 0/1 targets."""
    if patterns is None:
        coded = _every_flag_column(raw, roles)
    else:
        coded = {name: flag_codes(raw.plain(name)) for name in _match(raw, patterns, roles)}
    for name, codes in coded.items():
        _require_flags(raw, name, codes, ids, named=patterns is not None)
    return tuple(coded), np.column_stack(list(coded.values())).astype(np.uint8)


def _every_flag_column(raw: RawTable, roles: Collection[str]) -> dict[str, NDArray[np.int8]]:
    """The codes of the columns without a role that hold 0, 1 or nothing, not nothing alone."""
    coded = {}
    for name in raw.names:
        if name not in roles and may_be_flags(raw.columns[name]):
            codes = flag_codes(raw.columns[name])
            if not (codes == OTHER).any() and not (codes == MISSING).all():
                coded[name] = codes
    if not coded:
        raise _no_flags(raw, roles)
    return coded


def _match(raw: RawTable, patterns: list[str], roles: Collection[str]) -> list[str]:
    """The columns that the names and globs select, in the order of `patterns`."""
    chosen: dict[str, None] = {}
    for pattern in patterns:
        if pattern in raw.columns:
            if pattern in roles:
                raise _has_role(raw, pattern)
            chosen[pattern] = None
            continue
        matches = [name for name in raw.names if name not in roles and fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise missing_column(raw.source, pattern, raw.names, "--targets")
        chosen.update(dict.fromkeys(matches))
    return list(chosen)


def _require_flags(raw: RawTable, name: str, codes: NDArray[np.int8], ids: NDArray[np.str_], *, named: bool) -> None:
    bad = codes < 0
    if not bad.any():
        return
    values = raw.columns[name]
    shown = ["nothing" if codes[row] == MISSING else quoted(values[row].as_py()) for row in np.flatnonzero(bad)]
    kinds = list(dict.fromkeys(shown))
    more = f" and {counted(len(kinds) - 3, 'more value')}" if len(kinds) > 3 else ""
    leave_out = "leave the column out of --targets" if named else "name the targets with --targets"
    raise InputError(
        complaint(
            raw.source,
            f"column {quoted(name)}",
            expected="0 or 1 in each row",
            found=f"{', '.join(kinds[:3])}{more} in {counted(int(bad.sum()), 'row')} ({some_ids(ids[bad])})",
            do=f"correct these cells or {leave_out}",
        )
    )


def _no_flags(raw: RawTable, roles: Collection[str]) -> InputError:
    others = [name for name in raw.names if name not in roles]
    return InputError(
        complaint(
            raw.source,
            "",
            expected="0/1 columns to take as targets",
            found=f"none among {listed(others, 12)}" if others else "no further column",
            do="name a categorical column with --target, or 0/1 columns with --targets",
        )
    )


def _has_role(raw: RawTable, name: str) -> InputError:
    return InputError(
        complaint(
            raw.source,
            f"column {quoted(name)}",
            expected="one role for each column",
            found="--targets and the id, split or protected column",
            do="leave it out of --targets",
        )
    )
