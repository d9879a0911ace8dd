"""The page of a calibration: what changed, label by label, what it cost, and how it was found."""

from dataclasses import dataclass

from steelyard.reports.calibration import (
    MEAN_CONSTRAINED,
    VIOLATED,
    CalibratedFigure,
    CalibrationReport,
    LabelRatios,
    PredictedShares,
)
from steelyard.reports.calibration_chart import HEIGHT, ratio_panels
from steelyard.reports.calibration_figures import (
    FINISHES,
    MEAN,
    MEANINGS,
    details,
    headline,
    title,
    write_both,
    write_change,
    write_change_ends,
    write_distance,
    write_ends,
    write_margin,
    write_sum,
    write_value,
)
from steelyard.reports.calibration_published import CITATION, NOT_THE_SAME, published_calibrations
from steelyard.reports.charts import Mark, RowChart, axis_in_steps
from steelyard.reports.figures import typeset, write_digits
from steelyard.reports.label_charts import Cell, Column
from steelyard.reports.page import render
from steelyard.reports.references import reference
from steelyard.reports.rows import by_reason

_NOT_AROUND_ZERO = ("f1_macro", "f1_micro", "balanced_accuracy")


@dataclass(frozen=True, slots=True)
class FigureView:
    """One measure on the page: title, meaning, `before → after`, the difference, its interval, and the chart."""

    figure: CalibratedFigure
    title: str
    meaning: str
    both: str
    change: str
    span: str
    chart: RowChart
    summary: str


def calibration_page(report: CalibrationReport) -> str:
    """The page, one HTML file that loads nothing."""
    papers = (CITATION, "Wang et al., ICCV 2019", "Wang, Russakovsky, ICML 2021")
    return render(
        "calibration.html",
        {
            "report": report,
            "headline": headline(report),
            "details": details(report),
            "figures": tuple(map(_view, report.figures)),
            "panels": ratio_panels(report),
            "height": HEIGHT,
            "margin": write_margin(report.margin),
            "columns": _columns(report),
            "rows": tuple((row.label, _cells(row, report)) for row in report.labels),
            "facts": _facts(report),
            "rounds": tuple(
                (write_sum(r.objective), write_sum(r.dual), r.violated) for r in report.solution.iterations
            ),
            "published": _published(report),
            "not_the_same": NOT_THE_SAME,
            "omitted": {reason: tuple(map(title, names)) for reason, names in by_reason(report.omitted).items()},
            "references": tuple(sorted(map(reference, papers))),
        },
    )


def _view(figure: CalibratedFigure) -> FigureView:
    sides = (("after", figure.after, 0), ("before", figure.before, 1))
    marks = [
        Mark(name, e.value, e.low, e.high, write_value(e), write_ends(e), series) for name, e, series in reversed(sides)
    ]
    ends = [end for mark in marks for end in (mark.low, mark.high)]
    zero = figure.measure not in _NOT_AROUND_ZERO
    axis = axis_in_steps([0.0, *ends] if zero else ends)
    chart = RowChart(tuple((mark,) for mark in marks), axis, 0.0 if zero else None, "0" if zero else "")
    spoken = "; ".join(f"{mark.label} {mark.text}, interval {mark.span}" for mark in marks)
    return FigureView(
        figure=figure,
        title=title(figure.measure),
        meaning=MEANINGS.get(figure.measure, ""),
        both=write_both(figure),
        change=write_change(figure.difference),
        span=write_change_ends(figure.difference),
        chart=chart,
        summary=f"{spoken}.",
    )


def _shown_groups(report: CalibrationReport) -> tuple[tuple[int, str], ...]:
    """Of two groups the first alone: the other's share is the rest."""
    return tuple(enumerate(report.groups))[: 1 if len(report.groups) == 2 else None]


def _columns(report: CalibrationReport) -> tuple[Column, ...]:
    found = [Column("training images")]
    found += [Column(f"{group}, training", "%") for _, group in _shown_groups(report)]
    for when in ("before", "after"):
        found.append(Column(f"predicted, {when}", "images"))
        found += [Column(f"{group}, {when}", "%") for _, group in _shown_groups(report)]
        found.append(Column(f"within the margin, {when}"))
    return tuple(found)


def _cells(row: LabelRatios, report: CalibrationReport) -> tuple[Cell, ...]:
    cells = [Cell(row.support, f"{row.support:,}", "")]
    for group, _ in _shown_groups(report):
        share = row.training[group] if row.training else None
        cells.append(Cell(None, "–") if share is None else Cell(share, write_digits(share, "percent")))
    for side in (row.before, row.after):
        cells.append(Cell(side.images, f"{side.images:,}"))
        cells += [_share(side, group) for group, _ in _shown_groups(report)]
        cells.append(_within(side))
    return tuple(cells)


def _within(side: PredictedShares) -> Cell:
    """Yes or no; where it is neither, why."""
    if side.within is None:
        return Cell(None, "–", side.why)
    return Cell(int(side.within), "yes" if side.within else "no")


def _share(side: PredictedShares, group: int) -> Cell:
    if not side.shares:
        return Cell(None, "–")
    found = side.shares[group]
    span = f"{write_digits(found.low, 'percent')} to {write_digits(found.high, 'percent')}"
    return Cell(found.value, write_digits(found.value, "percent"), span)


def _facts(report: CalibrationReport) -> tuple[tuple[str, str], ...]:
    """How the assignment was found, as terms and what they are."""
    found, images = report.solution, report.data["images"]
    return (
        ("Rounds of the relaxation", f"{found.rounds:,}; then {FINISHES[found.finish]}"),
        ("Sum of scores, before", write_sum(found.objective_before)),
        ("Sum of scores, after", write_sum(found.objective_after)),
        ("Dual bound", f"{write_sum(found.dual_bound)}: nothing that meets the constraints scores higher"),
        ("Sum of a plain assignment", f"{write_sum(found.baseline)}: it meets the constraints, too"),
        ("Duality gap", f"{write_distance(found)}; the share is of what the plain assignment gives up"),
        ("Images changed", f"{found.images_changed:,} of {images:,}"),
        ("Images with another group", f"{found.groups_changed:,}"),
        ("Images changed after the rounds", f"{found.repaired:,}"),
    )


def _published(report: CalibrationReport) -> tuple[tuple[str, ...], ...]:
    """This run, then the paper's rows: labels, mean amplification and violations before and after."""
    rows = []
    mean, broken = report.figure(MEAN_CONSTRAINED) or report.figure(MEAN), report.figure(VIOLATED)
    if mean is not None and broken is not None:
        pairs = [write_digits(e.value, "fine points") for e in (mean.before, mean.after)]
        counts = [f"{e.value:g}" for e in (broken.before, broken.after)]
        rows.append(("this calibration", str(len(report.constrained)), *pairs, *counts))
    for row in published_calibrations():
        pairs = [write_digits(value, "fine points") for value in row.amplification]
        rows.append((row.task, str(row.labels), *pairs, *map(str, row.violations)))
    return tuple((row[0], *map(typeset, row[1:])) for row in rows)
