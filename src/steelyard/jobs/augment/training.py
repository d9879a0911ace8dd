"""One training run of a step, as the ordinary engine makes it; gone on with where it was stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from steelyard.base.errors import UndefinedError
from steelyard.datasets.dataset import Dataset
from steelyard.jobs.augment.work import Work
from steelyard.jobs.data_section import DataSection
from steelyard.jobs.run_folder import CONFIG, kept_config, kept_task
from steelyard.jobs.run_parts import restored
from steelyard.jobs.run_tables import LABELS, PREDICTIONS, run_tables
from steelyard.jobs.train import run_training
from steelyard.jobs.training_config import TrainingConfig
from steelyard.latent.annotation import Scorer
from steelyard.metrics.thresholds import f1_optimal_threshold
from steelyard.models.options import ModelOptions
from steelyard.reports.records import write_text
from steelyard.tables import LabelTable, PredictionTable, join
from steelyard.training.objective import Batch
from steelyard.training.options import TrainingOptions
from steelyard.training.transforms import TransformOptions

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_FINISHED = "finished"


def train_once(
    work: Work,
    folder: Path,
    dataset: Dataset,
    *,
    data: DataSection | None = None,
    model: ModelOptions | None = None,
    training: TrainingOptions | None = None,
    objective: tuple[str, Any] | None = None,
    workers: int | None = None,
) -> tuple[Path, ...]:
    """Train a network in this folder, or go on with what lies there; nothing is done where it is finished.

    Args:
        work: says model, loss and training where the other arguments do not.
        folder: of the run.
        dataset: with splits.
        data: where the images come from, for the run's own record; None as configured.
        model: another network.
        training: other options.
        objective: name and options of another objective.
        workers: processes that decode; None as configured.

    Returns:
        The run's labels and predictions.

    Raises:
        InputError: as `run_training`.
    """
    config = work.config
    name, options = objective or ("task", config.task)
    section = replace(data or config.data, subset=None)
    section = section if workers is None else replace(section, workers=workers)
    run = TrainingConfig(
        data=section,
        model=model or config.model,
        objective=options,
        objective_name=name,
        training=training or config.training,
        out=str(folder),
        seed=(training or config.training).seed,
    )
    if not (folder / _FINISHED).exists():
        work.progress(f"training {folder.relative_to(work.folder)}")
        resume = (folder / CONFIG).exists()
        run_training(run, resume=resume, dataset=dataset, quiet=work.quiet, command=work.command)
        write_text(folder / _FINISHED, "")
    return folder / LABELS, folder / PREDICTIONS


def scorer_of(fabric: "Fabric", run: Path, size: tuple[int, int] | None, *, names: Sequence[str] = ()) -> Scorer:
    """A run's best network as what scores generated images.

    Args:
        fabric: launched.
        run: its folder.
        size: height and width that the run's images had before its own resize and crop; None for any.
        names: what to call its targets, in their order; empty for their own names.

    Raises:
        InputError: there is no such run, or it is damaged.
    """
    config, task = kept_config(run), kept_task(run)
    section = config.data
    transform = TransformOptions(resize=section.resize, crop=section.crop, flip=section.flip, shift=section.shift)
    side = section.crop or section.resize or (size or (64, 64))[0]
    network, objective = restored(fabric, config, task, run, "best", size=(side, side))
    network.to(memory_format=torch.channels_last).eval()

    def score(images: Tensor) -> Tensor:
        n = len(images)
        batch = Batch(
            images=images.to(fabric.device, memory_format=torch.channels_last),
            targets=torch.zeros(n, len(task.target_names), device=fabric.device),
            groups=torch.zeros(n, dtype=torch.int64, device=fabric.device),
            rows=torch.arange(n, device=fabric.device),
        )
        with torch.no_grad(), fabric.autocast():
            return objective.evaluate(network, batch).float()

    return Scorer(tuple(names) or task.target_names, transform, score, size)


def thresholds_of(run: Path, places: Mapping[str, int]) -> dict[str, float]:
    """Attribute → the threshold with the best F1 on the run's validation images.

    Args:
        run: its folder.
        places: attribute → number of the run's target.

    Raises:
        UndefinedError: no validation image has the attribute.
    """
    labels, scores = scores_in(run, "val")
    found = {}
    for name, at in places.items():
        truth = labels.matrix()[:, at]
        if not truth.any():
            raise UndefinedError(
                f"{run}: attribute {labels.target_names[at]}: expected validation images with it, for a threshold, "
                f"found none of {len(truth):,}; leave it out"
            )
        found[name] = f1_optimal_threshold(truth, scores[:, at])
    return found


def scores_in(run: Path, split: str) -> tuple[LabelTable, np.ndarray[Any, np.dtype[np.float64]]]:
    """Labels and logits of one split of a run."""
    joined = join(*run_tables(run))
    assert joined.labels.splits is not None
    rows = np.flatnonzero(joined.labels.splits == split)
    return joined.labels.take(rows), joined.scores[rows]


def gathered(runs: Sequence[Path], names: Sequence[str], like: LabelTable) -> PredictionTable:
    """Scores of several runs of the same images, column by column, for the validation and test images of `like`.

    Args:
        runs: each of some of the targets.
        names: of the targets, in the order wanted.
        like: labels of the images, in the order wanted.
    """
    assert like.splits is not None
    rows = np.flatnonzero(like.splits != "train")
    columns: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for run in runs:
        _, predictions = run_tables(run)
        place = {name: at for at, name in enumerate(predictions.ids.tolist())}
        order = np.array([place[name] for name in like.ids[rows].tolist()], dtype=np.int64)
        for at, name in enumerate(predictions.target_names):
            columns[name] = predictions.scores[order, at]
    return PredictionTable(
        ids=like.ids[rows],
        scores=np.stack([columns[name] for name in names], axis=1),
        target_names=tuple(names),
        kind="logits",
        splits=like.splits[rows],
        source=str(runs[0].parent),
    )
