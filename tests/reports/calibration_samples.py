"""Calibration reports made by hand: many labels, two groups and three."""

import numpy as np

from steelyard.base.estimate import Estimate
from steelyard.reports.calibration import (
    MEAN_CONSTRAINED,
    VIOLATED,
    CalibratedFigure,
    CalibrationReport,
    Iteration,
    LabelRatios,
    PredictedShares,
    Solution,
)
from steelyard.reports.rows import Interval, Omitted

WORDS = ("kite", "sports ball", "hair drier", "oven", "cell phone", "tennis racket", "fire hydrant", "cup")


def estimate(name: str, value: float, half: float, unit: str = "difference", n: int = 2400) -> Estimate:
    low, high = (max(value - half, 0.0), value + half) if unit == "labels" else (value - half, value + half)
    return Estimate(name=name, value=value, low=low, high=high, n=n, unit=unit, scheme="centred percentile bootstrap")


def figure(name: str, before: float, after: float, half: float, unit: str = "difference") -> CalibratedFigure:
    gap = "labels" if unit == "labels" else "difference"
    difference = after - before
    return CalibratedFigure(
        measure=name,
        before=estimate(name, before, half, unit),
        after=estimate(name, after, half, unit),
        difference=Estimate(
            name=name, value=difference, low=difference - half / 2, high=difference + half / 2, n=2400, unit=gap
        ),
    )


def predicted(shares: np.ndarray, images: int, within: bool | None) -> PredictedShares:
    ends = tuple(Interval(float(s), max(float(s) - 0.05, 0.0), min(float(s) + 0.05, 1.0)) for s in shares)
    why = "not constrained" if within is None else "" if images else "not predicted"
    return PredictedShares(images=images, shares=ends if images else (), within=within if images else None, why=why)


def ratios(count: int, k: int, margin: float) -> tuple[LabelRatios, ...]:
    rng = np.random.default_rng(k)
    rows = []
    for i in range(count):
        training = rng.dirichlet(np.full(k, 1.5))
        before = training**1.6 / (training**1.6).sum()
        after = training + np.clip(before - training, -margin, margin) / (1 if k == 2 else 2)
        after = after / after.sum()
        constrained, images = i % 11 != 7, 0 if i % 13 == 5 else int(rng.integers(20, 400))
        within = bool((abs(before - training) <= margin).all())
        rows.append(
            LabelRatios(
                label=f"{WORDS[i % len(WORDS)]} {i}",
                support=int(rng.integers(100, 5000)) if constrained else int(rng.integers(0, 3)) * 40,
                constrained=constrained,
                training=tuple(map(float, training)),
                before=predicted(before, images, within if constrained else None),
                after=predicted(after, images, True if constrained else None),
            )
        )
    return tuple(rows)


def calibration(k: int = 2, labels: int = 66) -> CalibrationReport:
    groups = ("man", "woman") if k == 2 else ("city", "shore & harbour", "wood <3", "desert")[:k]
    rows = ratios(labels, k, 0.05)
    outside = sum(row.before.within is False for row in rows)
    iterations = tuple(
        Iteration(objective=10234.5 - 3 * i, dual=10200.0 - i, violated=max(outside - i, 2)) for i in range(40)
    )
    return CalibrationReport(
        margin=0.05,
        min_support=100,
        figures=(
            figure(VIOLATED, outside, 0, 2.4, "labels"),
            figure("mals_amplification", 0.0417, 0.0162, 0.003),
            figure(MEAN_CONSTRAINED, 0.0431, 0.0158, 0.003),
            figure("f1_macro", 0.5432, 0.5391, 0.011, "fraction"),
            figure("f1_micro", 0.6432, 0.6401, 0.009, "fraction"),
            figure("balanced_accuracy", 0.7412, 0.7401, 0.012, "fraction"),
        ),
        labels=rows,
        solution=Solution(
            rounds=40,
            objective_before=10234.5,
            objective_after=10150.25,
            baseline=7000.0,
            dual_bound=10152.0,
            distance=1.75,
            gap=1.75 / 3234.5,
            finish="programme",
            images_changed=312,
            groups_changed=180,
            repaired=4,
            iterations=iterations,
        ),
        omitted=(
            Omitted(name="directional_amplification_target_to_attribute", reason="every pair is exactly balanced"),
        ),
        data={
            "protected": "gender",
            "groups": list(groups),
            "kind": "multi",
            "target": "",
            "targets": labels,
            "images": 2400,
            "labelled": 2400,
            "split": "test",
            "training": dict.fromkeys(groups, 8000),
            "training_rows": "the train split",
            "sources": ["potentials.npz", "labels.csv"],
            "ignored": ["age"],
        },
        notes=("12 of 2,400 calibrated images have no row in labels.csv.",),
        provenance={"command": "steelyard calibrate potentials.npz", "seed": 0, "versions": {"steelyard": "0.1.0"}},
    )
