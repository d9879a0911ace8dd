"""Strict reading and writing of JSON records: fields are checked by name and type, and NaN never passes."""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, get_origin

import numpy as np

from steelyard.base.errors import InputError, UndefinedError, first_few

_ACCEPTED: dict[Any, tuple[tuple[type, ...], str]] = {
    float: ((int, float), "a number"),
    int: ((int,), "a whole number"),
    str: ((str,), "text"),
    bool: ((bool,), "true or false"),
    float | None: ((int, float, type(None)), "a number or null"),
}


def check_record(kind: type, record: object, where: str) -> dict[str, Any]:
    """Return `record` after checking it against the fields of a dataclass.

    Args:
        kind: the dataclass that the record is for.
        record: what the file holds.
        where: the place in the file, for messages.

    Raises:
        InputError: a field is missing, unknown, or of the wrong type.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected a {kind.__name__} record, found {type(record).__name__}")
    known = {f.name: f for f in fields(kind)}
    if unknown := [name for name in record if name not in known]:
        raise InputError(f"{where}: unknown field {first_few(unknown)}; write the report again with this version")
    for name, f in known.items():
        if name not in record:
            if f.default is MISSING and f.default_factory is MISSING:
                raise InputError(f"{where}: field {name!r} is missing")
        elif f.type in _ACCEPTED or get_origin(f.type) is dict:
            types, words = _ACCEPTED.get(f.type, ((dict,), "an object"))
            value = record[name]
            if not isinstance(value, types) or (isinstance(value, bool) and f.type is not bool):
                raise InputError(f"{where}: field {name!r} must be {words}, found {value!r}")
    return record


def _first_not_finite(value: object, where: str) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} is {value}"
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    return next((found for key, v in items if (found := _first_not_finite(v, f"{where}.{key}"))), None)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise InputError(f"a report holds plain values only, found {type(value).__name__}")


def dump_json(record: dict[str, Any]) -> str:
    """`record` as indented JSON.

    Raises:
        UndefinedError: a number in it is NaN or infinite; the message says which.
    """
    try:
        return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    except ValueError as error:
        place = _first_not_finite(record, "report") or str(error)
        raise UndefinedError(f"{place}: leave it out and list it under omitted with the reason") from error


def _refuse_constant(name: str) -> NoReturn:
    raise InputError(f"{name} is not a JSON number; a report never holds one")


def load_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: the file cannot be read, is not JSON, or holds NaN or an infinity.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a report.json") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); expected a report.json") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a file through a temporary name beside it, so that a reader never sees half of it.

    Raises:
        InputError: the file cannot be written there.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
