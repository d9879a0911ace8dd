"""A calibration as plain text for the terminal, 80 columns wide."""

import textwrap

from steelyard.reports.calibration import CalibrationReport
from steelyard.reports.calibration_figures import (
    FINISHES,
    details,
    headline,
    settled,
    title,
    write_change,
    write_change_ends,
    write_ends,
    write_gap,
    write_value,
)
from steelyard.reports.figures import typeset
from steelyard.reports.rows import by_reason

_WIDTH = 80
_ASCII = str.maketrans({"’": "'", "“": '"', "”": '"', "→": "->", "–": "-", "−": "-"})


def calibration_text(report: CalibrationReport) -> str:
    """What came of it, the figures before and after with intervals, and what was left out."""
    lines = [_wrap(headline(report)), ""]
    lines += [_wrap(sentence) for sentence in details(report)]
    lines += ["", "Figures, with 95 % intervals; * marks a difference clear of 0"]
    for figure in report.figures:
        lines.append(f"  {title(figure.measure).translate(_ASCII)}")
        for name, estimate in (("before", figure.before), ("after", figure.after)):
            lines.append(f"    {name:<12}{write_value(estimate):>14}  [{write_ends(estimate)}]")
        gap = figure.difference
        star = "*" if settled(figure) and gap.value else " "
        lines.append(f"    {'difference':<12}{write_change(gap):>14} {star}[{write_change_ends(gap)}]")
    lines += ["", "The search", *_facts(report)]
    if report.omitted:
        lines += ["", "Left out"]
        for reason, names in by_reason(report.omitted).items():
            lines.append(_wrap(f"{'; '.join(map(title, names))}: {reason}", "  "))
    lines += ["", *(_wrap(note) for note in report.notes)] if report.notes else []
    return "\n".join(lines).rstrip()


def _facts(report: CalibrationReport) -> list[str]:
    solution = report.solution
    facts = {
        "objective before": f"{solution.objective_before:,.4f}",
        "objective after": f"{solution.objective_after:,.4f}",
        "dual bound": f"{solution.dual_bound:,.4f}",
        "duality gap": write_gap(solution.gap),
        "rounds": f"{solution.rounds:,}, then {FINISHES[solution.finish]}",
    }
    return [f"  {name:<20}{text}" for name, text in facts.items()]


def _wrap(text: str, indent: str = "") -> str:
    tied = typeset(text).translate(_ASCII)
    filled = textwrap.fill(tied, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return filled.replace("\u00a0", " ")
