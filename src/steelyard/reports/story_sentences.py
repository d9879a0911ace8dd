"""The demo's sentences: each is chosen by the figures, so that a run that went otherwise reads otherwise.

The story that they are held against is that of Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough,
ICCV 2019, https://arxiv.org/abs/1811.08489
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steelyard.base.estimate import Estimate
from steelyard.reports.figures import NAMES, write_digits, write_figure, write_interval
from steelyard.reports.story import ModelRow, Story
from steelyard.reports.story_changes import apart, change
from steelyard.reports.verdict import side

PLAIN, BALANCED, NOISE = "plain", "alpha1", "noise"
ADVERSARY, BALANCED_ADVERSARY, IMAGE_ADVERSARY = "adversarial-conv5", "alpha1-adversarial-conv5", "adversarial-image"
BLACKOUT = "blackout-segment"
_MORE = "more than random mistakes of the same number would"
_LESS = "gives away less than random mistakes of the same number would"


@dataclass(frozen=True, slots=True)
class Chapter:
    """Part of the story: a heading and its paragraphs."""

    anchor: str
    heading: str
    paragraphs: tuple[str, ...]


def headline(story: Story) -> str:
    """The sentence on top: the balanced model, and what the adversary makes of it."""
    row = story.model(BALANCED)
    balanced = None if row is None else row.estimate("amplification")
    if row is None or balanced is None:
        return _sentence(f"What a model trained on balanced labels gives away {_unmeasured(story, BALANCED)}")
    where = side(balanced, 0.0)
    if where != "above":
        found = f"was not found to give away {_MORE}" if where == "around" else _LESS
        return _sentence(
            f"In this run a model trained on balanced labels {found}: {_figure(balanced)}; "
            "so it does not show that balanced labels are not enough"
        )
    still = _labels_leak(story, row)
    labels = "labels balanced one by one, which together still leak" if still else "balanced labels"
    doubt = f", though {_DOUBT}" if _in_doubt(row) else ""
    first = f"Trained on {labels}, a model still gives away {_MORE}, {_figure(balanced)}{doubt}"
    kind, share = change(balanced, story.estimate(BALANCED_ADVERSARY, "amplification"))
    removed = {
        "unknown": "what an adversary removes of it was not measured",
        "more": "with an adversary in training it is more, not less",
        "unsettled": f"whether an adversary in training removes any of it, this run does not settle{_but(story)}",
        "part": f"an adversary in training removes {_percent(share)} of it, not most",
        "most": f"an adversary in training removes {_percent(share)} of it",
        "all": "an adversary in training removes all of it",
    }[kind]
    return _sentence(f"{first}; {removed}{_cost_clause(story, BALANCED, BALANCED_ADVERSARY)}")


def _but(story: Story) -> str:
    """What conditional leakage settles where amplification does not."""
    before, after = (story.estimate(name, "conditional_leakage") for name in (BALANCED, BALANCED_ADVERSARY))
    kind, share = change(before, after)
    removed = {"part": _percent(share), "most": _percent(share), "all": "all"}.get(kind)
    return "" if removed is None else f", though of what the scores tell beyond the labels it removes {removed}"


def chapters(story: Story) -> tuple[Chapter, ...]:
    """The story, chapter by chapter; what was not run is left out."""
    hidden = [_against(story, PLAIN, name) for name in (BLACKOUT, NOISE, IMAGE_ADVERSARY)]
    pairs = ((PLAIN, ADVERSARY), (BALANCED, BALANCED_ADVERSARY))
    against = [_against(story, before, after) for before, after in pairs]
    parts = (
        ("labels", "What the labels give away", [_labels(story)]),
        ("plain", "What a model makes of them", [_one_model(story, PLAIN)]),
        ("balanced", "Balanced labels", [_balanced(story)]),
        ("adversary", "An adversary in training", [*against, _against_noise(story)]),
        ("hiding", "Hiding pixels, and noise", hidden),
    )
    made = []
    for anchor, heading, paragraphs in parts:
        written = tuple(filter(None, (" ".join(sentences) for sentences in paragraphs)))
        if written:
            made.append(Chapter(anchor, heading, written))
    return tuple(made)


def _labels(story: Story) -> Iterator[str]:
    found = story.estimate(PLAIN, "dataset_leakage")
    if found is None:
        return
    chance, figure = write_figure(story.chance, "percent"), _figure(found)
    said = {
        "above": f"The true labels alone name the right group for {figure}; guessing gets {chance}",
        "around": f"The true labels alone were not found to give the group away: {figure}, guessing gets {chance}",
        "below": f"The true labels alone name the right group for {figure}, below the {chance} of guessing, "
        "which is read as no leakage",
    }
    yield _sentence(said[side(found, story.chance)])


def _one_model(story: Story, name: str) -> Iterator[str]:
    """Amplification of one model, and what its decisions and conditional leakage say of it."""
    row = story.model(name)
    if row is None:
        return
    found = row.estimate("amplification")
    if found is None:
        yield _sentence(f"The amplification of “{row.title}” {_unmeasured(story, name)}")
        return
    said = {
        "above": f"“{row.title}” gives away {_MORE}: {_figure(found)}",
        "around": f"“{row.title}” was not found to give away {_MORE}: {_figure(found)}, and 0 lies within the interval",
        "below": f"“{row.title}” {_LESS}: {_figure(found)}",
    }
    yield _sentence(said[side(found, 0.0)])
    yield from _beside(row)


def _beside(row: ModelRow) -> Iterator[str]:
    """Scores have a finer grain than decisions, so amplification on scores is never read alone."""
    words = {"above": "above 0", "around": "with 0 within the interval", "below": "below 0"}
    others = [(row.estimate(name), what) for name, what in _BESIDE]
    found = [f"{what} {_figure(e)}, {words[side(e, 0.0)]}" for e, what in others if e is not None]
    if found:
        yield _sentence(f"Beside it: {'; '.join(found)}")
    if _in_doubt(row):
        yield f"So {_DOUBT}, and that may be their finer grain rather than the model’s own doing."


_BESIDE = (("amplification_decisions", "on its decisions"), ("conditional_leakage", "conditional leakage"))
_DOUBT = "nothing was found beside its scores"


def _in_doubt(row: ModelRow) -> bool:
    """Amplification on scores alone: decisions and conditional leakage were looked at and do not lie above 0."""
    main = row.estimate("amplification")
    others = [e for e in (row.estimate(name) for name, _ in _BESIDE) if e is not None]
    found = main is not None and side(main, 0.0) == "above"
    return found and bool(others) and all(side(e, 0.0) != "above" for e in others)


def _labels_leak(story: Story, row: ModelRow) -> bool:
    """Whether the labels that a model was trained on were found to leak."""
    labels = row.label_leakage_of_training
    return labels is not None and side(labels, story.chance) == "above"


def _balanced(story: Story) -> Iterator[str]:
    row = story.model(BALANCED)
    labels = None if row is None else row.label_leakage_of_training
    if labels is not None:
        chance, figure = write_figure(story.chance, "percent"), _figure(labels)
        said = {
            "above": f"The training images were balanced label by label, and yet their labels together still name the "
            f"right group for {figure}, more than the {chance} of guessing",
            "around": f"In the balanced training images the labels tell nothing that was found: {figure}, "
            f"guessing gets {chance}",
            "below": f"In the balanced training images the labels tell nothing: {figure}, guessing gets {chance}",
        }
        yield _sentence(said[side(labels, story.chance)])
    yield from _one_model(story, BALANCED)
    found = None if row is None else row.estimate("amplification")
    if row is None or found is None:
        return
    if side(found, 0.0) != "above":
        yield "So this run does not show what the paper found, that balanced labels are not enough."
    elif _in_doubt(row):
        yield "So this run shows it on scores only."
    elif labels is None or _labels_leak(story, row):
        yield "So balancing the labels one by one was not enough."
    else:
        yield "So the images, not the labels, are where it comes from: balanced labels are not enough."


def _against(story: Story, before: str, after: str) -> Iterator[str]:
    """One training recipe against another: what went of the amplification, what it costs in F1."""
    first, second = story.model(before), story.model(after)
    if first is None or second is None:
        return
    was, now = first.estimate("amplification"), second.estimate("amplification")
    kind, share = change(was, now)
    if was is None or now is None:
        yield _sentence(f"“{second.title}”: its amplification {_unmeasured(story, before if was is None else after)}")
    else:
        went = f"from {write_digits(was.value, 'points')} to {_figure(now)}"
        left = ", and 0 lies within the interval of what is left" if side(now, 0.0) == "around" else ""
        said = {
            "nothing": f"“{first.title}” was not found to amplify, so there was nothing for “{second.title}” to "
            f"remove; it has {_figure(now)}",
            "more": f"“{second.title}” gives away more than “{first.title}”, not less: amplification went {went}",
            "unsettled": f"Whether “{second.title}” amplifies less than “{first.title}” is not settled: "
            f"{went}, and the intervals overlap",
            "part": f"“{second.title}” removes {_percent(share)} of the amplification of “{first.title}”, not most of "
            f"it: {went}{left}",
            "most": f"“{second.title}” removes most of the amplification of “{first.title}”, {_percent(share)}: "
            f"{went}{left}",
            "all": f"“{second.title}” removes all of the amplification of “{first.title}”: {went}{left}",
        }
        yield _sentence(said[kind])
    yield from _f1_sentence(first, second)
    yield from _conditional_sentence(first, second)


def _f1_sentence(first: ModelRow, second: ModelRow) -> Iterator[str]:
    was, now = first.estimate("f1_macro"), second.estimate("f1_macro")
    if was is None or now is None:
        return
    doubt = "" if apart(was, now) else ", less than their intervals tell apart"
    points = write_figure(now.value - was.value, "points")
    went = f"from {write_figure(was.value, 'score')} to {write_figure(now.value, 'score')}"
    yield _sentence(f"F1 goes {went}: {points}{doubt}")


def _conditional_sentence(first: ModelRow, second: ModelRow) -> Iterator[str]:
    was, now = first.estimate("conditional_leakage"), second.estimate("conditional_leakage")
    if was is not None and now is not None:
        yield _sentence(f"Conditional leakage goes from {write_digits(was.value, 'bits')} to {_figure(now)}")


def noise_at(story: Story, f1: float) -> tuple[float, float, float] | None:
    """Amplification of the noise line at this F1, with the ends of its band; None where the line does not reach."""
    line = sorted(
        (p.f1_macro.value, p.amplification.value, p.amplification.low, p.amplification.high)
        for p in story.noise
        if p.amplification is not None
    )
    if len(line) < 2 or not line[0][0] <= f1 <= line[-1][0]:
        return None
    x, *ys = np.array(line).T
    value, low, high = (float(np.interp(f1, x, y)) for y in ys)
    return value, low, high


def _against_noise(story: Story) -> Iterator[str]:
    row = story.model(ADVERSARY)
    f1, found = story.estimate(ADVERSARY, "f1_macro"), story.estimate(ADVERSARY, "amplification")
    if row is None or f1 is None or found is None or not story.noise:
        return
    at = f"F1 {write_figure(f1.value, 'score')}"
    line = noise_at(story, f1.value)
    if line is None:
        yield _beyond_noise(story, row, found, at)
        return
    value, low, high = line
    noise = f"{write_figure(value, 'points')} ({write_interval(low, high, 'points')})"
    if found.high < low:
        yield _sentence(f"“{row.title}” lies below the line of noise, which at the same {at} still has {noise}")
    elif found.low > high:
        yield _sentence(f"“{row.title}” lies above the line of noise, which at the same {at} has only {noise}")
    else:
        yield _sentence(f"“{row.title}” and the line of noise, which at the same {at} has {noise}, are not told apart")


def _beyond_noise(story: Story, row: ModelRow, found: Estimate, at: str) -> str:
    """Where the line does not reach the model's F1: only its right end, the least noise, can be told apart from it."""
    best = max(story.noise, key=lambda point: point.f1_macro.value)
    f1, end = row.estimate("f1_macro"), best.amplification
    if f1 is None or end is None or f1.value < best.f1_macro.value or found.high >= end.low:
        return f"The line of noise does not reach {at}, so “{row.title}” cannot be set against it."
    reached = f"F1 {write_figure(best.f1_macro.value, 'score')}, with {_figure(end)}"
    return _sentence(
        f"“{row.title}”, at {at}, lies right of the whole line of noise, which ends at {reached}, and below it"
    )


def _cost_clause(story: Story, before: str, after: str) -> str:
    was, now = story.estimate(before, "f1_macro"), story.estimate(after, "f1_macro")
    if was is None or now is None:
        return ""
    if not apart(was, now):
        return ", and F1 was not found to change"
    points = write_digits(abs(now.value - was.value), "points").lstrip("+")
    return f", at a cost of {points} points of F1" if now.value < was.value else f", while F1 rises by {points} points"


def _unmeasured(story: Story, name: str) -> str:
    row = story.model(name)
    return "was not measured" if row is None else f"is not known: {row.reason('amplification').rstrip('.')}"


def _figure(found: Estimate) -> str:
    """A figure with its interval, in the measure's own unit."""
    style = NAMES[found.name].style
    return f"{write_figure(found.value, style)} ({write_interval(found.low, found.high, style)})"


def _percent(share: float) -> str:
    """Rounded down: 99.8 % is not all of it. Empty where there is no share."""
    return "" if math.isnan(share) else f"{math.floor(100 * share)} %"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
