"""What a plain model and models trained with pairs do, attribute by attribute and on average: records of figures.

The measures are those of Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*,
CVPR 2021, https://arxiv.org/abs/2012.01469, section 4; AP, DEO, BA and KL are its own names for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from steelyard.base.estimate import Estimate
from steelyard.reports.typed_records import from_record, to_record, without_schema

SCHEMA = 1
ALL = "all attributes"
"""The name of the mean over every attribute."""

MeasureKey = Literal["ap", "deo", "deo_absolute", "ba", "ba_absolute", "kl"]


@dataclass(frozen=True, slots=True)
class MeasureName:
    """How a measure is called and written.

    Attributes:
        short: its heading.
        words: its name within a sentence.
        unit: what its numbers are in on paper; empty for a plain number.
        factor: from the Estimate's value to the number on paper.
        digits: after the point.
        signed: a plus sign is written.
        better: which way is better: up, down, or nearer to 0.
        catalog: the catalogue's name of the measure (of which it is the size, where it has no sign).
    """

    short: str
    words: str
    unit: str
    factor: float
    digits: int
    signed: bool
    better: Literal["higher", "lower", "zero"]
    catalog: str


_DIRECTIONAL = "directional_amplification_attribute_to_target"
MEASURES: Mapping[MeasureKey, MeasureName] = MappingProxyType(
    {
        "ap": MeasureName("AP", "average precision", "%", 100.0, 1, False, "higher", "average_precision"),
        "deo": MeasureName(
            "DEO, signed", "the signed opportunity gap", "points", 100.0, 1, True, "zero", "opportunity_difference"
        ),
        "deo_absolute": MeasureName(
            "|DEO|", "the opportunity gap", "points", 100.0, 1, False, "lower", "opportunity_difference_absolute"
        ),
        "ba": MeasureName("BA", "directional amplification", "points", 100.0, 2, True, "zero", _DIRECTIONAL),
        "ba_absolute": MeasureName(
            "|BA|", "the size of directional amplification", "points", 100.0, 2, False, "lower", _DIRECTIONAL
        ),
        "kl": MeasureName(
            "KL", "the divergence of the groups’ scores", "nats", 1.0, 3, False, "lower", "score_divergence"
        ),
    }
)
"""The measures in the order of tables; `deo` (signed) is left out where there are more than two groups."""

COMPARED: tuple[MeasureKey, ...] = ("ap", "deo_absolute", "ba_absolute", "kl")
"""The four measures whose differences the verdict and the tables show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRow:
    """The figures of one attribute, or their means over several.

    Attributes:
        name: the attribute, the type of attribute, or `all attributes`.
        attributes: those that it covers: itself, or those of the mean.
        figures: measure → model → figure; a measure that is undefined is absent.
        differences: measure → model → its figure less the plain model's, which is absent, on the same resamples.
        over: measure → the attributes that the mean counts (those of which the measure is defined).
        undefined: measure → why it is absent.
        positives: group → test images with the attribute; empty for means.
        type: of attribute; empty where none is known, and for means.
    """

    name: str
    attributes: tuple[str, ...]
    figures: Mapping[MeasureKey, Mapping[str, Estimate]]
    differences: Mapping[MeasureKey, Mapping[str, Estimate]] = field(default_factory=dict)
    over: Mapping[MeasureKey, tuple[str, ...]] = field(default_factory=dict)
    undefined: Mapping[MeasureKey, str] = field(default_factory=dict)
    positives: Mapping[str, int] = field(default_factory=dict)
    type: str = ""

    def figure(self, measure: MeasureKey, model: str) -> Estimate | None:
        """A model's figure; None where the measure is undefined."""
        return self.figures.get(measure, {}).get(model)

    def difference(self, measure: MeasureKey, model: str) -> Estimate | None:
        """A model's figure less the plain model's; None where the measure is undefined."""
        return self.differences.get(measure, {}).get(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreHistogram:
    """How one model scores the groups' test images with and without one attribute.

    Attributes:
        attribute: its name.
        model: its name.
        counts: group → (images without the attribute, images with it), each counted in equal bins over [0, 1].
    """

    attribute: str
    model: str
    counts: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredModels:
    """What was measured of all models on the same test images.

    Attributes:
        models: names, the plain model first.
        rows: an attribute each.
        means: over all attributes, then over those of each type.
        histograms: of scores, an attribute and model each.
        protected: name of the protected attribute.
        groups: its k values.
        images: group → test images.
        gap: what DEO subtracts from what, in words.
        rounds: of the bootstrap.
        level: of the intervals.
        threshold: the rule for decisions, in words.
        direction: where the directions of BA come from, in words.
        seed: of the resamples.
    """

    models: tuple[str, ...]
    rows: tuple[MeasuredRow, ...]
    means: tuple[MeasuredRow, ...]
    histograms: tuple[ScoreHistogram, ...] = ()
    protected: str
    groups: tuple[str, ...]
    images: Mapping[str, int]
    gap: str
    rounds: int
    level: float
    threshold: str
    direction: str
    seed: int = 0

    @property
    def plain(self) -> str:
        """The model that the others are compared with."""
        return self.models[0]

    @property
    def others(self) -> tuple[str, ...]:
        """The models that are compared with the plain one."""
        return self.models[1:]

    @property
    def overall(self) -> MeasuredRow:
        """The means over all attributes."""
        return self.means[0]

    def row(self, name: str) -> MeasuredRow | None:
        """The row of an attribute, of a type of attribute, or of `all attributes`."""
        return next((row for row in (*self.rows, *self.means) if row.name == name), None)

    def to_record(self) -> dict[str, Any]:
        """All of it as plain JSON types (schema 1)."""
        return {"schema": SCHEMA, **to_record(self)}

    @classmethod
    def from_record(cls, record: object, *, where: str = "measures") -> "MeasuredModels":
        """The inverse of `to_record`.

        Raises:
            InputError: the schema is unknown, or a field is missing, unknown or of the wrong type.
        """
        return from_record(cls, without_schema(record, SCHEMA, where), where)

    def __str__(self) -> str:
        from steelyard.reports.augment.text import augment_text

        return augment_text(self)
