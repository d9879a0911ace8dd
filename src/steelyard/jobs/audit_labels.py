"""The data's side of an audit: what labels give away, at their own quality and at any lower one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.jobs.audit_options import AuditOptions
from steelyard.leakage.corruption import Channel, default_channel
from steelyard.leakage.curve import Corruption
from steelyard.leakage.evidence import label_evidence
from steelyard.leakage.measures import leakage, usable_information
from steelyard.leakage.plan import Plan, Rows, check_group_sizes, crossfit, holdout
from steelyard.leakage.search import default_workers, run
from steelyard.leakage.significance import permutation_test
from steelyard.reports.rows import CurvePoint, Omitted
from steelyard.tables import LabelTable

NO_POSITIVES = "no target has positives among the scored images, so there is no F1"


@dataclass(slots=True)
class Findings:
    """What an audit has found so far; the parts add to it."""

    estimates: list[Estimate] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)
    omitted: list[Omitted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def omit(self, name: str, reason: object) -> None:
        """Record that a figure was not measured."""
        self.omitted.append(Omitted(name=name, reason=str(reason)))

    def attempt(self, name: str, measure: Callable[[], Estimate | float]) -> None:
        """Measure, and take the figure under `name`; where it is undefined, say why under `omitted`."""
        try:
            estimate = measure()
        except UndefinedError as error:
            self.omit(name, str(error).removeprefix(f"{name}: "))
        else:
            assert isinstance(estimate, Estimate)
            self.estimates.append(replace(estimate, name=name))


def split_rows(labels: LabelTable) -> dict[str, Rows]:
    """Row positions of `train`, `val` and `test`; empty where the table has no split column."""
    if labels.splits is None:
        return {}
    return {name: np.flatnonzero(labels.splits == name) for name in ("train", "val", "test")}


def headline_plan(labels: LabelTable, options: AuditOptions) -> Plan:
    """Fit on train, score on test (or val) where there is a split; else cross-fit on everything."""
    splits = split_rows(labels)
    scored = next((name for name in ("test", "val") if len(splits.get(name, ()))), None)
    if scored is None or not len(splits["train"]):
        return crossfit_plan(labels, np.arange(len(labels)), Path(labels.source).name, options)
    for name in ("train", scored):
        check_group_sizes(labels.groups, splits[name], labels.group_names, f"the {name} rows of {labels.source}")
    size = len(labels.group_names) * int(np.bincount(labels.groups[splits["train"]]).min())
    scheme = (
        f"fitted on train ({size:,} images, as many of each group, redrawn each round), scored on {scored}, "
        f"groups weighing the same; {options.rounds} rounds"
    )
    return holdout(
        labels.groups, splits["train"], splits[scored], rounds=options.rounds, seed=options.seed, scheme=scheme
    )


def crossfit_plan(labels: LabelTable, rows: Rows, where: str, options: AuditOptions) -> Plan:
    """Cross-fitting within `rows`."""
    check_group_sizes(labels.groups, rows, labels.group_names, where, least=2 * options.folds)
    scheme = (
        f"cross-fitted on {where} in {options.folds} folds, as many images of each group in every fit, "
        f"groups weighing the same; {options.rounds} rounds"
    )
    return crossfit(labels.groups, rows, folds=options.folds, rounds=options.rounds, seed=options.seed, scheme=scheme)


def workers_of(options: AuditOptions) -> int:
    """Processes to use."""
    return options.workers or default_workers()


def measure_labels(
    labels: LabelTable, plan: Plan, options: AuditOptions, found: Findings, *, information: bool = True
) -> None:
    """Dataset leakage of the labels as they are, under the headline plan, and their usable information.

    Args:
        labels: the table.
        plan: the headline plan.
        options: of the audit.
        found: takes the figures.
        information: False where the labels' information is measured beside the predictions', under their plan.
    """
    evidence = label_evidence(labels.targets, labels.kind, len(labels.target_names))
    k = len(labels.group_names)
    (attacked,) = run(
        [lambda _: evidence],
        labels.groups,
        plan,
        k=k,
        names=options.attackers,
        seed=options.seed,
        workers=workers_of(options),
    )
    found.estimates.append(leakage("dataset_leakage", attacked, of="labels"))
    if information:
        found.estimates.append(usable_information("usable_information_labels", attacked, of="labels"))


def label_p_value(labels: LabelTable, plan: Plan, options: AuditOptions, found: Findings) -> None:
    """Is there any leakage in the labels?"""
    if not options.permutations:
        found.omit("leakage_p_value", "--permutations 0")
        return
    evidence = label_evidence(labels.targets, labels.kind, len(labels.target_names))
    rows = np.unique(np.concatenate([part.fit for part in plan.parts]))
    apart = not np.isin(plan.scored, rows).any()
    fit = split_rows(labels)["train"] if apart else plan.scored
    found.estimates.append(
        permutation_test(
            evidence,
            labels.groups,
            fit,
            plan.scored if apart else None,
            k=len(labels.group_names),
            permutations=options.permutations,
            names=options.attackers,
            seed=options.seed,
            workers=workers_of(options),
        )
    )


def corruption_for(labels: LabelTable, rows: Rows, options: AuditOptions) -> Corruption:
    """The channel of this audit, F1 measured on `rows`."""
    channel: Channel = options.channel or default_channel(labels.kind)  # type: ignore[assignment]
    return Corruption(labels.targets, len(labels.target_names), channel, rows, options.seed)


def measure_curve(
    labels: LabelTable,
    plan: Plan,
    corruption: Corruption,
    options: AuditOptions,
    found: Findings,
    *,
    model_f1: float | None = None,
) -> None:
    """Leakage of the labels corrupted down to every level, under `plan`; levels below the floor are omitted by name."""
    levels = levels_above_floor(corruption, plan.rounds, options, found, model_f1)
    attacked = run(
        [corruption.at(level) for level in levels],
        labels.groups,
        plan,
        k=len(labels.group_names),
        names=options.attackers,
        seed=options.seed,
        workers=workers_of(options),
    )
    for level, result in zip(levels, attacked, strict=True):
        estimate = leakage("dataset_leakage_at_f1", result, of="labels")
        found.curve.append(curve_point(estimate, level, corruption, plan.rounds))


def levels_above_floor(
    corruption: Corruption, rounds: int, options: AuditOptions, found: Findings, model_f1: float | None
) -> list[float]:
    """The levels of the curve that the channel reaches; the others are omitted by name."""
    floor = corruption.floor(rounds)
    if np.isnan(floor):
        found.omit("curve", NO_POSITIVES)
        return []
    wanted = options.curve_levels.at(floor, model_f1)
    for level in wanted:
        if level < floor:
            reason = f"the channel {corruption.channel!r} reaches down to F1 {floor:.3f} here"
            found.omit(f"curve at F1 {level:.3f}", reason)
    return [level for level in wanted if level >= floor]


def curve_point(estimate: Estimate, f1: float, corruption: Corruption, rounds: int) -> CurvePoint:
    """The leakage of labels corrupted to `f1` as a point of the curve."""
    return CurvePoint(
        f1=f1,
        dataset_leakage=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=corruption.mean_strength(f1, range(rounds)),
        channel=corruption.channel,
        scheme=estimate.scheme,
        n=estimate.n,
    )


def label_counts(labels: LabelTable) -> dict[str, dict[str, int]]:
    """Images per split and group."""
    splits = np.full(len(labels), "all") if labels.splits is None else labels.splits
    return {
        str(name): dict(
            zip(
                labels.group_names,
                map(int, np.bincount(labels.groups[splits == name], minlength=len(labels.group_names))),
                strict=True,
            )
        )
        for name in ("train", "val", "test", "all")
        if (splits == name).any()
    }
