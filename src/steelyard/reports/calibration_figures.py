"""How the figures of a calibration are named and written, and the few sentences that say what came of it."""

from steelyard.base.estimate import Estimate
from steelyard.reports.calibration import MEAN_CONSTRAINED, VIOLATED, CalibratedFigure, CalibrationReport, Solution
from steelyard.reports.comparison_text import clear_of_zero, difference_style
from steelyard.reports.figures import Style, naming, write_digits, write_figure, write_interval

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
    "margin allows. 0 is what calibration aims at.",
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
        return f"{figure.low:.1f} to {figure.high:.1f}"
    return write_interval(figure.low, figure.high, _style(figure.name))


def write_change(figure: Estimate) -> str:
    """A difference with its sign and unit."""
    text = f"{figure.value:+g}" if figure.name == VIOLATED else write_figure(figure.value, _signed(figure.name))
    return "0" if figure.name == VIOLATED and not figure.value else text


def write_change_ends(figure: Estimate) -> str:
    """The ends of a difference's interval."""
    if figure.name == VIOLATED:
        return f"{figure.low:+.1f} to {figure.high:+.1f}"
    return write_interval(figure.low, figure.high, _signed(figure.name))


def write_both(figure: CalibratedFigure) -> str:
    """`before → after` without repeating the unit."""
    if figure.measure == VIOLATED:
        return f"{figure.before.value:g} → {figure.after.value:g}"
    style = _style(figure.measure)
    return f"{write_digits(figure.before.value, style)} → {write_figure(figure.after.value, style)}"


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
    """What came of it, in one sentence."""
    figure, constrained = report.figure(VIOLATED), len(report.constrained)
    assert figure is not None
    before, after = int(figure.before.value), int(figure.after.value)
    margin = f"{100 * report.margin:g} points"
    noun = "constrained label" + ("" if constrained == 1 else "s")
    if not before:
        return f"All {constrained} {noun} were within {margin} of their training shares before calibration; " + (
            "nothing was changed." if not report.solution.images_changed else "they still are."
        )
    left = "none is" if not after else f"{after} {'is' if after == 1 else 'are'}"
    return (
        f"Before calibration {before} of {constrained} {noun} had predicted groups further than {margin} from their "
        f"training shares; after it {left}."
    )


def details(report: CalibrationReport) -> tuple[str, ...]:
    """What it did to the amplification, what it cost, and how it was found."""
    found, solution, images = [], report.solution, report.data["images"]
    if mean := report.figure(MEAN):
        found.append(
            f"Mean amplification: {write_both(mean)}{'' if settled(mean) else ', which chance alone can make'}."
        )
    quality = [(name, report.figure(name)) for name in ("f1_macro", "balanced_accuracy")]
    parts = [
        f"{'macro F1 of the labels' if name == 'f1_macro' else 'balanced accuracy of the groups'} {write_both(figure)}"
        f"{'' if settled(figure) else ' (within chance)'}"
        for name, figure in quality
        if figure is not None
    ]
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
