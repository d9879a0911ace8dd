"""JSON annotation files: read, and every fault of their form named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, one_line, quoted

T = TypeVar("T")


def read_json(path: Path, *, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The content of a JSON file.

    Args:
        path: the file, in UTF-8.
        hook: called on each object as it is read, as `json.load` does.

    Raises:
        InputError: it is not there or not JSON; the message says where it breaks.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return json.load(file, object_hook=hook)
    except FileNotFoundError:
        raise wrong(path, "", "a JSON file", "no file", "put it there") from None
    except json.JSONDecodeError as error:
        found = f"{error.msg} in line {error.lineno:,}, column {error.colno:,}"
        raise wrong(path, "", "JSON", found, "download or unpack it again") from error
    except UnicodeDecodeError as error:
        raise wrong(path, "", "JSON in UTF-8", "other bytes", "download or unpack it again") from error
    except OSError as error:
        raise wrong(path, "", "a readable file", one_line(error.strerror or error), "check the file") from error


def field(record: Any, key: str, kind: type[T], path: Path, where: str) -> T:
    """`record[key]`, which must be there and of this type.

    Raises:
        InputError: names the file, the record and the key.
    """
    names = {dict: "an object", list: "a list", str: "text", int: "a whole number"}
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "none" if value is None else quoted(value)
        do = "this is not the official file, or it was changed"
        raise wrong(path, where, f"{quoted(key)}, {names.get(kind, kind.__name__)}", found, do)
    return value


def wrong(path: Path, where: str, expected: str, found: str, do: str) -> InputError:
    """An error about a file of annotations."""
    return InputError(complaint(str(path), where, expected=expected, found=found, do=do))
