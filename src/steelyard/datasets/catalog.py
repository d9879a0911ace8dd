"""The data sets by name, their options, and how a folder is recognised."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.words import Words
from steelyard.tables.messages import complaint, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """What may be said of a data set; None is its default. The readers say what each option means.

    Attributes:
        protected: name of the protected attribute.
        target: column of the categories.
        targets: the labels to recognise.
        id_column: column of the ids.
        split_column: column of the splits.
        path_column: column of the images' files.
        images: folder of the images.
        year: of COCO.
        words: group to the words or nouns that name it.
        splits: a file of splits.
        rule: how annotators make one group.
        verbs: the verbs to keep.
        region: the part of each image to take.
    """

    protected: str | None = None
    target: str | None = None
    targets: Sequence[str] | str | None = None
    id_column: str | None = None
    split_column: str | None = None
    path_column: str | None = None
    images: str | None = None
    year: int | None = None
    words: Words | None = None
    splits: str | None = None
    rule: str | None = None
    verbs: Sequence[str] | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A data set: the module and what in it opens it, the options it takes, and what its folder looks like, if any."""

    module: str
    cls: str
    options: frozenset[str]
    layout: str


READERS: dict[str, Reader] = {
    "coco": Reader(
        "coco",
        "Coco",
        frozenset({"protected", "year", "words", "splits", "images"}),
        "annotations/instances_*.json and captions_*.json",
    ),
    "imsitu": Reader(
        "imsitu",
        "Imsitu",
        frozenset({"protected", "words", "rule", "verbs", "images"}),
        "train.json, dev.json, test.json, imsitu_space.json",
    ),
    "celeba": Reader(
        "celeba",
        "Celeba",
        frozenset({"protected", "targets", "images", "region"}),
        "list_attr_celeba.txt, list_eval_partition.txt",
    ),
    "table": Reader(
        "image_table",
        "ImageTable",
        frozenset({"protected", "target", "targets", "id_column", "split_column", "path_column", "images"}),
        "labels.csv with a column of paths",
    ),
    "scenes": Reader("scenes.world_file", "open_scenes", frozenset(), ""),
    "portraits": Reader("portraits.world_file", "open_portraits", frozenset({"protected", "targets"}), ""),
}
_SPELT = {"id_column": "--id"}


def open_dataset(name: str | None, source: str | Path, options: DataOptions | None = None) -> Dataset:
    """Open a data set.

    Args:
        name: a key of `READERS`; None recognises the data set by its files.
        source: its folder, or the file of a table; for Scenes and Portraits a YAML file of its
            settings, or `default`.
        options: what is not to be by default.

    Raises:
        InputError: no such data set or layout, an option that it does not have, or files that are not what they
            must be.
    """
    name = recognise(Path(source)) if name is None else name
    if name not in READERS:
        found, do = quoted(name), "choose one"
        raise InputError(complaint("--dataset", "", expected=", ".join(READERS), found=found, do=do))
    reader = READERS[name]
    given = {} if options is None else {field.name: getattr(options, field.name) for field in fields(options)}
    given = {key: value for key, value in given.items() if value is not None}
    for key in given:
        if key not in reader.options:
            takers = ", ".join(other for other, one in READERS.items() if key in one.options)
            raise InputError(f"{spelt(key)}: expected with --dataset {takers}, found with {name}; drop the option")
    if name == "table" and "protected" not in given:
        raise InputError("--protected: expected the column of the protected attribute of a table, found none; name it")
    made: Any = getattr(import_module(f"steelyard.datasets.{reader.module}"), reader.cls)
    return cast(Dataset, made(source, **given))


def spelt(option: str) -> str:
    """An option's name as it is written on the command line."""
    return _SPELT.get(option, f"--{option.replace('_', '-')}")


def recognise(source: Path) -> str:
    """The name of the data set whose files these are.

    Raises:
        InputError: there is no such folder or file, or none of the layouts.
    """
    if source.is_file():
        return "scenes" if source.suffix.lower() in (".yaml", ".yml") else "table"
    if not source.exists():
        do = "correct the path"
        raise InputError(complaint(str(source), "", expected="a folder", found="nothing of this name", do=do))
    if any((source / place / "list_attr_celeba.txt").exists() for place in (".", "Anno")):
        return "celeba"
    annotations = source / "annotations"
    if any(True for kind in ("instances", "captions") for _ in annotations.glob(f"{kind}_*.json")):
        return "coco"
    if any((source / file).exists() for file in ("imsitu_space.json", "dev.json")):
        return "imsitu"
    if any((source / file).exists() for file in ("labels.csv", "labels.parquet")):
        return "imsitu" if _has_verbs(source / "labels.csv") else "table"
    layouts = "; ".join(f"{name} ({reader.layout})" for name, reader in READERS.items() if reader.layout)
    found, do = "none of these files", "put them there, or name the data set with --dataset to see what is missing"
    raise InputError(complaint(str(source), "", expected=f"the layout of {layouts}", found=found, do=do))


def _has_verbs(path: Path) -> bool:
    """Whether a table of labels is imSitu's: verbs, and no paths."""
    if not path.exists():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = file.readline().strip().split(",")
    return "verb" in names and "path" not in names
