"""Metrics: pure functions on numpy arrays, with intervals; no torch, no files.

Every measure is two functions: a kernel, vectorised over bootstrap rounds and labels, NaN where undefined;
and a public one, which checks its input and returns an `Estimate`, or a float with `interval=False`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.metrics.bootstrap import draw_weights as draw_weights
    from steelyard.metrics.bootstrap import percentile_interval as percentile_interval
    from steelyard.metrics.catalog import CATALOG as CATALOG
    from steelyard.metrics.catalog import by_name as by_name
    from steelyard.metrics.cooccurrence import group_share as group_share
    from steelyard.metrics.cooccurrence import single_label_leakage as single_label_leakage
    from steelyard.metrics.decisions import balanced_accuracy as balanced_accuracy
    from steelyard.metrics.decisions import f1 as f1
    from steelyard.metrics.decisions import f1_macro as f1_macro
    from steelyard.metrics.decisions import f1_micro as f1_micro
    from steelyard.metrics.directional import directional_amplification as directional_amplification
    from steelyard.metrics.divergence import score_divergence as score_divergence
    from steelyard.metrics.group_rates import false_positive_rate as false_positive_rate
    from steelyard.metrics.group_rates import true_positive_rate as true_positive_rate
    from steelyard.metrics.mals import mals_amplification as mals_amplification
    from steelyard.metrics.multi_attribute import (
        multi_attribute_amplification as multi_attribute_amplification,
    )
    from steelyard.metrics.opportunity import opportunity_difference as opportunity_difference
    from steelyard.metrics.opportunity import opportunity_range as opportunity_range
    from steelyard.metrics.panel import label_panel as label_panel
    from steelyard.metrics.precision import average_precision as average_precision
    from steelyard.metrics.precision import mean_average_precision as mean_average_precision
    from steelyard.metrics.thresholds import calibrated_threshold as calibrated_threshold
    from steelyard.metrics.thresholds import f1_optimal_threshold as f1_optimal_threshold

_HOME = {
    "CATALOG": "catalog",
    "average_precision": "precision",
    "balanced_accuracy": "decisions",
    "by_name": "catalog",
    "calibrated_threshold": "thresholds",
    "directional_amplification": "directional",
    "draw_weights": "bootstrap",
    "f1": "decisions",
    "f1_macro": "decisions",
    "f1_micro": "decisions",
    "f1_optimal_threshold": "thresholds",
    "false_positive_rate": "group_rates",
    "group_share": "cooccurrence",
    "label_panel": "panel",
    "mals_amplification": "mals",
    "mean_average_precision": "precision",
    "multi_attribute_amplification": "multi_attribute",
    "opportunity_difference": "opportunity",
    "opportunity_range": "opportunity",
    "percentile_interval": "bootstrap",
    "score_divergence": "divergence",
    "single_label_leakage": "cooccurrence",
    "true_positive_rate": "group_rates",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
