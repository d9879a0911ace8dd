"""The page's charts and table about single labels: which leak most, who they go with, all of them."""

from dataclasses import dataclass

from steelyard.reports.audit_report import AuditReport
from steelyard.reports.charts import Axis, Mark, RowChart, axis_over
from steelyard.reports.figures import measure_naming, unit, write_digits, write_figure, write_interval
from steelyard.reports.rows import Interval, LabelRow

TOP = 12


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the per-label table: heading, and the unit of its numbers."""

    heading: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: the number to sort by (None where undefined), its text, and its interval's text."""

    value: float | None
    text: str
    span: str = ""


@dataclass(frozen=True, slots=True)
class LabelTable:
    """All labels: `rows` of (label, cells), a cell per column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def _mark(row: LabelRow, key: str, series: int = 0) -> Mark:
    figure, style = row.measures[key], measure_naming(key).style
    return Mark(
        row.label,
        figure.value,
        figure.low,
        figure.high,
        write_figure(figure.value, style),
        write_interval(figure.low, figure.high, style),
        series,
    )


def leaking_labels(report: AuditReport) -> RowChart | None:
    """The labels that leak most by themselves, the highest first; None where that was not measured."""
    key = "single_label_leakage"
    known = [row for row in report.per_label if key in row.measures]
    if not known:
        return None
    top = sorted(known, key=lambda row: (-row.measures[key].value, row.label))[:TOP]
    ends = [end for row in top for end in (row.measures[key].low, row.measures[key].high)]
    axis = axis_over([report.chance, *ends], lower=0.0, upper=1.0)
    chance = f"chance {write_figure(report.chance, 'percent')}"
    return RowChart(tuple((_mark(row, key),) for row in top), axis, report.chance, chance)


def overall_shares(report: AuditReport) -> dict[str, float]:
    """Share of each group among the images that the per-label rows count; empty where it is not known."""
    if report.data.get("kind") == "single":
        counts = [row.counts for row in report.per_label]
    else:
        by_split = report.data.get("counts", {})
        split = report.data.get("per_label_split")
        counts = [by_split[split]] if split in by_split else list(by_split.values())
    totals = {group: sum(c.get(group, 0) for c in counts) for group in report.groups}
    images = sum(totals.values())
    return {group: total / images for group, total in totals.items()} if images else {}


def _skew(row: LabelRow, shares: dict[str, float]) -> float:
    """How far the interval of a share stays away from the overall share: rare labels do not win by luck."""

    def gap(figure: Interval, share: float) -> float:
        return max(figure.low - share, share - figure.high)

    return max(
        (gap(row.measures[f"ratio:{g}"], s) for g, s in shares.items() if f"ratio:{g}" in row.measures),
        default=-1.0,
    )


def skewed_labels(report: AuditReport) -> RowChart | None:
    """The labels whose groups differ most from the groups overall; two groups share one dot, more have one each."""
    shares = overall_shares(report)
    shown = report.groups[:1] if len(report.groups) == 2 else report.groups
    known = [row for row in report.per_label if all(f"ratio:{g}" in row.measures for g in shown)]
    if not known:
        return None
    top = sorted(known, key=lambda row: (-_skew(row, shares), row.label))[:TOP]
    if len(shown) == 1:
        first, second = report.groups
        top = sorted(top, key=lambda row: -row.measures[f"ratio:{first}"].value)
        share = shares.get(first)
        text = "" if share is None else f"overall {write_figure(share, 'percent')}"
        rows = tuple((_mark(row, f"ratio:{first}"),) for row in top)
        return RowChart(rows, Axis(0.0, 1.0), share, text, (f"all {second}", f"all {first}"))
    rows = tuple(tuple(_mark(row, f"ratio:{g}", i) for i, g in enumerate(shown)) for row in top)
    return RowChart(rows, Axis(0.0, 1.0), None, "", ("0 %", "100 %"))


def label_table(report: AuditReport) -> LabelTable | None:
    """Every label with every measure; None where the report has no labels."""
    if not report.per_label:
        return None
    keys = list(dict.fromkeys(key for row in report.per_label for key in row.measures))
    columns = [Column("images"), *(Column(f"images, {group}") for group in report.groups)]
    for key in keys:
        name = measure_naming(key)
        columns.append(Column(name.title.removesuffix(" (nats)"), unit(name.style)))
    return LabelTable(tuple(columns), tuple((row.label, _cells(row, report, keys)) for row in report.per_label))


def _cells(row: LabelRow, report: AuditReport, keys: list[str]) -> tuple[Cell, ...]:
    counts: list[int | None] = [row.positives, *(row.counts.get(group) for group in report.groups)]
    cells = [Cell(None, "–") if n is None else Cell(n, f"{n:,}") for n in counts]
    for key in keys:
        figure, style = row.measures.get(key), measure_naming(key).style
        if figure is None:
            cells.append(Cell(None, "–"))
        else:
            span = f"{write_digits(figure.low, style)} to {write_digits(figure.high, style)}"
            cells.append(Cell(figure.value, write_digits(figure.value, style), span))
    return tuple(cells)
