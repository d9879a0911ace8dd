"""The figures of a page: each with its words and its range plot, section by section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from steelyard.base.estimate import Estimate
from steelyard.reports.audit_report import AuditReport
from steelyard.reports.charts import Axis, Mark, RowChart, axis_in_steps
from steelyard.reports.figures import (
    SECTIONS,
    Style,
    naming_of,
    place,
    unit,
    write_digits,
    write_figure,
    write_interval,
)


class CatalogRow(Protocol):
    """What a page needs of a row of the metric catalogue."""

    @property
    def name(self) -> str:
        """Name of the measure."""

    @property
    def answers(self) -> str:
        """The question that the measure answers, in plain words."""

    @property
    def paper(self) -> str:
        """Where the measure comes from."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure on the page.

    Attributes:
        estimate: the figure.
        title: its plain name.
        text, span: value and interval, written.
        meaning: what it answers; empty where the catalogue does not know it.
        paper: its source; empty where the catalogue does not know it.
        spread: what the interval covers, in words.
        chart: its range plot.
    """

    estimate: Estimate
    title: str
    text: str
    span: str
    meaning: str
    paper: str
    spread: str
    chart: RowChart


@dataclass(frozen=True, slots=True)
class FigureSection:
    """Figures that belong together."""

    heading: str
    figures: tuple[Figure, ...]


def figure_sections(report: AuditReport, catalog: Mapping[str, CatalogRow]) -> tuple[FigureSection, ...]:
    """The report's figures by section, in the order of the sections; empty sections are left out."""
    axes = _axes(report)
    sections = []
    for section, heading in SECTIONS.items():
        figures = tuple(
            _figure(e, report, axes[_axis_key(e)], catalog.get(e.name))
            for e in sorted(report.estimates, key=place)
            if naming_of(e).section == section
        )
        if figures:
            sections.append(FigureSection(heading, figures))
    return tuple(sections)


def _axis_key(estimate: Estimate) -> tuple[str, str]:
    """Figures with one key share an axis: small differences only within their section."""
    name = naming_of(estimate)
    return (name.style, name.section if name.style == "fine points" else "")


def _axes(report: AuditReport) -> dict[tuple[str, str], Axis]:
    members: dict[tuple[str, str], list[Estimate]] = {}
    for estimate in report.estimates:
        members.setdefault(_axis_key(estimate), []).append(estimate)
    return {key: _axis(found, report.chance) for key, found in members.items()}


def _axis(estimates: Sequence[Estimate], chance: float) -> Axis:
    """Leakage from about chance to 100 %, other shares from 0 to 1: the place on it means the same on every page."""
    style = naming_of(estimates[0]).style
    ends = [end for e in estimates for end in (e.low, e.value, e.high)]
    if style in ("score", "probability"):
        return Axis(min(0.0, *ends), max(1.0, *ends))
    if style == "percent":
        return Axis(min(chance - 0.02, *ends), max(1.0, *ends))
    return axis_in_steps([0.0, *ends])


def _reference(style: Style, chance: float) -> tuple[float | None, str]:
    if style == "percent":
        return chance, f"chance {write_figure(chance, 'percent')}"
    return (None, "") if style in ("score", "probability") else (0.0, "0")


def _ends(axis: Axis, style: Style, reference: float | None) -> tuple[str, str]:
    """The ends of the axis, written, but for one so close to the reference that the words would collide."""
    far = [reference is None or abs(axis.at(end) - axis.at(reference)) > 30 for end in (axis.low, axis.high)]
    texts = [
        f"{value:g}" if style in ("score", "probability") else write_digits(value, style)
        for value in (axis.low, axis.high)
    ]
    left, right = (text if clear else "" for text, clear in zip(texts, far, strict=True))
    return left, f"{right} {unit(style)}".strip() if right else ""


def _figure(estimate: Estimate, report: AuditReport, axis: Axis, row: CatalogRow | None) -> Figure:
    name = naming_of(estimate)
    text = write_figure(estimate.value, name.style)
    span = write_interval(estimate.low, estimate.high, name.style)
    of = "" if estimate.of in ("", "labels", "scores", "decisions") else f" ({estimate.of})"
    title = f"{name.title}{of}"
    reference, reference_text = _reference(name.style, report.chance)
    mark = Mark(title, estimate.value, estimate.low, estimate.high, text, span)
    return Figure(
        estimate=estimate,
        title=title,
        text=text,
        span=span,
        meaning="" if row is None else row.answers,
        paper="" if row is None else row.paper,
        spread=_spread(estimate, name.style),
        chart=RowChart(((mark,),), axis, reference, reference_text, _ends(axis, name.style, reference)),
    )


def _spread(estimate: Estimate, style: Style) -> str:
    words = {
        "attacker": "the attacker (seed, subset, start)",
        "images": "the sampling of images",
        "permutations": "the shuffling of groups",
    }
    text = f"The interval covers {' and '.join(words.get(v, v) for v in estimate.varied) or 'nothing'}."
    parts = [
        f"{write_figure(sd, style).lstrip('+')} from {what}"
        for sd, what in ((estimate.sd_attacker, "the attacker"), (estimate.sd_images, "the images"))
        if sd is not None
    ]
    return f"{text} Standard deviation: {', '.join(parts)}." if parts else text
