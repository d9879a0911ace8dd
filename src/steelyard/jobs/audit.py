"""Audit: how much labels give away about a protected attribute, how much a model does, and how much of that is its own.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

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
    ModelSide,
    measure_model,
    measure_predictability,
    model_curve,
    model_p_values,
    model_side,
)
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.audit_preset import preset_labels, preset_model
from steelyard.jobs.audit_quality import label_rows, measure_amplification
from steelyard.jobs.decisions import Decided, decide
from steelyard.jobs.progress import Progress, silent
from steelyard.reports import AuditReport
from steelyard.reports.provenance import provenance
from steelyard.tables import Joined, LabelTable, join, read_labels, read_predictions
from steelyard.tables.prediction_table import ScoreKind

_NEEDS_PREDICTIONS = (
    "model_leakage",
    "amplification",
    "conditional_leakage",
    "mean_average_precision",
    "f1_macro",
    "mals_amplification",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to audit: the tables and the columns in them.

    Attributes:
        labels: path or data frame of labels.
        predictions: path or data frame of a model's output, or None.
        protected: column of the protected attribute.
        kind: what the scores are; None reads it from Parquet metadata.
        predicted_protected: column of the predictions that holds the group the model predicts.
        target: column of the categories (single-label).
        targets: names or globs of the 0/1 columns (multi-label); None takes every other 0/1 column.
        id_column: column that joins both tables.
        split_column: column of train / val / test.
    """

    labels: Any
    protected: str
    predictions: Any = None
    kind: ScoreKind | None = None
    predicted_protected: str | None = None
    target: str | None = None
    targets: str | Sequence[str] | None = None
    id_column: str | None = None
    split_column: str | None = None

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

    def read_joined(self, labels: LabelTable) -> Joined | None:
        """The predictions beside their labels, or None; their id and split columns bear the labels' names."""
        if self.predictions is None:
            return None
        predictions = read_predictions(
            self.predictions,
            labels=labels,
            kind=self.kind,
            predicted_protected=self.predicted_protected,
        )
        return join(labels, predictions)

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
    progress("reading the tables")
    labels = sources.read_labels()
    joined = sources.read_joined(labels)
    report = audit_tables(labels, joined, options, progress=progress)
    made = provenance(seed=options.seed, inputs=sources.files(), command=command, duration_s=time.monotonic() - start)
    return replace(report, provenance=made)


def audit_tables(
    labels: LabelTable, joined: Joined | None, options: AuditOptions, *, progress: Progress = silent
) -> AuditReport:
    """Audit a label table, and a model's output beside it where given; see `run_audit`."""
    found = Findings()
    decided = None if joined is None else decide(joined, options.threshold)
    side = None if joined is None or decided is None else _audited_side(labels, joined, decided, options, found)
    plan = headline_plan(labels, options)
    if options.preset:
        progress(f"dataset leakage by {options.preset}")
        preset_labels(labels, options, found)
    else:
        progress(f"dataset leakage ({options.rounds} rounds)")
        measure_labels(labels, plan, options, found, information=side is None)
    progress(f"p-value of the labels ({options.permutations} permutations)")
    label_p_value(labels, plan, options, found)
    wants_curve = bool(options.curve_levels.count or options.curve_levels.exact)
    if side is None:
        for name in _NEEDS_PREDICTIONS:
            found.omit(name, "no predictions were given: --predictions FILE --kind KIND")
        if wants_curve and not options.preset:
            progress("the curve of leakage over F1")
            measure_curve(labels, plan, corruption_for(labels, plan.scored, options), options, found)
    else:
        assert joined is not None
        assert decided is not None
        _measure_side(side, joined, decided, options, found, progress, wants_curve=wants_curve)
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
    part = replace(
        joined,
        labels=joined.labels.take(rows),
        scores=joined.scores[rows],
        predicted_groups=None if joined.predicted_groups is None else joined.predicted_groups[rows],
    )
    cut = replace(decided, matrix=decided.matrix[rows], codes=None if decided.codes is None else decided.codes[rows])
    train = labels.split("train")
    if labels.splits is None or not len(train):
        train = part.labels
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
    *,
    wants_curve: bool,
) -> None:
    if options.preset:
        progress(f"model leakage by {options.preset}")
        preset_model(joined, decided, options, found)
    progress(f"model leakage and amplification ({options.rounds} rounds × {options.folds} folds)")
    measure_model(side, options, found, leak=not options.preset)
    if wants_curve and not options.preset:
        progress("the curve of leakage over F1")
        model_curve(side, options, found)
    progress(f"p-values of the predictions ({options.permutations} permutations)")
    model_p_values(side, options, found)
    progress("directional predictability")
    measure_predictability(side, options, found)
    progress(f"amplification by counts ({options.bootstrap} bootstrap rounds)")
    measure_amplification(side, options, found)


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
        "per_label_split": "all" if audited.splits is None else str(audited.splits[0]),
        "sources": [labels.source] + ([joined.source] if joined is not None else []),
        "ignored": list(labels.ignored),
        "threshold": "" if decided is None else decided.rule,
        "balance": balance,
    }
