"""The catalogue of measures: range, ideal value, direction and source of every figure that reports use.

Direction and bounds are data here, so that a report, a comparison and a test read them from one place.
"""

from dataclasses import dataclass
from typing import Literal

from steelyard.base.errors import InputError, first_few

Better = Literal["lower", "higher", "zero", "ideal"]

HARDT = "Hardt, Price, Srebro, NeurIPS 2016"
LOPEZ_PAZ = "Lopez-Paz, Oquab, ICLR 2017"
RAMASWAMY = "Ramaswamy, Kim, Russakovsky, CVPR 2021"
TOKAS = "Tokas et al., 2024"
WANG_2019 = "Wang et al., ICCV 2019"
WANG_2021 = "Wang, Russakovsky, ICML 2021"
XU = "Xu et al., ICLR 2020"
ZHAO_2017 = "Zhao et al., EMNLP 2017"
ZHAO_2023 = "Zhao, Andrews, Xiang, ICML 2023"
STANDARD = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a reader must know to read one figure.

    Attributes:
        name: as in `Estimate.name` and in reports.
        answers: the question it answers, in plain words, one line.
        range: lowest and highest possible value; None where there is no bound.
        ideal: the value that gives nothing away or makes no error; `1/k` for k groups; None where there is
            none.
        better: `lower`, `higher`, `zero` (nearer to 0) or `ideal` (nearer to `ideal`).
        unit: as in `Estimate.unit`.
        paper: short citation with the year.
        defined: the module that computes it.
    """

    name: str
    answers: str
    range: tuple[float | None, float | None]
    ideal: float | Literal["1/k"] | None
    better: Better
    unit: str
    paper: str
    defined: str


def _leakage(name: str, answers: str) -> Measure:
    return Measure(
        name=name,
        answers=answers,
        range=(0.0, 1.0),
        ideal="1/k",
        better="lower",
        unit="fraction",
        paper=WANG_2019,
        defined="steelyard.leakage",
    )


def _bounded(name: str, answers: str, paper: str, module: str, *, ideal: float, unit: str = "fraction") -> Measure:
    return Measure(
        name=name,
        answers=answers,
        range=(0.0, 1.0),
        ideal=ideal,
        better="higher" if ideal else "lower",
        unit=unit,
        paper=paper,
        defined=f"steelyard.metrics.{module}",
    )


def _shift(name: str, answers: str, paper: str, defined: str) -> Measure:
    return Measure(
        name=name,
        answers=answers,
        range=(-1.0, 1.0),
        ideal=0.0,
        better="zero",
        unit="difference",
        paper=paper,
        defined=f"steelyard.{defined}",
    )


def _bits(name: str, answers: str) -> Measure:
    # Information that an attacker can use is at least 0, but its cross-fitted estimate can fall below.
    return Measure(
        name=name,
        answers=answers,
        range=(None, None),
        ideal=0.0,
        better="lower",
        unit="bits",
        paper=XU,
        defined="steelyard.leakage",
    )


CATALOG: tuple[Measure, ...] = (
    _leakage("dataset_leakage", "How often can an attacker name the group of an image from its true labels alone?"),
    _leakage(
        "dataset_leakage_at_f1", "How often could it from labels with random errors, as many as this model makes?"
    ),
    _leakage("model_leakage", "How often can an attacker name the group from the model's scores?"),
    _leakage("model_leakage_decisions", "How often can an attacker name the group from the model's decisions?"),
    _shift(
        "amplification",
        "Do the model's scores give away more than random errors of the same number would?",
        WANG_2019,
        "leakage",
    ),
    _shift(
        "amplification_decisions",
        "Do the model's decisions give away more than random errors of the same number would?",
        WANG_2019,
        "leakage",
    ),
    Measure(
        name="leakage_p_value",
        answers="How often would chance alone show a leakage this high, if nothing were given away?",
        range=(0.0, 1.0),
        ideal=None,
        better="higher",
        unit="probability",
        paper=LOPEZ_PAZ,
        defined="steelyard.leakage",
    ),
    _bits(
        "conditional_leakage",
        "How much do the model's predictions say about the group beyond what the true labels say?",
    ),
    _bits("usable_information_labels", "How much can an attacker learn about the group from the true labels?"),
    _bits(
        "usable_information_predictions", "How much can an attacker learn about the group from the model's predictions?"
    ),
    _shift(
        "directional_predictability_attribute_to_target",
        "Are the model's labels easier to foretell from the group than true labels of the same quality?",
        TOKAS,
        "leakage",
    ),
    _shift(
        "directional_predictability_target_to_attribute",
        "Are the model's groups easier to foretell from the labels than true groups of the same quality?",
        TOKAS,
        "leakage",
    ),
    _shift(
        "mals_amplification",
        "Does the group that a label leans to hold more of its predictions than of its training images?",
        ZHAO_2017,
        "metrics.mals",
    ),
    _shift(
        "directional_amplification_attribute_to_target",
        "Does seeing the group push the predicted labels further the way the training set leans?",
        WANG_2021,
        "metrics.directional",
    ),
    _shift(
        "directional_amplification_target_to_attribute",
        "Does seeing the label push the predicted group further the way the training set leans?",
        WANG_2021,
        "metrics.directional",
    ),
    _bounded(
        "multi_attribute_amplification",
        "How far do predictions shift the groups' shares of labels, alone and in combination?",
        ZHAO_2023,
        "multi_attribute",
        ideal=0.0,
        unit="difference",
    ),
    _shift(
        "multi_attribute_amplification_signed",
        "Do predictions shift labels, alone and in combination, further the way the training set leans?",
        ZHAO_2023,
        "metrics.multi_attribute",
    ),
    _bounded(
        "multi_attribute_amplification_variance",
        "How unevenly are those shifts spread over groups and combinations of labels?",
        ZHAO_2023,
        "multi_attribute",
        ideal=0.0,
    ),
    _bounded(
        "average_precision", "Do the images with the label rank above those without?", RAMASWAMY, "precision", ideal=1.0
    ),
    _bounded(
        "mean_average_precision",
        "Do the images with a label rank above those without, on average over labels?",
        WANG_2019,
        "precision",
        ideal=1.0,
    ),
    _bounded(
        "f1", "How well do decisions on a label balance misses and false alarms?", STANDARD, "decisions", ideal=1.0
    ),
    _bounded(
        "f1_macro",
        "How well do decisions balance misses and false alarms, every label counting the same?",
        WANG_2019,
        "decisions",
        ideal=1.0,
    ),
    _bounded(
        "f1_micro",
        "How well do decisions balance misses and false alarms, every decision counting the same?",
        STANDARD,
        "decisions",
        ideal=1.0,
    ),
    _bounded(
        "balanced_accuracy",
        "How much of each class is recognised, every class counting the same?",
        STANDARD,
        "decisions",
        ideal=1.0,
    ),
    _bounded(
        "true_positive_rate", "Of a group's images with the label, how many are found?", HARDT, "group_rates", ideal=1.0
    ),
    _bounded(
        "false_positive_rate",
        "Of a group's images without the label, how many are said to have it?",
        HARDT,
        "group_rates",
        ideal=0.0,
    ),
    _shift(
        "opportunity_difference",
        "How much likelier is the label found in one group than in the reference group?",
        HARDT,
        "metrics.opportunity",
    ),
    _bounded(
        "opportunity_difference_absolute",
        "How far apart are two groups in how likely the label is found?",
        RAMASWAMY,
        "opportunity",
        ideal=0.0,
        unit="difference",
    ),
    _bounded(
        "opportunity_range",
        "How far apart are the best and the worst served group in how likely the label is found?",
        HARDT,
        "opportunity",
        ideal=0.0,
        unit="difference",
    ),
    Measure(
        name="score_divergence",
        answers="How differently does the model score two groups whose true label is the same?",
        range=(0.0, None),
        ideal=0.0,
        better="lower",
        unit="nats",
        paper=RAMASWAMY,
        defined="steelyard.metrics.divergence",
    ),
    Measure(
        name="group_share",
        answers="Which share of the images with the label shows this group?",
        range=(0.0, 1.0),
        ideal="1/k",
        better="ideal",
        unit="fraction",
        paper=ZHAO_2017,
        defined="steelyard.metrics.cooccurrence",
    ),
    Measure(
        name="single_label_leakage",
        answers="How often can an attacker who sees only this label name the group?",
        range=(0.0, 1.0),
        ideal="1/k",
        better="lower",
        unit="fraction",
        paper=WANG_2019,
        defined="steelyard.metrics.cooccurrence",
    ),
)


def by_name(name: str) -> Measure:
    """The catalogue's row of one measure.

    Raises:
        InputError: there is no such measure.
    """
    for measure in CATALOG:
        if measure.name == name:
            return measure
    raise InputError(f"measure: expected one of {first_few([row.name for row in CATALOG], 50)}, found {name!r}")
