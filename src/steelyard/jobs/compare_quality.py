"""Quality, opportunity and directional amplification of several models from the same resamples of the images."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.jobs.audit_model import NEEDS_SCORES, ModelSide
from steelyard.jobs.audit_options import AuditOptions
from steelyard.leakage.measures import LEVEL
from steelyard.metrics.bootstrap import bootstrap_samples, percentile_interval
from steelyard.metrics.catalog import by_name
from steelyard.metrics.counting import Floats, Weights, mean_defined
from steelyard.metrics.decisions import f1_kernel
from steelyard.metrics.directional import BALANCED, direction_signs, directional_kernel
from steelyard.metrics.estimating import bias_note
from steelyard.metrics.opportunity import opportunity_difference_kernel, opportunity_range_kernel, reference_group
from steelyard.metrics.precision import average_precision_kernel
from steelyard.reports.comparison import ComparedFigure
from steelyard.reports.rows import Omitted

F1, AP = "f1_macro", "mean_average_precision"
DIRECTIONAL = "directional_amplification_attribute_to_target"
_UNDEFINED = {
    F1: "no label has positives among the compared images",
    AP: "no label has positives among the compared images",
    DIRECTIONAL: BALANCED,
}
_NO_GROUP_POSITIVES = "no label has positives in every group of the compared images"


def measures_of(k: int, *, scored: bool) -> dict[str, str]:
    """Measure → unit, in the order of the kernel's last axis."""
    opportunity = "opportunity_difference_absolute" if k == 2 else "opportunity_range"
    found = {F1: "fraction", opportunity: "difference", DIRECTIONAL: "difference"}
    return {**found, AP: "fraction"} if scored else found


def quality_kernel(
    sides: Mapping[str, ModelSide], weights: Weights | None, *, signs: NDArray[np.int8] | None, scored: bool
) -> Floats:
    """Every measure of every model in the same resamples: `[rounds, models, measures]`, NaN where undefined.

    Args:
        sides: the models, on the same images.
        weights: `[n, rounds]`, or None for the images as they are (the round axis is then left out).
        signs: directions of the training labels; None takes them from the resampled truth.
        scored: average precision, too.
    """
    labels = next(iter(sides.values())).joined.labels
    truth, groups, k = labels.matrix(), labels.groups, len(labels.group_names)
    reference = reference_group(groups, k)

    def gaps(decided: NDArray[np.uint8]) -> Floats:
        if k > 2:
            return opportunity_range_kernel(truth, groups, decided, k=k, weights=weights)
        pair = {"group": 1 - reference, "reference": reference}
        return np.abs(opportunity_difference_kernel(truth, groups, decided, k=k, weights=weights, **pair))

    found = []
    for side in sides.values():
        decided = side.decided.matrix
        values = [
            mean_defined(f1_kernel(truth, decided, weights), -1),
            mean_defined(gaps(decided), -1),
            directional_kernel(truth, groups, decided, k=k, signs=signs, weights=weights),
        ]
        if scored:
            values.append(mean_defined(average_precision_kernel(truth, side.joined.scores, weights), -1))
        found.append(np.stack(values, axis=-1))
    return np.stack(found, axis=-2)


def quality_figures(
    sides: Mapping[str, ModelSide], options: AuditOptions, *, scored: bool
) -> tuple[list[ComparedFigure], list[Omitted]]:
    """Measure every model on the same resamples; see `leakage_figures`."""
    first = next(iter(sides.values()))
    labels, train = first.joined.labels, first.train
    k = len(labels.group_names)
    signs = None if train is None else direction_signs(train.matrix(), train.groups, k)

    def kernel(weights: Weights | None) -> Floats:
        return quality_kernel(sides, weights, signs=signs, scored=scored)

    value = kernel(None)
    rng = stream(options.seed, "bootstrap")
    samples = bootstrap_samples(kernel, len(labels), rounds=options.bootstrap, rng=rng)
    omitted = [] if scored else [Omitted(name=AP, reason=NEEDS_SCORES)]
    figures = []
    for at, (name, unit) in enumerate(measures_of(k, scored=scored).items()):
        lost = int(np.isnan(samples[:, 0, at]).sum())
        if np.isnan(value[0, at]):
            omitted.append(Omitted(name=name, reason=_UNDEFINED.get(name, _NO_GROUP_POSITIVES)))
        elif np.isnan(percentile_interval(samples[:, 0, at], LEVEL).low):
            reason = f"no interval: undefined in {lost} of {options.bootstrap} resamples"
            omitted.append(Omitted(name=name, reason=reason))
        else:
            figures.append(_figure(name, unit, sides, value[:, at], samples[:, :, at], trained=signs is not None))
    return figures, omitted


def _figure(
    name: str, unit: str, sides: Mapping[str, ModelSide], value: Floats, samples: Floats, *, trained: bool
) -> ComparedFigure:
    """One measure of all models: which images define it is the same for all, since the labels are."""
    scheme = f"centred percentile bootstrap over images, {len(samples):,} rounds"
    if name == DIRECTIONAL:
        scheme = f"direction from the {'base’s training' if trained else 'compared'} labels; {scheme}"
    n = len(next(iter(sides.values())).joined)
    low, high = by_name(name).range
    assert low is not None
    assert high is not None
    width = high - low

    def estimate(at: float, drawn: Floats, words: str, unit: str, bounds: tuple[float, float]) -> Estimate:
        ends = percentile_interval(drawn, LEVEL, around=at)
        return Estimate(
            name=name,
            value=at,
            low=float(np.clip(ends.low, *bounds)),
            high=float(np.clip(ends.high, *bounds)),
            n=n,
            unit=unit,
            of="scores" if name == AP else "decisions",
            scheme=words,
            sd_images=float(ends.sd),
            note=bias_note(ends),
        )

    models, differences = {}, {}
    for m, (model, side) in enumerate(sides.items()):
        words = scheme if name == AP else f"{scheme}; decisions: {side.decided.rule}"
        models[model] = estimate(float(value[m]), samples[:, m], words, unit, (low, high))
        if m:
            gap = float(value[m] - value[0])
            words = f"{scheme}, the same resamples for both models"
            differences[model] = estimate(gap, samples[:, m] - samples[:, 0], words, "difference", (-width, width))
    return ComparedFigure(measure=name, models=models, differences=differences)
