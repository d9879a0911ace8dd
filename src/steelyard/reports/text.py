"""A report as plain text for the terminal, 80 columns wide."""

import textwrap
from typing import TYPE_CHECKING

from steelyard.reports.figures import SECTIONS, naming, naming_of, write_figure, write_interval
from steelyard.reports.verdict import verdict

if TYPE_CHECKING:
    from steelyard.base.estimate import Estimate
    from steelyard.reports.audit_report import AuditReport

_WIDTH = 80
_ASCII = str.maketrans({"’": "'", "“": '"', "”": '"', "→": "to", "–": "-", "−": "-"})


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text.translate(_ASCII), _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _line(estimate: "Estimate") -> list[str]:
    name = naming_of(estimate)
    title = name.title.translate(_ASCII)
    if estimate.of and estimate.of not in ("labels", "scores", "decisions"):
        title += f" ({estimate.of})"
    if estimate.folded:
        title += " *folded*"
    figure = write_figure(estimate.value, name.style)
    span = f"[{write_interval(estimate.low, estimate.high, name.style)}]"
    if len(title) > 44:
        return [f"  {title}"[:_WIDTH], f"{'':46}{figure:>12}", f"{span:>{_WIDTH}}"]
    # Both parts fit beside the title for most figures; a long interval goes to a line of its own.
    line = f"  {title:<36}{figure:>14}"
    if len(line) + 1 + len(span) <= _WIDTH:
        return [f"{line} {span:>{_WIDTH - len(line) - 1}}"]
    return [line, f"{span:>{_WIDTH}}"]


def plain_text(report: "AuditReport") -> str:
    """The verdict, the figures with their intervals, and what was left out."""
    found = verdict(report)
    lines = [_wrap(found.sentence), ""]
    for section, heading in SECTIONS.items():
        rows = [e for e in report.estimates if naming_of(e).section == section]
        if rows:
            lines += [heading.translate(_ASCII), *(text for e in rows for text in _line(e)), ""]
    if report.curve:
        lines += ["Leakage of the labels over F1", *_curve(report), ""]
    lines += [line for sentence in found.details for line in [_wrap(sentence)]]
    if report.omitted:
        lines += ["", "Left out"]
        lines += [_wrap(f"{naming(o.name).title}: {o.reason}", "  ") for o in report.omitted]
    lines += [_wrap(note) for note in report.notes]
    return "\n".join(lines).rstrip()


def _curve(report: "AuditReport") -> list[str]:
    return [
        f"  F1 {point.f1:5.3f}   {write_figure(point.dataset_leakage, 'percent'):>8}"
        f"   [{write_interval(point.low, point.high, 'percent')}]   {point.channel}"
        for point in report.curve
    ]
