"""The parts of a training run, built as its configuration says: images, network, objective, batches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from steelyard.base.errors import InputError, first_few
from steelyard.datasets.dataset import SPLITS, Dataset
from steelyard.jobs.data_section import counted_labels, open_section
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_pixels import open_pixels
from steelyard.jobs.run_tables import Predicted
from steelyard.jobs.training_config import TrainingConfig
from steelyard.mitigation.objectives import build_objective
from steelyard.models.catalog import build_network
from steelyard.models.crf import crf_for
from steelyard.models.network import Network
from steelyard.tables import LabelTable, PotentialTable
from steelyard.tables.label_table import Split
from steelyard.tables.messages import complaint
from steelyard.tables.prediction_table import PredictionTable
from steelyard.training.batches import Batches
from steelyard.training.checkpoints import Which, read_checkpoint, restore_network
from steelyard.training.evaluation import Scores
from steelyard.training.images import Images, PixelChange
from steelyard.training.objective import Objective, Sampling, Task
from steelyard.training.transforms import TransformOptions

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True)
class RunData:
    """The images of a run.

    Attributes:
        config: of the run.
        dataset: has the images.
        labels: of the images that count, all splits.
        pixels: what is taken from each image, or None.
    """

    config: TrainingConfig
    dataset: Dataset
    labels: LabelTable
    pixels: PixelChange | None

    @cached_property
    def parts(self) -> Mapping[Split, Images]:
        """Split → its images, for the splits that have any."""
        section = self.config.data
        found: dict[Split, Images] = {}
        for split in SPLITS:
            table = self.labels.split(split)
            if len(table):
                found[split] = Images(
                    self.dataset,
                    table,
                    pixels=self.pixels,
                    on_bad_image=section.on_bad_image,
                    cache=section.cache,
                )
        return found

    @property
    def transform(self) -> TransformOptions:
        """How images are brought to one size."""
        section = self.config.data
        return TransformOptions(resize=section.resize, crop=section.crop, flip=section.flip, shift=section.shift)

    @cached_property
    def task(self) -> Task:
        """What is learned from the training images."""
        table = self.labels.split("train")
        truth = table.matrix()
        return Task(
            kind=table.kind,
            target_names=table.target_names,
            group_names=table.group_names,
            positives=torch.from_numpy(truth.sum(axis=0).astype(np.float32)),
            group_sizes=torch.from_numpy(
                np.bincount(table.groups, minlength=len(table.group_names)).astype(np.float32)
            ),
            images=len(table),
        )

    def training(self, sampling: Sampling, fabric: "Fabric") -> Batches:
        """The training batches of this process."""
        section = self.config.data
        return Batches(
            self.parts["train"],
            self.transform,
            batch_size=section.batch_size,
            train=True,
            seed=self.config.seed,
            sampling=sampling,
            workers=section.workers,
            rank=fabric.global_rank,
            world=fabric.world_size,
            pin_memory=fabric.device.type == "cuda",
        )

    def evaluation(self, split: Split, fabric: "Fabric") -> Batches:
        """Every image of a split once, this process's share.

        Raises:
            InputError: the split has no image.
        """
        if split not in self.parts:
            there = ", ".join(self.parts)
            raise InputError(f"split {split}: expected one with images ({there}), found none; name one of these")
        section = self.config.data
        return Batches(
            self.parts[split],
            self.transform,
            batch_size=section.batch_size,
            train=False,
            seed=self.config.seed,
            workers=section.workers,
            rank=fabric.global_rank,
            world=fabric.world_size,
            pin_memory=fabric.device.type == "cuda",
        )


def open_data(
    config: TrainingConfig, *, dataset: Dataset | None = None, anywhere: bool = False, progress: Progress = silent
) -> RunData:
    """The images of a run.

    Args:
        config: of the run.
        dataset: opened already; None opens what the configuration names.
        anywhere: nothing is trained on them: they need no training images.
        progress: told of each stage.

    Raises:
        InputError: the data set, the subset or the change of pixels is not what it must be.
        UndefinedError: nothing can be kept under `data.alpha`.
    """
    progress("reading labels")
    opened = open_section(config.data) if dataset is None else dataset
    labels = counted_labels(config.data, opened, seed=config.seed, anywhere=anywhere)
    return RunData(config, opened, labels, open_pixels(config.data, opened, progress))


def require_splits(data: RunData) -> None:
    """See that the splits that the run is watched on and ends by auditing have images, before hours are spent.

    Raises:
        InputError: one has none.
    """
    data.config.training.require_monitored(validation="val" in data.parts)
    audit = data.config.audit
    if audit is not None and audit.split not in data.parts:
        found, do = f"{audit.split} without any", "name one of these, or leave the audit out with --no-audit"
        expected = f"a split with images ({', '.join(data.parts)})"
        raise InputError(complaint("--audit.split", "", expected=expected, found=found, do=do))


def make_objective(config: TrainingConfig) -> Objective:
    """The objective, not set up."""
    return build_objective(config.objective_name, config.objective)


def make_network(config: TrainingConfig, task: Task, objective: Objective) -> Network:
    """The network with its first weights: the model's, or those of the best checkpoint of the run to start from.

    Raises:
        InputError: weights that are not there or of another model.
        MissingExtraError: the model needs a package.
    """
    first = config.model if config.start_from is None else replace(config.model, weights=None)
    network = build_network(first, outputs=objective.outputs(task), seed=config.seed)
    if config.start_from is not None:
        best = read_checkpoint(Path(config.start_from), "best")
        restore_network(network, best, model=model_name(config))
    return network


def model_name(config: TrainingConfig) -> str:
    """What checkpoints say of their model."""
    return config.model.describe()["model"]


def restored(
    fabric: "Fabric", config: TrainingConfig, task: Task, run: Path, which: Which, *, size: tuple[int, int]
) -> tuple[Network, Objective]:
    """The network and the objective of a run as a checkpoint has them, on fabric's device.

    Args:
        fabric: launched.
        config: of the run.
        task: that it learned.
        run: its folder.
        which: the checkpoint.
        size: height and width of the images.

    Raises:
        InputError: there is no such checkpoint, it is damaged or of another model.
    """
    checkpoint = read_checkpoint(run, which)
    objective = make_objective(config)
    network = build_network(replace(config.model, weights=None), outputs=objective.outputs(task), seed=config.seed)
    restore_network(network, checkpoint, model=model_name(config))
    fabric.to_device(network)
    objective.setup(fabric, network, task, size)
    objective.load_state_dict(checkpoint.state["objective"])
    return network, objective


def unread(data: RunData, scores: Mapping[Split, Scores]) -> tuple[str, ...]:
    """What to say of images that are not among the scores, as they could not be read; a line for each split.

    Args:
        data: of the run.
        scores: by split; their rows are rows of that split.
    """
    notes = []
    for split in (name for name in SPLITS if name in scores):
        ids = data.parts[split].table.ids
        lost = np.setdiff1d(np.arange(len(ids)), scores[split].rows)
        if len(lost):
            said = f"{len(lost):,} of {len(ids):,} {split} images could not be read and are left out"
            notes.append(f"{said} ({first_few(ids[lost])})")
    return tuple(notes)


def tables_of(labels: LabelTable, scores: Mapping[Split, Scores], source: Path) -> Predicted:
    """The tables of the images that were predicted, in the same order.

    Args:
        labels: of the images that count.
        scores: by split; their rows are rows of that split.
        source: where the predictions will lie, for messages.
    """
    assert labels.splits is not None
    order = [split for split in SPLITS if split in scores]
    rows = [np.flatnonzero(labels.splits == split)[scores[split].rows] for split in order]
    part = labels.take(np.concatenate(rows))
    predictions = PredictionTable(
        ids=part.ids,
        scores=np.concatenate([scores[split].scores for split in order]).astype(np.float64),
        target_names=part.target_names,
        kind="logits",
        splits=part.splits,
        source=str(source),
    )
    outputs = [made for split in order if (made := scores[split].outputs) is not None]
    if not outputs:
        return Predicted(labels=part, predictions=predictions)
    return _decoded(part, predictions, torch.from_numpy(np.concatenate(outputs)))


def _decoded(labels: LabelTable, predictions: PredictionTable, outputs: torch.Tensor) -> Predicted:
    """The tables, with what a head that scores targets and group together says besides.

    Args:
        labels: of the images.
        predictions: without groups.
        outputs: `[n, o]` of the head.
    """
    t = len(labels.target_names)
    crf = crf_for(labels.kind, t, len(labels.group_names))
    pairs, scores = crf.potentials(outputs)
    # Sums of single-precision numbers tie where the numbers do not.
    targets, groups = (found.numpy() for found in crf.decode(outputs.double()))
    decided = targets if labels.kind == "multi" else np.eye(t)[targets]
    predictions = replace(predictions, predicted_groups=np.asarray(labels.group_names)[groups])
    return Predicted(
        labels=labels,
        predictions=predictions,
        decisions=replace(predictions, scores=decided.astype(np.float64), kind="decisions"),
        potentials=PotentialTable(
            ids=labels.ids,
            potentials=pairs.numpy(),
            group_names=labels.group_names,
            target_names=labels.target_names,
            kind=labels.kind,
            group_scores=None if scores is None else scores.numpy(),
        ),
    )
