"""Scenes opened by a YAML file of its settings, as the other data sets are opened by their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from steelyard.base.errors import InputError
from steelyard.datasets.scenes.scenes import SPLITS, Scenes
from steelyard.datasets.scenes.settings import LOOKS, Looks, ScenesSettings
from steelyard.tables.messages import closest, complaint, one_line, quoted

DEFAULT = "default"
"""The word that stands for a world without any setting changed."""

_DIALS = tuple(entry.name for entry in fields(ScenesSettings))
_WORLD = (*SPLITS, "seed")


def open_scenes(source: str | Path) -> Scenes:
    """The world that a file describes.

    Args:
        source: a YAML file with any of the fields of `ScenesSettings` (`looks` has the fields of `Looks` below it), the
            numbers of images `train`, `val`, `test`, and `seed`; what it does not name is by default. Or `default`.

    Raises:
        InputError: the file cannot be read, a name is unknown, or a value is outside its range.
    """
    if str(source) == DEFAULT:
        return Scenes()
    path = Path(source)
    given = known(read_world(path, (DEFAULT,)), (*_DIALS, *_WORLD), path, "")
    dials = {name: value for name, value in given.items() if name in _DIALS}
    world = {name: value for name, value in given.items() if name in _WORLD}
    looks = known(dials.pop("looks", {}), LOOKS, path, "looks")
    try:
        return Scenes(ScenesSettings(looks=Looks(**looks), **dials), **world)
    except InputError as error:
        raise InputError(f"{one_line(path)}: {error}") from error


def read_world(path: Path, words: Sequence[str]) -> Any:
    """What a world's YAML file holds.

    Args:
        path: the file.
        words: that may stand for a world in place of a file, for the message.

    Raises:
        InputError: it cannot be read, or is no YAML.
    """
    yaml: Any = import_module("yaml")
    do = f"name a YAML file of settings, or the word {' or '.join(words)}"
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise _wrong(path, "", "a file", "nothing of this name", do) from None
    except (OSError, UnicodeDecodeError) as error:
        found = one_line(getattr(error, "strerror", None) or error)
        raise _wrong(path, "", "a readable file", found, do) from error
    except yaml.YAMLError as error:
        found = one_line(" ".join(str(error).split()), longest=160)
        raise _wrong(path, "", "YAML", found, "correct the file") from error


def known(content: Any, names: Sequence[str], path: Path, where: str) -> dict[str, Any]:
    """The content as a mapping of known names.

    Raises:
        InputError: it is no mapping, or has another name.
    """
    if not isinstance(content, Mapping):
        found = "nothing" if content is None else quoted(content)
        raise _wrong(path, where, "names and values", found, f"write lines such as {names[0]}: 1")
    for name in content:
        if name not in names:
            expected = f"names among {', '.join(names)}"
            raise _wrong(path, where, expected, f"{quoted(name)}{closest(str(name), names)}", "correct the name")
    return dict(content)


def _wrong(path: Path, where: str, expected: str, found: str, do: str) -> InputError:
    return InputError(complaint(str(path), where, expected=expected, found=found, do=do))
