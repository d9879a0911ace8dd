"""The tables on the page of augmentation: means by type, every attribute, planes and angles, rates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.base.estimate import Estimate
from steelyard.reports.augment.figures import MEASURES, MeasuredModels, MeasuredRow, MeasureKey
from steelyard.reports.augment.published import Published, published_averages
from steelyard.reports.augment.report import AugmentReport, OracleRow, PlaneRow
from steelyard.reports.augment.text import digits, span
from steelyard.reports.comparison_text import clear_of_zero
from steelyard.reports.figures import typeset, write_digits

COLUMNS: tuple[MeasureKey, ...] = ("ap", "deo", "deo_absolute", "ba", "ba_absolute", "kl")
NONE = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure in a table.

    Attributes:
        text: the figure; a dash where it is undefined.
        span: its interval, or what stands behind ±.
        change: difference to the plain model.
        reach: its interval.
        clear: 0 lies outside that interval.
        over: over how many attributes the mean is, where not over all.
    """

    text: str
    span: str = ""
    change: str = ""
    reach: str = ""
    clear: bool = False
    over: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of cells: the model, and whether its figures are published ones."""

    model: str
    cells: tuple[Cell, ...]
    published: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one attribute, or of one mean.

    Attributes:
        name: of it.
        about: attributes that a mean covers, or images with the attribute by group.
        lines: a model each.
    """

    name: str
    about: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FigureTable:
    """Blocks of lines under (title, unit) of each measure."""

    headings: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


def means_table(report: AugmentReport) -> FigureTable:
    """Means over all attributes and over each type; where attributes are CelebA's, with the published averages."""
    measured = report.measures
    keys = tuple(key for key in _keys(measured) if key != "deo")  # signed gaps of several attributes cancel out
    published = published_averages() if report.celeba else {}
    blocks = []
    for row in measured.means:
        lines = [*_lines(row, measured, keys)]
        for method, averages in published.get(row.name, {}).items():
            cells = tuple(_published(key, averages.get(key)) for key in keys)
            lines.append(Line(f"published, {method}", cells, published=True))
        blocks.append(Block(row.name, f"{len(row.attributes)} attributes", tuple(lines)))
    return FigureTable(_headings(keys), tuple(blocks))


def attribute_table(measured: MeasuredModels) -> FigureTable:
    """Every attribute, a line per model."""
    keys = _keys(measured)
    blocks = []
    for row in measured.rows:
        counts = ", ".join(f"{group} {count:,}" for group, count in row.positives.items())
        blocks.append(Block(row.name, f"images with it: {counts}" if counts else "", _lines(row, measured, keys)))
    return FigureTable(_headings(keys), tuple(blocks))


def _keys(measured: MeasuredModels) -> tuple[MeasureKey, ...]:
    """Measures that are defined, or named as undefined, of anything."""
    rows = (*measured.rows, *measured.means)
    return tuple(key for key in COLUMNS if any(key in row.figures or key in row.undefined for row in rows))


def _headings(keys: Sequence[MeasureKey]) -> tuple[tuple[str, str], ...]:
    return tuple((MEASURES[key].short, MEASURES[key].unit) for key in keys)


def _lines(row: MeasuredRow, measured: MeasuredModels, keys: Sequence[MeasureKey]) -> tuple[Line, ...]:
    return tuple(Line(model, tuple(_cell(row, key, model) for key in keys)) for model in measured.models)


def _cell(row: MeasuredRow, key: MeasureKey, model: str) -> Cell:
    found, gap = row.figure(key, model), row.difference(key, model)
    if found is None:
        return Cell(NONE)
    counted = len(row.over.get(key, row.attributes))
    over = f"over {counted} of {len(row.attributes)}" if counted < len(row.attributes) else ""
    text, ends = typeset(digits(key, found.value)), typeset(span(key, found))
    if gap is None:
        return Cell(text, ends, over=over)
    change, reach = digits(key, gap.value, difference=True), span(key, gap, difference=True)
    return Cell(text, ends, typeset(change), typeset(reach), clear_of_zero(gap), over)


def _published(key: MeasureKey, found: Published | None) -> Cell:
    if found is None:
        return Cell(NONE)
    factor = MEASURES[key].factor
    return Cell(typeset(f"{found.value * factor:.1f}"), f"± {found.spread * factor:.1f}")


@dataclass(frozen=True, slots=True)
class Angle:
    """An angle between two planes: degrees, written; how near to parallel, in percent; empty where not known."""

    text: str
    heat: int


@dataclass(frozen=True, slots=True)
class PlaneLine:
    """One plane: its name and role, accuracy, share of the larger class, counts, an angle per column."""

    name: str
    role: str
    accuracy: Cell
    majority: str
    counts: str
    angles: tuple[Angle, ...]


@dataclass(frozen=True, slots=True)
class PlaneTable:
    """Planes, flipped ones first; `columns` are the planes that angles are given to."""

    columns: tuple[str, ...]
    lines: tuple[PlaneLine, ...]


def plane_table(planes: Sequence[PlaneRow]) -> PlaneTable | None:
    """The planes as a table whose angles are coloured; None without planes."""
    if not planes:
        return None
    columns = tuple(dict.fromkeys(name for plane in planes for name in plane.angles))
    ordered = sorted(planes, key=lambda plane: plane.role != "flipped")
    return PlaneTable(columns, tuple(_plane(plane, columns) for plane in ordered))


def _plane(plane: PlaneRow, columns: Sequence[str]) -> PlaneLine:
    angles = [plane.angles.get(name) for name in columns]
    return PlaneLine(
        name=plane.name,
        role=plane.role,
        accuracy=rate(plane.accuracy),
        majority=NONE if plane.majority is None else write_digits(plane.majority, "percent"),
        counts=", ".join(f"{name}: {count:,}" for name, count in plane.counts.items()),
        angles=tuple(Angle(NONE, 0) if a is None else Angle(f"{a:.1f}°", _heat(a)) for a in angles),
    )


def _heat(degrees: float) -> int:
    """The size of the cosine in percent: 0 at right angles, 100 where the planes are parallel."""
    return round(100 * abs(math.cos(math.radians(degrees))))


def rate(found: Estimate | None) -> Cell:
    """A share in percent, without its unit."""
    if found is None:
        return Cell(NONE)
    ends = f"{write_digits(found.low, 'percent')} to {write_digits(found.high, 'percent')}"
    return Cell(write_digits(found.value, "percent"), ends)


@dataclass(frozen=True, slots=True)
class RateLine:
    """The oracle's rates for the pairs of one attribute: a cell per heading."""

    name: str
    pairs: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class RateTable:
    """Rates under their headings, in percent."""

    headings: tuple[str, ...]
    lines: tuple[RateLine, ...]


_RATES: tuple[tuple[str, str], ...] = (
    ("flip", "flip rate"),
    ("keep", "keep rate"),
    ("kept_share", "left by the filter"),
    ("flip_after", "flip rate, filtered"),
    ("keep_after", "keep rate, filtered"),
    ("plane", "plane’s accuracy"),
    ("of_flipped", "oracle’s accuracy, flipped"),
    ("of_kept", "oracle’s accuracy, kept"),
)


def pair_name(row: OracleRow, *, several: bool) -> str:
    """The kept attribute; with the flipped one where `several` are flipped."""
    return f"{row.kept}, {row.flipped} flipped" if several else row.kept


def rate_table(rows: Sequence[OracleRow]) -> RateTable | None:
    """Flip and keep rates; columns that no row has are left out; None without rows."""
    if not rows:
        return None
    several = len({row.flipped for row in rows}) > 1
    shown = [(name, title) for name, title in _RATES if any(getattr(row, name) is not None for row in rows)]
    lines = tuple(
        RateLine(
            pair_name(row, several=several), f"{row.pairs:,}", tuple(rate(getattr(row, name)) for name, _ in shown)
        )
        for row in rows
    )
    return RateTable(tuple(title for _, title in shown), lines)
