"""The demo's chapter on pairs of generated images: what it shows, its sentences, and its record for `results.json`.

Ramaswamy, Kim, Russakovsky: Fair Attribute Classification through Latent Space De-biasing, CVPR 2021,
https://arxiv.org/abs/2012.01469
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from steelyard.base.estimate import Estimate
from steelyard.reports.augment.figures import COMPARED, MEASURES, MeasureKey
from steelyard.reports.augment.report import AugmentReport, PairGrid
from steelyard.reports.augment.sentences import headline
from steelyard.reports.augment.tables import Cell, rate
from steelyard.reports.augment.text import digits, span
from steelyard.reports.comparison_text import clear_of_zero
from steelyard.reports.figures import sentence, typeset, write_figure, write_interval
from steelyard.reports.story import figure_record
from steelyard.reports.verdict import side

SHOWN = 8
"""Pairs on the page."""
_HALF = 0.5
_NONE = Cell("–")


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationChapter:
    """What augmentation by pairs came to.

    Attributes:
        report: of the run; its first model beside the plain one is the chapter's. None where there are no figures.
        reason: why there are none.
        page: the whole page of the run, relative to the demo's; empty for no link.
    """

    report: AugmentReport | None
    reason: str = ""
    page: str = ""

    @property
    def grid(self) -> PairGrid | None:
        """The first pairs of the run, or None."""
        if self.report is None or not self.report.grids:
            return None
        return self.report.grids[0]

    def sentences(self) -> tuple[str, ...]:
        """What the pairs are worth, and what training with them changed, as the figures say."""
        if self.report is None:
            return (sentence(f"No figures came of this run: {self.reason}"),)
        return (*_oracle(self.report), headline(self.report))


@dataclass(frozen=True, slots=True)
class MeasureLine:
    """A measure: its short name, its words, its unit, and cells for plain, augmented and their difference."""

    short: str
    words: str
    unit: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class RateLine:
    """An attribute, what the oracle should see of it, in how many pairs it does, and its own accuracy for it."""

    name: str
    asked: str
    cells: tuple[Cell, ...]


def measure_lines(report: AugmentReport) -> tuple[MeasureLine, ...]:
    """The means over all attributes, a line per measure; `Cell.clear` where a difference is clear of 0."""
    measured, row = report.measures, report.measures.overall
    lines = []
    for measure in COMPARED:
        name = MEASURES[measure]
        figures = [_cell(measure, row.figure(measure, model)) for model in (measured.plain, measured.others[0])]
        gap = _cell(measure, row.difference(measure, measured.others[0]), difference=True)
        lines.append(MeasureLine(name.short, name.words, name.unit, (*figures, gap)))
    return tuple(lines)


def rate_lines(report: AugmentReport) -> tuple[RateLine, ...]:
    """What the oracle sees: the flipped attribute first, then each that is kept."""
    rows = report.oracle
    if not rows:
        return ()
    flipped = RateLine(rows[0].flipped, "changes", (rate(rows[0].flip), rate(rows[0].of_flipped)))
    return (flipped, *(RateLine(row.kept, "stays", (rate(row.keep), rate(row.of_kept))) for row in rows))


def augmentation_record(chapter: AugmentationChapter) -> dict[str, Any]:
    """The chapter's figures as plain JSON types, each `{"value", "low", "high"}`, with a reason where it is null."""
    report = chapter.report
    if report is None:
        return {"reason": chapter.reason}
    measured, row = report.measures, report.measures.overall
    other = measured.others[0]

    def figures(measure: MeasureKey) -> dict[str, Any]:
        reason = row.undefined.get(measure, "")
        found = {model: figure_record(row.figure(measure, model), reason) for model in (measured.plain, other)}
        return {**found, "difference": figure_record(row.difference(measure, other), reason)}

    return {
        "attributes": list(row.attributes),
        "protected": measured.protected,
        "models": [measured.plain, other],
        "measures": {measure: figures(measure) for measure in COMPARED},
        "oracle": [
            {
                "kept": found.kept,
                "flipped": found.flipped,
                "pairs": found.pairs,
                "flip": figure_record(found.flip, "it was not judged"),
                "keep": figure_record(found.keep, "it was not judged"),
            }
            for found in report.oracle
        ],
        "page": chapter.page,
    }


def _oracle(report: AugmentReport) -> Iterator[str]:
    """Whether the pairs are what they should be, as an independent classifier sees them."""
    rows = report.oracle
    flip = rows[0].flip if rows else None
    if flip is None:
        yield "Whether the pairs are what they should be was not checked by an independent classifier."
        return
    figure = f"{write_figure(flip.value, 'percent')} of {rows[0].pairs:,} pairs"
    figure += f" ({write_interval(flip.low, flip.high, 'percent')})"
    changes = f"sees “{rows[0].flipped}” change between z and z′ in {figure}"
    yield sentence(
        {
            "above": f"A classifier that had no part in making the pairs {changes}",
            "around": f"A classifier that had no part in making the pairs {changes}, which does not tell whether it "
            "changes in most",
            "below": f"A classifier that had no part in making the pairs {changes}, fewer than half: these pairs are "
            "not what they should be",
        }[side(flip, _HALF)]
    )
    yield from _kept(report)


def _kept(report: AugmentReport) -> Iterator[str]:
    keeps = [(row.keep, row.kept) for row in report.oracle if row.keep is not None]
    if not keeps:
        return
    (least, lost), (most, held) = (pick(keeps, key=lambda one: one[0].value) for pick in (min, max))
    low, high = (write_figure(found.value, "percent") for found in (least, most))
    ends = f"{low} (“{lost}”) to {high} (“{held}”)" if len(keeps) > 1 else low
    yield sentence(f"The attributes that should stay do so in {ends}")


def _cell(measure: MeasureKey, found: Estimate | None, *, difference: bool = False) -> Cell:
    if found is None:
        return _NONE
    text = typeset(digits(measure, found.value, difference=difference))
    ends = typeset(span(measure, found, difference=difference))
    return Cell(text, ends, clear=difference and clear_of_zero(found))
