"""What pairs change: AP, DEO, BA and KL of every attribute, for a plain model and others, with paired intervals.

The protocol is that of Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*,
CVPR 2021, https://arxiv.org/abs/2012.01469, section 4: decisions at the threshold under which as many validation images
are positive as truly are, and resamples of the test images. All models see the same resamples, so that what they have
in common falls out of their differences.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.jobs.augment.measure_rows import Values, attribute_row, mean_row, reasons_of
from steelyard.jobs.decisions import Decided, decide
from steelyard.leakage.evidence import probabilities
from steelyard.leakage.measures import LEVEL
from steelyard.metrics.bootstrap import bootstrap_samples
from steelyard.metrics.counting import Floats, Weights, unit_weights
from steelyard.metrics.directional import Signs, direction_signs
from steelyard.metrics.divergence import BINS, score_histograms
from steelyard.metrics.opportunity import reference_group
from steelyard.metrics.panel import label_panel
from steelyard.reports.augment.figures import ALL, MEASURES, MeasuredModels, MeasuredRow, MeasureKey, ScoreHistogram
from steelyard.tables import LabelTable, PredictionTable, join
from steelyard.tables.messages import listed


@dataclass(frozen=True, slots=True)
class _Model:
    """One model's output on the test images.

    Attributes:
        scores: `[n, t]`, as they were given; ranked for AP.
        likely: `[n, t]`, as probabilities, for KL.
        decided: the decisions, and their rule.
    """

    scores: Floats
    likely: Floats
    decided: Decided


def measure_models(
    labels: LabelTable,
    models: Mapping[str, PredictionTable],
    *,
    types: Mapping[str, str] | None = None,
    rounds: int = 500,
    seed: int = 0,
) -> MeasuredModels:
    """Measure every model on the test images, and every other model less the plain one.

    Args:
        labels: multi-label, with the splits `train` (directions of BA), `val` (thresholds) and `test` (figures).
        models: name → logits or probabilities of all validation and test images and of every target; the first is the
            plain model.
        types: target → type of attribute, for the means by type; targets that it does not name are in none of them.
        rounds: of the bootstrap.
        seed: of the resamples.

    Returns:
        Figures, differences and means with intervals. What is undefined of an attribute is left out and its reason kept
        beside it; a mean says which attributes it counts.

    Raises:
        InputError: fewer than two models, tables that do not fit, decisions in place of scores, a split without images,
            or `rounds` below 2.
    """
    _check(labels, models, rounds)
    test, train = labels.split("test"), labels.split("train")
    sides = {name: _model(name, labels, table) for name, table in models.items()}
    signs = direction_signs(train.matrix(), train.groups, len(labels.group_names))
    values = _values(test, sides, signs, rounds=rounds, seed=seed)
    sizes = np.bincount(test.groups, minlength=len(test.group_names))
    rows = tuple(
        attribute_row(t, test, values, (types or {}).get(name, "")) for t, name in enumerate(test.target_names)
    )
    return MeasuredModels(
        models=tuple(models),
        rows=rows,
        means=_means(rows, values),
        histograms=tuple(_histograms(test, sides)),
        protected=labels.protected,
        groups=labels.group_names,
        images=dict(zip(labels.group_names, map(int, sizes), strict=True)),
        gap=_gap(test),
        rounds=rounds,
        level=LEVEL,
        threshold=next(iter(sides.values())).decided.rule,
        direction=f"the labels of {len(train):,} training images",
        seed=seed,
    )


def _check(labels: LabelTable, models: Mapping[str, PredictionTable], rounds: int) -> None:
    if len(models) < 2:
        raise InputError(f"models: expected the plain model and another, found {listed(models) or 'none'}; add one")
    if rounds < 2:
        raise InputError(f"rounds: an interval needs at least 2, found {rounds}")
    if labels.kind != "multi":
        raise InputError(f"{labels.source}: expected attributes of 0 and 1, found one column of categories")
    for part, use in (("train", "the direction of BA"), ("val", "thresholds"), ("test", "figures")):
        if labels.splits is None or not (labels.splits == part).any():
            raise InputError(f"{labels.source}: expected images of the {part} split, for {use}, found none; add them")
    for name, table in models.items():
        if table.kind == "decisions":
            do = "pass probabilities or logits"
            raise InputError(f"{name} ({table.source}): expected scores, found decisions; {do}")


def _model(name: str, labels: LabelTable, table: PredictionTable) -> _Model:
    joined = join(labels, table)
    assert joined.labels.splits is not None
    for part in ("val", "test"):
        if not (joined.labels.splits == part).any():
            raise InputError(f"{name} ({table.source}): expected scores of the {part} split, found none; predict it")
    decided = decide(joined, "calibrated")
    rows = np.flatnonzero(joined.labels.splits == "test")
    scores = joined.scores[rows]
    own = Decided(decided.matrix[rows], None, decided.rule, decided.without_threshold)
    return _Model(scores, probabilities(scores, joined.kind, "multi"), own)


def _values(test: LabelTable, sides: Mapping[str, _Model], signs: Signs, *, rounds: int, seed: int) -> Values:
    """Every measure of every attribute and model, on the images as they are and in every resample."""
    truth, groups, k = test.matrix(), test.groups, len(test.group_names)
    unfitted = frozenset[str]().union(*(side.decided.without_threshold for side in sides.values()))
    cut = np.array([name not in unfitted for name in test.target_names])

    def kernel(weights: Weights | None) -> Floats:
        found = []
        for side in sides.values():
            panel = label_panel(
                truth,
                groups,
                side.scores,
                side.decided.matrix,
                k=k,
                probabilities=side.likely,
                signs=signs,
                weights=weights,
            )
            # Without a threshold there are no decisions to speak of: those of `decide` are cut at 0.5.
            gap = np.where(cut, panel.opportunity, np.nan)
            shift = np.where(cut, panel.directional_amplification, np.nan)
            found.append(np.stack([panel.average_precision, gap, shift, panel.score_divergence], axis=-2))
        return np.stack(found, axis=-3)

    drawn = bootstrap_samples(kernel, len(test), rounds=rounds, rng=stream(seed, "bootstrap"))
    measures = tuple(MEASURES) if k == 2 else tuple(key for key in MEASURES if key != "deo")
    return Values(
        models=tuple(sides),
        points=_by_measure(kernel(None), measures),
        samples=_by_measure(drawn, measures),
        reasons=reasons_of(test, signs, unfitted),
        schemes=_schemes(test, rounds, next(iter(sides.values())).decided.rule),
        images=len(test),
    )


def _by_measure(values: Floats, measures: tuple[MeasureKey, ...]) -> dict[MeasureKey, Floats]:
    """`[…, m, 4, t]` as measure → `[…, m, t]`."""
    ranked, gap, shift, divergence = np.moveaxis(values, -2, 0)
    every: dict[MeasureKey, Floats] = {
        "ap": ranked,
        "deo": gap,
        "deo_absolute": np.abs(gap),
        "ba": shift,
        "ba_absolute": np.abs(shift),
        "kl": divergence,
    }
    return {measure: every[measure] for measure in measures}


def _schemes(test: LabelTable, rounds: int, rule: str) -> dict[MeasureKey, str]:
    drawn = f"centred percentile bootstrap over images, {rounds:,} rounds"
    gap = f"{_gap(test)}; {rule}; {drawn}"
    shift = f"attribute to target, mean over groups, direction from the training labels; {rule}; {drawn}"
    bins = f"histograms of {BINS} bins, symmetric, mean over both values of the label; {drawn}"
    return {"ap": drawn, "deo": gap, "deo_absolute": gap, "ba": shift, "ba_absolute": shift, "kl": bins}


def _means(rows: tuple[MeasuredRow, ...], values: Values) -> tuple[MeasuredRow, ...]:
    """Over all attributes; then over those of each type, in the order of their first attribute."""
    every = list(range(len(rows)))
    found = [mean_row(ALL, rows, values, every)]
    for kind in dict.fromkeys(row.type for row in rows if row.type):
        columns = [t for t in every if rows[t].type == kind]
        found.append(mean_row(kind, [rows[t] for t in columns], values, columns))
    return tuple(found)


def _histograms(test: LabelTable, sides: Mapping[str, _Model]) -> Iterator[ScoreHistogram]:
    truth, once = test.matrix(), unit_weights(len(test), None)
    rows = [np.flatnonzero(test.groups == g) for g in range(len(test.group_names))]
    for name, side in sides.items():
        counts = [score_histograms(truth, side.likely, once, of_group)[0].astype(int) for of_group in rows]
        for t, attribute in enumerate(test.target_names):
            pairs = {
                group: (tuple(found[t, 0].tolist()), tuple(found[t, 1].tolist()))
                for group, found in zip(test.group_names, counts, strict=True)
            }
            yield ScoreHistogram(attribute=attribute, model=name, counts=pairs)


def _gap(test: LabelTable) -> str:
    names = test.group_names
    if len(names) > 2:
        return "largest less smallest true positive rate of the groups"
    reference = reference_group(test.groups, 2)
    return f"true positive rate of {names[1 - reference]} less that of {names[reference]} (the larger group)"
