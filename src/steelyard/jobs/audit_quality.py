"""Quality, amplification by counts, and everything per label, from one set of resamples of the audited images."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.jobs.audit_labels import Findings
from steelyard.jobs.audit_model import NEEDS_PREDICTED, NEEDS_SCORES, ModelSide
from steelyard.jobs.audit_options import AuditOptions
from steelyard.leakage.evidence import probabilities
from steelyard.leakage.measures import LEVEL, Z
from steelyard.metrics.bootstrap import bootstrap_samples, percentile_interval
from steelyard.metrics.cooccurrence import single_label_leakage_kernel
from steelyard.metrics.counting import Floats, Weights, mean_defined, ratio
from steelyard.metrics.decisions import f1_kernel, f1_micro_kernel
from steelyard.metrics.directional import direction_signs, directional_amplification
from steelyard.metrics.estimating import bias_note, estimate, within_range
from steelyard.metrics.mals import mals_amplification
from steelyard.metrics.multi_attribute import Statistic, multi_attribute_amplification
from steelyard.metrics.panel import label_panel
from steelyard.reports.rows import Interval, LabelRow
from steelyard.tables import LabelTable


def label_rows(
    labels: LabelTable, options: AuditOptions, found: Findings, side: ModelSide | None = None
) -> list[LabelRow]:
    """Counts, shares and measures of every target on the audited images, each with its interval.

    Args:
        labels: the audited rows.
        options: of the audit.
        found: takes the means over labels, and names targets without positives.
        side: the model's output on the same rows, or None.
    """
    matrix = labels.matrix()
    measures = _label_measures(matrix, labels, options)
    if side is not None:
        measures |= _model_measures(matrix, side, options, found)
    _name_empty(labels, matrix, found)
    rows = []
    counts = np.array([matrix[labels.groups == g].sum(axis=0) for g in range(len(labels.group_names))])
    for t, label in enumerate(labels.target_names):
        intervals = {
            name: Interval(float(value[t]), float(low[t]), float(high[t]))
            for name, (value, low, high) in measures.items()
            if np.isfinite([value[t], low[t], high[t]]).all()
        }
        of_groups = dict(zip(labels.group_names, map(int, counts[:, t]), strict=True))
        rows.append(LabelRow(label=label, positives=int(counts[:, t].sum()), counts=of_groups, measures=intervals))
    return rows


def _name_empty(labels: LabelTable, matrix: NDArray[np.uint8], found: Findings) -> None:
    empty = [name for name, total in zip(labels.target_names, matrix.sum(axis=0), strict=True) if total == 0]
    if empty:
        found.omit(
            "targets without positives",
            f"{len(empty)} of {len(labels.target_names)} have none among the audited images and are left out of what "
            f"needs positives (F1, average precision, shares, opportunity): {', '.join(empty)}",
        )


Measures = dict[str, tuple[Floats, Floats, Floats]]


def _label_measures(matrix: NDArray[np.uint8], labels: LabelTable, options: AuditOptions) -> Measures:
    k = len(labels.group_names)

    def kernel(weights: Weights | None) -> Floats:
        return single_label_leakage_kernel(matrix, labels.groups, k=k, weights=weights)

    value = kernel(None)
    rng = stream(options.seed, "bootstrap")
    samples = bootstrap_samples(kernel, len(labels), rounds=options.bootstrap, rng=rng)
    ends = percentile_interval(samples, LEVEL, around=value)
    counts = np.array([matrix[labels.groups == g].sum(axis=0) for g in range(k)], dtype=np.float64)
    measures: Measures = {
        f"ratio:{group}": wilson(counts[g], counts.sum(axis=0)) for g, group in enumerate(labels.group_names)
    }
    measures["single_label_leakage"] = (value, np.clip(ends.low, 0.0, 1.0), np.clip(ends.high, 0.0, 1.0))
    return measures


def wilson(hits: Floats, total: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares and their Wilson score intervals, which keep a width where every image is of one group.

    A bootstrap has none there: 40 images, all of one group, would claim a share of exactly 100 %.
    """
    share, z = ratio(hits, total), Z
    n = np.where(total > 0, total, np.nan)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return share, np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


CATALOG_NAMES = {"directional_amplification": "directional_amplification_attribute_to_target"}

_PANEL = (
    ("average_precision", "mean_average_precision", "fraction"),
    ("opportunity_difference", "opportunity_difference", "difference"),
    ("directional_amplification", "", "difference"),
    ("score_divergence", "score_divergence", "nats"),
    ("f1", "f1_macro", "fraction"),
)


def _model_measures(matrix: NDArray[np.uint8], side: ModelSide, options: AuditOptions, found: Findings) -> Measures:
    """The panel of every label; its means over labels become estimates."""
    joined = side.joined
    labels, k = joined.labels, len(joined.labels.group_names)
    scored = joined.kind != "decisions"
    shares = probabilities(joined.scores, joined.kind, labels.kind) if scored else None
    signs = _training_signs(side)

    def kernel(weights: Weights | None) -> Floats:
        panel = label_panel(
            matrix,
            labels.groups,
            joined.scores,
            side.decided.matrix,
            k=k,
            probabilities=shares,
            signs=signs,
            weights=weights,
        )
        f1 = f1_kernel(matrix, side.decided.matrix, weights)
        parts = [panel.average_precision, panel.opportunity, panel.directional_amplification]
        return np.stack([*parts, panel.score_divergence, f1], axis=-2)

    value = kernel(None)
    rng = stream(options.seed, "bootstrap")
    samples = bootstrap_samples(kernel, len(labels), rounds=options.bootstrap, rng=rng)
    ends = percentile_interval(samples, LEVEL, around=value)
    measures: Measures = {}
    for i, (name, mean_name, unit) in enumerate(_PANEL):
        if not scored and name in ("average_precision", "score_divergence"):
            found.omit(mean_name, NEEDS_SCORES)
            continue
        if name == "opportunity_difference" and k > 2:
            name = mean_name = "opportunity_range"
        measures[name] = (value[i], *within_range(CATALOG_NAMES.get(name, name), ends.low[i], ends.high[i]))
        if mean_name:
            defined = np.isfinite(value[i])
            _add_mean(mean_name, unit, value[i][defined], samples[:, i, :][:, defined], side, options, found)
    _add_micro(matrix, side, options, found)
    return measures


def _add_mean(
    name: str,
    unit: str,
    value: Floats,
    samples: Floats,
    side: ModelSide,
    options: AuditOptions,
    found: Findings,
) -> None:
    """The mean over the labels for which the measure is defined, as an estimate."""
    total = len(side.joined.labels.target_names)
    if not len(value):
        found.omit(name, "no label has the positives that it needs among the audited images")
        return
    if name == "opportunity_difference" and len(side.joined.labels.group_names) == 2:
        _add_mean(f"{name}_absolute", unit, np.abs(value), np.abs(samples), side, options, found)
    figure = float(value.mean())
    ends = percentile_interval(mean_defined(samples, 1), LEVEL, around=figure)
    if np.isnan(ends.low):
        found.omit(name, f"no interval: undefined in {int(ends.undefined)} of {options.bootstrap} resamples")
        return
    low, high = within_range(name, ends.low, ends.high)
    scores = name in ("mean_average_precision", "score_divergence")
    what = f"mean over {len(value)} of {total} labels; centred percentile bootstrap, {options.bootstrap} rounds"
    found.estimates.append(
        Estimate(
            name=name,
            value=figure,
            low=float(low),
            high=float(high),
            n=len(side.joined),
            unit=unit,
            of="scores" if scores else "decisions",
            scheme=what if scores else f"{what}; decisions: {side.decided.rule}",
            sd_images=float(ends.sd),
            note="; ".join(part for part in (_gap_note(name, side), bias_note(ends)) if part),
        )
    )


def _gap_note(name: str, side: ModelSide) -> str:
    if not name.startswith("opportunity"):
        return ""
    labels = side.joined.labels
    names, sizes = labels.group_names, np.bincount(labels.groups, minlength=len(labels.group_names))
    if len(names) > 2:
        return "largest less smallest true positive rate of the groups"
    reference = int(np.argmax(sizes))
    gap = f"true positive rate of {names[1 - reference]} less that of {names[reference]} (the larger group)"
    return f"{gap}, without its sign" if name.endswith("absolute") else gap


def _add_micro(matrix: NDArray[np.uint8], side: ModelSide, options: AuditOptions, found: Findings) -> None:
    def kernel(weights: Weights | None) -> Floats:
        return f1_micro_kernel(matrix, side.decided.matrix, weights)

    found.attempt(
        "f1_micro",
        lambda: estimate(
            "f1_micro",
            kernel,
            len(matrix),
            interval=True,
            rounds=options.bootstrap,
            level=LEVEL,
            seed=options.seed,
            undefined="there are no positives and no decisions",
            of="decisions",
            scheme=f"decisions: {side.decided.rule}",
        ),
    )


def _training_signs(side: ModelSide) -> NDArray[np.int8] | None:
    train = side.train
    return None if train is None else direction_signs(train.matrix(), train.groups, len(train.group_names))


def measure_amplification(side: ModelSide, options: AuditOptions, found: Findings) -> None:
    """MALS, directional and multi-attribute amplification of the decisions."""
    joined, train = side.joined, side.train
    labels = joined.labels
    truth, groups, decided = labels.matrix(), labels.groups, side.decided.matrix
    common: dict[str, Any] = {
        "rounds": options.bootstrap,
        "seed": options.seed,
        "train_targets": None if train is None else train.matrix(),
        "train_groups": None if train is None else train.groups,
    }
    predicted = joined.predicted_groups
    found.attempt(
        "mals_amplification",
        lambda: mals_amplification(truth, groups, decided, predicted_groups=predicted, **common),
    )
    found.attempt(
        "directional_amplification_attribute_to_target",
        lambda: directional_amplification(truth, groups, decided, **common),
    )
    backward = "directional_amplification_target_to_attribute"
    if predicted is None:
        found.omit(backward, NEEDS_PREDICTED)
    else:
        found.attempt(
            backward,
            lambda: directional_amplification(truth, groups, predicted, direction="target_to_attribute", **common),
        )
    statistics: tuple[tuple[str, Statistic], ...] = (
        ("multi_attribute_amplification", "mean_absolute"),
        ("multi_attribute_amplification_variance", "variance_signed"),
    )
    for name, statistic in statistics:
        found.attempt(
            name,
            partial(
                multi_attribute_amplification,
                truth,
                groups,
                decided,
                statistic=statistic,
                min_support=options.min_support,
                **common,
            ),
        )
