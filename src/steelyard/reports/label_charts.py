"""The page's charts and table about single labels: which leak most, who they go with, all of them."""

from dataclasses import dataclass

from steelyard.reports.audit_report import AuditReport
from steelyard.reports.charts import Axis, Mark, RowChart, axis_over
from steelyard.reports.figures import measure_naming, unit, write_digits, write_figure, write_interval
from steelyard.reports.rows import LabelRow

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


def _clear_of(row: LabelRow, key: str, share: float) -> tuple[float, float]:
    """How far the interval of a label's share lies above the overall share, and below it."""
    figure = row.measures[key]
    return figure.low - share, share - figure.high


def skewed_labels(report: AuditReport) -> RowChart | None:
    """The labels whose groups differ most from the groups overall; None where shares were not measured.

    Two groups: the share of the first, the labels that lean most to each. More groups: a point for each.
    """
    shares = overall_shares(report)
    keys = [f"ratio:{group}" for group in report.groups]
    known = [row for row in report.per_label if all(key in row.measures for key in keys)]
    if not known or not shares:
        return None
    if len(keys) == 2:
        return _leaning(known, report.groups, shares[report.groups[0]])

    def skew(row: LabelRow) -> float:
        return max(end for g in report.groups for end in _clear_of(row, f"ratio:{g}", shares[g]))

    top = sorted(known, key=lambda row: (-skew(row), row.label))[:TOP]
    rows = tuple(tuple(_mark(row, key, i) for i, key in enumerate(keys)) for row in top)
    return RowChart(rows, Axis(0.0, 1.0), None, "", ("0 %", "100 %"))


def _leaning(known: list[LabelRow], groups: tuple[str, ...], share: float) -> RowChart:
    first, second = groups
    key = f"ratio:{first}"
    top: list[LabelRow] = []
    for end in (0, 1):
        rest = [row for row in known if row not in top]
        top += sorted(rest, key=lambda row: (-_clear_of(row, key, share)[end], row.label))[: TOP // 2]
    top.sort(key=lambda row: (-row.measures[key].value, row.label))
    return RowChart(
        tuple((_mark(row, key),) for row in top),
        Axis(0.0, 1.0),
        share,
        f"overall {write_figure(share, 'percent')}",
        (f"all {second}", f"all {first}"),
    )


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
