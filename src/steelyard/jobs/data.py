"""Data: a data set opened and checked, or its labels written as the table that an audit reads."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelyard.base.errors import InputError
from steelyard.datasets.catalog import DataOptions, open_dataset
from steelyard.datasets.checking import DataCheck, check_dataset
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.words import Words
from steelyard.jobs.output import check_file
from steelyard.jobs.progress import Progress, silent
from steelyard.tables import write_labels


def run_check(
    name: str | None, source: str | Path, *, options: DataOptions | None = None, progress: Progress = silent
) -> DataCheck:
    """Check a data set: layout, images, labels.

    Args:
        name: of the data set; None recognises it by its files.
        source: its folder or table.
        options: what is not to be by default.
        progress: told of each stage.

    Returns:
        What was found; `faults` says what keeps the data set from being used.

    Raises:
        InputError: the layout or the labels are not what they must be.
        MissingExtraError: OpenCV is not installed.
    """
    dataset = open_dataset(name, source, options)
    return check_dataset(dataset, workers=min(8, 2 * (os.cpu_count() or 1)), progress=progress)


def run_labels(
    name: str | None,
    source: str | Path,
    *,
    out: str | Path,
    options: DataOptions | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Write the labels of a data set, all splits, as `steelyard audit --labels` reads them.

    Args:
        name: of the data set; None recognises it by its files.
        source: its folder or table.
        out: `.csv` or `.parquet`.
        options: what is not to be by default.
        progress: told of each stage.

    Raises:
        InputError: the data set or the file is not what it must be.
    """
    check_table_file(out, inputs=(source,))
    dataset = open_dataset(name, source, options)
    progress("reading labels")
    write_labels(out, dataset.labels())
    return dataset


def check_table_file(out: str | Path, *, inputs: tuple[Any, ...] = ()) -> Path:
    """See that a table can be written.

    Raises:
        InputError: another extension, or as `check_file` says.
    """
    path = Path(out)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"--out {path}: expected a name that ends in .csv or .parquet")
    return check_file(path, inputs=inputs)


def read_words(given: Any) -> Words | None:
    """Word lists as they were given: `man=man,boy;woman=woman,girl`, `@file` with a group a line, or a mapping.

    Raises:
        InputError: a part without `=`, a group twice, or a file that cannot be read.
    """
    if given is None:
        return None
    if isinstance(given, dict):
        return {
            str(group): tuple(words.split(",") if isinstance(words, str) else map(str, words))
            for group, words in given.items()
        }
    text = str(given)
    parts = _lines(Path(text[1:]), "--words") if text.startswith("@") else text.split(";")
    words: dict[str, tuple[str, ...]] = {}
    for part in parts:
        group, equals, listed = part.partition("=")
        if not equals or not group.strip():
            raise InputError(f"--words: expected GROUP=word,word parted by ';', found {part!r}; correct it")
        if group.strip() in words:
            raise InputError(f"--words: expected each group once, found {group.strip()!r} twice; join its words")
        words[group.strip()] = tuple(word.strip() for word in listed.split(","))
    return words


def read_names(given: Sequence[str]) -> tuple[str, ...] | None:
    """Names as they were given, or the lines of an `@file`; None where none was given.

    Raises:
        InputError: a file that cannot be read.
    """
    found: list[str] = []
    for name in given:
        found += _lines(Path(name[1:]), "--verbs") if name.startswith("@") else [name]
    return tuple(found) or None


def _lines(path: Path, option: str) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise InputError(f"{option} @{path}: expected a list, found {found}; correct the path") from error
    return [line.strip() for line in lines if line.strip()]
