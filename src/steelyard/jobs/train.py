"""Train: a configuration in; a run folder out, with the best checkpoint's predictions, labels and audit."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.base.errors import first_few
from steelyard.datasets.dataset import Dataset
from steelyard.jobs.audit import audit_tables
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_folder import AUDIT, SUBSET, new_run, with_kept_subset, write_provenance
from steelyard.jobs.run_parts import (
    RunData,
    make_network,
    make_objective,
    model_name,
    open_data,
    require_splits,
    restored,
    tables_of,
    unread,
)
from steelyard.jobs.run_tables import DECISIONS, LABELS, POTENTIALS, PREDICTIONS
from steelyard.jobs.training_config import TrainingConfig
from steelyard.reports import AuditReport
from steelyard.reports.provenance import provenance
from steelyard.tables import LabelTable, join, write_labels
from steelyard.tables.label_table import Split
from steelyard.tables.prediction_table import PredictionTable
from steelyard.training.display import on_stderr
from steelyard.training.engine import TrainResult, train
from steelyard.training.evaluation import Scores, predict
from steelyard.training.launching import launch

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun:
    """A run that is complete.

    Attributes:
        folder: of the run.
        result: speed, waiting, the best checkpoint and its quality on the validation images.
        labels: of the images that were predicted, all splits.
        predictions: logits of the best checkpoint, in the same order, and groups where it predicts them.
        report: of the audit; None where there was none.
        notes: images that could not be read, and those of the objective, such as labels without positives.
    """

    folder: Path
    result: TrainResult
    labels: LabelTable
    predictions: PredictionTable
    report: AuditReport | None
    notes: tuple[str, ...] = ()

    @property
    def quality(self) -> float | None:
        """Of the best checkpoint, in [0, 1]: mean average precision (multi-label) or accuracy; None if unknown."""
        return self.result.index.quality

    def __str__(self) -> str:
        measure = "mean average precision" if self.labels.kind == "multi" else "accuracy"
        good = "" if self.quality is None else f"; {measure} on validation images {self.quality:.3f}"
        lines = [] if self.report is None else [str(self.report), ""]
        lines.append(f"The best checkpoint: {self.result.index.best}{good}")
        if self.result.images_per_s:
            lines.append(
                f"Training: {self.result.images_per_s:,.0f} images/s, {100 * self.result.waited:.1f} % of the time "
                f"waiting for data, {self.result.skipped:,} images left out"
            )
        if self.notes:
            lines.append(f"Notes: {first_few(self.notes)}")
        lines.append(f"The run: {self.folder}")
        if self.report is not None:
            lines.append(f"The page: {self.folder / AUDIT / 'report.html'}")
        return "\n".join(lines)


def run_training(
    config: TrainingConfig,
    *,
    resume: bool = False,
    dataset: Dataset | None = None,
    quiet: bool = True,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.train",
) -> TrainedRun | None:
    """Train, keep the best checkpoint, predict all splits with it, and audit the predictions.

    Args:
        config: of the run; its folder is `config.out`.
        resume: go on with the run in this folder; nothing is trained where it is complete.
        dataset: opened already, so that several runs share it; None opens what the configuration names.
        quiet: no bar of images and time left on stderr.
        progress: told of each stage.
        command: what was run, for the provenance.

    Returns:
        The run; None in every process but the first, where torchrun or SLURM has started several.

    Raises:
        InputError: data, network, objective or folder are not what they must be, or the disk is full.
        UndefinedError: nothing can be kept under `data.alpha`.
        MissingExtraError: the model or the pixels need a package.
    """
    start, folder = time.monotonic(), Path(config.out)
    told = with_kept_subset(config, folder) if resume else config
    data = open_data(told, dataset=dataset, progress=progress)
    require_splits(data)
    first = _is_first()
    with new_run(folder, config.to_yaml()) if first and not resume else nullcontext():
        if first:
            write_provenance(folder, config, data.task, data.labels, command=command)
            if config.data.alpha is not None and not resume:
                write_labels(folder / SUBSET, data.labels.split("train"))
        counts = ", ".join(f"{len(images):,} {split}" for split, images in data.parts.items())
        progress(f"training on {counts} images")
        # Bound to the function: Fabric takes arguments apart in search of tensors, and stops at what is frozen.
        outcome = launch(config.training, partial(_train, data=data, folder=folder, resume=resume, quiet=quiet))
    if not first:
        return None
    tables = tables_of(data.labels, outcome.scores, folder / PREDICTIONS)
    tables.write(
        labels=folder / LABELS,
        predictions=folder / PREDICTIONS,
        decisions=folder / DECISIONS,
        potentials=folder / POTENTIALS,
    )
    report = None
    if config.audit is not None:
        split = config.audit.split
        lost = unread(data, {split: outcome.scores[split]})
        report = _audit(config, tables.labels, tables.predictions, folder, progress, command, notes=lost)
    duration = time.monotonic() - start
    notes = (*unread(data, outcome.scores), *outcome.notes)
    write_provenance(folder, config, data.task, data.labels, command=command, duration_s=duration, notes=notes)
    return TrainedRun(
        folder=folder,
        result=outcome.result,
        labels=tables.labels,
        predictions=tables.predictions,
        report=report,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: TrainResult
    scores: Mapping[Split, Scores]
    notes: tuple[str, ...]


def _train(fabric: "Fabric", *, data: RunData, folder: Path, resume: bool, quiet: bool) -> _Outcome:
    """What each process of a run does."""
    if fabric.world_size > 1:  # a subset found against the clock may differ between machines
        data = replace(data, labels=fabric.broadcast(data.labels))
    config, objective = data.config, make_objective(data.config)
    network = make_network(config, data.task, objective)
    batches = data.training(objective.sampling, fabric)
    validation = data.evaluation("val", fabric) if "val" in data.parts else None
    with on_stderr(quiet=quiet or not fabric.is_global_zero) as display:
        result = train(
            fabric,
            network,
            objective,
            data.task,
            batches,
            validation,
            config.training,
            folder,
            size=batches.size,
            model=model_name(config),
            resume=resume,
            display=display,
        )
        batches.close()
        network, objective = restored(fabric, config, data.task, folder, "best", size=batches.size)
        scores = {}
        for split in data.parts:
            display.say(f"predicting the {split} images")
            scores[split] = predict(fabric, network, objective, data.evaluation(split, fabric))
    return _Outcome(result, scores, getattr(objective, "notes", ()))


def _audit(
    config: TrainingConfig,
    labels: LabelTable,
    predictions: PredictionTable,
    folder: Path,
    progress: Progress,
    command: str | Sequence[str],
    *,
    notes: Sequence[str],
) -> AuditReport:
    """The audit of the configured split, written beside the run; training images are left out of the predictions."""
    start = time.monotonic()
    assert config.audit is not None
    assert labels.splits is not None
    wanted = ("val",) if config.audit.split == "val" else ("val", "test")
    rows = np.flatnonzero(np.isin(labels.splits, wanted))
    ids, scores, groups = predictions.ids[rows], predictions.scores[rows], predictions.predicted_groups
    said = None if groups is None else groups[rows]
    part = replace(predictions, ids=ids, scores=scores, splits=labels.splits[rows], predicted_groups=said)
    report = audit_tables(labels, join(labels, part), config.audit, progress=progress)
    files = [folder / LABELS, folder / PREDICTIONS]
    made = provenance(seed=config.audit.seed, inputs=files, command=command, duration_s=time.monotonic() - start)
    report = replace(report, provenance=made, notes=(*notes, *report.notes))
    (folder / AUDIT).mkdir(exist_ok=True)
    report.write(folder / AUDIT)
    return report


def _is_first() -> bool:
    """Whether this is the first of the processes that torchrun or SLURM has started, or the only one."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK")
    ranks = [os.environ[name] for name in names if name in os.environ]
    return not ranks or ranks[0] == "0"
