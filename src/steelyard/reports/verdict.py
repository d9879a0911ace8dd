"""The verdict: what the figures and their intervals say, in a sentence for people who do not measure.

The wording never says more than the interval does: "was not found" where chance lies within it, never "does not".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from steelyard.base.estimate import Estimate
from steelyard.reports.figures import naming, write_figure, write_interval

if TYPE_CHECKING:
    from steelyard.reports.audit_report import AuditReport

Side = Literal["above", "around", "below"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit comes to.

    Attributes:
        sentence: one sentence for everybody.
        details: sentences with the intervals, and what tempers the first one.
    """

    sentence: str
    details: tuple[str, ...]


def side(estimate: Estimate, reference: float) -> Side:
    """Where the interval lies against a reference; touching it counts as containing it."""
    if estimate.low > reference:
        return "above"
    return "below" if estimate.high < reference else "around"


def verdict(report: "AuditReport") -> Verdict:
    """The verdict on a report, from its figures and their intervals alone."""
    clauses = [clause for clause in (_labels_clause(report), _model_clause(report)) if clause]
    if not clauses:
        reason = report.omitted[0].reason if report.omitted else "the report holds no leakage"
        return Verdict(f"Nothing could be said about “{report.data['protected']}”: {reason}.", ())
    sentence = "; ".join(clauses)
    return Verdict(f"{sentence[0].upper()}{sentence[1:]}.", tuple(_details(report)))


def _percent(value: float) -> str:
    return write_figure(value, "percent")


def _p_value(report: "AuditReport", *, labels: bool) -> Estimate | None:
    return next(
        (
            e
            for e in report.estimates
            if e.name == "leakage_p_value" and (e.of not in ("scores", "decisions")) == labels
        ),
        None,
    )


def _labels_clause(report: "AuditReport") -> str:
    leakage = report.estimate("dataset_leakage")
    if leakage is None:
        return ""
    who, chance = f"“{report.data['protected']}”", _percent(report.chance)
    sight = "an attacker who sees nothing else names the right group for"
    if side(leakage, report.chance) != "above":
        return (
            f"the labels alone were not found to give away {who}: {sight} {_percent(leakage.value)} of images, "
            f"where guessing gets {chance}"
        )
    p_value = _p_value(report, labels=True)
    if p_value is not None and p_value.value > 1 - leakage.level:
        return (
            f"it is not settled whether the labels give away {who}: {sight} {_percent(leakage.value)} of images, "
            f"where guessing gets {chance}, but shuffled groups do as well too often "
            f"(p = {write_figure(p_value.value, 'probability')})"
        )
    return (
        f"the labels alone give away {who}: {sight} {_percent(leakage.value)} of images, where guessing gets {chance}"
    )


def _comparison(report: "AuditReport", name: str) -> str:
    leakage = report.estimate("model_leakage_decisions" if name.endswith("decisions") else "model_leakage")
    reference = report.estimate("dataset_leakage_at_f1")
    if leakage is None or reference is None:
        return ""
    return f" ({_percent(leakage.value)} against {_percent(reference.value)})"


def _model_clause(report: "AuditReport") -> str:
    """What the model adds; scores alone are not believed where decisions and conditional leakage differ."""
    on_scores, on_decisions = report.estimate("amplification"), report.estimate("amplification_decisions")
    conditional = report.estimate("conditional_leakage")
    adds = conditional is not None and side(conditional, 0.0) == "above"
    main = on_scores or on_decisions
    if main is None:
        return _without_amplification(report)
    where = side(main, 0.0)
    numbers = _comparison(report, main.name)
    if where == "above":
        if main is on_scores and _only_on_scores(on_decisions, conditional):
            return (
                f"the model’s scores give away more than its labels and random mistakes would{numbers}, but "
                "this was not found where scores are read more fairly, so it may be the finer grain of scores "
                "rather than the model’s own doing"
            )
        return f"the model gives away more than its labels and random mistakes would{numbers}"
    if where == "below":
        rest = ", though for images with the same labels its predictions still tell something" if adds else ""
        return f"the model gives away less than its labels and random mistakes would{numbers}{rest}"
    rest = ", yet for images with the same labels its predictions tell something more" if adds else ""
    return f"the model was not found to give away more than its labels and random mistakes would{numbers}{rest}"


def _only_on_scores(on_decisions: Estimate | None, conditional: Estimate | None) -> bool:
    others = [e for e in (on_decisions, conditional) if e is not None]
    return bool(others) and all(side(e, 0.0) != "above" for e in others)


def _without_amplification(report: "AuditReport") -> str:
    conditional = report.estimate("conditional_leakage")
    if conditional is not None:
        bits = write_figure(conditional.value, "bits")
        if side(conditional, 0.0) == "above":
            return f"the model’s predictions tell more than the true labels do (by {bits})"
        return f"the model’s predictions were not found to tell more than the true labels do ({bits})"
    leakage = report.estimate("model_leakage") or report.estimate("model_leakage_decisions")
    if leakage is None:
        return ""
    return f"an attacker who sees the model’s predictions names the right group for {_percent(leakage.value)}"


def _details(report: "AuditReport") -> Iterator[str]:
    leakage = report.estimate("dataset_leakage")
    if leakage is not None:
        yield _interval_sentence("Leakage of the labels", leakage, report.chance)
    for labels, what in ((True, "labels"), (False, "predictions")):
        p_value = _p_value(report, labels=labels)
        if p_value is not None:
            yield (
                f"Were the {what} of no help at all, a leakage this high would come up with probability "
                f"p = {write_figure(p_value.value, 'probability')}."
            )
    for name in ("amplification", "amplification_decisions", "conditional_leakage"):
        found = report.estimate(name)
        if found is not None:
            yield _sign_sentence(found)
    if _has_model(report):
        for item in report.omitted:
            if item.name in ("amplification", "model_leakage", "conditional_leakage"):
                yield f"{naming(item.name).title} was not measured: {item.reason.rstrip('.')}."
    if any(e.folded for e in report.estimates):
        yield (
            "Figures marked as folded count an accuracy below chance as if it were above, as the published "
            "protocol does; with no leak at all they still lie above chance."
        )


def _has_model(report: "AuditReport") -> bool:
    """True where predictions were audited: otherwise their absence is no news about a model."""
    return any(naming(e.name).section in ("model", "own", "quality") for e in report.estimates)


def _interval_sentence(title: str, estimate: Estimate, chance: float) -> str:
    span = write_interval(estimate.low, estimate.high, "percent")
    words = {"above": "all of it above", "around": "which contains", "below": "all of it below"}
    return (
        f"{title}: {100 * estimate.level:g} % interval {span}, {words[side(estimate, chance)]} "
        f"chance ({_percent(chance)})."
    )


def _sign_sentence(estimate: Estimate) -> str:
    name = naming(estimate.name)
    figure = f"{write_figure(estimate.value, name.style)} ({100 * estimate.level:g} % interval " + (
        f"{write_interval(estimate.low, estimate.high, name.style)})"
    )
    meaning = {
        "above": "above 0",
        "around": "0 lies within the interval, so none was found, which is not proof that there is none",
        "below": "below 0",
    }
    return f"{name.title}: {figure}, {meaning[side(estimate, 0.0)]}."
