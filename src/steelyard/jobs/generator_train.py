"""Train a generator: a configuration in; a run folder out, with the generator, its checkpoints, log and samples.

`config.yaml`, `provenance.json`, `generator.safetensors` (as of the last checkpoint), `checkpoints/`, `metrics.jsonl`,
`tensorboard/`, `samples/` (grids of the same latents as training goes on).
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.catalog import open_dataset
from steelyard.datasets.dataset import Dataset, rows_of
from steelyard.jobs.generator_config import (
    GeneratorConfig,
    GeneratorData,
    read_generator_config,
    require_same_generator,
)
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_folder import CONFIG, PROVENANCE, new_run
from steelyard.latent.progressive_images import GrowingImages, read_squares
from steelyard.latent.progressive_training import WEIGHTS, train_progressive
from steelyard.models.progressive import side_of
from steelyard.reports.provenance import provenance
from steelyard.reports.records import dump_json, write_text
from steelyard.training.display import on_stderr
from steelyard.training.launching import launch
from steelyard.training.transforms import Pixels

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_PACKAGES = ("torch", "lightning", "safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedGenerator:
    """A run that is complete.

    Attributes:
        folder: of the run.
        steps: of training.
        images: real images that it learned from.
    """

    folder: Path
    steps: int
    images: int

    @property
    def weights(self) -> Path:
        """The generator's file."""
        return self.folder / WEIGHTS

    def __str__(self) -> str:
        size = self.weights.stat().st_size / 1e6
        return f"The generator: {self.weights} ({size:.1f} MB), {self.steps:,} steps on {self.images:,} images"


def config_to_resume(run: Path, file: str | None, typed: Mapping[str, Any]) -> GeneratorConfig:
    """The configuration that a run goes on with: its own, with changes only of where the work is done.

    Raises:
        InputError: this is no generator's run folder, or an option that decides the result differs.
    """
    path = run / CONFIG
    if not path.is_file():
        found = "no such folder" if not run.is_dir() else f"none with a {CONFIG}"
        do = "name what steelyard generator train wrote"
        raise InputError(f"{run}: expected the folder of a generator's run, found {found}; {do}")
    kept = read_generator_config(path)
    now = read_generator_config(path if file is None else file, {**typed, "out": str(run)})
    require_same_generator(kept, now, run)
    return now


def run_generator_training(
    config: GeneratorConfig,
    *,
    resume: bool = False,
    dataset: Dataset | None = None,
    quiet: bool = True,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.train_generator",
) -> TrainedGenerator | None:
    """Train a generator.

    Args:
        config: of the run; its folder is `config.out`.
        resume: go on with the run in this folder; nothing is trained where it is complete.
        dataset: opened already; None opens what the configuration names.
        quiet: no bar of images and time left on stderr.
        progress: told of each stage.
        command: what was run, for the provenance.

    Returns:
        The run; None in every process but the first, where torchrun or SLURM has started several.

    Raises:
        InputError: data, options or folder are not what they must be, or the disk is full.
    """
    work = partial(
        _train, config=config, resume=resume, dataset=dataset, quiet=quiet, progress=progress, command=command
    )
    return launch(config.training.engine(), work)


def real_images(config: GeneratorConfig, dataset: Dataset | None = None) -> tuple[Pixels, NDArray[np.uint8] | None]:
    """`[n, side, side, 3]`: the images that the generator learns from, at its last size; with a guide, their labels.

    Raises:
        InputError: the data set or an image is not what it must be.
    """
    data = config.data
    if dataset is None:
        dataset = open_dataset(data.name, data.source, data.options())
    table = rows_of(dataset.labels(), data.split)
    table = table if data.limit is None else table.take(np.arange(min(data.limit, len(table))))
    side, labels = side_of(len(config.training.depths) - 1), None
    if config.training.guide:
        if data.on_bad_image != "raise":
            raise InputError(
                "data.on_bad_image: expected raise with training.guide, as labels go with images, found skip"
            )
        groups = table.groups[:, None] == np.arange(
            1, len(table.group_names)
        )  # the first group is neither of the others
        labels = np.concatenate([table.matrix(), groups], axis=1).astype(np.uint8)
    return read_squares(dataset, table, side, on_bad_image=data.on_bad_image), labels


def _train(
    fabric: "Fabric",
    *,
    config: GeneratorConfig,
    resume: bool,
    dataset: Dataset | None,
    quiet: bool,
    progress: Progress,
    command: str | Sequence[str],
) -> TrainedGenerator | None:
    """What each process of a run does."""
    start, folder, first = time.monotonic(), Path(config.out), fabric.is_global_zero
    if not first:
        progress = silent
    with new_run(folder, config.to_yaml()) if first and not resume else nullcontext():
        progress("reading images")
        images, labels = real_images(config, dataset)
        progress(f"training on {len(images):,} images of {images.shape[1]} px")
        real = GrowingImages(images, seed=config.training.seed, flip=config.training.flip, labels=labels)
        with on_stderr(quiet=quiet or not first) as display:
            index = train_progressive(
                fabric,
                real,
                config.training,
                folder,
                trained_on=_named(config.data, len(images), guide=config.training.guide > 0),
                go_on=resume,
                display=display,
            )
    if not first:
        return None
    duration = time.monotonic() - start
    record = provenance(seed=config.seed, inputs=[folder / CONFIG], command=command, duration_s=duration)
    record["versions"] |= {package: version(package) for package in _PACKAGES}
    record["images"] = len(images)
    write_text(folder / PROVENANCE, dump_json(record))
    return TrainedGenerator(folder=folder, steps=index.step, images=len(images))


def _named(data: GeneratorData, images: int, *, guide: bool) -> str:
    guided = ", guided by their labels" if guide else ""
    return f"{images:,} {data.split} images of {data.name or data.source}{guided}"
