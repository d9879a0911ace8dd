"""Portraits opened by a word or a YAML file of its settings, as the other data sets are opened by their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import SPLITS
from steelyard.datasets.portraits.portraits import Portraits
from steelyard.datasets.portraits.settings import PortraitsSettings
from steelyard.datasets.scenes.world_file import known, read_world
from steelyard.tables.messages import one_line

WORLDS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "independent": {"correlation": 0.0},
    "faint": {"faint": 0.2, "noise": 0.06},
    "skewed": {
        "size": 32,
        "noise": 0.2,
        "probabilities": {
            "beard": [0.85, 0.10],
            "earrings": [0.10, 0.85],
            "glasses": [0.80, 0.12],
            "light_hair": [0.12, 0.85],
            "red_cheeks": [0.12, 0.80],
        },
        "train": 600,
        "val": 500,
        "test": 6_000,
    },
}
"""The words that stand for a world: as by default; where nothing goes with the group; where faint attributes leave
a classifier reason to look at the group; where five attributes nearly tell the group, and few and noisy images leave it
reason to."""

_DIALS = tuple(entry.name for entry in fields(PortraitsSettings))
_NUMBERS = (*SPLITS, "seed")


def open_portraits(
    source: str | Path, *, protected: str = "group", targets: Sequence[str] | str | None = None
) -> Portraits:
    """The world that a word or a file describes.

    Args:
        source: a YAML file with any of the fields of `PortraitsSettings`, the numbers of images `train`, `val`, `test`,
            and `seed`; what it does not name is by default. Or one of `WORLDS`.
        protected: what the protected attribute is called.
        targets: the labels to recognise, as `Portraits` says.

    Raises:
        InputError: the file cannot be read, a name is unknown, or a value is outside its range.
    """
    if str(source) in WORLDS:
        return _world(WORLDS[str(source)], protected, targets)
    path = Path(source)
    given = known(read_world(path, tuple(WORLDS)), (*_DIALS, *_NUMBERS), path, "")
    try:
        return _world(given, protected, targets)
    except InputError as error:
        raise InputError(f"{one_line(path)}: {error}") from error


def _world(given: Mapping[str, Any], protected: str, targets: Sequence[str] | str | None) -> Portraits:
    dials = {name: value for name, value in given.items() if name in _DIALS}
    numbers = {name: value for name, value in given.items() if name in _NUMBERS}
    return Portraits(PortraitsSettings(**dials), **numbers, protected=protected, targets=targets)
