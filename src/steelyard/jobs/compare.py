"""Compare: several models on the same images, with intervals on the differences.

What two models have in common, their images above all, falls out of a difference that is taken image by image. So its
interval is narrower than those of the two figures suggest, and says what they cannot: which model gives away more.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.jobs.audit_labels import corruption_for, crossfit_plan
from steelyard.jobs.audit_model import ModelSide
from steelyard.jobs.audit_options import AuditOptions, check_options
from steelyard.jobs.compare_leakage import leakage_figures
from steelyard.jobs.compare_quality import quality_figures
from steelyard.jobs.compare_tables import ComparedSources, ModelOutput, same_images
from steelyard.jobs.progress import Progress, silent
from steelyard.leakage.corruption import macro_f1
from steelyard.reports.comparison import Comparison
from steelyard.reports.provenance import provenance
from steelyard.tables import LabelTable


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How a comparison measures; every option means what it means in an audit.

    Attributes:
        channel: `flip`, `replace` or `prevalence`; None is `replace` for single-label and `flip` for multi-label data.
        attackers: names from `table`, `logistic`, `boosting`, `mlp`; empty is the default family.
        rounds: redraws of folds, subsets and corruption.
        folds: folds of cross-fitting.
        threshold: `0.5`, `f1` or `calibrated`, fitted on each model's own validation rows.
        bootstrap: rounds of the intervals of the metrics.
        seed: of everything random.
        workers: processes; None is one per core.

    Raises:
        InputError: names the option, what was expected and found.
    """

    channel: str | None = None
    attackers: tuple[str, ...] = ()
    rounds: int = 5
    folds: int = 5
    threshold: str = "0.5"
    bootstrap: int = 500
    seed: int = 0
    workers: int | None = None

    def __post_init__(self) -> None:
        """Check every option."""
        self.audit()

    def audit(self) -> AuditOptions:
        """The options of an audit that measures the same figures."""
        return AuditOptions(
            levels="none",
            channel=self.channel,
            attackers=self.attackers,
            rounds=self.rounds,
            folds=self.folds,
            permutations=0,
            threshold=self.threshold,
            bootstrap=self.bootstrap,
            seed=self.seed,
            workers=self.workers,
        )


def run_compare(
    sources: ComparedSources,
    options: CompareOptions,
    *,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.compare",
) -> Comparison:
    """Compare two models or more with the first of them.

    Args:
        sources: the models and their tables.
        options: how to measure.
        progress: told of each stage.
        command: what was run, for the provenance.

    Raises:
        InputError: a file, column, row or option is not what it must be, or the models are not of the same images.
        MissingExtraError: an attacker needs PyTorch.
    """
    start, chosen = time.monotonic(), options.audit()
    outputs, train, notes = same_images(sources, options.threshold)
    base = outputs[0].joined.labels
    for output in outputs:
        check_options(chosen, base.kind, output.joined.kind)
    sides = _sides(outputs, train, chosen)
    scored = all(output.joined.kind != "decisions" for output in outputs)
    progress(f"leakage of {len(outputs)} models ({options.rounds} rounds × {options.folds} folds)")
    leaks, omitted = leakage_figures(sides, chosen, scored=scored)
    progress(f"quality ({options.bootstrap} bootstrap rounds)")
    quality, more = quality_figures(sides, chosen, scored=scored)
    if train is None:
        notes.append("There are no training rows: amplification takes its direction from the compared labels.")
    return Comparison(
        models=tuple(sources.models),
        figures=(*leaks, *quality),
        omitted=(*omitted, *more),
        data=_data(base, outputs),
        notes=tuple(notes),
        provenance=provenance(
            seed=options.seed, inputs=sources.files(), command=command, duration_s=time.monotonic() - start
        ),
    )


def _sides(outputs: Sequence[ModelOutput], train: LabelTable | None, options: AuditOptions) -> dict[str, ModelSide]:
    """Every model made ready on the same plan and the same draws of the channel."""
    labels, split = outputs[0].joined.labels, outputs[0].split
    rows = np.arange(len(labels))
    where = "all images" if split == "all" else f"the {split} split"
    plan, corruption = crossfit_plan(labels, rows, where, options), corruption_for(labels, rows, options)
    truth, t = labels.targets, len(labels.target_names)
    return {
        output.name: ModelSide(
            output.joined, output.decided, plan, macro_f1(truth, output.decided.native(), t), corruption, train
        )
        for output in outputs
    }


def _data(labels: LabelTable, outputs: Sequence[ModelOutput]) -> dict[str, object]:
    """What the figures were measured on."""
    sizes = np.bincount(labels.groups, minlength=len(labels.group_names))
    rules = dict.fromkeys(output.decided.rule for output in outputs)
    return {
        "protected": labels.protected,
        "groups": list(labels.group_names),
        "counts": dict(zip(labels.group_names, map(int, sizes), strict=True)),
        "kind": labels.kind,
        "targets": len(labels.target_names),
        "images": len(labels),
        "split": outputs[0].split,
        "threshold": "; ".join(rules),
    }
