"""Geometry of the charts of augmentation: differences in rows, rates in rows, histograms of scores by group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.base.estimate import Estimate
from steelyard.metrics.counting import Floats
from steelyard.reports.augment.figures import COMPARED, MEASURES, MeasuredModels, MeasureKey, ScoreHistogram
from steelyard.reports.augment.report import OracleRow
from steelyard.reports.augment.tables import pair_name
from steelyard.reports.augment.text import digits, span
from steelyard.reports.charts import Axis, Mark, RowChart, axis_in_steps, axis_over
from steelyard.reports.figures import typeset, write_figure, write_interval

ROWS = 12  # attributes in a chart; more are in the table only
STEPS = 25  # bars of a histogram
RATES = ("flipped attribute changes", "kept attribute stays", "changes, after the filter", "stays, after the filter")


@dataclass(frozen=True, slots=True)
class DifferenceChart:
    """Differences to the plain model in one measure.

    Attributes:
        measure: its key.
        title: its name, unit included.
        better: which way is better, in words.
        chart: a row per mean or attribute, a mark per model.
        summary: the chart in words.
    """

    measure: MeasureKey
    title: str
    better: str
    chart: RowChart
    summary: str


def difference_charts(measured: MeasuredModels) -> tuple[DifferenceChart, ...]:
    """One for each of AP, |DEO|, |BA|, KL that is defined anywhere: means first, then attributes where they are few."""
    shown = (*measured.means, *(measured.rows if len(measured.rows) <= ROWS else ()))
    found = []
    for measure in COMPARED:
        rows = [marks for row in shown if (marks := tuple(_marks(row.name, row.differences.get(measure, {}), measure)))]
        if not rows:
            continue
        how = MEASURES[measure]
        unit = "points" if how.unit == "%" else how.unit
        axis = axis_in_steps([0.0, *(end for row in rows for mark in row for end in (mark.low, mark.high))])
        ends = (digits(measure, axis.low, difference=True), f"{digits(measure, axis.high, difference=True)} {unit}")
        chart = RowChart(tuple(rows), axis, 0.0, f"0: as {measured.plain}", (typeset(ends[0]), typeset(ends[1])))
        summary = "; ".join(f"{row[0].label} {mark.text}, {mark.span}" for row in rows for mark in row)
        better = "right is better" if how.better == "higher" else "left is better"
        found.append(DifferenceChart(measure, f"{how.short}, {unit}", better, chart, f"{summary}."))
    return tuple(found)


def _marks(name: str, gaps: Mapping[str, Estimate], measure: MeasureKey) -> Iterator[Mark]:
    for series, gap in enumerate(gaps.values()):
        text, ends = digits(measure, gap.value, difference=True), span(measure, gap, difference=True)
        yield Mark(name, gap.value, gap.low, gap.high, typeset(text), typeset(ends), series)


def rate_chart(rows: Sequence[OracleRow]) -> RowChart | None:
    """Flip and keep rates, before the filter and after it; None where there are none."""
    made = []
    several = len({row.flipped for row in rows}) > 1
    for row in rows:
        found = (row.flip, row.keep, row.flip_after, row.keep_after)
        marks = tuple(
            Mark(
                pair_name(row, several=several),
                rate.value,
                rate.low,
                rate.high,
                write_figure(rate.value, "percent"),
                write_interval(rate.low, rate.high, "percent"),
                series,
            )
            for series, rate in enumerate(found)
            if rate is not None
        )
        if marks:
            made.append(marks)
    if not made:
        return None
    ends = [end for marks in made for mark in marks for end in (mark.low, mark.high)]
    axis = axis_over([*ends, 1.0], lower=0.0, upper=1.0)
    low, high = (write_figure(end, "percent") for end in (axis.low, axis.high))
    return RowChart(tuple(made), axis, None, "", (typeset(low), typeset(high)))


@dataclass(frozen=True, slots=True)
class HistogramPanel:
    """How one model scores the images with (or without) an attribute, group by group.

    Attributes:
        title: model, and which images.
        lines: group → steps as `x,y` pairs on a square of 100 × 100, y downwards; empty for a group without images.
        facts: group → (images, mean score written); a dash where there are none.
        summary: the facts in words.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str, str], ...]
    summary: str


@dataclass(frozen=True, slots=True)
class HistogramFigure:
    """The panels of one attribute: images with it, then without it, a panel per model each.

    Attributes:
        attribute: its name.
        panels: in that order.
        cells: the table under it: panel, group, images, mean score.
    """

    attribute: str
    panels: tuple[HistogramPanel, ...]
    cells: tuple[tuple[str, ...], ...]


def histogram_figures(measured: MeasuredModels) -> tuple[HistogramFigure, ...]:
    """An attribute each, in the order of the rows."""
    found = []
    for row in measured.rows:
        own = {item.model: item for item in measured.histograms if item.attribute == row.name}
        models = [own[model] for model in measured.models if model in own]
        panels = [panel for has in (1, 0) for panel in _panels(models, has)]
        if panels:
            cells = tuple((panel.title, *fact) for panel in panels for fact in panel.facts)
            found.append(HistogramFigure(row.name, tuple(panels), cells))
    return tuple(found)


def _panels(models: Sequence[ScoreHistogram], has: int) -> Iterator[HistogramPanel]:
    """One per model, on one scale."""
    shares = {
        (item.model, group): _shares(pair[has])
        for item in models
        for group, pair in item.counts.items()
        if sum(pair[has])
    }
    top = max((float(values.max()) for values in shares.values()), default=1.0)
    for item in models:
        title = f"{item.model}, images {'with' if has else 'without'} it"
        lines, facts = [], []
        for group, pair in item.counts.items():
            bins = np.asarray(pair[has])
            known = (item.model, group) in shares
            lines.append((group, _steps(shares[item.model, group] / top) if known else ""))
            middle = (np.arange(len(bins)) + 0.5) / len(bins)
            facts.append((group, f"{bins.sum():,}", f"{float(bins @ middle / bins.sum()):.2f}" if known else "–"))
        summary = "; ".join(f"{group}: {count} images, mean score {mean}" for group, count, mean in facts)
        yield HistogramPanel(title, tuple(lines), tuple(facts), f"{summary}.")


def _shares(bins: Sequence[int]) -> Floats:
    """Share of the images in each of `STEPS` bars; a number of bins that does not divide stays as it is."""
    counts = np.asarray(bins, dtype=np.float64)
    if len(counts) % STEPS == 0:
        counts = counts.reshape(STEPS, -1).sum(axis=1)
    shares: Floats = counts / counts.sum()
    return shares


def _steps(heights: Floats) -> str:
    edges = Axis(0.0, float(len(heights)))
    points = ["0,100"]
    for i, height in enumerate(heights.tolist()):
        y = f"{100 * (1 - height):.1f}"
        points += [f"{edges.at(i)},{y}", f"{edges.at(i + 1)},{y}"]
    return " ".join([*points, "100,100"])
