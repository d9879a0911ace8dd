"""Made-up reports in the likeness of imSitu: 211 labels, a curve of 12 points, with and without predictions."""

from dataclasses import replace

import numpy as np

from steelyard.base.estimate import Estimate
from steelyard.reports import AuditReport, CurvePoint, Interval, LabelRow, Omitted

GROUPS = ("man", "woman")
_STEMS = ("shav", "appl", "cook", "shovel", "braid", "coach", "tattoo", "pitch", "aim", "knead", "bak", "row", "skat")


def estimate(name: str, value: float, half: float = 0.006, **fields: object) -> Estimate:
    """An estimate with a symmetric interval; a given `low` or `high` wins."""
    given = {"low": value - half, "high": value + half, "n": 6304, **fields}
    return Estimate(name=name, value=value, **given)  # type: ignore[arg-type]


def label_name(i: int) -> str:
    if i == 7:
        return "a label with an uncommonly long name that does not fit on a telephone"
    return f"{_STEMS[i % len(_STEMS)]}ing" + (f" {i // len(_STEMS) + 1}" if i >= len(_STEMS) else "")


def label_rows(n: int = 211, *, groups: tuple[str, ...] = GROUPS, predictions: bool) -> tuple[LabelRow, ...]:
    rng = np.random.default_rng(7)
    rows = []
    for i in range(n):
        positives = int(rng.integers(8, 60) if i % 9 else rng.integers(60, 400))
        counts = rng.multinomial(positives, rng.dirichlet(np.ones(len(groups)) * 1.2))
        measures = {}
        for group, count in zip(groups, counts, strict=True):
            share = count / positives
            half = 1.96 * float(np.sqrt(max(share * (1 - share), 0.05) / positives))
            measures[f"ratio:{group}"] = Interval(share, max(share - half, 0.0), min(share + half, 1.0))
        leak = 1 / len(groups) + 0.0004 * float(np.abs(counts - positives / len(groups)).max())
        measures["single_label_leakage"] = Interval(leak, leak - 0.004, leak + 0.004)
        if predictions and i % 20:
            ap = float(rng.beta(3, 4))
            for key, value in (
                ("average_precision", ap),
                ("f1", ap * 0.9),
                ("opportunity_difference", float(rng.normal(0, 0.1))),
                ("score_divergence", float(rng.gamma(1, 0.1))),
                ("directional_amplification", float(rng.normal(0.002, 0.004))),
            ):
                measures[key] = Interval(value, value - 0.03, value + 0.03)
        rows.append(
            LabelRow(
                label=label_name(i),
                positives=positives,
                counts={g: int(c) for g, c in zip(groups, counts, strict=True)},
                measures=measures,
            )
        )
    return tuple(rows)


def curve(n: int = 12) -> tuple[CurvePoint, ...]:
    points = []
    for f1 in np.linspace(0.1, 1.0, n):
        leakage = 0.51 + 0.173 * ((float(f1) - 0.1) / 0.9) ** 1.4
        points.append(
            CurvePoint(
                f1=round(float(f1), 4),
                dataset_leakage=leakage,
                low=leakage - 0.011,
                high=leakage + 0.011,
                p=round(1 - float(f1), 4),
                channel="replace",
                scheme="5-fold cross-fitting on the test split, groups balanced, 5 rounds",
                n=6304,
            )
        )
    return tuple(points)


_DATA = {
    "protected": "gender",
    "groups": list(GROUPS),
    "kind": "single",
    "target": "verb",
    "targets": 211,
    "counts": {
        "train": {"man": 14199, "woman": 10102},
        "val": {"man": 4457, "woman": 3273},
        "test": {"man": 4517, "woman": 3152},
    },
    "sources": ["labels.csv"],
    "ignored": ["alpha3", "alpha2", "alpha1"],
    "balance": ["test: 1,365 images of man were set aside in each round"],
}
_PROVENANCE = {
    "versions": {
        "steelyard": "0.1.0",
        "python": "3.11.7",
        "numpy": "2.3.5",
        "scipy": "1.16.3",
        "scikit-learn": "1.7.2",
    },
    "seed": 0,
    "fingerprints": [
        {"name": "labels.csv", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
    ],
    "command": "steelyard audit --labels labels.csv --protected gender --target verb --out audit",
    "duration_s": 21.4,
    "date": "2025-11-22T05:00:00+00:00",
}
_FIT = "fitted on train, scored on test, groups balanced, 5 rounds; logistic regression, chosen over the majority table"


def labels_only() -> AuditReport:
    reason = "it needs predictions, and none were given"
    return AuditReport(
        estimates=(
            estimate(
                "dataset_leakage",
                0.683,
                of="labels",
                scheme=_FIT,
                varied=("attacker", "images"),
                sd_attacker=0.002,
                sd_images=0.004,
            ),
            estimate("usable_information_labels", 0.118, unit="bits", of="labels", scheme="5-fold cross-fitting"),
            estimate(
                "leakage_p_value",
                0.01,
                0.0,
                unit="probability",
                of="labels",
                varied=("permutations",),
                scheme="99 permutations",
            ),
        ),
        curve=curve(),
        per_label=label_rows(predictions=False),
        omitted=(Omitted(name="model_leakage", reason=reason), Omitted(name="amplification", reason=reason)),
        data=dict(_DATA),
        provenance=dict(_PROVENANCE),
    )


def with_predictions() -> AuditReport:
    report = labels_only()
    cross = "5-fold cross-fitting on the test split, groups balanced, 5 rounds"
    both = ("attacker", "images")
    more = (
        estimate("dataset_leakage_at_f1", 0.562, of="labels", scheme=cross, varied=both),
        estimate("model_leakage", 0.770, of="scores", scheme=cross, varied=both, sd_attacker=0.003, sd_images=0.005),
        estimate("model_leakage_decisions", 0.665, of="decisions", scheme=cross, varied=both),
        estimate("usable_information_predictions", 0.241, unit="bits", of="scores", scheme=cross),
        estimate("amplification", 0.208, 0.012, unit="difference", scheme=cross, varied=both),
        estimate("amplification_decisions", 0.103, 0.013, unit="difference", scheme=cross, varied=both),
        estimate("conditional_leakage", 0.131, 0.015, unit="bits", scheme=cross),
        estimate(
            "mals_amplification",
            0.0098,
            0.004,
            unit="difference",
            note="The true groups of the images predicted with the label were used.",
        ),
        estimate("directional_amplification_attribute_to_target", -0.0004, 0.0011, unit="difference"),
        estimate("mean_average_precision", 0.431, of="scores"),
        estimate("f1_macro", 0.401, of="decisions", scheme="argmax"),
    )
    omitted = (
        Omitted(
            name="directional_amplification_target_to_attribute",
            reason="it needs the group that the model predicts: name its column with --predicted-protected",
        ),
    )
    return replace(
        report,
        estimates=report.estimates + more,
        per_label=label_rows(predictions=True),
        omitted=omitted,
        data={**_DATA, "sources": ["labels.csv", "predictions.parquet"], "threshold": "argmax over the 211 scores"},
    )


def many_groups() -> AuditReport:
    """Four groups, several labels per image, no curve."""
    groups = ("20-29", "30-39", "40-49", "50+")
    counts = {g: 900 - 150 * i for i, g in enumerate(groups)}
    return AuditReport(
        estimates=(estimate("dataset_leakage", 0.262, 0.02, of="labels"),),
        per_label=label_rows(30, groups=groups, predictions=False),
        data={"protected": "age", "groups": list(groups), "kind": "multi", "targets": 30, "counts": {"all": counts}},
    )
