"""The leakage figures of an audit by the published protocol (`--preset`)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.jobs.audit_labels import (
    NO_POSITIVES,
    Findings,
    corruption_for,
    curve_point,
    levels_above_floor,
    split_rows,
)
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.decisions import Decided
from steelyard.leakage.corruption import macro_f1
from steelyard.leakage.curve import Corruption
from steelyard.leakage.evidence import label_evidence
from steelyard.leakage.extras import require_torch
from steelyard.leakage.mlp_attacker import mlp_input
from steelyard.leakage.plan import check_group_sizes
from steelyard.leakage.presets import (
    ProtocolRuns,
    check_two_groups,
    folded_amplification,
    folded_leakage,
    preset_named,
    run_preset,
)
from steelyard.tables import Joined, LabelTable

Shown = Callable[[int], tuple[NDArray[Any], int | None]]


def check_preset(labels: LabelTable, name: str) -> None:
    """See that the protocol can be run on these labels, before any work.

    Raises:
        InputError: there are more than two groups, or a split or the images of a group in it are missing.
        MissingExtraError: PyTorch is not installed.
    """
    check_two_groups(preset_named(name), len(labels.group_names))
    for split in ("train", "val", "test"):
        rows = split_rows(labels).get(split, np.empty(0, dtype=np.int64))
        if not len(rows):
            raise InputError(
                f"--preset {name}: needs train, val and test rows, and {labels.source} has no {split} rows; "
                "leave --preset out, or give a split column with all three"
            )
        check_group_sizes(labels.groups, rows, labels.group_names, f"the {split} rows of {labels.source}")
    require_torch()


def _run(labels: LabelTable, shown: Shown, options: AuditOptions) -> ProtocolRuns:
    preset, splits = preset_named(options.preset or ""), split_rows(labels)
    k = len(labels.group_names)
    return run_preset(preset, shown, labels.groups, splits, k=k, rounds=options.rounds, seed=options.seed)


def preset_labels(labels: LabelTable, options: AuditOptions, found: Findings, *, model_f1: float | None = None) -> None:
    """Dataset leakage, and the curve where levels are asked for, the model's own F1 among them."""
    evidence = mlp_input(label_evidence(labels.targets, labels.kind, len(labels.target_names)))
    runs = _run(labels, lambda _: evidence, options)
    found.estimates.append(folded_leakage("dataset_leakage", runs, of="labels"))
    if model_f1 is None:
        found.omit("usable_information_labels", "the preset's protocol has no such measure; leave --preset out")
    if not options.wants_curve:
        return
    corruption = _test_corruption(labels, options)
    for level in levels_above_floor(corruption, options.rounds, options, found, model_f1):
        runs = _corrupted_runs(labels, corruption, level, options)
        point = folded_leakage("dataset_leakage_at_f1", runs, of="labels")
        found.curve.append(curve_point(point, level, corruption, options.rounds))


def _test_corruption(labels: LabelTable, options: AuditOptions) -> Corruption:
    return corruption_for(labels, split_rows(labels)["test"], options)


def _corrupted_runs(labels: LabelTable, corruption: Corruption, f1: float, options: AuditOptions) -> ProtocolRuns:
    draw = corruption.at(f1)
    return _run(labels, lambda r: mlp_input(draw(r)), options)


def preset_model(joined: Joined, decided: Decided, options: AuditOptions, found: Findings) -> None:
    """Model leakage on logits and amplification; needs predictions for train, val and test."""
    labels = joined.labels
    missing = [name for name, rows in split_rows(labels).items() if not len(rows)]
    if labels.splits is None or missing:
        reason = (
            "the preset fits its attacker on the model's output for train images, and "
            f"{Path(joined.source).name} covers no {missing[0] if missing else 'split'}; predict on all splits, or "
            "leave --preset out"
        )
    elif joined.kind == "decisions":
        reason = "the preset attacks logits, and the table holds decisions"
    else:
        reason = ""
    if reason:
        for name in ("model_leakage", "dataset_leakage_at_f1", "amplification"):
            found.omit(name, reason)
        return
    test = split_rows(labels)["test"]
    f1 = macro_f1(labels.targets[test], decided.native()[test], len(labels.target_names))
    scores = joined.scores.astype(np.float32)
    model = _run(labels, lambda _: (scores, None), options)
    found.estimates.append(folded_leakage("model_leakage", model, of="scores"))
    corruption = _test_corruption(labels, options)
    if not f1 >= corruption.floor(options.rounds):
        reason = NO_POSITIVES if np.isnan(f1) else f"the model's F1 of {f1:.3f} is below what the channel can reach"
        for name in ("dataset_leakage_at_f1", "amplification"):
            found.omit(name, reason)
        return
    data = _corrupted_runs(labels, corruption, f1, options)
    found.estimates.append(folded_leakage("dataset_leakage_at_f1", data, of="labels"))
    found.estimates.append(folded_amplification(model, data))
