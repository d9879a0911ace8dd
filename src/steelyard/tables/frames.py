"""Data frames of any library read into a RawTable, through narwhals."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.base.errors import InputError
from steelyard.tables.columns import normalise
from steelyard.tables.files import read_file, score_kind
from steelyard.tables.messages import complaint, one_line
from steelyard.tables.raw_table import RawTable, build

if TYPE_CHECKING:
    import pyarrow as pa


def read_raw(source: Any) -> RawTable:
    """Read a path (`str` or `Path`) or a data frame."""
    return read_file(Path(source)) if isinstance(source, str | Path) else read_frame(source)


def read_frame(native: Any) -> RawTable:
    """Read a data frame: pandas, polars, pyarrow or another that narwhals knows; lazy ones are collected."""
    import narwhals as nw
    from narwhals.exceptions import NarwhalsError

    module = type(native).__module__.partition(".")[0]
    source = f"{module} data frame"
    try:
        frame = nw.from_native(native)
        eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        columns = [(str(column.name), _arrow(column)) for column in eager.iter_columns()]
    except TypeError as error:
        expected = "a path or a data frame (pandas, polars, pyarrow)"
        do = "pass a path or make a data frame of it"
        found = f"the type {one_line(type(native).__qualname__)}"
        raise InputError(complaint("table", "", expected=expected, found=found, do=do)) from error
    except NarwhalsError as error:
        found = one_line(" ".join(str(error).split()), longest=160)
        do = "rename or repair the columns"
        raise InputError(complaint(source, "", expected="a sound table", found=found, do=do)) from error
    name, index = None, None
    if nw.dependencies.is_pandas_dataframe(native):
        name, index = _pandas_index(native, source)
        name = None if name in dict(columns) else name
        if name is not None:
            columns.insert(0, (name, index))
    kind = score_kind(native.schema) if nw.dependencies.is_pyarrow_table(native) else None
    return build(source, columns, index=index, index_name=name, score_kind=kind)


def _arrow(series: Any) -> Any:
    """A narwhals series as an Arrow array; where a column mixes types, as text."""
    import pyarrow as pa

    try:
        return series.to_arrow()
    except pa.ArrowException:
        values = series.to_list()
        gaps = [value is None or (isinstance(value, float) and value != value) for value in values]
        return pa.array([None if gap else str(value) for value, gap in zip(values, gaps, strict=True)])


def _pandas_index(native: Any, source: str) -> "tuple[str | None, pa.Array | None]":
    """The name and values of a pandas index, or None where it only counts the rows."""
    import narwhals as nw

    index = native.index
    if index.nlevels > 1:
        found = f"an index of {index.nlevels} levels"
        do = "call reset_index() first"
        raise InputError(complaint(source, "index", expected="one level", found=found, do=do))
    if type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1:
        return None, None
    series = nw.from_native(index.to_series(), series_only=True)
    return None if index.name is None else str(index.name), normalise(_arrow(series))
