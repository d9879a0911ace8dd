"""A comparison as plain text for the terminal, and how its differences are written."""

import textwrap

from steelyard.base.estimate import Estimate
from steelyard.reports.comparison import ComparedFigure, Comparison
from steelyard.reports.figures import (
    SECTIONS,
    Style,
    naming,
    place,
    typeset,
    write_digits,
    write_figure,
    write_interval,
)
from steelyard.reports.rows import by_reason

_WIDTH = 80
_ASCII = str.maketrans({"’": "'", "“": '"', "”": '"', "→": "to", "–": "-", "−": "-"})
_DIFFERENCES: dict[Style, Style] = {"percent": "points", "fine percent": "fine points", "score": "signed score"}


def difference_style(measure: str) -> Style:
    """How a difference between two figures of a measure is written."""
    style = naming(measure).style
    return _DIFFERENCES.get(style, style)


def write_difference(difference: Estimate) -> str:
    """A difference with its sign and unit."""
    text = write_figure(difference.value, difference_style(difference.name))
    return f"+{text}" if float(text.split()[0]) > 0 and not text.startswith("+") else text


def write_span(difference: Estimate) -> str:
    """The ends of its interval, with their unit."""
    return write_interval(difference.low, difference.high, difference_style(difference.name))


def clear_of_zero(estimate: Estimate) -> bool:
    """Whether 0 lies outside the interval."""
    return estimate.low > 0 or estimate.high < 0


def write_removed(removed: Estimate) -> str:
    """A share with its interval in percent."""
    span = f"{write_digits(removed.low, 'percent')} to {write_figure(removed.high, 'percent')}"
    return f"{write_figure(removed.value, 'percent')} [{span}]"


def ordered(comparison: Comparison) -> list[tuple[str, list[ComparedFigure]]]:
    """Heading → figures, section by section; empty sections are left out."""
    found = []
    for section, heading in SECTIONS.items():
        figures = [f for f in comparison.figures if naming(f.measure).section == section]
        if figures:
            found.append((heading, sorted(figures, key=lambda f: place(next(iter(f.models.values()))))))
    return found


def comparison_text(comparison: Comparison) -> str:
    """The figures of every model, and their differences to the base with intervals; a star where 0 lies outside."""
    data = comparison.data
    head = (
        f"{len(comparison.models)} models on the same {data['images']:,} images"
        f"{'' if data['split'] == 'all' else ' (' + data['split'] + ')'}; differences are to {comparison.base}, "
        "with paired 95 % intervals; * marks those clear of 0."
    )
    lines = [_wrap(head), ""]
    for heading, figures in ordered(comparison):
        lines.append(heading.translate(_ASCII))
        for figure in figures:
            lines += _figure(figure, comparison)
        lines.append("")
    if comparison.omitted:
        lines.append("Left out")
        for reason, names in by_reason(comparison.omitted).items():
            lines.append(_wrap(f"{'; '.join(map(omitted_title, names))}: {reason}", "  "))
    lines += [_wrap(note) for note in comparison.notes]
    return "\n".join(lines).rstrip()


def omitted_title(name: str) -> str:
    """What was left out, in words; `measure: part` is a part of a measure's figures."""
    measure, _, part = name.partition(": ")
    return f"{naming(measure).title}, {part}" if part else naming(measure).title


def _figure(figure: ComparedFigure, comparison: Comparison) -> list[str]:
    name = naming(figure.measure)
    lines = [f"  {name.title.translate(_ASCII)}"]
    width = min(24, max(map(len, comparison.models)))
    for model, estimate in figure.models.items():
        shown = model if len(model) <= width else f"{model[: width - 1]}…"
        line = f"    {shown:<{width}} {write_figure(estimate.value, name.style):>14}"
        if gap := figure.differences.get(model):
            star = "*" if clear_of_zero(gap) else " "
            ends = " to ".join(write_digits(end, difference_style(gap.name)) for end in (gap.low, gap.high))
            line += f" {write_difference(gap):>14} {star}[{ends}]"
        lines.append(line.rstrip())
        if model in figure.removed:
            text = f"share removed {write_removed(figure.removed[model])}"
            lines.append(f"    {'':<{width}} {text:>14}")
    return lines


def _wrap(text: str, indent: str = "") -> str:
    tied = typeset(text).translate(_ASCII)
    filled = textwrap.fill(tied, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return filled.replace("\u00a0", " ")
