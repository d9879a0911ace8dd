"""The page of a comparison: what each model gives away, and rows of differences around 0."""

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard.metrics.catalog import CATALOG, STANDARD
from steelyard.reports.charts import Mark, RowChart, axis_in_steps
from steelyard.reports.comparison import ComparedFigure, Comparison
from steelyard.reports.comparison_text import (
    clear_of_zero,
    difference_style,
    omitted_title,
    ordered,
    write_difference,
    write_removed,
    write_span,
)
from steelyard.reports.figure_rows import CatalogRow
from steelyard.reports.figures import naming, typeset, unit, write_digits, write_figure, write_interval
from steelyard.reports.page import render
from steelyard.reports.references import reference
from steelyard.reports.rows import by_reason


@dataclass(frozen=True, slots=True)
class MeasureView:
    """One measure on the page.

    Attributes:
        measure: the catalogue's name.
        title: its plain name.
        meaning: what it answers.
        chart: a row for each model but the base; None where there is no difference.
        summary: the chart in words.
        cells: model, figure, interval, difference, interval of the difference, share removed.
        removed: whether any share is known.
        scheme: how differences were measured.
        paper: its source.
    """

    measure: str
    title: str
    meaning: str
    chart: RowChart | None
    summary: str
    cells: tuple[tuple[str, ...], ...]
    removed: bool
    scheme: str
    paper: str


def comparison_page(comparison: Comparison) -> str:
    """The page, one HTML file that loads nothing."""
    catalog = {row.name: row for row in CATALOG}
    sections = [
        (heading, tuple(_view(figure, comparison, catalog) for figure in figures))
        for heading, figures in ordered(comparison)
    ]
    papers = {view.paper for _, views in sections for view in views} - {"", STANDARD}
    gaps = [gap for figure in comparison.figures for gap in figure.differences.values()]
    context = {
        "report": comparison,
        "sections": sections,
        "sentences": _sentences(comparison),
        "differences": len(gaps),
        "clear": sum(map(clear_of_zero, gaps)),
        "omitted": {
            reason: tuple(map(omitted_title, names)) for reason, names in by_reason(comparison.omitted).items()
        },
        "references": tuple(sorted(map(reference, papers))),
    }
    return render("comparison.html", context)


def _view(figure: ComparedFigure, comparison: Comparison, catalog: Mapping[str, CatalogRow]) -> MeasureView:
    row = catalog.get(figure.measure)
    gaps = figure.differences
    first = next(iter((gaps or figure.models).values()))
    summary = "; ".join(f"{model} {write_difference(gap)}, {write_span(gap)}" for model, gap in gaps.items())
    return MeasureView(
        measure=figure.measure,
        title=naming(figure.measure).title,
        meaning="" if row is None else row.answers,
        chart=_chart(figure) if gaps else None,
        summary=f"Less {comparison.base}: {summary}.",
        cells=tuple(_cells(figure, model) for model in figure.models),
        removed=bool(figure.removed),
        scheme="; ".join(part for part in (first.scheme, first.note) if part),
        paper="" if row is None else row.paper,
    )


def _chart(figure: ComparedFigure) -> RowChart:
    style = difference_style(figure.measure)
    marks = [
        Mark(model, gap.value, gap.low, gap.high, write_difference(gap), write_span(gap))
        for model, gap in figure.differences.items()
    ]
    axis = axis_in_steps([0.0, *(end for mark in marks for end in (mark.low, mark.high))])
    ends = (write_digits(axis.low, style), f"{write_digits(axis.high, style)} {unit(style)}".strip())
    return RowChart(tuple((mark,) for mark in marks), axis, 0.0, "0: as the base", (typeset(ends[0]), typeset(ends[1])))


def _cells(figure: ComparedFigure, model: str) -> tuple[str, ...]:
    style, estimate = naming(figure.measure).style, figure.models[model]
    texts = [model, write_figure(estimate.value, style), write_interval(estimate.low, estimate.high, style)]
    gap, removed = figure.differences.get(model), figure.removed.get(model)
    texts += ["–", "–"] if gap is None else [write_difference(gap), write_span(gap)]
    if figure.removed:
        texts.append("–" if removed is None else write_removed(removed))
    return (texts[0], *map(typeset, texts[1:]))


def _sentences(comparison: Comparison) -> tuple[str, ...]:
    """One sentence for each model but the base: what it amplifies, less or more than the base, at what price."""
    found = []
    for model in comparison.models[1:]:
        parts = []
        names = ("amplification", "model_leakage") if comparison.figure("model_leakage") else ()
        names = names or ("amplification_decisions", "model_leakage_decisions")
        for name in (*names, "f1_macro"):
            if gap := comparison.difference(name, model):
                same = gap.low == gap.high == 0
                settled = "" if same or clear_of_zero(gap) else ", which chance alone can make"
                title = naming(name).title
                title = title if title.startswith("F1") else title[:1].lower() + title[1:]
                parts.append(f"{title}: {write_difference(gap)} ({write_span(gap)}{settled})")
                figure = comparison.figure(name)
                if figure and model in figure.removed:
                    parts[-1] += f", {write_removed(figure.removed[model])} of it removed"
        if parts:
            found.append(f"{model}, less {comparison.base} – {'; '.join(parts)}.")
    return tuple(found)
