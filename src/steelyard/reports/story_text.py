"""The demo's story as plain text for the terminal, 80 columns wide."""

import textwrap

from steelyard.base.estimate import Estimate
from steelyard.reports.figures import naming, typeset, write_digits, write_interval
from steelyard.reports.story import Story
from steelyard.reports.story_sentences import headline

_SPAN = "amplification"


def story_text(story: Story) -> str:
    """The headline, and each model's quality, amplification and conditional leakage."""
    sentence = typeset(headline(story)).replace("\u00a0", " ")
    lines = [textwrap.fill(sentence, 80, break_on_hyphens=False), ""]
    lines.append(f"{'':<30}{'macro-F1':>9}{'amplification, points':>25}{'conditional':>14}")
    lines.append(f"{'':<30}{'':>9}{'[95 %]':>25}{'leakage, bits':>14}")
    for row in story.models:
        f1, conditional = _figure(row.estimate("f1_macro")), _figure(row.estimate("conditional_leakage"))
        amplification = row.estimate(_SPAN)
        span = "–" if amplification is None else f"{_figure(amplification)} [{_span(amplification)}]"
        lines.append(f"{row.title:<30}{f1:>9}{span:>25}{conditional:>14}")
    return "\n".join(lines)


def _figure(found: Estimate | None) -> str:
    return "–" if found is None else write_digits(found.value, naming(found.name).style)


def _span(found: Estimate) -> str:
    written = write_interval(found.low, found.high, naming(found.name).style)
    return written.replace("\u00a0", " ").removesuffix(" points").replace("−", "-")
