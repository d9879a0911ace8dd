"""The catalogue: complete, unambiguous, and true of what the functions return."""

import re

import numpy as np
import pytest

from steelyard import metrics
from steelyard.base.errors import InputError, UndefinedError
from steelyard.metrics.catalog import CATALOG, by_name

NO_FIGURE = {
    "CATALOG",
    "by_name",
    "calibrated_threshold",
    "draw_weights",
    "f1_optimal_threshold",
    "label_panel",
    "percentile_interval",
}
LEAKAGE_LAYER = {
    "dataset_leakage",
    "dataset_leakage_at_f1",
    "model_leakage",
    "model_leakage_decisions",
    "amplification",
    "amplification_decisions",
    "leakage_p_value",
    "conditional_leakage",
    "usable_information_labels",
    "usable_information_predictions",
    "directional_predictability_attribute_to_target",
    "directional_predictability_target_to_attribute",
}


def figures(seed):
    """Every public measure on one random table, in every form it has: Estimates, undefined ones left out."""
    rng = np.random.default_rng(seed)
    n, k, t = int(rng.integers(40, 120)), int(rng.integers(2, 5)), 3
    truth, decided, train = ((rng.random((n, t)) < rng.random(t)).astype(int) for _ in range(3))
    groups, guessed, train_groups = (rng.integers(0, k, n) for _ in range(3))
    scores = rng.random((n, t)).round(1)
    y, d, s = truth[:, 0], decided[:, 0], scores[:, 0]
    trained = {"train_targets": train, "train_groups": train_groups}
    backward = {**trained, "direction": "target_to_attribute"}
    multi = [{"statistic": name, "min_support": 5} for name in ("mean_absolute", "mean_signed", "variance_signed")]
    calls = [
        ("average_precision", (y, s), {}),
        ("mean_average_precision", (truth, scores), {}),
        ("f1", (y, d), {}),
        ("f1_macro", (truth, decided), {}),
        ("f1_micro", (truth, decided), {}),
        ("balanced_accuracy", (groups, guessed), {}),
        ("true_positive_rate", (y, groups, d), {"group": 0}),
        ("false_positive_rate", (y, groups, d), {"group": 0}),
        ("opportunity_difference", (y, groups, d), {"group": 0}),
        ("opportunity_difference", (y, groups, d), {"group": 0, "absolute": True}),
        ("opportunity_range", (y, groups, d), {}),
        ("score_divergence", (y, groups, s), {}),
        ("mals_amplification", (truth, groups, decided), trained),
        ("directional_amplification", (truth, groups, decided), trained),
        ("directional_amplification", (truth, groups, guessed), backward),
        *(("multi_attribute_amplification", (truth, groups, decided), options) for options in multi),
        ("group_share", (y, groups), {"group": 0}),
        ("single_label_leakage", (y, groups), {}),
    ]
    for name, arrays, options in calls:
        try:
            yield name, getattr(metrics, name)(*arrays, **options, rounds=50, seed=seed)
        except UndefinedError:
            yield name, None


def test_figures_have_a_row_and_stay_in_its_range():
    seen, calculated = set(), 0
    for seed in range(25):
        for function, figure in figures(seed):
            seen.add(function)
            if figure is None:
                continue
            calculated += 1
            row = by_name(figure.name)
            low, high = (
                bound if bound is not None else sign * np.inf for bound, sign in zip(row.range, (-1, 1), strict=True)
            )
            assert low - 1e-12 <= figure.low <= figure.high <= high + 1e-12, figure
            assert low - 1e-12 <= figure.value <= high + 1e-12, figure
            assert figure.unit == row.unit, figure
            assert figure.name.startswith(function)
            assert row.defined == getattr(metrics, function).__module__
    assert calculated > 350
    assert seen == set(metrics.__all__) - NO_FIGURE


def test_the_range_check_can_fail():
    assert by_name("opportunity_difference").range[0] == -1
    signed = [figure.value for name, figure in figures(1) if name == "opportunity_difference" and figure]
    everything = [f.value for seed in range(25) for name, f in figures(seed) if name == "opportunity_difference" and f]
    assert signed
    assert min(everything) < 0, "a row that said [0, 1] would be caught"


def test_rows_are_unique_and_complete():
    names = [row.name for row in CATALOG]
    assert len(set(names)) == len(names)
    assert set(names) >= LEAKAGE_LAYER
    for row in CATALOG:
        assert row.answers.endswith("?")
        assert "\n" not in row.answers
        assert row.paper == "standard" or re.search(r"\d{4}$", row.paper)
        assert (row.better == "zero") == (row.ideal == 0 and row.range == (-1, 1))
        if isinstance(row.ideal, float):
            assert row.range[0] is None or row.ideal >= row.range[0]


def test_an_unknown_name_lists_the_known():
    with pytest.raises(InputError, match=r"expected one of dataset_leakage, .* found 'fairness'"):
        by_name("fairness")


def test_exports_are_lazy_and_listed():
    assert metrics.__all__ == sorted(metrics.__all__)
    for name in metrics.__all__:
        assert getattr(metrics, name) is not None
    assert set(metrics.__all__) <= set(dir(metrics))
    with pytest.raises(AttributeError, match="no attribute 'accuracy'"):
        _ = metrics.accuracy
