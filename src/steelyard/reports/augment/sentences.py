"""What the page of augmentation says in words: every sentence is chosen by the figures and carries them."""

from collections.abc import Iterator, Sequence

from steelyard.base.estimate import Estimate
from steelyard.reports.augment.figures import COMPARED, MEASURES, MeasuredRow, MeasureKey
from steelyard.reports.augment.report import AugmentReport, OracleRow
from steelyard.reports.augment.text import digits, written
from steelyard.reports.figures import sentence, write_figure, write_interval

_GAPS = tuple(measure for measure in COMPARED if measure != "ap")


def headline(report: AugmentReport) -> str:
    """One paragraph: what the first model beside the plain one changes, on average, and at what price."""
    measured = report.measures
    row, other = measured.overall, measured.others[0]
    gaps = {measure: gap for measure in _GAPS if (gap := row.difference(measure, other)) is not None}
    parts = []
    for side, verb in (("below", "falls"), ("above", "rises")):
        some = [
            f"{MEASURES[measure].words} {verb} by {_size(measure, gap)}"
            for measure, gap in gaps.items()
            if _side(gap) == side
        ]
        parts += [_listed(some)] if some else []
    unsettled = [
        f"{MEASURES[m].words} [{written(m, gap, difference=True)}]" for m, gap in gaps.items() if _side(gap) == "around"
    ]
    if unsettled:
        change = "changes" if len(unsettled) == 1 else "change"
        parts.append(f"this run does not settle whether {_listed(unsettled)} {change}")
    if not parts:
        parts.append("no gap between the groups could be measured")
    first = f"With “{other}” in place of “{measured.plain}”, {'; '.join(parts)}{_over(row)}"
    return " ".join(filter(None, (sentence(first), _price(row, other))))


def details(report: AugmentReport) -> tuple[str, ...]:
    """Sentences below the headline: levels, the other models, the oracle, what is undefined."""
    return (*_levels(report), *_others(report), *_oracle(report), *_undefined(report))


def _side(gap: Estimate) -> str:
    return "below" if gap.high < 0 else "above" if gap.low > 0 else "around"


def _size(measure: MeasureKey, gap: Estimate) -> str:
    """A difference that is clear of 0, without its sign: `1.1 points (0.5 to 1.7)`."""
    low, high = sorted((abs(gap.low), abs(gap.high)))
    return f"{_number(measure, abs(gap.value))} ({digits(measure, low)} to {digits(measure, high)})"


def _number(measure: MeasureKey, value: float) -> str:
    unit = MEASURES[measure].unit
    return f"{digits(measure, value)} {'points' if unit == '%' else unit}"


def _over(row: MeasuredRow) -> str:
    counts = {len(names) for names in row.over.values()}
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    count = f"{high}" if low == high else f"{low} to {high} of {len(row.attributes)}"
    return f", on average over {count} attribute{'s' if high != 1 else ''}"


def _price(row: MeasuredRow, other: str) -> str:
    gap = row.difference("ap", other)
    if gap is None:
        return ""
    side = _side(gap)
    if side == "around":
        return sentence(f"Average precision was not found to change: {written('ap', gap, difference=True)}")
    return sentence(f"Average precision {'falls' if side == 'below' else 'rises'} by {_size('ap', gap)}")


def _levels(report: AugmentReport) -> Iterator[str]:
    measured, row = report.measures, report.measures.overall
    other = measured.others[0]
    parts = []
    for measure in COMPARED:
        before, after = row.figure(measure, measured.plain), row.figure(measure, other)
        if before is not None and after is not None:
            ends = f"{digits(measure, before.value)} to {digits(measure, after.value)}"
            parts.append(f"{MEASURES[measure].short} from {ends} {MEASURES[measure].unit}")
    if parts:
        yield sentence(f"From “{measured.plain}” to “{other}”, means: {'; '.join(parts)}")


def _others(report: AugmentReport) -> Iterator[str]:
    measured = report.measures
    for other in measured.others[1:]:
        parts = [
            f"{MEASURES[measure].short} {written(measure, gap, difference=True)}"
            for measure in COMPARED
            if (gap := measured.overall.difference(measure, other)) is not None
        ]
        if parts:
            yield sentence(f"“{other}”, less “{measured.plain}”: {'; '.join(parts)}")


def _oracle(report: AugmentReport) -> Iterator[str]:
    if not report.oracle:
        unchecked = "How often mirroring does what it is to do was not checked by an independent classifier."
        yield " ".join(filter(None, (unchecked, sentence(report.no_oracle))))
        return
    flips, keeps = _range([row.flip for row in report.oracle]), _range([row.keep for row in report.oracle])
    if flips and keeps:
        yield sentence(
            f"A classifier that labelled no latent sees the flipped attribute change in {flips} of the pairs, and the "
            f"kept attribute stay in {keeps}{_each(report.oracle)}, before any filter"
        )
    yield from _filtered(report.oracle)


def _filtered(rows: Sequence[OracleRow]) -> Iterator[str]:
    kept = _range([row.kept_share for row in rows])
    flips, keeps = _range([row.flip_after for row in rows]), _range([row.keep_after for row in rows])
    if kept and flips and keeps:
        yield sentence(f"The filter leaves {kept} of the pairs; among them these shares are {flips} and {keeps}")


def _each(rows: Sequence[OracleRow]) -> str:
    return ", from attribute to attribute" if len(rows) > 1 else ""


def _range(found: Sequence[Estimate | None]) -> str:
    """The one figure with its interval, or the lowest and the highest of several."""
    known = [estimate for estimate in found if estimate is not None]
    if not known:
        return ""
    if len(known) == 1:
        figure, only = write_figure(known[0].value, "percent"), known[0]
        return f"{figure} ({write_interval(only.low, only.high, 'percent')})"
    low, high = (write_figure(pick(e.value for e in known), "percent") for pick in (min, max))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _undefined(report: AugmentReport) -> Iterator[str]:
    lost = [row.name for row in report.measures.rows if row.undefined]
    if lost:
        names = ", ".join(lost)
        some = f"{len(lost)} of {len(report.measures.rows)} attributes"
        yield sentence(f"Not every measure is defined of every attribute; of {some} some are left out: {names}")


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
