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
    write_distance,
    write_ends,
    write_sum,
    write_value,
)
from steelyard.reports.figures import typeset
from steelyard.reports.rows import by_reason

_WIDTH = 80
_ASCII = str.maketrans({"’": "'", "“": '"', "”": '"', "→": "->", "–": "-", "−": "-"})


def calibration_text(report: CalibrationReport) -> str:
    """What came of it, the figures before and after with intervals, and what was left out."""
    lines = [_wrap(headline(report)), ""]
    lines += [line for warning in report.warnings for line in (_wrap(warning), "")]
    lines += [_wrap(sentence) for sentence in details(report)]
    lines += ["", "Figures, with 95 % intervals; * marks a difference clear of 0"]
    for figure in report.figures:
        lines.append(f"  {title(figure.measure).translate(_ASCII)}")
        for name, estimate in (("before", figure.before), ("after", figure.after)):
            lines.append(f"    {name:<12}{write_value(estimate):>14}  [{write_ends(estimate)}]")
        gap = figure.difference
        star = "*" if settled(figure) and gap.value else " "
        lines.append(f"    {'difference':<12}{write_change(gap):>14} {star}[{write_change_ends(gap)}]")
        if note := figure.after.note or figure.before.note:
            lines.append(_wrap(note, "    "))
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
        "objective before": write_sum(solution.objective_before),
        "objective after": write_sum(solution.objective_after),
        "dual bound": write_sum(solution.dual_bound),
        "duality gap": write_distance(solution),
        "rounds": f"{solution.rounds:,}, then {FINISHES[solution.finish]}",
    }
    return [f"  {name:<20}{text}" for name, text in facts.items()]


def _wrap(text: str, indent: str = "") -> str:
    tied = typeset(text).translate(_ASCII)
    filled = textwrap.fill(tied, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return filled.replace("\u00a0", " ")
