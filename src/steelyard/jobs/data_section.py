"""Which images a training run takes, and how they come: the section `data` of its file."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.datasets.catalog import DataOptions, open_dataset, spelt
from steelyard.datasets.dataset import Dataset
from steelyard.jobs.data import check_table_file, read_names, read_words
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.typed_options import Origin, make_options, read_yaml
from steelyard.mitigation.samples import balance
from steelyard.tables import LabelTable, write_labels
from steelyard.tables.files import read_file
from steelyard.tables.messages import complaint, listed, some_ids
from steelyard.tables.roles import ID_COLUMNS, choose_id, read_ids

_READ_BY_DATASETS = tuple(field.name for field in fields(DataOptions))
_OWN = {"--dataset": "data.name", **{spelt(name): f"data.{name}" for name in _READ_BY_DATASETS}}
_TYPED = re.compile(rf"(?<![\w-])({'|'.join(_OWN)})(?![\w-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """Which images, and how they come.

    Attributes:
        source: folder of the data set, or a table; for Scenes and Portraits a YAML file of its dials, or `default`
            (Portraits also `faint`, `independent` and `skewed`).
        name: of the data set: coco, imsitu, celeba, table, scenes or portraits; null recognises it by its files, and
            takes a YAML file for Scenes.
        protected: the protected attribute.
        target: column of the categories.
        targets: the labels to recognise: names, globs or `@file`.
        id_column: column of the ids.
        split_column: column of the splits.
        path_column: column of the images' files.
        images: folder of the images.
        year: of COCO.
        words: group to the words or nouns that name it.
        splits: a file of splits.
        rule: how annotators make one group.
        verbs: the verbs to keep.
        region: of CelebA: `face` cuts out the square around the face; null takes the whole image.
        resize: the shorter side of every image after decoding, in pixels; null leaves the size as it is.
        crop: side of the square that the network sees, at random in training and central elsewhere; null for the whole.
        flip: turn half of the training images about.
        shift: move training images by up to so many pixels.
        batch_size: images of a batch of each process.
        workers: processes that decode, for each training process.
        cache: `auto` keeps decoded images in memory where they fit, `memory` always, `none` never.
        on_bad_image: `raise` stops at an image that cannot be read, `skip` leaves it out and counts it.
        subset: table of ids; only these count in training (what `steelyard balance --out` writes).
        alpha: balance the training images to this ratio here.
        pixels: what is taken from the images: blackout-face, blur-segment and so on.
        faces: where faces are: `detector`, or a file of boxes; null takes what the data set says.
    """

    source: str
    name: str | None = None
    protected: str | None = None
    target: str | None = None
    targets: Sequence[str] | str | None = None
    id_column: str | None = None
    split_column: str | None = None
    path_column: str | None = None
    images: str | None = None
    year: int | None = None
    words: dict[str, Sequence[str]] | str | None = None
    splits: str | None = None
    rule: str | None = None
    verbs: Sequence[str] | None = None
    region: str | None = None
    resize: int | None = 256
    crop: int | None = 224
    flip: bool = True
    shift: int = 0
    batch_size: int = 32
    workers: int = 2
    cache: Literal["auto", "memory", "none"] = "auto"
    on_bad_image: Literal["raise", "skip"] = "raise"
    subset: str | None = None
    alpha: float | None = None
    pixels: str | None = None
    faces: str | None = None

    def __post_init__(self) -> None:
        """Check what no other part checks.

        Raises:
            InputError: names the option, what was expected and found.
        """
        for name, low in {"batch_size": 2, "workers": 0}.items():
            if (value := getattr(self, name)) < low:
                raise InputError(f"data.{name}: expected {low} or more, found {value}; raise it")
        if self.alpha is not None and self.subset is not None:
            raise InputError("data.alpha: expected without data.subset, found both; balance once, and drop one of them")

    def options(self) -> DataOptions:
        """What the data set's reader is told."""
        given = {name: getattr(self, name) for name in _READ_BY_DATASETS}
        return DataOptions(**{**given, "words": read_words(self.words), "verbs": read_names(self.verbs or ())})


def is_configuration(source: str) -> bool:
    """Whether this is a file that `steelyard train` reads."""
    return source.lower().endswith((".yaml", ".yml")) and Path(source).is_file() and "data" in read_yaml(source)


def run_config_labels(source: str, *, out: str | Path, progress: Progress = silent) -> Dataset:
    """Write the labels of a training configuration: of the training images those that count, all others.

    Args:
        source: the configuration's file; only its `data` and `seed` are looked at.
        out: `.csv` or `.parquet`.
        progress: told of each stage.

    Raises:
        InputError: the file, the data set or the output is not what it must be.
        UndefinedError: nothing can be kept under `data.alpha`.
    """
    check_table_file(out, inputs=(source,))
    held, origin = read_yaml(source), Origin(source)
    section = make_options(DataSection, held["data"], "data", origin)
    seed = make_options(_Seed, {"seed": held["seed"]} if "seed" in held else {}, "", origin).seed
    progress("reading labels")
    dataset = open_section(section)
    write_labels(out, counted_labels(section, dataset, seed=seed))
    return dataset


@dataclass(frozen=True, slots=True)
class _Seed:
    seed: int = 0


def open_section(section: DataSection) -> Dataset:
    """The data set.

    Raises:
        InputError: it is not what it must be.
    """
    with _own_names():
        return open_dataset(section.name, section.source, section.options())


@contextmanager
def _own_names() -> Iterator[None]:
    """What readers of data sets refuse names the section's options; they name those of `steelyard data`."""
    try:
        yield
    except InputError as error:
        raise type(error)(_TYPED.sub(lambda found: _OWN[found[0]], str(error))) from error


def counted_labels(section: DataSection, dataset: Dataset, *, seed: int, anywhere: bool = False) -> LabelTable:
    """The labels of every image that counts: of the training images those of the subset, all others.

    Args:
        section: says which subset.
        dataset: as opened.
        seed: draws which of interchangeable images stay under `alpha`.
        anywhere: nothing is trained on these images: they need no training split, and without splits all are `test`.

    Raises:
        InputError: there are no splits, or the subset names images that there are not.
        UndefinedError: nothing can be kept under `alpha`.
    """
    with _own_names():
        table = dataset.labels()
    table = replace(table, id_column=table.id_column or ID_COLUMNS[0])
    if anywhere:
        return table if table.splits is not None else replace(table, splits=np.full(len(table), "test"))
    if table.splits is None:
        do = "add a column of splits and name it with data.split_column"
        raise InputError(complaint(table.source, "", expected="train, val and test images", found="no splits", do=do))
    training = np.flatnonzero(table.splits == "train")
    if not len(training):
        raise InputError(complaint(table.source, "", expected="training images", found="none", do="correct the splits"))
    if section.subset is not None:
        return table.take(_named_in(section.subset, table))
    if section.alpha is None:
        return table
    part = table.take(training)
    kept = balance(
        part.targets,
        part.groups,
        alpha=section.alpha,
        rng=stream(seed, "balance"),
        target_names=part.target_names,
        group_names=part.group_names,
    )
    counts = table.splits != "train"
    counts[training[kept.kept]] = True
    return table.take(np.flatnonzero(counts))


def _named_in(path: str, table: LabelTable) -> NDArray[np.int64]:
    """Rows that are no training images, or training images that a table names."""
    raw = read_file(Path(path))
    column = choose_id(raw, None, (), first=(table.id_column,) if table.id_column else ())
    if column is None:
        expected = f"a column of ids ({', '.join(filter(None, (table.id_column, *ID_COLUMNS)))})"
        do = "name what steelyard balance writes"
        raise InputError(complaint(path, "", expected=expected, found=listed(raw.names), do=do))
    ids = read_ids(raw, column)
    if len(strange := ids[~np.isin(ids, table.ids)]):
        found, do = f"others ({some_ids(strange)})", "name a subset of this data set"
        raise InputError(complaint(path, "", expected=f"ids of {table.source}", found=found, do=do))
    assert table.splits is not None
    counts = (table.splits != "train") | np.isin(table.ids, ids)
    if not (counts & (table.splits == "train")).any():
        found, do = "none among its ids", "name a subset of the training images"
        raise InputError(complaint(path, "", expected="training images", found=found, do=do))
    return np.flatnonzero(counts)
