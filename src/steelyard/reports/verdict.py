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


def _p_value_of_labels(report: "AuditReport") -> Estimate | None:
    found = (e for e in report.estimates if e.name == "leakage_p_value" and e.of not in ("scores", "decisions"))
    return next(found, None)


def _labels_clause(report: "AuditReport") -> str:
    leakage, p_value = report.estimate("dataset_leakage"), _p_value_of_labels(report)
    if leakage is None:
        return ""
    who, chance = f"“{report.data['protected']}”", _percent(report.chance)
    where = side(leakage, report.chance)
    shuffled = "" if p_value is None else f"(p = {write_figure(p_value.value, 'probability')})"
    significant = p_value is not None and p_value.value <= 1 - leakage.level
    if leakage.folded:
        return _folded_clause(report, leakage, shuffled, significant=significant)
    found = (
        f"an attacker who sees nothing else names the right group for {_percent(leakage.value)} of images "
        "(each group counting the same)"
    )
    if where == "below":
        return (
            f"the labels alone were not found to give away {who}: {found}, which is below the {chance} of guessing "
            "and is read as no leakage"
        )
    found = f"{found}, where guessing gets {chance}"
    if where == "around" and significant:
        return (
            f"it is not settled whether the labels give away {who}: {found}, which lies within the interval, "
            f"but shuffled groups seldom do as well {shuffled}"
        )
    if where == "around":
        return f"the labels alone were not found to give away {who}: {found}"
    if p_value is not None and not significant:
        return (
            f"it is not settled whether the labels give away {who}: {found}, but shuffled groups do as well too often "
            f"{shuffled}"
        )
    return f"the labels alone give away {who}: {found}"


def _folded_clause(report: "AuditReport", leakage: Estimate, shuffled: str, *, significant: bool) -> str:
    """A folded accuracy lies above chance by itself: only the p-value, which is not folded, can show a leak."""
    who, chance = f"“{report.data['protected']}”", _percent(report.chance)
    found = (
        f"the published protocol’s attacker comes to {_percent(leakage.value)}, "
        f"but folded accuracy lies above {chance} even where nothing leaks"
    )
    if significant:
        return (
            f"the labels alone give away {who}, by the p-value of the audit’s own attackers {shuffled}: {found}, "
            "so it is to be read beside published figures only"
        )
    if side(leakage, report.chance) != "above":
        return f"the labels alone were not found to give away {who}: {found}"
    if shuffled:
        found = f"{found}, and for the audit’s own attackers shuffled groups do as well too often {shuffled}"
    return f"it is not settled whether the labels give away {who}: {found}"


def _comparison(report: "AuditReport", name: str) -> str:
    leakage = report.estimate("model_leakage_decisions" if name.endswith("decisions") else "model_leakage")
    reference = report.estimate("dataset_leakage_at_f1")
    # A preset folds the one and not the other: two schemes, no comparison.
    if leakage is None or reference is None or leakage.folded != reference.folded:
        return ""
    folded = ", both folded" if leakage.folded else ""
    return f" ({_percent(leakage.value)} against {_percent(reference.value)}{folded})"


_MORE = "more than its labels and random mistakes would"
_CONFUSIONS = (
    ", but for images with the same labels nothing more was found, so it may be that it takes certain labels for "
    "certain others"
)


def _model_clause(report: "AuditReport") -> str:
    """What the model adds, from scores, decisions and conditional leakage together: no one of them decides alone."""
    on_scores, on_decisions = report.estimate("amplification"), report.estimate("amplification_decisions")
    conditional = report.estimate("conditional_leakage")
    main = on_scores or on_decisions
    if main is None:
        return _without_amplification(report)
    where, numbers = side(main, 0.0), _comparison(report, main.name)
    own = "unknown" if conditional is None else side(conditional, 0.0)
    confusions = "" if own in ("unknown", "above") else _CONFUSIONS
    if where == "above":
        elsewhere = _not_found_on(on_decisions, conditional) if main is on_scores else ""
        if elsewhere:
            return (
                f"the model’s scores give away {_MORE}{numbers}, but nothing more was found {elsewhere}, so it may be "
                "the finer grain of scores rather than the model’s own doing"
            )
        return f"the model gives away {_MORE}{numbers}{confusions}"
    if on_decisions is not None and side(on_decisions, 0.0) == "above":
        numbers = _comparison(report, on_decisions.name)
        return f"the model’s decisions give away {_MORE}{numbers}, though on its scores this was not found{confusions}"
    if where == "below":
        rest = ", though for images with the same labels its predictions still tell something" if own == "above" else ""
        return f"the model gives away less than its labels and random mistakes would{numbers}{rest}"
    if own == "above":
        return (
            "for images with the same labels the model’s predictions tell something more, though altogether it was "
            f"not found to give away {_MORE}{numbers}"
        )
    return f"the model was not found to give away {_MORE}{numbers}"


def _not_found_on(on_decisions: Estimate | None, conditional: Estimate | None) -> str:
    """Where else it was looked for and not found; empty where it was found there, or nobody looked."""
    looked = [(on_decisions, "on its decisions"), (conditional, "for images with the same labels")]
    others = [(side(e, 0.0), words) for e, words in looked if e is not None]
    return "" if any(where == "above" for where, _ in others) else " nor ".join(words for _, words in others)


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
        yield _interval_sentence(leakage, report.chance)
    yield from _p_value_sentences(report)
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


def _p_value_sentences(report: "AuditReport") -> Iterator[str]:
    """One for each kind of evidence; a preset's figures are not what a p-value is about, and it says so."""
    preset = any(e.folded for e in report.estimates)
    whose = "the audit’s own attackers (not those of the published protocol) would do as well as they did"
    for found in report.estimates:
        if found.name == "leakage_p_value":
            what = f"model’s {found.of}" if found.of in ("scores", "decisions") else "labels"
            yield (
                f"Were the {what} of no help at all, {whose if preset else 'a leakage this high would come up'} with "
                f"probability p = {write_figure(found.value, 'probability')}."
            )


def _has_model(report: "AuditReport") -> bool:
    """True where predictions were audited: otherwise their absence is no news about a model."""
    return any(naming(e.name).section in ("model", "own", "quality") for e in report.estimates)


def _interval_sentence(leakage: Estimate, chance: float) -> str:
    span = write_interval(leakage.low, leakage.high, "percent")
    said = f"Leakage of the labels: {100 * leakage.level:g} % interval {span}"
    if leakage.folded:
        return f"{said}, folded, so that chance ({_percent(chance)}) is not what it would come to without any leak."
    words = {
        "above": "all of it above",
        "around": "which contains",
        "below": "in which no leakage was found: all of it lies below",
    }
    return f"{said}, {words[side(leakage, chance)]} chance ({_percent(chance)})."


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
