"""The demo's last chapter: what imSitu's real labels give away, from counts that come with the package, and balanced.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019, Table 1.
https://arxiv.org/abs/1811.08489
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.datasets.imsitu_counts import imsitu_labels
from steelyard.jobs.audit import audit_tables
from steelyard.jobs.audit_labels import Findings, headline_plan, measure_labels
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.progress import Progress, silent
from steelyard.mitigation.samples import balance
from steelyard.reports import AuditReport
from steelyard.reports.charts import Mark, RowChart, axis_over
from steelyard.reports.figures import write_figure, write_interval
from steelyard.reports.rows import CurvePoint
from steelyard.tables import LabelTable

MODEL_F1 = 0.401
"""Macro-F1 of the paper's imSitu model ("no gender"), where its Table 1 gives λ_D(F1) = 56.46."""

PUBLISHED_AT_F1 = 56.46


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """Dataset leakage after the training images were balanced.

    Attributes:
        alpha: largest ratio between the groups' counts of a verb; None is the data as they are.
        counts: group → training images kept.
        leakage: of the labels, fitted on the kept training images, scored on all test images.
        published: the paper's figure, in percent.
        remark: why this run's figure and the published one differ, where they do.
    """

    alpha: float | None
    counts: dict[str, int]
    leakage: Estimate
    published: str
    remark: str = ""

    @property
    def title(self) -> str:
        """What was done to the training images."""
        return "as they are" if self.alpha is None else f"balanced, α = {self.alpha:g}"

    @property
    def images(self) -> int:
        """Training images kept."""
        return sum(self.counts.values())


_PROTOCOL = (
    "In the balanced training images no verb tells the groups apart, so there is nothing to learn. The published "
    "protocol still gives more, because it picks its attacker on validation images that are not balanced, and folds "
    "accuracy around one half; this figure is not tuned towards it."
)
_ROWS: tuple[tuple[float | None, str, str], ...] = (
    (None, "68.26 ± 0.31", ""),
    (3, "68.11 ± 0.55", ""),
    (2, "68.15 ± 0.32", ""),
    (1, "53.99 ± 0.69", _PROTOCOL),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImsituChapter:
    """What imSitu's labels give away.

    Attributes:
        report: the audit of the labels as they are.
        rows: Table 1's imSitu rows, as far as labels go.
    """

    report: AuditReport
    rows: tuple[BalanceRow, ...]

    def context(self) -> dict[str, Any]:
        """What the page's chapter shows."""
        return {
            "rows": self.rows,
            "chart": _chart(self.rows, self.report.chance),
            "at_f1": at_model_f1(self.report),
            "published_at_f1": PUBLISHED_AT_F1,
            "groups": self.report.groups,
        }

    def record(self) -> list[dict[str, Any]]:
        """The rows as plain JSON types."""
        return [_record(row) for row in self.rows]


def imsitu_chapter(*, seed: int = 0, workers: int | None = None, progress: Progress = silent) -> ImsituChapter:
    """Audit imSitu's labels, and balance them at α = 3, 2, 1.

    Args:
        seed: of everything random.
        workers: processes; None is one per core.
        progress: told of each stage.
    """
    labels = imsitu_labels()
    options = AuditOptions(levels=f"12,{MODEL_F1}", seed=seed, workers=workers)
    report = audit_tables(labels, None, options, progress=progress)
    rows = []
    for alpha, published, remark in _ROWS:
        if alpha is not None:
            progress(f"the largest subset of the training images at α = {alpha:g}")
        rows.append(_balance_row(labels, report, alpha, published, remark, options))
    return ImsituChapter(report=report, rows=tuple(rows))


def at_model_f1(report: AuditReport) -> CurvePoint:
    """The point of the curve at the published model's F1."""
    return min(report.curve, key=lambda point: abs(point.f1 - MODEL_F1))


def _balance_row(
    labels: LabelTable,
    report: AuditReport,
    alpha: float | None,
    published: str,
    remark: str,
    options: AuditOptions,
) -> BalanceRow:
    train = labels.split("train")
    leakage = report.estimate("dataset_leakage")
    if alpha is not None:
        kept = balance(train.targets, train.groups, alpha=alpha, rng=stream(options.seed, "balance"))
        train = train.take(kept.kept)
        assert labels.splits is not None
        at = np.concatenate(
            [np.flatnonzero(labels.splits == "train")[kept.kept], np.flatnonzero(labels.splits == "test")]
        )
        subset = labels.take(np.sort(at))
        found = Findings()
        measure_labels(subset, headline_plan(subset, options), options, found)
        leakage = found.estimates[0]
    assert leakage is not None
    sizes = np.bincount(train.groups, minlength=len(train.group_names))
    counts = dict(zip(train.group_names, map(int, sizes), strict=True))
    return BalanceRow(alpha=alpha, counts=counts, leakage=leakage, published=published, remark=remark)


def _chart(rows: Sequence[BalanceRow], chance: float) -> RowChart:
    marks = []
    for row in rows:
        e = row.leakage
        text, span = write_figure(e.value, "percent"), write_interval(e.low, e.high, "percent")
        marks.append((Mark(row.title, e.value, e.low, e.high, text, span),))
    ends = [chance, *(end for row in rows for end in (row.leakage.low, row.leakage.high))]
    reference = f"chance {write_figure(chance, 'percent')}"
    return RowChart(tuple(marks), axis_over(ends), reference=chance, reference_text=reference)


def _record(row: BalanceRow) -> dict[str, Any]:
    return {
        "alpha": row.alpha,
        "images": row.images,
        "counts": row.counts,
        "dataset_leakage": row.leakage.to_dict(),
        "published_percent": row.published,
        "remark": row.remark,
    }
