"""Frozen dataclasses to plain JSON types and back, by the types of their fields; bytes go as base64 text."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from steelyard.base.errors import InputError
from steelyard.reports.records import check_record

T = TypeVar("T")


def to_record(value: object) -> Any:
    """A dataclass, and all that it holds, as objects, lists, text and numbers."""
    if is_dataclass(value):
        return {f.name: to_record(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_record(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_record(item) for item in value]
    return b64encode(value).decode() if isinstance(value, bytes) else value


def from_record(kind: type[T], record: object, where: str) -> T:
    """The inverse of `to_record`.

    Args:
        kind: the dataclass that the record is for.
        record: what the file holds.
        where: the place in the file, for messages.

    Raises:
        InputError: a field is missing, unknown or of the wrong type.
    """
    given = check_record(kind, record, where)
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], value, f"{where}.{name}") for name, value in given.items()})


def without_schema(record: object, schema: int, where: str) -> dict[str, Any]:
    """The record without its schema number.

    Raises:
        InputError: it is no object of this schema.
    """
    found = record.get("schema") if isinstance(record, dict) else None
    if not isinstance(record, dict) or found != schema or isinstance(found, bool):
        raise InputError(f"{where}: expected a record of schema {schema}, found schema {found!r}; write it again")
    return {name: value for name, value in record.items() if name != "schema"}


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        left = [part for part in inner if part is not type(None)]
        return None if value is None and len(left) < len(inner) else _read(left[0], value, where)
    if origin is Literal:
        _require(value in inner, where, " or ".join(map(repr, inner)), value)
        return value
    if origin is tuple:
        return _read_tuple(inner, value, where)
    if origin in (dict, Mapping):
        _require(isinstance(value, dict), where, "an object", value)
        return {_read(inner[0], key, where): _read(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if is_dataclass(kind):
        return from_record(cast(type[Any], kind), value, where)
    if kind is bytes:
        return _read_bytes(value, where)
    number = kind is float and isinstance(value, int) and not isinstance(value, bool)
    _require(number or type(value) is kind, where, f"a value of type {kind.__name__}", value)
    return value


def _read_tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list | tuple), where, "a list", value)
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    _require(len(kinds) == len(value), where, f"{len(kinds)} items", value)
    return tuple(_read(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _read_bytes(value: Any, where: str) -> bytes:
    _require(isinstance(value, str), where, "base64 text", value)
    try:
        return b64decode(value, validate=True)
    except NotBase64 as error:
        raise InputError(f"{where}: expected base64 text, found other text; write the report again") from error


def _require(sound: bool, where: str, expected: str, found: object) -> None:
    if not sound:
        shown = repr(found)
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
        raise InputError(f"{where}: expected {expected}, found {shown}; write the report again with this version")
