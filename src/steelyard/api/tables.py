"""What is asked of tables: audit, compare, balance, calibrate, on paths or data frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.jobs.audit import Sources, run_audit
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.balance import BalanceOptions, run_balance
from steelyard.jobs.calibrate import Calibrated, CalibrateOptions, run_calibrate
from steelyard.jobs.compare import CompareOptions, run_compare
from steelyard.jobs.compare_tables import ComparedSources
from steelyard.mitigation.samples import Balanced
from steelyard.reports import AuditReport
from steelyard.reports.comparison import Comparison
from steelyard.tables import LabelTable, PotentialTable
from steelyard.tables.prediction_table import ScoreKind


def audit(
    labels: Any,
    predictions: Any = None,
    *,
    protected: str,
    kind: ScoreKind | None = None,
    predicted_protected: str | None = None,
    predictions_id: str | None = None,
    target: str | None = None,
    targets: str | Sequence[str] | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    preset: str | None = None,
    levels: str | int | None = None,
    channel: str | None = None,
    attackers: str | Sequence[str] = (),
    rounds: int = 5,
    folds: int = 5,
    permutations: int = 99,
    threshold: str = "0.5",
    bootstrap: int = 500,
    min_support: int = 30,
    seed: int = 0,
    workers: int | None = None,
) -> AuditReport:
    """How much labels give away about a protected attribute, how much a model does, and how much of that is its own.

    Args:
        labels: path (CSV, Parquet, NPZ, `list_attr_celeba.txt`) or data frame (pandas, polars, pyarrow): an id, the
            protected attribute, targets, and where there is one a split, a row per image.
        predictions: path or data frame: the id and one score column per target, by the target's name; None audits the
            labels alone.
        protected: column of the protected attribute, k ≥ 2 groups.
        kind: `logits`, `probabilities` or `decisions`; may be left out where a Parquet file says it.
        predicted_protected: column of the predictions that holds the group the model predicts.
        predictions_id: column of ids in the predictions; default: the name it has in the labels.
        target: column of the categories (single-label data).
        targets: names or globs of the 0/1 columns (multi-label data); default: every other 0/1 column.
        id_column: default `image`, `id` or the index.
        split_column: default `split`.
        preset: `wang2019-coco` or `wang2019-imsitu`: leakage by the published protocol (needs PyTorch).
        levels: of the curve: a number, F1 values, both or `none`; default 12, none with a preset.
        channel: `flip`, `replace` or `prevalence`; default `replace` for single-label, `flip` for multi-label data.
        attackers: names from `table`, `logistic`, `boosting`, `mlp`; default the family that suits the evidence.
        rounds: redraws of subsets, folds and corruption.
        folds: folds of cross-fitting.
        permutations: of the p-value; 0 skips it.
        threshold: `0.5`, `f1` or `calibrated`, fitted on validation rows.
        bootstrap: rounds of the metrics' intervals.
        min_support: training images that a label set needs in the multi-attribute measure.
        seed: of everything random.
        workers: processes; default one per core.

    Returns:
        The report; `print` it, or write it with `to_json`, `to_html`, `to_csv` or `write(folder)`.

    Raises:
        InputError: a file, column, row or option is not what it must be; one line says which.
        MissingExtraError: the preset or the MLP needs PyTorch.
    """
    sources = Sources(
        labels=labels,
        predictions=predictions,
        protected=protected,
        kind=kind,
        predicted_protected=predicted_protected,
        predictions_id=predictions_id,
        target=target,
        targets=targets,
        id_column=id_column,
        split_column=split_column,
    )
    options = AuditOptions(
        preset=preset,
        levels=None if levels is None else str(levels),
        channel=channel,
        attackers=_names(attackers),
        rounds=rounds,
        folds=folds,
        permutations=permutations,
        threshold=str(threshold),
        bootstrap=bootstrap,
        min_support=min_support,
        seed=seed,
        workers=workers,
    )
    return run_audit(sources, options)


def compare(
    labels: Any,
    models: Mapping[str, Any],
    *,
    protected: str | None = None,
    kind: ScoreKind | None = None,
    predictions_id: str | None = None,
    target: str | None = None,
    targets: str | Sequence[str] | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    channel: str | None = None,
    attackers: str | Sequence[str] = (),
    rounds: int = 5,
    folds: int = 5,
    threshold: str = "0.5",
    bootstrap: int = 500,
    seed: int = 0,
    workers: int | None = None,
) -> Comparison:
    """Which of several models gives away more, and which recognises more, with intervals on the differences.

    Args:
        labels: path or data frame, as for `audit`; None where the models are folders of runs that `train` made.
        models: name → path or data frame of predictions, or folder of a run; the first is the base.
        protected: column of the protected attribute; required with labels.
        kind: `logits`, `probabilities` or `decisions`, of every model.
        predictions_id: as for `audit`, like all columns.
        target: column of the categories.
        targets: names or globs of the 0/1 columns.
        id_column: default `image`, `id` or the index.
        split_column: default `split`; test images are compared, else val, else all.
        channel: as for `audit`, like the rest.
        attackers: names.
        rounds: redraws.
        folds: of cross-fitting.
        threshold: fitted on each model's own validation rows.
        bootstrap: rounds of the metrics' intervals.
        seed: of everything random.
        workers: processes.

    Raises:
        InputError: tables or options are not what they must be, or the models are of other images.
    """
    sources = ComparedSources(
        models=models,
        labels=labels,
        protected=protected,
        kind=kind,
        target=target,
        targets=targets,
        id_column=id_column,
        split_column=split_column,
        predictions_id=predictions_id,
    )
    options = CompareOptions(
        channel=channel,
        attackers=_names(attackers),
        rounds=rounds,
        folds=folds,
        threshold=str(threshold),
        bootstrap=bootstrap,
        seed=seed,
        workers=workers,
    )
    return run_compare(sources, options)


def balance(
    labels: Any,
    *,
    protected: str,
    alpha: float,
    target: str | None = None,
    targets: str | Sequence[str] | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    split: str | None = None,
    balance_groups: bool = True,
    min_support: int = 0,
    time_limit: float = 20.0,
    seed: int = 0,
    out: str | Path | None = None,
) -> tuple[LabelTable, Balanced]:
    """The largest subset in which, for every label, no group has more than α times the images of another.

    Args:
        labels: path or data frame, as for `audit`.
        protected: column of the protected attribute.
        alpha: largest ratio, a real number of 1 or more.
        target: column of the categories (single-label data).
        targets: names or globs of the 0/1 columns (multi-label data).
        id_column: default `image`, `id` or the index.
        split_column: default `split`.
        split: only rows of `train`, `val` or `test`; default all rows.
        balance_groups: hold the groups' totals within α, too.
        min_support: images to keep of every label that can have them.
        time_limit: seconds for the search (multi-label data).
        seed: draws which of interchangeable images stay.
        out: `.csv` or `.parquet` to write the kept rows to.

    Returns:
        The kept rows, and what was kept (counts before and after, labels that vanish, the proved bound).

    Raises:
        InputError: a file, column or option is not what it must be.
        UndefinedError: nothing can be kept.
    """
    options = BalanceOptions(
        alpha=alpha,
        split=split,
        balance_groups=balance_groups,
        min_support=min_support,
        time_limit=time_limit,
        seed=seed,
    )
    return run_balance(
        labels,
        protected=protected,
        options=options,
        target=target,
        targets=targets,
        id_column=id_column,
        split_column=split_column,
        out=out,
    )


def calibrate(
    potentials: str | Path | PotentialTable,
    labels: Any,
    *,
    protected: str,
    target: str | None = None,
    targets: str | Sequence[str] | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    train_split: str = "train",
    split: str | None = None,
    margin: float = 0.05,
    min_support: int = 100,
    bootstrap: int = 500,
    seed: int = 0,
) -> Calibrated:
    """Hold the predictions of a corpus near the training labels: each label's share of each group within a margin.

    Args:
        potentials: file (see `steelyard.tables.read_potentials`) or table, of any model that predicts targets and
            group together.
        labels: path or data frame, as for `audit`; its training rows give the shares, and true labels of the
            calibrated images, where there are some, say what calibration cost.
        protected: column of the protected attribute, in the names of the potentials' groups.
        target: column of the categories (single-label data).
        targets: names or globs of the 0/1 columns (multi-label data); default: every other 0/1 column.
        id_column: default `image`, `id` or the index.
        split_column: default `split`; without one, rows without potentials count as training rows.
        train_split: rows that the shares are counted from.
        split: calibrate only images of this split; default all with potentials.
        margin: how far a share may lie from its training share, in [0, 1).
        min_support: training images that a label needs to be constrained.
        bootstrap: rounds of the intervals.
        seed: of the bootstrap.

    Returns:
        The calibrated predictions, those before, and the report; `print` it, or `write(folder)`.

    Raises:
        InputError: a file, name or option is not what it must be, or the constraints cannot be met.
    """
    options = CalibrateOptions(
        margin=margin,
        min_support=min_support,
        train_split=train_split,
        split=split,
        bootstrap=bootstrap,
        seed=seed,
    )
    return run_calibrate(
        potentials,
        labels,
        protected=protected,
        options=options,
        target=target,
        targets=targets,
        id_column=id_column,
        split_column=split_column,
    )


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else tuple(value)
