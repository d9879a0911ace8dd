"""One column of a table, as an Arrow array, read as text, as numbers or as 0/1 flags."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

OTHER = -1
"""Flag code of a value that is neither 0 nor 1."""
MISSING = -2
"""Flag code of a value that is not there."""

# What the usual writers leave in a text file for a value that is not there.
_MISSING_TEXTS = ("", "nan", "<na>", "null")
# A column with more distinct values than the spellings of 0, 1 and "missing" cannot be one of flags.
_MOST_SPELLINGS = 24


def normalise(values: Any) -> "pa.Array":
    """One contiguous Arrow array of a plain type from an Arrow or numpy array."""
    import pyarrow as pa

    if isinstance(values, np.ndarray):
        values = pa.array(np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values)
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_float16(kind):
        return array.cast(pa.float32())
    if pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    if pa.types.is_null(kind) or str(kind) == "string_view":
        return array.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return array.cast(pa.large_string())
        except pa.ArrowInvalid:
            return array
    return array


def is_plain(column: "pa.Array") -> bool:
    """Whether each cell of the column holds one value that has a text."""
    import pyarrow as pa

    return not (pa.types.is_nested(column.type) or pa.types.is_binary(column.type))


def type_name(column: "pa.Array") -> str:
    """The column's type, for messages."""
    return str(column.type)


def texts(column: "pa.Array") -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """The cells as text and where they are missing (empty, NaN, null).

    Whole floats read like integers, so that ids survive a data frame which made floats of them.
    """
    import pyarrow as pa

    textual = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not (textual or pa.types.is_boolean(column.type)):
        column = column.cast(pa.string())
    # In Python, since Arrow's kernels for text make pyarrow import pandas for their scalars.
    cells = ["" if value is None else str(value) for value in column.to_pylist()]
    missing = [cell.strip().lower() in _MISSING_TEXTS for cell in cells]
    return np.array(cells, dtype=np.str_), np.array(missing, dtype=np.bool_)


def flag_codes(column: "pa.Array") -> NDArray[np.int8]:
    """`[n]` of 0, 1, `OTHER` and `MISSING`; 0 and 1 may be spelt as integers, floats or booleans."""
    values, positions = _distinct(column)
    codes: NDArray[np.int8] = np.array([_flag_code(value) for value in values], dtype=np.int8)[positions]
    return codes


def may_be_flags(column: "pa.Array") -> bool:
    """Whether the column has few enough distinct values to be read as flags."""
    return is_plain(column) and len(column.dictionary_encode().dictionary) <= _MOST_SPELLINGS


def numbers(column: "pa.Array") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The cells as floats (missing ones NaN), and where a cell is text that is no number."""
    import pyarrow as pa

    try:
        values = column.cast(pa.float64())
        return _as_numpy(values), np.zeros(len(column), dtype=np.bool_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        distinct, positions = _distinct(column)
        parsed = [_number(value) for value in distinct]
        floats = np.array([float("nan") if value is None else value for value in parsed])
        return floats[positions], np.array([value is None for value in parsed])[positions]


def _as_numpy(column: "pa.Array") -> NDArray[Any]:
    """The numbers of the column, NaN where missing; to_numpy would import pandas, which is slow."""
    if column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return np.from_dlpack(column)


def _distinct(column: "pa.Array") -> tuple[list[Any], NDArray[np.integer]]:
    """The distinct values of the column, None the last, and each cell's position among them."""
    encoded = column.dictionary_encode()
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(len(encoded.dictionary))
    positions: NDArray[np.integer] = _as_numpy(indices)
    return [*encoded.dictionary.to_pylist(), None], positions


def _flag_code(value: Any) -> int:
    number = _number(value)
    if number is None:
        return OTHER
    if number != number:
        return MISSING
    return int(number) if number in (0.0, 1.0) else OTHER


def _number(value: Any) -> float | None:
    """The value as a number, NaN where it is missing, None where it is no number."""
    if value is None:
        return float("nan")
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _MISSING_TEXTS:
            return float("nan")
        if text in ("true", "false"):
            return float(text == "true")
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
