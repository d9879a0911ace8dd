"""The rows that an audit report is made of."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure about one label, with the ends of its interval.

    Attributes:
        value: the point estimate.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Dataset leakage after the labels were corrupted down to one quality.

    Attributes:
        f1: macro-F1 of the corrupted labels against the true ones, in [0, 1].
        dataset_leakage: accuracy of the attacker on the corrupted labels, in [0, 1]; chance is 1/k.
        low: lower end of its interval.
        high: upper end of its interval.
        p: probability with which the channel corrupts a label, in [0, 1].
        channel: `flip`, `replace` or `prevalence`.
        scheme: how the attacker was fitted and scored, in words.
        n: images that the figure rests on.
    """

    f1: float
    dataset_leakage: float
    low: float
    high: float
    p: float
    channel: str
    scheme: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """What was measured about one label; a measure that is undefined for it is absent.

    Attributes:
        label: name of the target.
        positives: images with the label.
        counts: group → images of that group with the label.
        measures: measure → figure. `ratio:<group>` is the share of the group among the images with the
            label; then `single_label_leakage`, and with predictions `average_precision`, `f1`,
            `opportunity_difference` (of more than two groups `opportunity_range`), `score_divergence` and
            `directional_amplification`.
    """

    label: str
    positives: int
    counts: dict[str, int] = field(default_factory=dict)
    measures: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """Something that was not measured.

    Attributes:
        name: the catalogue's name of the measure, or what was left out.
        reason: why, in words.
    """

    name: str
    reason: str


def by_reason(omitted: tuple[Omitted, ...]) -> dict[str, tuple[str, ...]]:
    """Reason → names left out for it, in the order of their first mention."""
    found: dict[str, tuple[str, ...]] = {}
    for item in omitted:
        found[item.reason] = (*found.get(item.reason, ()), item.name)
    return found
