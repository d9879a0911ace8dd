"""Audit: how much labels give away about a protected attribute, how much a model does, and how much of that is its own.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.base.errors import InputError
from steelyard.jobs.audit_labels import (
    Findings,
    corruption_for,
    headline_plan,
    label_counts,
    label_p_value,
    measure_curve,
    measure_labels,
)
from steelyard.jobs.audit_model import (
    MODEL_FIGURES,
    ModelSide,
    measure_model,
    model_curve,
    model_p_values,
    model_side,
)
from steelyard.jobs.audit_notes import notes_on
from steelyard.jobs.audit_options import AuditOptions, check_options
from steelyard.jobs.audit_predictability import measure_predictability
from steelyard.jobs.audit_preset import check_preset, preset_labels, preset_model
from steelyard.jobs.audit_quality import label_rows, measure_amplification
from steelyard.jobs.decisions import Decided, decide
from steelyard.jobs.progress import Progress, silent
from steelyard.reports import AuditReport
from steelyard.reports.provenance import provenance
from steelyard.tables import Joined, LabelTable, join, read_labels, read_predictions
from steelyard.tables.prediction_table import PredictionTable, ScoreKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of labels and predictions.

    Attributes:
        kind: what the scores are; None reads it from Parquet metadata.
        target: column of the categories (single-label).
        targets: names or globs of the 0/1 columns (multi-label); None takes every other 0/1 column.
        id_column: column that joins both tables.
        split_column: column of train / val / test.
        predictions_id: column of ids in the predictions; default: the name it has in the labels.
    """

    kind: ScoreKind | None = None
    target: str | None = None
    targets: str | Sequence[str] | None = None
    id_column: str | None = None
    split_column: str | None = None
    predictions_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources(Columns):
    """What to audit: the tables and the columns in them.

    Attributes:
        labels: path or data frame of labels.
        predictions: path or data frame of a model's output, or None.
        protected: column of the protected attribute.
        predicted_protected: column of the predictions that holds the group the model predicts.
    """

    labels: Any
    protected: str
    predictions: Any = None
    predicted_protected: str | None = None

    def __post_init__(self) -> None:
        """Refuse what only predictions could heed.

        Raises:
            InputError: there are none.
        """
        for option, value in (("--kind", self.kind), ("--predicted-protected", self.predicted_protected)):
            if value is not None and self.predictions is None:
                raise InputError(f"{option} {value}: speaks of predictions, and there are none; add --predictions FILE")
        paths = [Path(source) for source in (self.labels, self.predictions) if isinstance(source, str | Path)]
        if len(paths) == 2 and paths[0].resolve() == paths[1].resolve():
            raise InputError(
                f"--predictions {paths[1]}: is the file of the labels too, so that labels would pass for predictions; "
                "put the model's output into a file of its own, its columns named like the targets"
            )

    def read_labels(self) -> LabelTable:
        """The label table."""
        return read_labels(
            self.labels,
            protected=self.protected,
            target=self.target,
            targets=self.targets,
            id_column=self.id_column,
            split_column=self.split_column,
        )

    def read_predictions(self, labels: LabelTable) -> PredictionTable | None:
        """The predictions, or None; the split column, where there is one, bears the labels' name."""
        if self.predictions is None:
            return None
        return read_predictions(
            self.predictions,
            labels=labels,
            kind=self.kind,
            id_column=self.predictions_id,
            predicted_protected=self.predicted_protected,
        )

    def files(self) -> list[Path]:
        """The files among the tables, for their fingerprints."""
        return [Path(source) for source in (self.labels, self.predictions) if isinstance(source, str | Path)]


def run_audit(
    sources: Sources,
    options: AuditOptions,
    *,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.audit",
) -> AuditReport:
    """Audit tables.

    Args:
        sources: the tables and their columns.
        options: how to measure.
        progress: told of each stage.
        command: what was run, for the provenance.

    Raises:
        InputError: a file, column, row or option is not what it must be.
        MissingExtraError: an attacker needs PyTorch.
    """
    start = time.monotonic()
    labels = sources.read_labels()
    predictions = sources.read_predictions(labels)
    joined = None if predictions is None else join(labels, predictions)
    report = audit_tables(labels, joined, options, progress=progress)
    unused = () if predictions is None else predictions.ignored
    data = {**report.data, "ignored": [*report.data["ignored"], *(f"{name} (predictions)" for name in unused)]}
    made = provenance(seed=options.seed, inputs=sources.files(), command=command, duration_s=time.monotonic() - start)
    return replace(report, data=data, provenance=made)


def audit_tables(
    labels: LabelTable, joined: Joined | None, options: AuditOptions, *, progress: Progress = silent
) -> AuditReport:
    """Audit a label table, and a model's output beside it where given; see `run_audit`."""
    check_options(options, labels.kind, None if joined is None else joined.kind)
    if options.preset:
        check_preset(labels, options.preset)
    found = Findings()
    decided = None if joined is None else decide(joined, options.threshold)
    side = None if joined is None or decided is None else _audited_side(labels, joined, decided, options, found)
    plan = headline_plan(labels, options)
    if options.preset:
        progress(f"dataset leakage by {options.preset}")
        preset_labels(labels, options, found, model_f1=None if side is None else side.f1)
    else:
        progress(f"dataset leakage ({options.rounds} rounds)")
        measure_labels(labels, plan, options, found, information=side is None)
    if options.permutations:
        progress(f"p-value of the labels ({options.permutations} permutations)")
    label_p_value(labels, plan, options, found)
    if side is None:
        for name in MODEL_FIGURES:
            found.omit(name, "no predictions were given: --predictions FILE --kind KIND")
        if options.wants_curve and not options.preset:
            progress("the curve of leakage over F1")
            measure_curve(labels, plan, corruption_for(labels, plan.scored, options), options, found)
    else:
        assert joined is not None
        assert decided is not None
        _measure_side(side, joined, decided, options, found, progress)
    progress("figures per label")
    audited = labels.take(plan.scored) if side is None else side.joined.labels
    rows = label_rows(audited, options, found, side)
    return AuditReport(
        estimates=tuple(found.estimates),
        curve=tuple(found.curve),
        per_label=tuple(rows),
        omitted=tuple(found.omitted),
        data=_data(labels, audited, joined, decided),
        notes=tuple(found.notes),
    )


def _audited_side(
    labels: LabelTable, joined: Joined, decided: Decided, options: AuditOptions, found: Findings
) -> ModelSide:
    """The part of the predictions that is audited: test, else val, else everything."""
    splits = joined.labels.splits
    name = "all"
    rows = np.arange(len(joined))
    if splits is not None:
        name = next(split for split in ("test", "val", "train") if (splits == split).any())
        rows = np.flatnonzero(splits == name)
    if name == "train":
        found.notes.append(
            "The predictions cover training images only: a model says more about images that it was trained on."
        )
    if name == "val" and options.threshold != "0.5":
        found.notes.append(
            "The predictions cover no test images: thresholds were fitted on the very images that are audited, "
            "so decisions look better than they are."
        )
    part = replace(
        joined,
        labels=joined.labels.take(rows),
        scores=joined.scores[rows],
        predicted_groups=None if joined.predicted_groups is None else joined.predicted_groups[rows],
    )
    cut = replace(decided, matrix=decided.matrix[rows], codes=None if decided.codes is None else decided.codes[rows])
    found.notes += notes_on(labels, part, cut, name)
    train = None if labels.splits is None else labels.split("train")
    if train is None or not len(train):
        train = None
        found.notes.append("There are no training rows: amplification takes its direction from the audited labels.")
    where = "all images" if name == "all" else f"the {name} split"
    return model_side(part, cut, train, where, options)


def _measure_side(
    side: ModelSide,
    joined: Joined,
    decided: Decided,
    options: AuditOptions,
    found: Findings,
    progress: Progress,
) -> None:
    if options.preset:
        progress(f"model leakage by {options.preset}")
        preset_model(joined, decided, options, found)
    progress(f"model leakage and amplification ({options.rounds} rounds × {options.folds} folds)")
    measure_model(side, options, found, leak=not options.preset)
    if options.wants_curve and not options.preset:
        progress("the curve of leakage over F1")
        model_curve(side, options, found)
    if options.permutations:
        progress(f"p-values of the predictions ({options.permutations} permutations)")
    model_p_values(side, options, found)
    progress("directional predictability")
    measure_predictability(side, options, found)
    progress(f"amplification by counts ({options.bootstrap} bootstrap rounds)")
    measure_amplification(side, options, found)


def _one_split(labels: LabelTable) -> str:
    """The split that all rows are of; `all` without splits, or where there are several."""
    names = set() if labels.splits is None else set(labels.splits.tolist())
    return names.pop() if len(names) == 1 else "all"


def _data(labels: LabelTable, audited: LabelTable, joined: Joined | None, decided: Decided | None) -> dict[str, Any]:
    """What the figures were measured on."""
    balance = [
        "Attackers are fitted on as many images of each group (the smallest group decides); groups weigh the same."
    ]
    if joined is not None and joined.labels.kind == "single":
        balance.append("Single-label targets: F1 is macro over the categories, one against the rest.")
    if decided is not None and decided.without_threshold:
        names = ", ".join(decided.without_threshold)
        balance.append(f"No threshold could be fitted for {names} (no validation positives); 0.5 stands in.")
    return {
        "protected": labels.protected,
        "groups": list(labels.group_names),
        "kind": labels.kind,
        "target": labels.target_column,
        "targets": len(labels.target_names),
        "counts": label_counts(labels),
        "audited": len(audited),
        "per_label_split": _one_split(audited),
        "sources": [Path(table.source).name for table in (labels, joined) if table is not None],
        "ignored": list(labels.ignored),
        "threshold": "" if decided is None else decided.rule,
        "balance": balance,
    }
