"""What the demo measured: its models, the sweep of noise, and the record of both for `results.json`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.reports.gallery import Gallery

SCHEMA = 1
MEASURES = (
    "amplification",
    "amplification_decisions",
    "conditional_leakage",
    "model_leakage",
    "dataset_leakage",
    "dataset_leakage_at_f1",
    "f1_macro",
)
_RECORDED = ("amplification", "conditional_leakage", "model_leakage", "dataset_leakage", "f1_macro")
_NOT_MEASURED = "it was not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model of the demo.

    Attributes:
        name: short and fixed: `plain`, `alpha1`, `adversarial-conv5` and so on.
        title: its name for readers.
        what: how it was trained, in one sentence.
        estimates: measure (see `MEASURES`) → figure; what is undefined is absent.
        omitted: measure → why it is absent.
        label_leakage_of_training: leakage of the labels that it was trained on, where that was measured.
        seconds: that training took.
    """

    name: str
    title: str
    what: str
    estimates: Mapping[str, Estimate]
    omitted: Mapping[str, str] = field(default_factory=dict)
    label_leakage_of_training: Estimate | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if unknown := [name for name in (*self.estimates, *self.omitted) if name not in MEASURES]:
            raise InputError(f"model {self.name!r}: expected measures {', '.join(MEASURES)}, found {unknown[0]!r}")

    def estimate(self, name: str) -> Estimate | None:
        """The figure of this name, or None where it is undefined."""
        found = self.estimates.get(name)
        return found if found is not None and math.isfinite(found.value) else None

    def reason(self, name: str) -> str:
        """Why there is no figure of this name."""
        return self.omitted.get(name, _NOT_MEASURED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePoint:
    """The plain model with noise on its embedding, at one scale.

    Attributes:
        scale: of the noise, in units of each dimension's own standard deviation.
        f1_macro: of its decisions.
        amplification: of its scores; None where it is undefined.
        reason: why it is undefined.
    """

    scale: float
    f1_macro: Estimate
    amplification: Estimate | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that the demo's page shows.

    Attributes:
        models: in the order in which they are to be listed.
        noise: the sweep, by rising scale; empty without one.
        gallery: masked images, or None.
        protected: name of the protected attribute.
        groups: its k values.
        synthetic: the images are rendered by the package, so that groups are those of a made-up world.
        data: what the images are, in one sentence.
        counts: split → group → images.
        provenance: of the run.
    """

    models: tuple[ModelRow, ...]
    noise: tuple[NoisePoint, ...] = ()
    gallery: Gallery | None = None
    protected: str
    groups: tuple[str, ...]
    synthetic: bool
    data: str
    counts: Mapping[str, Mapping[str, int]]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.groups)

    def model(self, name: str) -> ModelRow | None:
        """The model of this name."""
        return next((row for row in self.models if row.name == name), None)

    def estimate(self, model: str, name: str) -> Estimate | None:
        """A model's figure, or None where there is no such model or it is undefined."""
        row = self.model(model)
        return None if row is None else row.estimate(name)


def results_record(story: Story) -> dict[str, Any]:
    """The demo's figures as plain JSON types: every model and the sweep of noise.

    A figure is `{"value", "low", "high"}`; an undefined one has null for all three, and a `reason`.
    """
    return {
        "schema": SCHEMA,
        "models": [
            {"name": row.name, **{name: figure_record(row.estimate(name), row.reason(name)) for name in _RECORDED}}
            for row in story.models
        ],
        "noise_curve": [
            {
                "scale": point.scale,
                "f1_macro": figure_record(point.f1_macro, _NOT_MEASURED),
                "amplification": figure_record(point.amplification, point.reason or _NOT_MEASURED),
            }
            for point in story.noise
        ],
    }


def figure_record(found: Estimate | None, reason: str) -> dict[str, float | str | None]:
    """A figure as `{"value", "low", "high"}`; an undefined one has null for all three, and its reason."""
    if found is None or not math.isfinite(found.value):
        return {"value": None, "low": None, "high": None, "reason": reason}
    return {"value": found.value, "low": found.low, "high": found.high}
