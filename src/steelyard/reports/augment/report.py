"""AugmentReport: all that the page of latent-space augmentation shows, and its way to JSON and back."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.reports.augment.figures import MeasuredModels
from steelyard.reports.records import dump_json, load_json, write_text
from steelyard.reports.typed_records import from_record, to_record, without_schema

SCHEMA = 1
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairImages:
    """One generated image and its mirror image.

    Attributes:
        id: of the latent.
        image: G(z), a PNG file.
        mirrored: G(z′), a PNG file of the same size.
        caption: anything to say of this pair (what an oracle saw in it); may be empty.
    """

    id: str
    image: bytes
    mirrored: bytes
    caption: str = ""

    def __post_init__(self) -> None:
        for name, data in (("image", self.image), ("mirrored", self.mirrored)):
            if not data.startswith(_SIGNATURE):
                raise InputError(f"pair {self.id}: {name}: expected a PNG file, found other bytes; encode it as PNG")

    def uris(self) -> tuple[str, str]:
        """Both images as data URIs."""
        first, second = (f"data:image/png;base64,{b64encode(data).decode()}" for data in (self.image, self.mirrored))
        return first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class PairGrid:
    """Pairs in which one attribute is kept while another is flipped.

    Attributes:
        kept: the attribute (or several, joined by " and ") whose score is kept.
        flipped: the attribute (or several) whose score is negated.
        pairs: the pairs, as they came, not chosen by eye; eight fill a row on a wide page.
        note: how they were chosen, and what else to know.
    """

    kept: str
    flipped: str
    pairs: tuple[PairImages, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRow:
    """One hyperplane in the latents.

    Attributes:
        name: the attribute (with the group, where it was fitted within one).
        role: whether its side is `kept` or `flipped` by mirroring.
        counts: class (as text) → latents that it was fitted on.
        accuracy: on held-out latents, against the labels of the classifiers; None where it was not measured.
        majority: share of the larger class among those, which is what a constant answer gets; None where not known.
        angles: name of another plane → degrees between both, in [0, 90]; 90 is at right angles.
    """

    name: str
    role: Literal["kept", "flipped"]
    counts: Mapping[str, int]
    accuracy: Estimate | None = None
    majority: float | None = None
    angles: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.role not in ("kept", "flipped"):
            raise InputError(f"plane {self.name}: role: expected kept or flipped, found {self.role!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleRow:
    """What a classifier that had no part in labelling the latents sees in the pairs of one attribute.

    Attributes:
        kept: the attribute whose score is kept.
        flipped: the attribute whose score is negated.
        pairs: how many were judged.
        flip: share of pairs in which it sees the flipped attribute change.
        keep: share of pairs in which it sees the kept attribute stay.
        kept_share: share of pairs that the filter leaves; None without a filter, as are the two below.
        flip_after: `flip` among those.
        keep_after: `keep` among those.
        plane: held-out accuracy of the flipped attribute's plane.
        of_flipped: the oracle's own test accuracy for the flipped attribute.
        of_kept: the oracle's own test accuracy for the kept attribute.
    """

    kept: str
    flipped: str
    pairs: int
    flip: Estimate | None
    keep: Estimate | None
    kept_share: Estimate | None = None
    flip_after: Estimate | None = None
    keep_after: Estimate | None = None
    plane: Estimate | None = None
    of_flipped: Estimate | None = None
    of_kept: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of the run.

    Attributes:
        name: of the step.
        what: what it did, in words.
        seconds: that it took when it was run.
    """

    name: str
    what: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentReport:
    """All that the page shows; every part but the figures may be missing.

    Attributes:
        title: of the page, one line.
        measures: figures of the plain and the other models; names them, the groups and the attributes.
        synthetic: the images are rendered, so that groups and attributes are those of a made-up world.
        celeba: attributes are those of CelebA, so that published averages may stand beside.
        images: what the real images are, in one sentence.
        generator: which generator, in one line.
        about: model → how it was trained, in one sentence.
        grids: of pairs.
        planes: hyperplanes.
        oracle: flip and keep rates.
        no_oracle: why there are none, a sentence; empty where no reason is given.
        filter: what the filter asks of a pair, a sentence; empty without one.
        steps: of the run.
        notes: anything else that a reader must know.
        provenance: see `steelyard.reports.provenance`.
    """

    title: str
    measures: MeasuredModels
    synthetic: bool = False
    celeba: bool = False
    images: str = ""
    generator: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    grids: tuple[PairGrid, ...] = ()
    planes: tuple[PlaneRow, ...] = ()
    oracle: tuple[OracleRow, ...] = ()
    no_oracle: str = ""
    filter: str = ""
    steps: tuple[StepRow, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the k groups."""
        return self.measures.groups

    def to_record(self) -> dict[str, Any]:
        """The report as plain JSON types (schema 1); images as base64."""
        return {"schema": SCHEMA, **to_record(self)}

    @classmethod
    def from_record(cls, record: object, *, where: str = "report") -> "AugmentReport":
        """The inverse of `to_record`.

        Raises:
            InputError: the schema is unknown, or a field is missing, unknown or of the wrong type.
        """
        return from_record(cls, without_schema(record, SCHEMA, where), where)

    def to_json(self, path: str | Path) -> None:
        """Write `report.json`.

        Raises:
            UndefinedError: a figure is NaN or infinite.
        """
        write_text(path, dump_json(self.to_record()))

    @classmethod
    def from_json(cls, path: str | Path) -> "AugmentReport":
        """Read a `report.json`.

        Raises:
            InputError: it is not a report of a known schema.
        """
        return cls.from_record(load_json(Path(path)), where=str(path))

    def to_csv(self, path: str | Path) -> None:
        """Write `figures.csv`: a row per attribute or mean, measure and model; what is undefined is an empty cell."""
        from steelyard.reports.augment.text import augment_csv

        write_text(path, augment_csv(self.measures))

    def to_html(self, path: str | Path) -> None:
        """Write the page."""
        from steelyard.reports.augment.page import augment_page

        write_text(path, augment_page(self))

    def write(self, directory: str | Path) -> None:
        """Write `report.json`, `figures.csv` and `report.html` into a folder, which is made if need be."""
        folder = Path(directory)
        self.to_json(folder / "report.json")
        self.to_csv(folder / "figures.csv")
        self.to_html(folder / "report.html")

    def __str__(self) -> str:
        return str(self.measures)
