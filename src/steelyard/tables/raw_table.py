"""RawTable: the named columns of one source before anything is known of their roles."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.columns import is_plain, normalise, texts, type_name
from steelyard.tables.messages import complaint, counted, listed, missing_column, quoted, some_ids

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """Named columns of equal length.

    Attributes:
        source: the file or kind of data frame, for messages.
        columns: name to Arrow array of `rows` cells, in the order of the source.
        rows: number of rows, at least 1.
        index: row names of the source (a data frame's index that says something), or None.
        index_name: the column that these row names are too, or None where they have no name.
        score_kind: what the source's metadata says its scores are, or None.
        annotated: True where each 0/1 column is an attribute, present or not, that names its two groups.
    """

    source: str
    columns: dict[str, "pa.Array"]
    rows: int
    index: "pa.Array | None" = None
    index_name: str | None = None
    score_kind: str | None = None
    annotated: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.columns)

    def require(self, name: str | None, option: str) -> None:
        """Raise an `InputError` where the column that `option` names is not there."""
        if name is not None and name not in self.columns:
            raise missing_column(self.source, name, self.names, option)

    def plain(self, name: str) -> "pa.Array":
        """The column `name`, of which each cell must hold one value."""
        column = self.columns[name]
        if not is_plain(column):
            raise InputError(
                complaint(
                    self.source,
                    f"column {quoted(name)}",
                    expected="one value in each row",
                    found=f"the type {type_name(column)}",
                    do="write the column as text or numbers",
                )
            )
        return column

    def texts(self, name: str, ids: NDArray[np.str_], *, expected: str) -> NDArray[np.str_]:
        """The column `name` as text; an `InputError` that names the ids where a cell is empty.

        Args:
            name: the column.
            ids: `[rows]` ids, for the message.
            expected: what each cell should hold, for the message.
        """
        values, missing = texts(self.plain(name))
        if missing.any():
            raise InputError(
                complaint(
                    self.source,
                    f"column {quoted(name)}",
                    expected=f"{expected} in each row",
                    found=f"{counted(int(missing.sum()), 'empty cell')} ({some_ids(ids[missing])})",
                    do="fill these cells or remove the rows",
                )
            )
        return values

    def categories(self, name: str, ids: NDArray[np.str_], *, expected: str) -> NDArray[np.str_]:
        """Like `texts`; where the columns are annotations, 1 reads `name` and 0 reads `not name`."""
        values = self.texts(name, ids, expected=expected)
        if self.annotated and name != self.names[0]:
            return np.where(values == "1", name, f"not {name}")
        return values


def build(
    source: str,
    columns: Iterable[tuple[str, Any]],
    *,
    index: "pa.Array | None" = None,
    index_name: str | None = None,
    score_kind: str | None = None,
    annotated: bool = False,
) -> RawTable:
    """A RawTable from named arrays, checked for repeated names, equal lengths and at least one row."""
    pairs = [(name, normalise(values)) for name, values in columns]
    check_names(source, [name for name, _ in pairs])
    lengths = {name: len(column) for name, column in pairs}
    rows = next(iter(lengths.values()), 0)
    uneven = [name for name, length in lengths.items() if length != rows]
    if uneven:
        raise InputError(
            complaint(
                source,
                f"column {quoted(uneven[0])}",
                expected=f"{counted(rows, 'row')} as in {quoted(pairs[0][0])}",
                found=f"{lengths[uneven[0]]:,}",
                do="write columns of equal length",
            )
        )
    if rows == 0:
        raise InputError(
            complaint(
                source,
                "",
                expected="rows",
                found="no row" if pairs else "no column",
                do="check how the table was written, it is empty",
            )
        )
    return RawTable(
        source=source,
        columns=dict(pairs),
        rows=rows,
        index=index,
        index_name=index_name,
        score_kind=score_kind,
        annotated=annotated,
    )


def check_names(source: str, names: list[str]) -> None:
    """Raise an `InputError` where a column's name occurs twice."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            complaint(
                source,
                "header",
                expected="a different name for each column",
                found=f"{listed(repeated)} more than once",
                do="rename the columns",
            )
        )
