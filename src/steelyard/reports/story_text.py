"""The demo's story as plain text for the terminal, 80 columns wide."""

import textwrap

from steelyard.base.estimate import Estimate
from steelyard.reports.figures import naming, typeset, write_figure, write_interval
from steelyard.reports.story import Story
from steelyard.reports.story_sentences import headline


def story_text(story: Story) -> str:
    """The headline, and each model's quality, amplification and conditional leakage."""
    sentence = typeset(headline(story)).replace("\u00a0", " ")
    lines = [textwrap.fill(sentence, 80, break_on_hyphens=False), ""]
    lines.append(f"{'':<28}{'macro-F1':>9}{'amplification [95 %]':>28}{'conditional':>15}")
    for row in story.models:
        f1 = _figure(row.estimate("f1_macro"))
        amplification = row.estimate("amplification")
        conditional = _figure(row.estimate("conditional_leakage"))
        span = "–" if amplification is None else f"{_figure(amplification)} [{_span(amplification)}]"
        lines.append(f"{row.title:<28}{f1:>9}{span:>28}{conditional:>15}")
    return "\n".join(lines)


def _figure(found: Estimate | None) -> str:
    return "–" if found is None else write_figure(found.value, naming(found.name).style).replace("\u00a0", " ")


def _span(found: Estimate) -> str:
    return write_interval(found.low, found.high, naming(found.name).style).replace("\u00a0", " ")
