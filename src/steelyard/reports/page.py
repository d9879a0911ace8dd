"""The page: one self-contained HTML file, made from the templates beside this module."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from steelyard.metrics.catalog import CATALOG, STANDARD
from steelyard.reports.audit_report import AuditReport
from steelyard.reports.charts import Curve, Mark, RowChart, curve_chart
from steelyard.reports.figure_rows import CatalogRow, figure_sections
from steelyard.reports.figures import naming, sentence, typeset, write_figure, write_interval
from steelyard.reports.label_charts import label_table, leaking_labels, skewed_labels
from steelyard.reports.references import reference
from steelyard.reports.rows import CurvePoint, by_reason
from steelyard.reports.verdict import verdict


def _shorten(text: str, length: int = 28) -> str:
    """Cut a label that would not fit on a phone; the table beside the chart has it in full."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _row_cells(chart: RowChart, names: Sequence[str] = ()) -> list[tuple[str, str, str]]:
    """A row chart as a table: label (and series, where there are several), figure, interval."""
    return [
        (f"{mark.label}, {names[mark.series]}" if names else mark.label, typeset(mark.text), typeset(mark.span))
        for row in chart.rows
        for mark in row
    ]


def _curve_cells(chart: Curve) -> list[tuple[str, ...]]:
    """A curve as a table: F1, leakage, interval, corruption probability, images; then the model."""
    cells: list[tuple[str, ...]] = [
        (
            f"{point.f1:.3f}",
            typeset(write_figure(point.dataset_leakage, "percent")),
            typeset(write_interval(point.low, point.high, "percent")),
            f"{point.p:.3g}",
            f"{point.n:,}",
        )
        for point in chart.points
    ]
    return cells + [
        (f"{mark.label}, {chart.at:.3f}", typeset(mark.text), typeset(mark.span), "–", "–") for mark in chart.models
    ]


@cache
def environment() -> Environment:
    """The templates' environment: autoescape on, undefined names are errors.

    Filters: `typeset` (true minus, no break before a unit), `figure(style)`, `sentence`, `shorten`, `title_of`.
    """
    env = Environment(
        loader=PackageLoader("steelyard.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["typeset"] = typeset
    env.filters["figure"] = lambda value, style: typeset(write_figure(value, style))
    env.filters["sentence"] = sentence
    env.filters["shorten"] = _shorten
    env.filters["title_of"] = lambda name: naming(name).title
    env.globals["row_cells"] = _row_cells
    env.globals["curve_cells"] = _curve_cells
    return env


def render(template: str, context: Mapping[str, Any]) -> str:
    """Fill one of the templates.

    Args:
        template: its file name in `templates/`.
        context: what it needs; a name that it uses and does not get is an error.
    """
    return environment().get_template(template).render(context)


def audit_page(
    report: AuditReport,
    *,
    catalog: Mapping[str, CatalogRow] | None = None,
    template: str = "audit.html",
    context: Mapping[str, Any] | None = None,
) -> str:
    """The audit's page.

    Args:
        report: what the audit found.
        catalog: measure → catalogue row, for the plain words beside each figure; default: the library's own.
        template: a page that extends `audit.html`.
        context: what that page needs besides.
    """
    return render(template, {**audit_context(report, catalog), **(context or {})})


def audit_context(report: AuditReport, catalog: Mapping[str, CatalogRow] | None = None) -> dict[str, Any]:
    """What `audit.html` needs, for pages that extend it."""
    rows = _catalog() if catalog is None else catalog
    sections = figure_sections(report, rows)
    papers = dict.fromkeys(f.paper for section in sections for f in section.figures if f.paper and f.paper != STANDARD)
    return {
        "report": report,
        "verdict": verdict(report),
        "sections": sections,
        "curves": audit_curves(report),
        "leaking": leaking_labels(report),
        "skewed": skewed_labels(report),
        "table": label_table(report),
        "omitted": by_reason(report.omitted),
        "references": tuple(sorted(reference(paper) for paper in papers)),
        "with_model": any(e.name.startswith("model_leakage") for e in report.estimates),
    }


def audit_curves(report: AuditReport) -> tuple[Curve, ...]:
    """The report's leakage curves, one for each channel and scheme, with the model on each."""
    groups: dict[tuple[str, str], list[CurvePoint]] = {}
    for point in report.curve:
        groups.setdefault((point.channel, point.scheme), []).append(point)
    f1, reference = report.estimate("f1_macro"), report.estimate("dataset_leakage_at_f1")
    models = []
    for series, name in enumerate(("model_leakage", "model_leakage_decisions"), start=1):
        found = report.estimate(name)
        if found is not None:
            text = write_figure(found.value, "percent")
            span = write_interval(found.low, found.high, "percent")
            label = "the model’s decisions" if name.endswith("decisions") else "the model’s scores"
            models.append(Mark(label, found.value, found.low, found.high, text, span, series))
    return tuple(
        curve_chart(
            points,
            chance=report.chance,
            models=models,
            at=None if f1 is None else f1.value,
            reference=None if reference is None else reference.value,
        )
        for points in groups.values()
    )


def _catalog() -> Mapping[str, CatalogRow]:
    return {row.name: row for row in CATALOG}
