"""Leakage, amplification and conditional leakage of several models, attacked alike, and their differences in pairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.jobs.audit_labels import workers_of
from steelyard.jobs.audit_model import NEEDS_SCORES, ModelSide, unmatched
from steelyard.jobs.audit_options import AuditOptions
from steelyard.leakage.evidence import Draw, Evidence, with_labels
from steelyard.leakage.measures import conditional_leakage, difference, leakage
from steelyard.leakage.paired import (
    amplification_difference,
    information_difference,
    leakage_difference,
    share_removed,
)
from steelyard.leakage.search import Attacked, run
from steelyard.reports.comparison import ComparedFigure
from steelyard.reports.rows import Omitted

Values = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Attacks:
    """What attackers made of one model.

    Attributes:
        decisions: attacked.
        output: scores attacked, or the decisions once more where not every model has scores.
        together: true labels and output attacked.
        matched: labels corrupted to the model's F1 attacked; None where there are none of that quality.
        scheme: of the amplification.
    """

    decisions: Attacked
    output: Attacked
    together: Attacked
    matched: Attacked | None
    scheme: str


def leakage_figures(
    sides: Mapping[str, ModelSide], options: AuditOptions, *, scored: bool
) -> tuple[list[ComparedFigure], list[Omitted]]:
    """Attack every model under one plan.

    Args:
        sides: the models on the same images and plan, the base first.
        options: of the audit.
        scored: every model has scores.

    Returns:
        The figures, and what was left out.
    """
    labels, attacks = _attacked(sides, options, scored=scored)
    base = next(iter(attacks.values()))
    figures, omitted = [], []
    of = "scores" if scored else "decisions"
    kinds = {"": of, "_decisions": "decisions"} if scored else {"_decisions": "decisions"}
    if not scored:
        omitted += [Omitted(name=name, reason=NEEDS_SCORES) for name in ("model_leakage", "amplification")]
    for suffix, kind in kinds.items():
        told = {name: one.decisions if suffix else one.output for name, one in attacks.items()}
        name = f"model_leakage{suffix}"
        figures.append(
            ComparedFigure(
                measure=name,
                models={model: leakage(name, one, of=kind) for model, one in told.items()},
                differences=_against_base(told, leakage_difference, name, kind),
            )
        )
    for suffix, kind in kinds.items():
        figures += _amplification(f"amplification{suffix}", sides, attacks, kind, options.rounds, omitted)
    name = "conditional_leakage"
    together = {model: one.together for model, one in attacks.items()}
    figures.append(
        _with_removed(
            ComparedFigure(
                measure=name,
                models={model: conditional_leakage(labels, one, of=of) for model, one in together.items()},
                differences=_against_base(together, information_difference, name, of),
            ),
            base.output.credit.shape[0],
            omitted,
        )
    )
    return figures, omitted


def _attacked(
    sides: Mapping[str, ModelSide], options: AuditOptions, *, scored: bool
) -> tuple[Attacked, dict[str, Attacks]]:
    """The labels attacked, and every model's evidence, in one go so that all processes have work."""
    first = next(iter(sides.values()))
    draws: dict[tuple[str, str], Draw] = {("", "labels"): _always(first.labels)}
    for name, side in sides.items():
        scores = side.scores if scored else None
        output = side.decisions if scores is None else scores
        draws[name, "decisions"] = _always(side.decisions)
        if scores is not None:
            draws[name, "output"] = _always(scores)
        draws[name, "together"] = _always(with_labels(side.labels, output))
        if not unmatched(side):
            draws[name, "matched"] = side.corruption.at(side.f1)
    groups, k = first.joined.labels.groups, len(first.joined.labels.group_names)
    made = run(
        list(draws.values()),
        groups,
        first.plan,
        k=k,
        names=options.attackers,
        seed=options.seed,
        workers=workers_of(options),
    )
    found = dict(zip(draws, made, strict=True))
    attacks = {
        name: Attacks(
            decisions=found[name, "decisions"],
            output=found[name, "output" if scored else "decisions"],
            together=found[name, "together"],
            matched=found.get((name, "matched")),
            scheme=f"{side.plan.scheme}; channel {side.corruption.channel!r} at F1 {side.f1:.3f}",
        )
        for name, side in sides.items()
    }
    return found["", "labels"], attacks


def _always(evidence: Evidence) -> Draw:
    return lambda _: evidence


def _against_base(attacked: Mapping[str, Attacked], measure: Callable[..., Estimate], name: str, of: str) -> Values:
    base, *others = attacked
    return {other: measure(name, attacked[base], attacked[other], of=of) for other in others}


def _amplification(
    name: str,
    sides: Mapping[str, ModelSide],
    attacks: Mapping[str, Attacks],
    of: str,
    rounds: int,
    omitted: list[Omitted],
) -> list[ComparedFigure]:
    """Amplification where labels of the model's quality exist; the others are omitted by name."""
    pairs: dict[str, tuple[Attacked, Attacked]] = {}
    for model, one in attacks.items():
        if one.matched is None:
            omitted.append(Omitted(name=name, reason=f"{model}: {unmatched(sides[model])}"))
        else:
            pairs[model] = (one.output if name == "amplification" else one.decisions, one.matched)
    if not pairs:
        return []
    values = {model: difference(name, *pair, of=of, scheme=attacks[model].scheme) for model, pair in pairs.items()}
    base = next(iter(attacks))
    if base not in pairs:
        return [ComparedFigure(measure=name, models=values)]
    differences = {
        model: amplification_difference(name, pairs[base], pair, of=of, scheme=attacks[model].scheme)
        for model, pair in pairs.items()
        if model != base
    }
    return [_with_removed(ComparedFigure(measure=name, models=values, differences=differences), rounds, omitted)]


def _with_removed(figure: ComparedFigure, rounds: int, omitted: list[Omitted]) -> ComparedFigure:
    """The figure with the share that each model is rid of; the reason where there is none."""
    base = next(iter(figure.models.values()))
    removed: Values = {}
    for model, gap in figure.differences.items():
        try:
            removed[model] = share_removed(base, figure.models[model], gap, rounds=rounds)
        except UndefinedError as error:
            omitted.append(Omitted(name=f"{figure.measure}: share removed", reason=str(error)))
            break
    return replace(figure, removed=removed)
