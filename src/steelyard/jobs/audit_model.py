"""The model's side of an audit: what its output gives away, and how much of that is its own doing."""

from dataclasses import dataclass, replace

import numpy as np

from steelyard.jobs.audit_labels import (
    NO_POSITIVES,
    Findings,
    corruption_for,
    crossfit_plan,
    measure_curve,
    workers_of,
)
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.decisions import Decided
from steelyard.leakage.corruption import macro_f1
from steelyard.leakage.curve import Corruption
from steelyard.leakage.evidence import Draw, Evidence, label_evidence, score_evidence, with_labels
from steelyard.leakage.measures import conditional_leakage, difference, leakage, usable_information
from steelyard.leakage.plan import Plan
from steelyard.leakage.search import Attacked, run
from steelyard.leakage.significance import permutation_test
from steelyard.tables import Joined, LabelTable

NEEDS_SCORES = "needs scores (logits or probabilities), and the table holds decisions"
NEEDS_PREDICTED = "needs the group that the model predicts: --predicted-protected COLUMN"

MODEL_FIGURES = (
    "dataset_leakage_at_f1",
    "model_leakage",
    "model_leakage_decisions",
    "amplification",
    "amplification_decisions",
    "conditional_leakage",
    "usable_information_predictions",
    "directional_predictability_attribute_to_target",
    "directional_predictability_target_to_attribute",
    "mals_amplification",
    "directional_amplification_attribute_to_target",
    "directional_amplification_target_to_attribute",
    "multi_attribute_amplification",
    "mean_average_precision",
    "f1_macro",
    "f1_micro",
    "opportunity_difference",
    "score_divergence",
)
"""What needs predictions."""


@dataclass(frozen=True, slots=True)
class ModelSide:
    """The audited rows of a model's output, and what they are compared with.

    Attributes:
        joined: the audited rows only.
        decided: the decisions on them.
        plan: cross-fitting on them, for every kind of evidence alike.
        f1: the model's macro-F1 on them.
        corruption: the channel, drawn on their labels.
        train: the training rows, which give amplification its direction; None where there are none.
    """

    joined: Joined
    decided: Decided
    plan: Plan
    f1: float
    corruption: Corruption
    train: LabelTable | None

    @property
    def labels(self) -> Evidence:
        """The true labels."""
        table = self.joined.labels
        return label_evidence(table.targets, table.kind, len(table.target_names))

    @property
    def decisions(self) -> Evidence:
        """The model's decisions."""
        table = self.joined.labels
        return label_evidence(self.decided.native(), table.kind, len(table.target_names), name="decisions")

    @property
    def scores(self) -> Evidence | None:
        """The model's scores, or None where the table holds decisions."""
        if self.joined.kind == "decisions":
            return None
        return score_evidence(self.joined.scores, self.joined.kind, self.joined.labels.kind, self.decided.matrix)


def model_side(
    joined: Joined, decided: Decided, train: LabelTable | None, where: str, options: AuditOptions
) -> ModelSide:
    """Make ready to measure on the audited rows."""
    labels = joined.labels
    rows = np.arange(len(labels))
    return ModelSide(
        joined,
        decided,
        crossfit_plan(labels, rows, where, options),
        macro_f1(labels.targets, decided.native(), len(labels.target_names)),
        corruption_for(labels, rows, options),
        train,
    )


def _attack(side: ModelSide, draws: list[Draw], options: AuditOptions) -> list[Attacked]:
    labels = side.joined.labels
    return run(
        draws,
        labels.groups,
        side.plan,
        k=len(labels.group_names),
        names=options.attackers,
        seed=options.seed,
        workers=workers_of(options),
    )


def measure_model(side: ModelSide, options: AuditOptions, found: Findings, *, leak: bool = True) -> None:
    """Model leakage, amplification, information and conditional leakage, from scores and from decisions.

    Args:
        side: the audited rows.
        options: of the audit.
        found: takes the figures.
        leak: False leaves out what a preset measures in its own way.
    """
    scores = side.scores
    output = side.decisions if scores is None else scores
    at_f1 = _matched_labels(side, options, found, leak=leak)
    plain, decided, told, together = _attack(
        side,
        [lambda _: side.labels, lambda _: side.decisions, lambda _: output, _always(with_labels(side.labels, output))],
        options,
    )
    _add_leakage(side, scores is not None, (at_f1, decided, told), found, leak=leak)
    found.estimates += [
        usable_information("usable_information_labels", plain, of="labels"),
        usable_information("usable_information_predictions", told, of=output.name),
        conditional_leakage(plain, together, of=output.name),
    ]


def _always(evidence: Evidence) -> Draw:
    return lambda _: evidence


def unmatched(side: ModelSide) -> str:
    """Why no labels of the model's quality exist; empty where they do."""
    floor = side.corruption.floor(side.plan.rounds)
    if side.f1 >= floor:
        return ""
    if np.isnan(side.f1):
        return NO_POSITIVES
    return (
        f"the model's F1 of {side.f1:.3f} is below what the channel {side.corruption.channel!r} can reach "
        f"({floor:.3f}), so no labels of equal quality exist; conditional_leakage needs none"
    )


def _matched_labels(side: ModelSide, options: AuditOptions, found: Findings, *, leak: bool) -> Attacked | None:
    """The labels corrupted to the model's F1, attacked; None where there are none, which is then reported."""
    if reason := unmatched(side):
        names = ("dataset_leakage_at_f1", "amplification") if leak else ()
        for name in (*names, "amplification_decisions"):
            found.omit(name, reason)
        return None
    (attacked,) = _attack(side, [side.corruption.at(side.f1)], options)
    return attacked


def _add_leakage(
    side: ModelSide,
    scored: bool,
    attacked: tuple[Attacked | None, Attacked, Attacked],
    found: Findings,
    *,
    leak: bool,
) -> None:
    at_f1, decided, told = attacked
    scheme = f"{side.plan.scheme}; channel {side.corruption.channel!r} at F1 {side.f1:.3f}"
    if at_f1 is not None and leak:
        found.estimates.append(replace(leakage("dataset_leakage_at_f1", at_f1, of="labels"), scheme=scheme))
    if not scored and leak:
        found.omit("model_leakage", NEEDS_SCORES)
        if at_f1 is not None:
            found.omit("amplification", NEEDS_SCORES)
    elif leak:
        found.estimates.append(leakage("model_leakage", told, of="scores"))
        if at_f1 is not None:
            found.estimates.append(difference("amplification", told, at_f1, of="scores", scheme=scheme))
    found.estimates.append(leakage("model_leakage_decisions", decided, of="decisions"))
    if at_f1 is not None:
        found.estimates.append(difference("amplification_decisions", decided, at_f1, of="decisions", scheme=scheme))
    if scored:
        gap = difference("scores less decisions", told, decided, of="scores", scheme="")
        if gap.high < 0:
            found.notes.append(
                f"Leakage from scores is below leakage from decisions by {-gap.value:.3f} (beyond the interval): "
                "the attackers are too weak for these scores; add --attackers logistic,boosting,mlp."
            )


def model_p_values(side: ModelSide, options: AuditOptions, found: Findings) -> None:
    """Is there any leakage in the decisions, and in the scores?"""
    if not options.permutations:
        return
    labels = side.joined.labels
    for evidence in (side.decisions, side.scores):
        if evidence is None:
            continue
        found.estimates.append(
            permutation_test(
                evidence,
                labels.groups,
                np.arange(len(labels)),
                None,
                k=len(labels.group_names),
                permutations=options.permutations,
                names=options.attackers,
                seed=options.seed,
                workers=workers_of(options),
            )
        )


def model_curve(side: ModelSide, options: AuditOptions, found: Findings) -> None:
    """The curve under exactly the scheme of the model's leakage, the model's own F1 among its levels."""
    measure_curve(side.joined.labels, side.plan, side.corruption, options, found, model_f1=side.f1)
