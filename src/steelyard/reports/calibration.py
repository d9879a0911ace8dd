"""CalibrationReport: what a calibration of a corpus changed, and its way to JSON and back, to text and to a page.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.reports.records import dump_json, load_json, write_text
from steelyard.reports.rows import Interval, Omitted
from steelyard.reports.typed_records import from_record, to_record, without_schema

SCHEMA = 1
VIOLATED = "violated_labels"
"""Labels of which a group's predicted share lies outside the margin; not in the catalogue, as it needs a margin."""
MEAN_CONSTRAINED = "mals_amplification_constrained"
"""`mals_amplification` over the constrained labels alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedFigure:
    """One measure before and after, from the same resamples of the images.

    Attributes:
        measure: the catalogue's name, or one of those above.
        before: of the best assignment of each image alone.
        after: of the calibrated assignment.
        difference: after less before, paired image by image.
    """

    measure: str
    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedShares:
    """Who a label is predicted with.

    Attributes:
        images: images that the label is predicted for.
        shares: share of each predicted group among them, with its interval; empty where there are none.
        within: whether every share is within the margin; None where the label is not constrained or not predicted.
        why: of which the two, in words, where `within` is None.
    """

    images: int
    shares: tuple[Interval, ...]
    within: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRatios:
    """One label's shares: of the training images, and of the predictions before and after.

    Attributes:
        label: name of the target.
        support: training images with the label.
        constrained: whether it has the support to be held to its training shares.
        training: share of each group among them; empty where there are none.
        before: of the predictions, as decoded image by image.
        after: of the calibrated predictions.
    """

    label: str
    support: int
    constrained: bool
    training: tuple[float, ...]
    before: PredictedShares
    after: PredictedShares


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One round of the relaxation.

    Attributes:
        objective: sum of the scores of the round's assignment.
        dual: value of the Lagrangian there: no assignment that meets the constraints scores higher.
        violated: labels of which the assignment breaks some constraint.
    """

    objective: float
    dual: float
    violated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """How the calibrated assignment was found.

    Attributes:
        rounds: of the relaxation.
        objective_before: sum of the scores of the best assignments, unconstrained.
        objective_after: of the calibrated ones.
        baseline: of a plain assignment that meets the constraints.
        dual_bound: no assignment that meets the constraints scores higher.
        distance: `dual_bound` − `objective_after`: how far the calibrated assignment can be from the best; 0 is none.
        gap: `distance` as a fraction of what the plain assignment gives up, of each label at most a few typical
            differences between scores (so that scores that say "never" do not make it up).
        finish: the step that gave it: `unchanged` where the best assignments meet the constraints, `repair`, or
            `programme` (an integer programme over what was left open).
        images_changed: images whose group or labels are other than before.
        groups_changed: images whose group is.
        repaired: images in which it differs from the relaxation's last inference.
        iterations: the rounds.
    """

    rounds: int
    objective_before: float
    objective_after: float
    baseline: float
    dual_bound: float
    distance: float
    gap: float
    finish: Literal["unchanged", "repair", "programme"]
    images_changed: int
    groups_changed: int
    repaired: int
    iterations: tuple[Iteration, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """What a calibration changed.

    Attributes:
        margin: how far a share may lie from its training share.
        min_support: training images that a label needs to be constrained.
        figures: violations, mean amplification and quality, each before, after, and the difference.
        labels: the shares of every label, in the order of the table.
        solution: how it was found.
        omitted: what was not measured, and why.
        data: `protected`, `groups`, `kind`, `target` (column), `targets` (how many), `images` (calibrated),
            `labelled` (of them, with true labels), `split` (calibrated; empty for all), `training` (group → images),
            `training_rows` (which, in words), `sources`, `ignored` (columns).
        warnings: what a reader must know first, before any figure.
        notes: anything else that a reader must know.
        provenance: see `steelyard.reports.provenance`.
    """

    margin: float
    min_support: int
    figures: tuple[CalibratedFigure, ...]
    labels: tuple[LabelRatios, ...]
    solution: Solution
    omitted: tuple[Omitted, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        k = len(self.data.get("groups", ()))
        if k < 2:
            raise InputError(
                f"calibration: data.groups must list two groups or more, found {self.data.get('groups')!r}"
            )
        for row in self.labels:
            for shares in (row.training, row.before.shares, row.after.shares):
                if len(shares) not in (0, k):
                    raise InputError(f"calibration: label {row.label!r}: expected {k} shares, found {len(shares)}")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the k groups."""
        return tuple(map(str, self.data["groups"]))

    @property
    def constrained(self) -> tuple[LabelRatios, ...]:
        """The labels that are held to their training shares."""
        return tuple(row for row in self.labels if row.constrained)

    @property
    def gone(self) -> tuple[LabelRatios, ...]:
        """The constrained labels that were predicted before and are no longer."""
        return tuple(row for row in self.constrained if row.before.images and not row.after.images)

    def figure(self, measure: str) -> CalibratedFigure | None:
        """The figure of one measure; None where it was not measured."""
        return next((figure for figure in self.figures if figure.measure == measure), None)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON types (schema 1)."""
        return {"schema": SCHEMA, **to_record(self)}

    @classmethod
    def from_dict(cls, record: object, *, source: str = "calibration") -> "CalibrationReport":
        """The inverse of `to_dict`.

        Raises:
            InputError: the schema is unknown, or a field is missing, unknown or of the wrong type.
        """
        return from_record(cls, without_schema(record, SCHEMA, source), source)

    def to_json(self, path: str | Path) -> None:
        """Write `report.json`.

        Raises:
            UndefinedError: a figure is NaN or infinite.
        """
        write_text(path, dump_json(self.to_dict()))

    @classmethod
    def from_json(cls, path: str | Path) -> "CalibrationReport":
        """Read a `report.json`.

        Raises:
            InputError: it is not a calibration of a known schema.
        """
        return cls.from_dict(load_json(Path(path)), source=str(path))

    def to_html(self, path: str | Path) -> None:
        """Write the page."""
        from steelyard.reports.calibration_page import calibration_page

        write_text(path, calibration_page(self))

    def __str__(self) -> str:
        from steelyard.reports.calibration_text import calibration_text

        return calibration_text(self)
