"""What the steps of `steelyard augment` share: the configuration, the data, the generator, and each other's folders."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.base.errors import InputError, UndefinedError
from steelyard.datasets.dataset import SPLITS, Dataset, OnDisk
from steelyard.datasets.portraits import Portraits
from steelyard.datasets.scenes import Scenes
from steelyard.jobs.augment.config import AugmentConfig, OracleSection
from steelyard.jobs.data_section import DataSection, counted_labels, open_section
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_tables import PREDICTIONS
from steelyard.latent.generator import Generator
from steelyard.latent.generators import open_generator, weights_of
from steelyard.latent.pixels import Synthesis, look
from steelyard.latent.real import RealImages, present_group, with_targets
from steelyard.reports.provenance import fingerprint
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import complaint, listed

_OF_STEPS = frozenset({"annotators", "filter", "images", "judged", "shards", "sifted"})


@dataclass
class Work:
    """One run of the command.

    Attributes:
        config: of all steps.
        folder: of all steps; each has a folder of its name in it.
        progress: told of each stage.
        quiet: no bars of training.
        command: what was run, for provenances.
        given_data: real images that are open already; None opens what the configuration names.
        given_generator: a generator that is open already; None opens what the configuration names.
    """

    config: AugmentConfig
    folder: Path
    progress: Progress = silent
    quiet: bool = True
    command: str | Sequence[str] = "steelyard.augment"
    given_data: Dataset | None = None
    given_generator: Generator | None = None

    def path(self, step: str) -> Path:
        """The folder of a step."""
        return self.folder / step

    @cached_property
    def generator(self) -> Generator:
        """The generator.

        Raises:
            InputError: its weights are not there or not what they must be.
        """
        if self.given_generator is not None:
            return self.given_generator
        if self.config.generator is None:
            expected, do = "this section", "name a generator of images like yours (generator: {source: …})"
            raise InputError(complaint("generator", "", expected=expected, found="none", do=do))
        return open_generator(self.config.generator)

    @cached_property
    def synthesis(self) -> Synthesis:
        """Makes images, and counts them."""
        return Synthesis(self.generator, batch=self.config.latents.batch, noise=self.config.pairs.noise)

    @cached_property
    def clear_synthesis(self) -> Synthesis:
        """The same without the noise that is added: for those that learned from other images than the real ones."""
        return Synthesis(self.generator, batch=self.config.latents.batch)

    @cached_property
    def dataset(self) -> Dataset:
        """The real images, as they are."""
        return open_section(self.config.data) if self.given_data is None else self.given_data

    @cached_property
    def labels(self) -> LabelTable:
        """Labels of the real images that count, the targets of the data.

        Raises:
            InputError: the labels are not what augmentation needs.
        """
        table = counted_labels(self.config.data, self.dataset, seed=self.config.seed)
        present_group(table)
        for name in self.config.pairs.protected:
            if name not in table.target_names:
                expected, found = f"one of the targets ({listed(table.target_names, 12)})", repr(name)
                raise InputError(complaint("pairs.protected", "", expected=expected, found=found, do="correct it"))
        _require_splits(table)
        self._require_both(table)
        self._require_files(table)
        return table

    def _require_both(self, table: LabelTable) -> None:
        """Refuse a target that all training images have, or none."""
        train = table.split("train")
        for name, count in zip(train.target_names, train.matrix().sum(axis=0).tolist(), strict=True):
            if not 0 < count < len(train):
                expected, found = "training images with and without it", f"{count:,} of {len(train):,} with it"
                raise UndefinedError(
                    complaint(table.source, f"target {name!r}", expected=expected, found=found, do="leave it out")
                )

    def _require_files(self, table: LabelTable) -> None:
        """Refuse images that are not there, before anything is trained."""
        if not isinstance(self.dataset, OnDisk):
            return
        lacking = [name for name in table.ids.tolist() if not self.dataset.image_path(name).is_file()]
        if lacking:
            found = f"none for {len(lacking):,} ({self.dataset.image_path(lacking[0])})"
            do = "correct the paths, or take them out of the labels"
            raise InputError(
                complaint(table.source, "", expected=f"a file for each of {len(table):,} images", found=found, do=do)
            )

    @property
    def protected(self) -> tuple[str, ...]:
        """The attributes that mirror images change."""
        return (self.labels.protected, *self.config.pairs.protected)

    @property
    def targets(self) -> tuple[str, ...]:
        """The attributes that are learned: the data's targets, less those that mirror images change."""
        return tuple(name for name in self.labels.target_names if name not in self.config.pairs.protected)

    @property
    def sets(self) -> Mapping[str, tuple[str, ...]]:
        """Name of a set of pairs → the targets that its mirror images keep: each its own, or all in one."""
        if self.config.per_attribute:
            return {name: (name,) for name in self.targets}
        return {"all": self.targets}

    def real(self, names: Sequence[str]) -> RealImages:
        """The real images at the generator's size, with these attributes as targets."""
        return RealImages(self.dataset, with_targets(self.labels, names), self.generator.size)

    def other_data(self, source: str | None, *, option: str) -> tuple[DataSection, RealImages]:
        """What a classifier that is not compared is trained on, with every attribute as a target.

        Args:
            source: other images of the same kind; None for the real ones.
            option: the section that asks for it, for messages.

        Raises:
            InputError: they are not what the real ones must be, or lack an attribute.
        """
        names = (*self.targets, *self.protected)
        if source is None:
            return self.config.data, self.real(names)
        section = replace(self.config.data, source=source, subset=None)
        try:
            dataset = open_section(section)
            table = counted_labels(section, dataset, seed=self.config.seed)
            _require_splits(table)
            return section, RealImages(dataset, with_targets(table, names), self.generator.size)
        except InputError as error:
            raise type(error)(f"{option}.source: {error}") from error

    def given_mark(self, sections: Collection[str]) -> str:
        """A fingerprint of the files that these sections name, beside the data and the generator."""
        config, files = self.config, dict[str, list[str | None]]()
        files["latents"] = [config.latents.file]
        for name, own in (("oracle", config.oracle), ("annotators", config.annotators)):
            if own is not None:
                run = None if own.run is None else str(Path(own.run) / PREDICTIONS)
                files[name] = [run, own.source, own.filter_source if isinstance(own, OracleSection) else None]
        return "-".join(
            self._mark_of_source(name, section)
            for section in files
            if section in sections
            for name in files[section]
            if name is not None
        )

    def _mark_of_source(self, name: str, section: str) -> str:
        """A fingerprint of a file, or of the labels in a folder; nothing of a word."""
        if Path(name).is_file():
            return fingerprint(name)["sha256"]
        return mark_of(self.other_data(name, option=section)[1].labels()) if Path(name).is_dir() else ""

    @cached_property
    def data_mark(self) -> str:
        """A fingerprint of the real images: ids and labels, and how they are rendered or the file that names them."""
        digest, source = hashlib.sha256(mark_of(self.labels).encode()), Path(self.config.data.source)
        if isinstance(self.dataset, Portraits | Scenes):
            digest.update(f"{self.dataset.source} {self.dataset.settings}".encode())
        elif self.given_data is None and source.is_file():
            digest.update(fingerprint(source)["sha256"].encode())
        return digest.hexdigest()

    @cached_property
    def generator_mark(self) -> str:
        """A fingerprint of what the generator makes: the file of its weights and how it is opened.

        A callable has no file, nor has a generator that is given; they are known by how some of their images look. On
        another kind of device, whose convolutions may round further up than the last bit, these may look otherwise.
        """
        generator, file, opened = self.generator, None, dict[str, Any]()
        if self.given_generator is None and self.config.generator is not None:
            file, opened = weights_of(self.config.generator), self.config.to_dict()["generator"]
            del opened["device"]
        if file is not None:
            opened["source"] = fingerprint(file)["sha256"]  # wherever it lies
        known = [generator.name, generator.latent_dim, generator.size, f"{self.config.pairs.noise:g}", opened]
        digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode())
        if file is None or opened["mapping"] is not None:  # a mapping may be a callable beside the file
            digest.update(look(generator).tobytes())
        return digest.hexdigest()


def file_name(name: str) -> str:
    """A name as a folder may have it: another one for each name, and none that a step has for itself.

    >>> file_name("Wearing_Hat"), file_name("age>30"), file_name("age<30")
    ('Wearing_Hat', 'age_30-725d19', 'age_30-fd9d25')
    """
    plain = re.sub(r"[^\w+-]", "_", name)
    if plain == name and name not in _OF_STEPS and not name.startswith(("judged-", "scores-", "sifted-")):
        return name
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _require_splits(table: LabelTable) -> None:
    for split in SPLITS:
        if not len(table.split(split)):
            expected, do = "train, val and test images", "correct the splits"
            raise InputError(complaint(table.source, "", expected=expected, found=f"no {split}", do=do))


def mark_of(table: LabelTable) -> str:
    """A fingerprint of a table's ids, labels, groups and splits."""
    digest = hashlib.sha256("\n".join((*table.target_names, *table.group_names)).encode())
    digest.update("\n".join(table.ids.tolist()).encode())
    splits = np.full(len(table), "") if table.splits is None else table.splits
    digest.update("\n".join(splits.tolist()).encode())
    digest.update(np.ascontiguousarray(table.groups, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(table.targets, dtype=np.int64).tobytes())
    return digest.hexdigest()
