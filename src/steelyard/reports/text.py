"""A report as plain text for the terminal, 80 columns wide."""

import textwrap
from typing import TYPE_CHECKING

from steelyard.reports.figures import SECTIONS, naming, naming_of, place, typeset, write_figure, write_interval
from steelyard.reports.rows import by_reason
from steelyard.reports.verdict import verdict

if TYPE_CHECKING:
    from steelyard.base.estimate import Estimate
    from steelyard.reports.audit_report import AuditReport

_WIDTH = 80
_TITLE = 37
_ASCII = str.maketrans({"’": "'", "“": '"', "”": '"', "→": "to", "–": "-", "−": "-"})


def _wrap(text: str, indent: str = "") -> str:
    # typeset() ties a number to its unit with a space that textwrap does not break.
    tied = typeset(text).translate(_ASCII)
    filled = textwrap.fill(tied, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return filled.replace("\u00a0", " ")


def _line(estimate: "Estimate") -> list[str]:
    name = naming_of(estimate)
    title = name.title.translate(_ASCII)
    if estimate.of and estimate.of not in ("labels", "scores", "decisions"):
        title += f" ({estimate.of})"
    if estimate.folded:
        title += " *folded*"
    figure = write_figure(estimate.value, name.style)
    span = f"[{write_interval(estimate.low, estimate.high, name.style)}]"
    head = f"  {title:<{_TITLE}}"
    if len(head) > _TITLE + 2:
        return [_wrap(title, "  "), *_numbers(" " * (_TITLE + 2), figure, span)]
    return _numbers(head, figure, span)


def _numbers(head: str, figure: str, span: str) -> list[str]:
    """Figure and interval beside the title; an interval that does not fit goes to a line of its own."""
    line = f"{head}{figure:>14}"
    if len(line) + 1 + len(span) <= _WIDTH:
        return [f"{line} {span:>{_WIDTH - len(line) - 1}}"]
    return [line, f"{span:>{_WIDTH}}"]


def plain_text(report: "AuditReport") -> str:
    """The verdict, the figures with their intervals, and what was left out."""
    found = verdict(report)
    lines = [_wrap(found.sentence), ""]
    for section, heading in SECTIONS.items():
        rows = sorted((e for e in report.estimates if naming_of(e).section == section), key=place)
        if rows:
            lines += [heading.translate(_ASCII), *(text for e in rows for text in _line(e)), ""]
    if report.curve:
        lines += ["Leakage of the labels over F1", *_curve(report), ""]
    lines += [line for sentence in found.details for line in [_wrap(sentence)]]
    if report.omitted:
        lines += ["", "Left out"]
        for reason, names in by_reason(report.omitted).items():
            lines.append(_wrap(f"{'; '.join(naming(name).title for name in names)}: {reason}", "  "))
    lines += [_wrap(note) for note in report.notes]
    return "\n".join(lines).rstrip()


def _curve(report: "AuditReport") -> list[str]:
    return [
        f"  F1 {point.f1:5.3f}   {write_figure(point.dataset_leakage, 'percent'):>8}"
        f"   [{write_interval(point.low, point.high, 'percent')}]   {point.channel}"
        for point in report.curve
    ]
