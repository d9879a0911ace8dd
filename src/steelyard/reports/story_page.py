"""The demo's page: the paper's story with this run's own figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steelyard.base.estimate import Estimate
from steelyard.metrics.catalog import RAMASWAMY, WANG_2019, XU
from steelyard.reports.figures import naming, typeset, unit, write_digits, write_interval
from steelyard.reports.frontier import frontier
from steelyard.reports.page import render
from steelyard.reports.references import reference
from steelyard.reports.story import MEASURES, ModelRow, Story
from steelyard.reports.story_augmentation import SHOWN, AugmentationChapter, measure_lines, rate_lines
from steelyard.reports.story_sentences import chapters, headline

_ORDER = (
    "f1_macro",
    "amplification",
    "amplification_decisions",
    "conditional_leakage",
    "model_leakage",
    "dataset_leakage_at_f1",
    "dataset_leakage",
)
_TRAINING = "Leakage of the labels trained on"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of the table: its text and its interval's; a dash where it is undefined."""

    text: str
    span: str = ""


@dataclass(frozen=True, slots=True)
class ModelTable:
    """Models with every figure.

    Attributes:
        headings: (title, unit) of each column after the model's name.
        rows: (model, its cells).
        reasons: (model, measure, why it is undefined).
    """

    headings: tuple[tuple[str, str], ...]
    rows: tuple[tuple[ModelRow, tuple[Cell, ...]], ...]
    reasons: tuple[tuple[str, str, str], ...]


def demo_page(
    story: Story, *, chapter: Mapping[str, Any] | None = None, augmentation: AugmentationChapter | None = None
) -> str:
    """The page, one HTML file that loads nothing.

    Args:
        story: what was measured.
        chapter: what `imsitu_chapter.html` needs (`rows`, `chart`, `at_f1`, `published_at_f1`, `groups`), to append
            the figures of imSitu's real labels; None leaves them out.
        augmentation: what training on pairs of generated images came to; None leaves it out.
    """
    papers = (WANG_2019, XU) if augmentation is None else (WANG_2019, XU, RAMASWAMY)
    who = f"“{story.protected}”"
    context = {
        "story": story,
        "report": story,  # the partials of the audit's page ask it for groups, chance and provenance
        "who": who,
        "level": next((e.level for row in story.models for e in row.estimates.values()), 0.95),
        "headline": headline(story),
        "chapters": chapters(story),
        "frontier": frontier(story),
        "table": model_table(story),
        "gallery": story.gallery,
        "augmentation": None if augmentation is None else _augmentation(augmentation),
        "imsitu": chapter,
        "references": tuple(sorted(reference(paper) for paper in papers)),
    }
    return render("story.html", context)


def _augmentation(chapter: AugmentationChapter) -> dict[str, Any]:
    report = chapter.report
    return {
        "chapter": chapter,
        "measures": () if report is None else measure_lines(report),
        "rates": () if report is None else rate_lines(report),
        "shown": SHOWN,
    }


def model_table(story: Story) -> ModelTable:
    """The table of models; measures that no model has are left out."""
    names = [name for name in _ORDER if any(row.estimate(name) for row in story.models)]
    trained = any(row.label_leakage_of_training for row in story.models)
    headings = [(naming(name).title, unit(naming(name).style)) for name in names]
    if trained:
        headings.append((_TRAINING, unit(naming("dataset_leakage").style)))
    rows = []
    for row in story.models:
        cells = [_cell(row.estimate(name)) for name in names]
        if trained:
            cells.append(_cell(row.label_leakage_of_training))
        rows.append((row, (*cells, Cell(f"{row.seconds:.0f} s" if row.seconds else "–"))))
    reasons = tuple(
        (row.title, naming(name).title, row.omitted[name])
        for row in story.models
        for name in MEASURES
        if name in row.omitted and row.estimate(name) is None
    )
    return ModelTable((*headings, ("Training", "")), tuple(rows), reasons)


def _cell(found: Estimate | None) -> Cell:
    if found is None:
        return Cell("–")
    style = naming(found.name).style
    span = write_interval(found.low, found.high, style).removesuffix(unit(style)).rstrip()
    return Cell(typeset(write_digits(found.value, style)), typeset(span))
