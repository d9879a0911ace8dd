"""What a calibration changed: every measure before and after from the same resamples, and the shares of every label."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.jobs.audit_quality import wilson
from steelyard.jobs.calibrate_matching import Corpus
from steelyard.leakage.measures import LEVEL
from steelyard.metrics.bootstrap import bootstrap_samples, percentile_interval
from steelyard.metrics.catalog import by_name
from steelyard.metrics.counting import Floats, Weights, cell_sums, drop_round, mean_defined, unit_weights
from steelyard.metrics.decisions import balanced_accuracy_kernel, f1_kernel, f1_micro_kernel
from steelyard.metrics.directional import BALANCED, direction_signs, directional_kernel
from steelyard.metrics.estimating import bias_note
from steelyard.metrics.mals import group_label_counts, mals_kernel
from steelyard.mitigation.predictions.decoding import Decoded
from steelyard.mitigation.predictions.shares import ROUNDING, ShareConstraints, violations
from steelyard.reports.calibration import (
    MEAN_CONSTRAINED,
    VIOLATED,
    CalibratedFigure,
    LabelRatios,
    PredictedShares,
)
from steelyard.reports.rows import Interval, Omitted

MEAN = "mals_amplification"
BACKWARD = "directional_amplification_target_to_attribute"
QUALITY = ("f1_macro", "f1_micro", "balanced_accuracy", BACKWARD)

Sides = tuple[Decoded, Decoded]
"""The assignments before and after."""
_UNDEFINED = {
    VIOLATED: "no label is constrained",
    MEAN: "no label has training images",
    MEAN_CONSTRAINED: "no label is constrained",
    "f1_macro": "no label has positives among the calibrated images",
    "f1_micro": "there are no positives and no decisions",
    "balanced_accuracy": "no calibrated image has a group",
    BACKWARD: BALANCED,
}
_OF = {
    VIOLATED: "predicted groups",
    MEAN: "decisions",
    MEAN_CONSTRAINED: "decisions",
    "f1_macro": "decisions",
    "f1_micro": "decisions",
    "balanced_accuracy": "predicted groups",
    BACKWARD: "predicted groups",
}
_UNITS = {VIOLATED: "labels", "f1_macro": "fraction", "f1_micro": "fraction", "balanced_accuracy": "fraction"}


def figures_of(
    found: Corpus,
    constraints: ShareConstraints,
    sides: Sides,
    *,
    bootstrap: int,
    seed: int,
) -> tuple[list[CalibratedFigure], list[Omitted]]:
    """Violations, mean amplification and, where true labels are known, quality.

    Args:
        found: what was calibrated.
        constraints: what it was held to.
        sides: the assignments before and after.
        bootstrap: rounds of the intervals.
        seed: of the resampling.
    """
    names, kernel = _share_kernel(found, constraints, sides)
    most = len(constraints)
    figures, omitted = _compared(kernel, names, len(found.potentials), most=most, bootstrap=bootstrap, seed=seed)
    if not len(found.known):
        reason = "no calibrated image has a row in the labels"
        return figures, omitted + [Omitted(name=name, reason=reason) for name in QUALITY]
    names, kernel = _quality_kernel(found, sides)
    more, left = _compared(kernel, names, len(found.known), most=most, bootstrap=bootstrap, seed=seed)
    return figures + more, omitted + left


def label_ratios(found: Corpus, constraints: ShareConstraints, sides: Sides) -> tuple[LabelRatios, ...]:
    """Every label's shares of the groups: in training, before and after."""
    k, names = len(found.potentials.group_names), found.potentials.target_names
    counts = group_label_counts(found.training.matrix(), found.training.groups, k)
    held = {int(column): row for row, column in enumerate(constraints.targets)}
    predicted = [group_label_counts(as_matrix(side, len(names)), side.groups, k) for side in sides]
    beyond = [violations(side, constraints) for side in sides]
    rows = []
    for t, name in enumerate(names):
        support, row = int(counts[:, t].sum()), held.get(t)
        shares = [
            _predicted(cells[:, t], None if row is None else not excess[row].any())
            for cells, excess in zip(predicted, beyond, strict=True)
        ]
        if row is not None and shares[0].images and not shares[1].images:
            shares[1] = replace(shares[1], why="no longer predicted")
        rows.append(
            LabelRatios(
                label=name,
                support=support,
                constrained=row is not None,
                training=tuple(map(float, counts[:, t] / support)) if support else (),
                before=shares[0],
                after=shares[1],
            )
        )
    return tuple(rows)


def as_matrix(decoded: Decoded, t: int) -> NDArray[np.uint8]:
    """The decided targets as `[n, t]` of 0 and 1."""
    if decoded.targets.ndim == 2:
        return np.asarray(decoded.targets, dtype=np.uint8)
    hot: NDArray[np.uint8] = np.eye(t, dtype=np.uint8)[decoded.targets]
    return hot


def _predicted(cells: Floats, within: bool | None) -> PredictedShares:
    images, why = cells.sum(), "not constrained" if within is None else ""
    if not images:
        return PredictedShares(images=0, shares=(), within=None, why=why or "not predicted")
    ends = zip(*wilson(cells, np.full_like(cells, images)), strict=True)
    shares = tuple(Interval(*map(float, end)) for end in ends)
    return PredictedShares(images=int(images), shares=shares, within=within, why=why)


Kernel = Callable[[Weights | None], Floats]
"""Weights `[n, rounds]`, or None, to `[rounds, 2, measures]`: before and after, without rounds where None is given."""


def _share_kernel(found: Corpus, constraints: ShareConstraints, sides: Sides) -> tuple[tuple[str, ...], Kernel]:
    """What needs the predictions alone: labels outside the margin, and mean amplification."""
    k, t = len(found.potentials.group_names), len(found.potentials.target_names)
    trained = group_label_counts(found.training.matrix(), found.training.groups, k)
    held = constraints.targets
    rest = bool(np.delete(trained, held, axis=1).any())
    names = (VIOLATED, MEAN, MEAN_CONSTRAINED) if rest else (VIOLATED, MEAN)
    matrices = [as_matrix(side, t) for side in sides]
    low, high = constraints.low.T - ROUNDING, constraints.high.T + ROUNDING

    def kernel(weights: Weights | None) -> Floats:
        parts = []
        for side, matrix in zip(sides, matrices, strict=True):
            drawn = unit_weights(len(matrix), weights)
            counts = cell_sums(side.groups, k, matrix[:, held], drawn)
            totals = counts.sum(axis=1, keepdims=True)
            outside = ((counts < low * totals) | (counts > high * totals)).any(axis=1).sum(axis=1)
            values = [drop_round(outside.astype(np.float64), weights)]
            values.append(mals_kernel(trained, matrix, side.groups, weights=weights))
            if rest:
                values.append(mals_kernel(trained[:, held], matrix[:, held], side.groups, weights=weights))
            parts.append(np.stack(values, axis=-1))
        return np.stack(parts, axis=-2)

    return names, kernel


def _quality_kernel(found: Corpus, sides: Sides) -> tuple[tuple[str, ...], Kernel]:
    """What needs true labels: how good targets and groups are, and which way the groups err."""
    k, t = len(found.potentials.group_names), len(found.potentials.target_names)
    truth, groups = found.truth.matrix(), found.truth.groups
    signs = direction_signs(found.training.matrix(), found.training.groups, k)
    rows = [Decoded(groups=side.groups[found.known], targets=side.targets[found.known]) for side in sides]
    matrices = [as_matrix(side, t) for side in rows]

    def kernel(weights: Weights | None) -> Floats:
        parts = []
        for side, matrix in zip(rows, matrices, strict=True):
            values = [
                mean_defined(f1_kernel(truth, matrix, weights), -1),
                f1_micro_kernel(truth, matrix, weights),
                balanced_accuracy_kernel(groups, side.groups, weights),
                directional_kernel(
                    truth, groups, side.groups, k=k, direction="target_to_attribute", signs=signs, weights=weights
                ),
            ]
            parts.append(np.stack(values, axis=-1))
        return np.stack(parts, axis=-2)

    return QUALITY, kernel


def _compared(
    kernel: Kernel, names: tuple[str, ...], n: int, *, most: int, bootstrap: int, seed: int
) -> tuple[list[CalibratedFigure], list[Omitted]]:
    """Both sides and their difference; what is undefined is left out with its reason."""
    value = kernel(None)
    samples = bootstrap_samples(kernel, n, rounds=bootstrap, rng=stream(seed, "bootstrap"))
    figures, omitted = [], []

    def estimate(name: str, at: float, some: Floats, words: str, unit: str, bounds: tuple[float, float]) -> Estimate:
        # Calibration forces the count to its lowest: what resamples add to it is no bias to be taken off.
        counted = name == VIOLATED
        ends = percentile_interval(some, LEVEL, around=None if counted else at)
        low, high = float(ends.low), float(ends.high)
        if counted:  # of whole labels
            low, high = min(float(np.floor(low)), at), max(float(np.ceil(high)), at)
        return Estimate(
            name=name,
            value=at,
            low=float(np.clip(low, *bounds)),
            high=float(np.clip(high, *bounds)),
            n=n,
            unit=unit,
            of=_OF[name],
            scheme=words,
            sd_images=float(ends.sd),
            note=bias_note(ends),
        )

    for at, name in enumerate(names):
        if np.isnan(value[:, at]).any():
            omitted.append(Omitted(name=name, reason=_UNDEFINED[name]))
            continue
        lost = int(np.isnan(samples[:, :, at]).any(axis=1).sum())
        if np.isnan(percentile_interval(samples[:, :, at], LEVEL).low).any():
            reason = f"no interval: undefined in {lost} of {bootstrap} resamples"
            omitted.append(Omitted(name=name, reason=reason))
            continue
        low, high = (0.0, float(most)) if name == VIOLATED else _range(name)
        kind = "percentile bootstrap" if name == VIOLATED else "centred percentile bootstrap"
        drawn = f"{kind} over images, {bootstrap:,} rounds; assignments are held as they are"
        unit, before, after = _UNITS.get(name, "difference"), value[0, at], value[1, at]
        paired = f"{drawn}; the same resamples before and after"
        gap_unit = unit if name == VIOLATED else "difference"
        change, shift = float(after - before), samples[:, 1, at] - samples[:, 0, at]
        gap = estimate(name, change, shift, paired, gap_unit, (low - high, high - low))
        first = estimate(name, float(before), samples[:, 0, at], drawn, unit, (low, high))
        last = estimate(name, float(after), samples[:, 1, at], drawn, unit, (low, high))
        if name == VIOLATED:
            last = replace(last, note=_note(last.value, samples[:, 1, at]))
        figures.append(CalibratedFigure(measure=name, before=first, after=last, difference=gap))
    return figures, omitted


def _note(at: float, samples: Floats) -> str:
    """Calibration stops at the edge of the margin, from where other images fall to either side."""
    mean = float(samples.mean())
    if round(mean, 1) == at:
        return ""
    return (
        f"in resamples of the images it is {mean:.1f} on average after calibration, as shares that "
        "stand at the edge of the margin fall to either side of it; the interval is that of the resamples, and of the "
        "figure"
    )


def _range(name: str) -> tuple[float, float]:
    low, high = by_name(MEAN if name == MEAN_CONSTRAINED else name).range
    assert low is not None
    assert high is not None
    return low, high
