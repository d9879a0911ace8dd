"""Options by name, as a YAML file or the command line gives them, made into a dataclass; every fault is one line."""

import re
import types
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentParser

from steelyard.base.errors import InputError
from steelyard.tables.messages import closest, complaint, listed, one_line, quoted

Made = TypeVar("Made")
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}


class Origin:
    """Where each option was said, for messages.

    Attributes:
        file: the file that was read; empty where options came as a mapping.
        typed: dotted names that were given on the command line.
    """

    def __init__(self, file: str, typed: Sequence[str] = ()) -> None:
        self.file, self.typed = file, frozenset(typed)

    def place(self, name: str) -> tuple[str, str]:
        """Source and place of an option, as `complaint` takes them."""
        return (f"--{name}", "") if name in self.typed or not self.file else (self.file, name)

    def wrong(self, name: str, *, expected: str, found: str, do: str) -> InputError:
        """The error for an option."""
        source, where = self.place(name)
        return InputError(complaint(source, where, expected=expected, found=found, do=do))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML file of options.

    Raises:
        InputError: it cannot be read, is not YAML, or holds no mapping.
    """
    path = Path(path)
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        found = (error.strerror or "an error") if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise InputError(
            complaint(str(path), "", expected="a YAML file", found=found, do="correct the path")
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        found = one_line(getattr(error, "problem", None) or "something else", longest=160)
        raise InputError(complaint(str(path), place, expected="YAML", found=found, do="correct the file")) from error
    if not isinstance(held, dict):
        found, do = f"{type(held).__name__}", "write `name: value` in each line"
        raise InputError(complaint(str(path), "", expected="a mapping of options", found=found, do=do))
    return {str(key): value for key, value in held.items()}


def known_names(given: Mapping[str, Any], names: Sequence[str], section: str, origin: Origin) -> None:
    """Refuse an option that there is not.

    Raises:
        InputError: names it and the closest one that there is.
    """
    for name in given:
        if name not in names:
            whole = f"{section}.{name}" if section else name
            expected = f"one of the options {', '.join(names)}"
            found = f"{quoted(name)}{closest(name, names)}"
            raise origin.wrong(whole, expected=expected, found=found, do="correct or drop it")


def make_options(cls: type[Made], given: Any, section: str, origin: Origin) -> Made:
    """A dataclass of options from their names and values.

    Args:
        cls: the dataclass; its own checks run, too.
        given: name to value.
        section: of the file, for messages; may be empty.
        origin: where the options were said.

    Raises:
        InputError: an option that there is not, that is missing, or of another type or range.
    """
    if not isinstance(given, Mapping):
        found = quoted(given)
        raise origin.wrong(section, expected="a mapping of options", found=found, do="write `name: value` under it")
    own = fields(cls)  # type: ignore[arg-type]
    known_names(given, [field.name for field in own], section, origin)
    hints = get_type_hints(cls)
    made = {}
    for field in own:
        name = f"{section}.{field.name}" if section else field.name
        hint = hints[field.name]
        if field.name in given:
            value = given[field.name]
            nested = isinstance(hint, type) and is_dataclass(hint)
            made[field.name] = make_options(hint, value, name, origin) if nested else _typed(hint, value, name, origin)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise origin.wrong(name, expected=describe(hint), found="nothing", do="give it")
    return cls(**made)


def _typed(hint: Any, value: Any, name: str, origin: Origin) -> Any:
    """A value as its type has it."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=hint)
    wrong = value is None and not _takes(hint, type(None))
    try:
        if not wrong:
            return parser.instantiate(parser.parse_object({"value": _ready(hint, value)}))["value"]
    except ArgumentError:
        wrong = True  # said below, in the words of this package
    found = "null" if value is None else listed(value) if isinstance(value, list) else quoted(value)
    raise origin.wrong(name, expected=describe(hint), found=found, do="correct it")


def describe(hint: Any) -> str:
    """What values a type takes, in words.

    >>> describe(int | None)
    'a whole number or null'
    """
    if hint in _WORDS:
        return _WORDS[hint]
    origin = get_origin(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(part) for part in get_args(hint)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping"
    inner = next(iter(get_args(hint)), None)
    if isinstance(inner, type) and is_dataclass(inner):
        return f"a list of mappings with {', '.join(field.name for field in fields(inner))}"
    return f"a list of any of {', '.join(map(str, get_args(inner)))}" if get_origin(inner) is Literal else "a list"


@dataclass(frozen=True, slots=True)
class Option:
    """One option that a dataclass has.

    Attributes:
        name: dotted, from the section on.
        values: what it takes, in words.
        default: what it is where nothing is said; None, too, where it must be given.
        says: what it does, as the class's docstring has it.
    """

    name: str
    values: str
    default: Any
    says: str


def options_of(cls: type, section: str) -> list[Option]:
    """The options of a dataclass, those of dataclasses in it included."""
    hints, said, found = get_type_hints(cls), _said_of(cls), []
    for field in fields(cls):
        hint, name = hints[field.name], f"{section}.{field.name}"
        if isinstance(hint, type) and is_dataclass(hint):
            found += options_of(hint, name)
            continue
        default = None if field.default is MISSING else field.default
        found.append(Option(name, describe(hint), default, said.get(field.name, "")))
    return found


def _said_of(cls: type) -> dict[str, str]:
    """Attribute → its words, of a class and those that it extends."""
    said: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        _, _, listing = (one.__doc__ or "").partition("Attributes:\n")
        for name, words in re.findall(r"^ {8}(\w+): ((?:.|\n {9,})*)", listing, flags=re.MULTILINE):
            said[name] = " ".join(words.split())
    return said


def plain(value: Any) -> Any:
    """Options as YAML writes them: lists for tuples, text for paths."""
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, tuple | list):
        return [plain(held) for held in value]
    return str(value) if isinstance(value, Path) else value


def _ready(hint: Any, value: Any) -> Any:
    """A value as typed by hand, nearer to what its type asks for: `a,b` for a list, a bare number for text."""
    if isinstance(value, str) and get_origin(hint) is tuple and not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    as_text = number and _takes(hint, str) and not any(_takes(hint, kind) for kind in (int, float))
    return str(value) if as_text else value


def _takes(hint: Any, kind: type) -> bool:
    return hint in (kind, Any) or any(_takes(part, kind) for part in get_args(hint) if get_origin(hint) is not Literal)
