"""How figures are named, grouped and written: one row per measure, one format per kind of number."""

import re
from dataclasses import dataclass
from typing import Literal

from steelyard.base.estimate import Estimate

Style = Literal[
    "percent", "fine percent", "points", "fine points", "bits", "nats", "score", "signed score", "probability"
]
Section = Literal["labels", "model", "own", "quality", "other"]

SECTIONS: dict[Section, str] = {
    "labels": "What the labels give away",
    "model": "What the model gives away",
    "own": "What is the model’s own doing",
    "quality": "How well the model does, and for whom",
    "other": "Other figures",
}


@dataclass(frozen=True, slots=True)
class Naming:
    """How one measure appears: its section, its title, how its number is written."""

    section: Section
    title: str
    style: Style


NAMES: dict[str, Naming] = {
    "dataset_leakage": Naming("labels", "Leakage of the labels", "percent"),
    "dataset_leakage_at_f1": Naming("labels", "Leakage of the labels at the model’s quality", "percent"),
    "usable_information_labels": Naming("labels", "Usable information in the labels", "bits"),
    "leakage_p_value": Naming("labels", "p-value of the leakage", "probability"),
    "model_leakage": Naming("model", "Leakage of the model’s scores", "percent"),
    "model_leakage_decisions": Naming("model", "Leakage of the model’s decisions", "percent"),
    "usable_information_predictions": Naming("model", "Usable information in the predictions", "bits"),
    "amplification": Naming("own", "Amplification, on scores", "points"),
    "amplification_decisions": Naming("own", "Amplification, on decisions", "points"),
    "conditional_leakage": Naming("own", "Conditional leakage", "bits"),
    "mals_amplification": Naming("own", "Co-occurrence amplification (MALS)", "fine points"),
    "directional_amplification_attribute_to_target": Naming(
        "own", "Directional amplification, attribute → target", "fine points"
    ),
    "directional_amplification_target_to_attribute": Naming(
        "own", "Directional amplification, target → attribute", "fine points"
    ),
    "multi_attribute_amplification": Naming("own", "Multi-attribute amplification", "fine points"),
    "multi_attribute_amplification_signed": Naming("own", "Multi-attribute amplification, signed", "fine points"),
    "multi_attribute_amplification_variance": Naming("own", "Multi-attribute amplification, variance", "score"),
    "directional_predictability_attribute_to_target": Naming(
        "own", "Directional predictability, attribute → target", "signed score"
    ),
    "directional_predictability_target_to_attribute": Naming(
        "own", "Directional predictability, target → attribute", "signed score"
    ),
    "mean_average_precision": Naming("quality", "Mean average precision", "score"),
    "f1_macro": Naming("quality", "F1, mean over the labels", "score"),
    "f1_micro": Naming("quality", "F1, over all decisions", "score"),
    "balanced_accuracy": Naming("quality", "Balanced accuracy", "score"),
    "opportunity_difference": Naming("quality", "Opportunity difference", "fine points"),
    "opportunity_difference_absolute": Naming("quality", "Opportunity difference, without sign", "fine points"),
    "opportunity_range": Naming("quality", "Opportunity difference, largest", "fine points"),
    "true_positive_rate": Naming("quality", "True positive rate", "score"),
    "false_positive_rate": Naming("quality", "False positive rate", "score"),
    "score_divergence": Naming("quality", "Divergence of the scores between groups", "nats"),
}

MEASURES: dict[str, Naming] = {
    "single_label_leakage": Naming("labels", "Leakage of this label alone", "fine percent"),
    "average_precision": Naming("quality", "Average precision", "score"),
    "f1": Naming("quality", "F1", "score"),
    "opportunity_difference": Naming("quality", "Opportunity difference", "fine points"),
    "opportunity_range": Naming("quality", "Opportunity difference, largest", "fine points"),
    "score_divergence": Naming("quality", "Score divergence (nats)", "nats"),
    "directional_amplification": Naming("own", "Directional amplification", "fine points"),
}

_BY_UNIT: dict[str, Style] = {
    "fraction": "score",
    "difference": "fine points",
    "bits": "bits",
    "nats": "nats",
    "probability": "probability",
}
_FACTOR = {"percent": 100.0, "fine percent": 100.0, "points": 100.0, "fine points": 100.0}
_PATTERN: dict[Style, tuple[str, str]] = {
    "percent": (".1f", " %"),
    "fine percent": (".2f", " %"),
    "points": ("+.1f", " points"),
    "fine points": ("+.2f", " points"),
    "bits": (".3f", " bits"),
    "nats": (".3f", " nats"),
    "score": (".3f", ""),
    "signed score": ("+.3f", ""),
    "probability": (".3f", ""),
}


def naming(name: str, unit: str = "fraction") -> Naming:
    """How the measure `name` appears; a measure that the table does not know goes by its own name."""
    if name in NAMES:
        return NAMES[name]
    words = name.replace("_", " ")
    return Naming("other", words[:1].upper() + words[1:], _BY_UNIT.get(unit, "score"))


def place(estimate: Estimate) -> int:
    """Position of an estimate within its section: the order of the table, unknown measures last."""
    if estimate.name == "leakage_p_value":
        return len(NAMES)
    return list(NAMES).index(estimate.name) if estimate.name in NAMES else len(NAMES)


def naming_of(estimate: Estimate) -> Naming:
    """How an estimate appears; a p-value stands beside the evidence that it is about."""
    found = naming(estimate.name, estimate.unit)
    if estimate.name == "leakage_p_value" and estimate.of in ("scores", "decisions"):
        return Naming("model", f"{found.title}, {estimate.of}", found.style)
    return found


def measure_naming(key: str) -> Naming:
    """How a per-label measure appears; `ratio:<group>` is the share of that group."""
    if key.startswith("ratio:"):
        return Naming("labels", f"Share of {key.removeprefix('ratio:')}", "percent")
    return MEASURES.get(key, naming(key))


def unit(style: Style) -> str:
    """The unit that follows a number of this style; empty for a plain number."""
    return _PATTERN[style][1].strip()


def write_digits(value: float, style: Style) -> str:
    """A number without its unit, for a column whose heading carries it."""
    text = format(value * _FACTOR.get(style, 1.0), _PATTERN[style][0])
    # A rounded zero has no sign: "-0.0" reads as a finding.
    return text.lstrip("+-") if not float(text) else text.removesuffix(".0") if text == "100.0" else text


def write_figure(value: float, style: Style) -> str:
    """A number with its unit, in ASCII.

    >>> write_figure(0.6826, "percent"), write_figure(-0.0123, "points")
    ('68.3 %', '-1.2 points')
    """
    return write_digits(value, style) + _PATTERN[style][1]


def write_interval(low: float, high: float, style: Style) -> str:
    """The ends of an interval with their unit.

    >>> write_interval(0.68, 0.69, "percent")
    '68.0 to 69.0 %'
    """
    return f"{write_digits(low, style)} to {write_figure(high, style)}"


def sentence(text: str) -> str:
    """Words of a scheme or reason as a sentence: a capital in front, one full stop behind.

    >>> sentence("fitted on train")
    'Fitted on train.'
    """
    text = text.strip()
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def typeset(text: str) -> str:
    """Text with a true minus sign before numbers, and no line break between a number and its unit.

    >>> typeset("-1.2 points") == "\u22121.2\u00a0points"
    True
    """
    text = re.sub(r"(?<![\w\u2212-])-(?=\d)", "\u2212", text)
    text = re.sub(r"(?<=\d) (?=%|points\b|bits\b|nats\b)", "\u00a0", text)
    return re.sub(r"\b([pk]) = (?=\d)", "\\1\u00a0=\u00a0", text)
