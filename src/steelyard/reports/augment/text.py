"""Figures of augmentation as plain text for the terminal, 80 columns wide, and as a CSV table."""

import csv
import io
import textwrap
from collections.abc import Sequence

from steelyard.base.estimate import Estimate
from steelyard.reports.augment.figures import COMPARED, MEASURES, MeasuredModels, MeasuredRow, MeasureKey
from steelyard.reports.comparison_text import clear_of_zero

_WIDTH = 80
_SHOWN = 8  # attributes, one by one, on a terminal


def digits(measure: MeasureKey, value: float, *, difference: bool = False) -> str:
    """A figure's number on paper, in the measure's unit, without it.

    >>> digits("ap", 0.7861), digits("ba", -0.0031), digits("deo_absolute", -0.021, difference=True)
    ('78.6', '-0.31', '-2.1')
    """
    how = MEASURES[measure]
    text = format(value * how.factor, f"{'+' if how.signed or difference else ''}.{how.digits}f")
    # A rounded zero has no sign: "-0.0" reads as a finding.
    return text if float(text) else text.lstrip("+-")


def span(measure: MeasureKey, found: Estimate, *, difference: bool = False) -> str:
    """The ends of its interval, without unit."""
    return " to ".join(digits(measure, end, difference=difference) for end in (found.low, found.high))


def written(measure: MeasureKey, found: Estimate, *, difference: bool = False) -> str:
    """A figure with its unit and interval, for a sentence."""
    unit = MEASURES[measure].unit
    unit = "points" if difference and unit == "%" else unit
    number = digits(measure, found.value, difference=difference)
    joint = f" {unit}" if unit else ""
    return f"{number}{joint} ({span(measure, found, difference=difference)})"


def augment_text(measured: MeasuredModels) -> str:
    """Means by type, then attributes where they are few; a star where 0 lies outside a difference's interval."""
    images = sum(measured.images.values())
    head = (
        f"{images:,} test images, {len(measured.rows)} attributes; after each figure the difference to "
        f"{measured.plain} with its paired {measured.level:.0%} interval, * where 0 lies outside. "
        f"{'; '.join(f'{MEASURES[m].short} in {MEASURES[m].unit}' for m in COMPARED)}."
    )
    lines = [textwrap.fill(head, _WIDTH), ""]
    lines += [line for row in measured.means for line in _block(row, measured)]
    if len(measured.rows) <= _SHOWN:
        lines += [line for row in measured.rows for line in _block(row, measured)]
    else:
        lines.append("Each attribute by itself: in the CSV table and on the page.")
    return "\n".join(lines).rstrip()


def _block(row: MeasuredRow, measured: MeasuredModels) -> list[str]:
    """A heading, a line per measure and model, and what is undefined."""
    several = f" ({len(row.attributes)} attributes)" if row.over else ""
    lines = [f"{row.name}{several}"]
    width = min(24, max(map(len, measured.models)))
    for measure in COMPARED:
        if measure not in row.figures:
            continue
        counted = row.over.get(measure, row.attributes)
        some = f"  over {len(counted)} of {len(row.attributes)}" if len(counted) < len(row.attributes) else ""
        lines.append(f"  {MEASURES[measure].short}{some}")
        lines += [_line(measure, row, model, width) for model in measured.models]
    for reason in dict.fromkeys(row.undefined.values()):
        names = ", ".join(MEASURES[m].short for m, why in row.undefined.items() if why == reason)
        lines.append(
            textwrap.fill(f"undefined: {names}: {reason}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
        )
    return [*lines, ""]


def _line(measure: MeasureKey, row: MeasuredRow, model: str, width: int) -> str:
    found, gap = row.figure(measure, model), row.difference(measure, model)
    assert found is not None
    shown = model if len(model) <= width else f"{model[: width - 1]}…"
    line = f"    {shown:<{width}} {digits(measure, found.value):>7}"
    if gap is not None:
        star = "*" if clear_of_zero(gap) else " "
        number = digits(measure, gap.value, difference=True)
        line += f" {number:>8} {star}[{span(measure, gap, difference=True)}]"
    return line


def augment_csv(measured: MeasuredModels) -> str:
    """A row per attribute or mean, measure and model; what is undefined has empty cells and its reason."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    ends = ("value", "low", "high")
    gaps = [f"difference{part}" for part in ("", "_low", "_high")]
    writer.writerow(["attribute", "type", "attributes", "measure", "model", *ends, *gaps, "undefined"])
    for row in (*measured.means, *measured.rows):
        for measure in MEASURES:
            if measure not in row.figures and measure not in row.undefined:
                continue
            count = len(row.over.get(measure, row.attributes))
            for model in measured.models:
                cells = [_ends(row.figure(measure, model)), _ends(row.difference(measure, model))]
                writer.writerow(
                    [row.name, row.type, count, measure, model, *cells[0], *cells[1], row.undefined.get(measure, "")]
                )
    return text.getvalue()


def _ends(found: Estimate | None) -> Sequence[object]:
    return ("", "", "") if found is None else (found.value, found.low, found.high)
