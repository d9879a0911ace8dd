"""Calibrate: the predictions of a corpus, held near the training shares of each label's groups.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.base.drafts import drafts_in
from steelyard.base.errors import InputError
from steelyard.jobs.calibrate_matching import Corpus, corpus, notes_on, require_support, warnings_on
from steelyard.jobs.calibrate_measures import as_matrix, figures_of, label_ratios
from steelyard.jobs.output import check_file
from steelyard.jobs.progress import Progress, silent
from steelyard.mitigation.predictions import Calibration, Decoded, RBAOptions, calibrate, share_constraints
from steelyard.reports.calibration import CalibrationReport, Iteration, Solution
from steelyard.reports.provenance import provenance
from steelyard.tables import (
    LabelTable,
    PotentialTable,
    PredictionTable,
    read_labels,
    read_potentials,
    write_predictions,
)
from steelyard.tables.messages import some_ids
from steelyard.tables.roles import SPLIT_NAMES

CALIBRATED, UNCALIBRATED = "predictions.parquet", "uncalibrated.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """How to calibrate.

    Attributes:
        margin: how far a group's share of a label may lie from its training share, in [0, 1).
        min_support: training images that a label needs to be constrained.
        train_split: `train`, `val` or `test`: rows of the labels that the shares are counted from.
        split: only potentials of this split are calibrated; None takes all.
        bootstrap: rounds of the intervals.
        seed: of the bootstrap.
    """

    margin: float = 0.05
    min_support: int = 100
    train_split: str = "train"
    split: str | None = None
    bootstrap: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every option before anything is read.

        Raises:
            InputError: names the option, what was expected and found.
        """
        if not 0 <= self.margin < 1:
            raise InputError(f"--margin: expected a share from 0 to below 1, found {self.margin}; 0.05 is the paper's")
        for name, least in (("min_support", 1), ("bootstrap", 2), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise InputError(f"--{name.replace('_', '-')}: expected {least} or more, found {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a calibration made.

    Attributes:
        predictions: the calibrated decisions and groups.
        uncalibrated: the best assignment of each image alone, in the same form.
        report: what changed.
    """

    predictions: PredictionTable
    uncalibrated: PredictionTable
    report: CalibrationReport

    def write(self, directory: str | Path) -> None:
        """Write both tables of predictions, `report.json` and `report.html` into a folder that is there.

        Raises:
            InputError: a file cannot be written there; those that are there stay as they are.
        """
        with drafts_in(Path(directory)) as drafts:
            write_predictions(drafts / CALIBRATED, self.predictions)
            write_predictions(drafts / UNCALIBRATED, self.uncalibrated)
            self.report.to_json(drafts / "report.json")
            self.report.to_html(drafts / "report.html")

    def __str__(self) -> str:
        return str(self.report)


def run_calibrate(
    potentials: str | Path | PotentialTable,
    labels: Any,
    *,
    protected: str,
    options: CalibrateOptions,
    target: str | None = None,
    targets: str | Sequence[str] | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.calibrate",
) -> Calibrated:
    """Calibrate the predictions of a corpus.

    Args:
        potentials: file, or table, of any model that predicts targets and group together.
        labels: path or data frame; its training rows give the shares.
        protected: column of the protected attribute.
        options: how to calibrate.
        target: column of the categories, or None.
        targets: names or globs of the 0/1 columns, or None.
        id_column: column of the ids.
        split_column: column of train / val / test.
        progress: told of each stage.
        command: what was run, for the provenance.

    Raises:
        InputError: a file, name or option is not what it must be, or the constraints cannot be met.
    """
    start = time.monotonic()
    table = potentials if isinstance(potentials, PotentialTable) else read_potentials(potentials)
    read = read_labels(
        labels, protected=protected, target=target, targets=targets, id_column=id_column, split_column=split_column
    )
    found = corpus(table, read, train_split=options.train_split, split=options.split)
    require_support(found, options.min_support)
    constraints = share_constraints(
        found.training.targets,
        found.training.groups,
        k=len(read.group_names),
        names=read.target_names,
        margin=options.margin,
        min_support=options.min_support,
    )
    progress(f"calibrating {len(found.potentials):,} images, {len(constraints):,} constrained labels")
    result = calibrate(
        found.potentials.potentials,
        found.potentials.group_scores,
        constraints,
        names=read.target_names,
        group_names=read.group_names,
        options=RBAOptions(),
    )
    warnings = tuple(warnings_on(found, read, options.train_split))
    notes = (*notes_on(found, read, warned=bool(warnings)), *_never(found, result))
    progress(f"before and after ({options.bootstrap} bootstrap rounds)")
    sides = (result.before, result.after)
    figures, omitted = figures_of(found, constraints, sides, bootstrap=options.bootstrap, seed=options.seed)
    files = [Path(given) for given in (potentials, labels) if isinstance(given, str | Path)]
    report = CalibrationReport(
        margin=options.margin,
        min_support=options.min_support,
        figures=tuple(figures),
        labels=label_ratios(found, constraints, sides),
        solution=_solution(result),
        omitted=tuple(omitted),
        data=_data(found, read, options),
        warnings=warnings,
        notes=notes,
        provenance=provenance(seed=options.seed, inputs=files, command=command, duration_s=time.monotonic() - start),
    )
    return Calibrated(
        predictions=_predictions(found, result.after), uncalibrated=_predictions(found, result.before), report=report
    )


def _solution(result: Calibration) -> Solution:
    """How the assignment was found, in the report's own form."""
    return Solution(
        rounds=len(result.rounds),
        objective_before=result.objective_before,
        objective_after=result.objective_after,
        baseline=result.baseline,
        dual_bound=result.dual_bound,
        distance=result.distance,
        gap=result.gap,
        finish=result.finish,
        images_changed=result.changed,
        groups_changed=int((result.before.groups != result.after.groups).sum()),
        repaired=result.repaired,
        iterations=tuple(
            Iteration(objective=each.objective, dual=each.dual, violated=each.violated) for each in result.rounds
        ),
    )


def _never(found: Corpus, result: Calibration) -> Iterable[str]:
    """A note where images take what their scores rule out."""
    if len(result.beyond):
        ids = found.potentials.ids
        yield (
            f"{len(result.beyond):,} of {len(ids):,} images ({some_ids(ids[result.beyond])}) take a group or label "
            f"that their scores put more than {result.ceiling:.3g} below the best: without that no assignment was "
            "found that meets the constraints. In sums of scores it counts as that much."
        )


def _predictions(found: Corpus, decoded: Decoded) -> PredictionTable:
    table = found.potentials
    return PredictionTable(
        ids=table.ids,
        scores=as_matrix(decoded, len(table.target_names)).astype(np.float64),
        target_names=table.target_names,
        kind="decisions",
        predicted_groups=np.asarray(table.group_names)[decoded.groups],
        source=table.source,
    )


def _data(found: Corpus, labels: LabelTable, options: CalibrateOptions) -> dict[str, Any]:
    """What the figures were measured on."""
    counts = np.bincount(found.training.groups, minlength=len(labels.group_names)).tolist()
    return {
        "protected": labels.protected,
        "groups": list(labels.group_names),
        "kind": labels.kind,
        "target": labels.target_column,
        "targets": len(labels.target_names),
        "images": len(found.potentials),
        "labelled": len(found.known),
        "split": "" if options.split is None else SPLIT_NAMES[options.split.lower()],
        "training": dict(zip(labels.group_names, counts, strict=True)),
        "training_rows": found.training_rows,
        "sources": [Path(table.source).name for table in (found.potentials, labels)],
        "ignored": list(labels.ignored),
    }


def check_outputs(folder: Path, inputs: tuple[Any, ...]) -> None:
    """See that no input would be replaced by what is written into the folder.

    Raises:
        InputError: one would be.
    """
    for name in (CALIBRATED, UNCALIBRATED, "report.json", "report.html"):
        check_file(folder / name, inputs=inputs)
