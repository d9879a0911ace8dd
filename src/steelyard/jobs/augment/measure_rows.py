"""From values in resamples to rows of figures: intervals, differences to the plain model, means over attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.base.estimate import Estimate
from steelyard.leakage.measures import LEVEL
from steelyard.metrics.bootstrap import percentile_interval
from steelyard.metrics.catalog import by_name
from steelyard.metrics.counting import Floats, mean_defined
from steelyard.metrics.directional import Signs
from steelyard.metrics.estimating import bias_note
from steelyard.reports.augment.figures import MEASURES, MeasuredRow, MeasureKey
from steelyard.tables import LabelTable

_NOTES: dict[MeasureKey, str] = {
    "deo_absolute": "the gap without its sign; noise alone makes it positive",
    "ba_absolute": "without its sign; noise alone makes it positive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Every measure of every model and attribute.

    Attributes:
        models: names, the plain one first.
        points: measure → `[m, t]` on the images as they are, NaN where undefined.
        samples: measure → `[rounds, m, t]` in the resamples, likewise.
        reasons: measure → `[t]` why it is undefined, empty where it is not.
        schemes: measure → how it was measured, in words.
        images: that the figures rest on.
    """

    models: tuple[str, ...]
    points: Mapping[MeasureKey, Floats]
    samples: Mapping[MeasureKey, Floats]
    reasons: Mapping[MeasureKey, Sequence[str]]
    schemes: Mapping[MeasureKey, str]
    images: int


def reasons_of(test: LabelTable, signs: Signs, unfitted: frozenset[str]) -> dict[MeasureKey, list[str]]:
    """Measure → why it is undefined, for each target; empty where it is defined.

    Args:
        test: the measured images.
        signs: `[k, t]`, directions of the training labels.
        unfitted: targets without validation positives.
    """
    found: dict[MeasureKey, list[str]] = {"ap": [], "deo": [], "ba": [], "kl": []}
    truth, sizes = test.matrix(), np.bincount(test.groups, minlength=len(test.group_names))
    with_label = np.array([truth[test.groups == g].sum(axis=0, dtype=np.int64) for g in range(len(sizes))])
    for t, name in enumerate(test.target_names):
        lacking = [g for g, count in zip(test.group_names, with_label[:, t], strict=True) if not count]
        whole = [g for g, rest in zip(test.group_names, sizes - with_label[:, t], strict=True) if not rest]
        uncut = "no validation image has it, so that no threshold can be calibrated" if name in unfitted else ""
        unseen = f"no test image of {' or '.join(lacking)} has it" if lacking else ""
        full = f"every test image of {' and '.join(whole)} has it" if whole else ""
        level = "" if signs[:, t].any() else "the training labels are exactly balanced, so that there is no direction"
        found["ap"].append("no test image has it" if not with_label[:, t].any() else "")
        found["deo"].append("; ".join(filter(None, (uncut, unseen))))
        found["ba"].append("; ".join(filter(None, (uncut, level))))
        found["kl"].append("; ".join(filter(None, (unseen, full))))
    return {**found, "deo_absolute": found["deo"], "ba_absolute": found["ba"]}


def attribute_row(t: int, test: LabelTable, values: Values, kind: str) -> MeasuredRow:
    """The figures of one attribute, and the reasons for those that it has not."""
    name = test.target_names[t]
    truth = test.matrix()[:, t]
    counts = {group: int(truth[test.groups == g].sum()) for g, group in enumerate(test.group_names)}
    figures, differences, undefined = {}, {}, {}
    for measure in values.points:
        found = _measured(measure, values, [t])
        if isinstance(found, str):
            undefined[measure] = found
        else:
            figures[measure], differences[measure] = found
    return MeasuredRow(
        name=name,
        attributes=(name,),
        figures=figures,
        differences=differences,
        undefined=undefined,
        positives=counts,
        type=kind,
    )


def mean_row(name: str, rows: Sequence[MeasuredRow], values: Values, columns: Sequence[int]) -> MeasuredRow:
    """Means over attributes, each measure over those of which it is defined.

    Args:
        name: of the mean.
        rows: of the attributes.
        values: of all attributes.
        columns: place of each row's attribute in the values.
    """
    figures, differences, over, undefined = {}, {}, {}, {}
    for measure in values.points:
        kept = [(column, row.name) for column, row in zip(columns, rows, strict=True) if measure in row.figures]
        found = _measured(measure, values, [column for column, _ in kept]) if kept else "undefined of every attribute"
        if isinstance(found, str):
            undefined[measure] = found
        else:
            figures[measure], differences[measure] = found
            over[measure] = tuple(attribute for _, attribute in kept)
    return MeasuredRow(
        name=name,
        attributes=tuple(row.name for row in rows),
        figures=figures,
        differences=differences,
        over=over,
        undefined=undefined,
    )


def _measured(
    measure: MeasureKey, values: Values, columns: Sequence[int]
) -> tuple[dict[str, Estimate], dict[str, Estimate]] | str:
    """Figures and differences of the mean over some columns; or why there are none.

    What defines a measure are the labels, which all models share, so that it is defined of all or of none.
    """
    points = values.points[measure][:, columns].mean(axis=1)
    samples = mean_defined(values.samples[measure][:, :, columns], 2)
    if np.isnan(points).any():
        return values.reasons[measure][columns[0]] or "undefined on these images"
    if np.isnan(percentile_interval(samples[:, 0], LEVEL).low):
        lost = int(np.isnan(samples[:, 0]).sum())
        return f"too few images for an interval: undefined in {lost:,} of {len(samples):,} resamples"
    row = by_name(MEASURES[measure].catalog)
    low = row.range[0] if MEASURES[measure].signed else 0.0
    assert low is not None
    high = np.inf if row.range[1] is None else row.range[1]
    scheme = values.schemes[measure]
    paired = f"{scheme}; the same resamples for both models"
    gap_unit = "nats" if row.unit == "nats" else "difference"
    figures, differences = {}, {}
    for m, model in enumerate(values.models):
        figures[model] = _estimate(measure, points[m], samples[:, m], row.unit, scheme, values.images, (low, high))
        if m:
            gap, drawn = points[m] - points[0], samples[:, m] - samples[:, 0]
            width = (low - high, high - low)
            differences[model] = _estimate(measure, gap, drawn, gap_unit, paired, values.images, width)
    return figures, differences


def _estimate(
    measure: MeasureKey,
    value: float,
    samples: Floats,
    unit: str,
    scheme: str,
    images: int,
    bounds: tuple[float, float],
) -> Estimate:
    ends = percentile_interval(samples, LEVEL, around=value)
    return Estimate(
        name=MEASURES[measure].catalog,
        value=float(value),
        low=float(np.clip(ends.low, *bounds)),
        high=float(np.clip(ends.high, *bounds)),
        n=images,
        level=LEVEL,
        unit=unit,
        of="scores" if measure in ("ap", "kl") else "decisions",
        scheme=scheme,
        sd_images=float(ends.sd),
        note="; ".join(part for part in (_NOTES.get(measure, ""), bias_note(ends)) if part),
    )
