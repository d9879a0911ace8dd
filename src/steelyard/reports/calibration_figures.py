"""How the figures of a calibration are named and written, and the few sentences that say what came of it."""

from steelyard.base.errors import first_few
from steelyard.base.estimate import Estimate
from steelyard.reports.calibration import MEAN_CONSTRAINED, VIOLATED, CalibratedFigure, CalibrationReport, Solution
from steelyard.reports.comparison_text import clear_of_zero, difference_style
from steelyard.reports.figures import Style, naming, write_digits, write_figure, write_interval
from steelyard.tables.messages import counted

MEAN = "mals_amplification"
FEW_IMAGES = 30
"""Below, intervals of the bootstrap are too narrow for a difference to be called clear of 0."""
TITLES = {
    VIOLATED: "Labels outside the margin",
    MEAN: "Mean amplification (MALS)",
    MEAN_CONSTRAINED: "Mean amplification, constrained labels",
    "directional_amplification_target_to_attribute": "Directional amplification, target → group",
    "f1_macro": "Quality: F1, mean over the labels",
    "f1_micro": "Quality: F1, over all decisions",
    "balanced_accuracy": "Groups recognised (balanced accuracy)",
}
MEANINGS = {
    VIOLATED: "Constrained labels of which some group’s predicted share lies further from its training share than the "
    "margin allows. 0 is what calibration aims at. A label that is not predicted has no shares and is not counted.",
    MEAN: "What the groups that a label leans to in training gain, or lose, among its predictions, with the predicted "
    "groups; mean over all labels with training images. 0 is no amplification.",
    MEAN_CONSTRAINED: "The same, over the labels with enough training images to be constrained.",
    "directional_amplification_target_to_attribute": "How much further the predicted groups follow the training "
    "correlations than the true ones do, given the true labels. 0 is no amplification.",
    "f1_macro": "How well the decisions agree with the true labels; 1 is perfect.",
    "f1_micro": "The same with every decision weighing the same; where each image has one label, the share that is "
    "right.",
    "balanced_accuracy": "How often the predicted group is the annotated one, each group weighing the same.",
}
FINISHES = {
    "unchanged": "nothing: the best assignments meet the constraints",
    "repair": "the cheapest changes until they hold",
    "programme": "an integer programme over what was left open",
}
_ASIDE = {MEAN_CONSTRAINED: MEAN, VIOLATED: "count"}


def title(measure: str) -> str:
    """The plain name of a measure."""
    return TITLES.get(measure) or naming(measure).title


def write_value(figure: Estimate) -> str:
    """A figure with its unit: counts as whole numbers."""
    return f"{figure.value:g}" if figure.name == VIOLATED else write_figure(figure.value, _style(figure.name))


def write_ends(figure: Estimate) -> str:
    """The ends of its interval."""
    if figure.name == VIOLATED:
        return f"{round(figure.low, 1):g} to {round(figure.high, 1):g}"
    return write_interval(figure.low, figure.high, _style(figure.name))


def write_change(figure: Estimate) -> str:
    """A difference with its sign and unit."""
    return _signed_count(figure.value) if figure.name == VIOLATED else write_figure(figure.value, _signed(figure.name))


def write_change_ends(figure: Estimate) -> str:
    """The ends of a difference's interval."""
    if figure.name == VIOLATED:
        return f"{_signed_count(figure.low)} to {_signed_count(figure.high)}"
    return write_interval(figure.low, figure.high, _signed(figure.name))


def _signed_count(value: float) -> str:
    return f"{round(value, 1):+g}" if round(value, 1) else "0"


def write_both(figure: CalibratedFigure) -> str:
    """`before → after` without repeating the unit."""
    if figure.measure == VIOLATED:
        return f"{figure.before.value:g} → {figure.after.value:g}"
    style = _style(figure.measure)
    return f"{write_digits(figure.before.value, style)} → {write_figure(figure.after.value, style)}"


def write_margin(margin: float) -> str:
    """The margin in points."""
    text = f"{100 * margin:g}"
    return f"{text} point" if text == "1" else f"{text} points"


def write_gap(gap: float) -> str:
    """The duality gap in percent; a gap that two digits would not show is not called none."""
    if gap > 1:
        return "above 100 %"
    return "none" if gap <= 0 else "below 0.01 %" if gap < 1e-4 else write_figure(gap, "fine percent")


def write_sum(value: float) -> str:
    """A sum of scores; of a size that has no use for decimals, its leading digits."""
    return f"{value:,.4f}" if abs(value) < 1e12 else f"{value:.6g}"


def write_distance(solution: Solution) -> str:
    """The duality gap in percent, and as a sum of scores."""
    share = write_gap(solution.gap)
    return f"{share}, {solution.distance:.3g} in the sum of scores" if solution.distance > 0 else share


def settled(figure: CalibratedFigure) -> bool:
    """Whether 0 lies outside the interval of the difference, of enough images for one, or nothing changed at all."""
    gap = figure.difference
    return gap.low == gap.high == 0 or (gap.n >= FEW_IMAGES and clear_of_zero(gap))


def _style(measure: str) -> Style:
    return naming(_ASIDE.get(measure, measure)).style


def _signed(measure: str) -> Style:
    return difference_style(_ASIDE.get(measure, measure))


def headline(report: CalibrationReport) -> str:
    """What came of it, in one sentence; labels that are within the margin as they are not predicted are told apart."""
    figure, constrained = report.figure(VIOLATED), len(report.constrained)
    assert figure is not None
    before, after = int(figure.before.value), int(figure.after.value)
    margin = write_margin(report.margin)
    noun = "constrained label" + ("" if constrained == 1 else "s")
    if not before:
        predicted = sum(row.before.images > 0 for row in report.constrained)
        ending = "nothing was changed." if not report.solution.images_changed else "they still are."
        if not predicted:
            return f"None of {constrained} {noun} is predicted for any image, so that none is outside the margin."
        of = str(constrained) if predicted == constrained else f"{predicted} predicted ones of {constrained}"
        return f"All {of} {noun} were within {margin} of their training shares before calibration; {ending}"
    left = "none is" if not after else f"{after} {_are(after)}"
    gone = sum(row.before.within is False for row in report.gone)
    return (
        f"Before calibration {before} of {constrained} {noun} had predicted groups further than {margin} from their "
        f"training shares; after it {left}{_only_gone(gone, before)}."
    )


def _only_gone(gone: int, before: int) -> str:
    """How many of the labels outside the margin left it by being predicted no longer."""
    if not gone:
        return ""
    of = "but only" if gone == before else f"{gone} of the {before}"
    return f", {of} because {'it is' if gone == 1 else 'they are'} no longer predicted"


def not_predicted(report: CalibrationReport) -> str:
    """Which constrained labels are not predicted after calibration; empty where all are."""
    gone, total = report.gone, len(report.constrained)
    never = sum(not row.before.images and not row.after.images for row in report.constrained)
    if not gone and not never:
        return ""
    of = f"of {total} constrained label{'' if total == 1 else 's'}"
    names = first_few([f"“{row.label}” ({row.before.images:,} before)" for row in gone])
    parts = [f"{len(gone)} {of} {_are(len(gone))} no longer predicted for any image: {names}"] if gone else []
    if never:
        parts.append(f"{never}{'' if gone else f' {of}'} {_are(never)} predicted neither before nor after")
    return f"{'; '.join(parts)}. What is not predicted has no shares that could lie outside the margin."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def details(report: CalibrationReport) -> tuple[str, ...]:
    """What it did to the amplification, what it cost, and how it was found."""
    solution, images = report.solution, report.data["images"]
    found = [sentence] if (sentence := not_predicted(report)) else []
    if mean := report.figure(MEAN):
        found.append(f"Mean amplification: {_told(mean)}.")
    quality = {"f1_macro": "macro F1 of the labels", "balanced_accuracy": "balanced accuracy of the groups"}
    parts = [f"{words} {_told(figure)}" for name, words in quality.items() if (figure := report.figure(name))]
    if parts:
        found.append(f"Quality: {'; '.join(parts)}.")
    else:
        found.append("What it cost is not known: no calibrated image has true labels.")
    if solution.images_changed:
        found.append(
            f"{solution.images_changed:,} of {images:,} images changed, {solution.groups_changed:,} of them in their "
            f"group; duality gap {write_gap(solution.gap)}."
        )
    return tuple(found)


def _told(figure: CalibratedFigure) -> str:
    """Before and after, and in brackets whether this figure's own change can be chance."""
    gap = figure.difference
    if gap.low == gap.high == 0:
        return f"{write_both(figure)} (unchanged)"
    if gap.n < FEW_IMAGES:
        return f"{write_both(figure)} (of {counted(gap.n, 'image')}, too few to tell this change from chance)"
    if not settled(figure):
        return f"{write_both(figure)} (this change may be chance: {write_change_ends(gap)})"
    return f"{write_both(figure)} (a clear {'rise' if gap.value > 0 else 'drop'}: {write_change_ends(gap)})"
