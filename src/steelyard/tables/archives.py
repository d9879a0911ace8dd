"""Arrays of an NPZ archive, columns of a Parquet file; whatever is wrong with a file is an `InputError` of one line."""

import lzma
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, one_line, quoted
from steelyard.tables.raw_table import check_names

if TYPE_CHECKING:
    import pyarrow as pa

# All that numpy, zipfile and the decompressors are known to raise on damaged bytes; OSError is the callers'.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    EOFError,
    KeyError,
    TypeError,
    AttributeError,  # one array, not an archive of them
    OverflowError,
    MemoryError,
    RuntimeError,  # an encrypted member; NotImplementedError, an unknown compression
)


def npz_arrays(path: Path, choose: Callable[[list[str]], Iterable[str]]) -> dict[str, NDArray[Any]]:
    """Arrays of an NPZ archive; nothing pickled is read.

    Args:
        path: the file.
        choose: takes the names of all arrays, and gives those to read, or refuses them.

    Raises:
        InputError: the archive or an array in it is damaged, or is not what it must be.
    """
    source, do = str(path), "write it again with numpy.savez"
    if not zipfile.is_zipfile(path):
        _fail(source, "", "an NPZ archive", "something else, or a part of one", do)
    arrays: dict[str, NDArray[Any]] = {}
    where = ""
    try:
        # Opened here: numpy leaves a path open where it fails. It warns of odd headers, which either read or not.
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            archive = np.load(file, allow_pickle=False)
            for name in choose(list(archive.files)):
                where = f"array {quoted(name)}"
                arrays[name] = archive[name]
                if not isinstance(arrays[name], np.ndarray):
                    _fail(source, where, "an array", "another kind of file", do)
    except ValueError:
        found = "Python objects or a damaged array" if where else "something else, or a damaged one"
        _fail(source, where, "numbers or text" if where else "an NPZ archive", found, do)
    except _DAMAGED:
        _fail(source, where, "a sound array" if where else "a sound NPZ archive", "a damaged one", do)
    return arrays


def parquet_table(path: Path) -> "pa.Table":
    """A Parquet file as a table, each column there once and its text in UTF-8.

    Raises:
        InputError: the file is damaged, or is not what it must be.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    source, damaged = str(path), "the file is truncated or damaged, write it again"
    try:
        # Not read_table, which would make columns of folders that are called like key=value.
        with parquet.ParquetFile(path) as file:
            table = file.read()
        names = table.column_names
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        _fail(source, "", "a sound Parquet file", reason(error), damaged)
    check_names(source, names)
    for name, column in zip(names, table.columns, strict=True):
        # Text is not looked at in reading.
        try:
            column.validate(full=True)
        except pa.ArrowException as error:
            _fail(source, f"column {quoted(name)}", "sound values, and text in UTF-8", reason(error), damaged)
    return table


def reason(error: BaseException) -> str:
    """What a library said of a file, on one line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return one_line((said.splitlines() or [type(error).__name__])[0].strip(" .\n") or type(error).__name__, longest=160)


def _fail(source: str, where: str, expected: str, found: str, do: str) -> NoReturn:
    raise InputError(complaint(source, where, expected=expected, found=found, do=do))
