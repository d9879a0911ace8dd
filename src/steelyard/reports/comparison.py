"""Comparison: several models on the same images, and its way to JSON and back, to a table, to text and to a page."""

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from steelyard.base.drafts import drafts_in
from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.reports.records import check_record, dump_json, load_json, write_text
from steelyard.reports.rows import Omitted

SCHEMA = 1
_PARTS: dict[str, type] = {
    "models": list,
    "figures": list,
    "omitted": list,
    "data": dict,
    "notes": list,
    "provenance": dict,
}
_ENDS = ("value", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFigure:
    """One measure of several models.

    Attributes:
        measure: the catalogue's name.
        models: model → its figure; a model of which it is not defined is absent.
        differences: model → its figure less the base's, measured in pairs; the base is absent.
        removed: model → share of the base's figure that it is rid of, in (−∞, ∞); 1 is all of it.
    """

    measure: str
    models: Mapping[str, Estimate]
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    removed: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison found.

    Attributes:
        models: names, the base first.
        figures: a measure each.
        omitted: what was not measured, and why.
        data: what the figures were measured on: `protected`, `groups`, `counts` (group → images), `kind`, `targets`
            (how many), `images`, `split`, `threshold` (the rule for decisions).
        notes: anything else that a reader must know.
        provenance: see `steelyard.reports.provenance`.
    """

    models: tuple[str, ...]
    figures: tuple[ComparedFigure, ...]
    omitted: tuple[Omitted, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The model that the others are compared with."""
        return self.models[0]

    def figure(self, measure: str) -> ComparedFigure | None:
        """The figures of one measure; None where it was not measured."""
        return next((figure for figure in self.figures if figure.measure == measure), None)

    def difference(self, measure: str, model: str) -> Estimate | None:
        """A model's figure less the base's; None where it was not measured."""
        found = self.figure(measure)
        return None if found is None else found.differences.get(model)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON types (schema 1)."""
        return {
            "schema": SCHEMA,
            "models": list(self.models),
            "figures": [
                {
                    "measure": figure.measure,
                    **{
                        part: {name: e.to_dict() for name, e in getattr(figure, part).items()}
                        for part in ("models", "differences", "removed")
                    },
                }
                for figure in self.figures
            ],
            "omitted": [asdict(item) for item in self.omitted],
            "data": dict(self.data),
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], *, source: str = "comparison") -> "Comparison":
        """The inverse of `to_dict`.

        Raises:
            InputError: the schema is unknown, or a field is missing, unknown or of the wrong type.
        """
        if not isinstance(record, dict) or record.get("schema") != SCHEMA or "figures" not in record:
            raise InputError(f"{source}: expected a comparison of schema {SCHEMA}, found something else")
        for name, kind in _PARTS.items():
            if not isinstance(record.get(name), kind):
                raise InputError(f"{source}: {name} must be a {kind.__name__}, found {record.get(name)!r}")
        return cls(
            models=tuple(record["models"]),
            figures=tuple(_figure(f, f"{source}: figures[{i}]") for i, f in enumerate(record["figures"])),
            omitted=tuple(Omitted(**check_record(Omitted, o, f"{source}: omitted")) for o in record["omitted"]),
            data=record["data"],
            notes=tuple(record["notes"]),
            provenance=record["provenance"],
        )

    def to_json(self, path: str | Path) -> None:
        """Write `comparison.json`."""
        write_text(path, dump_json(self.to_dict()))

    @classmethod
    def from_json(cls, path: str | Path) -> "Comparison":
        """Read a `comparison.json`.

        Raises:
            InputError: it is not a comparison of a known schema.
        """
        return cls.from_dict(load_json(Path(path)), source=str(path))

    def to_csv(self, path: str | Path) -> None:
        """Write `comparison.csv`: a row per measure and model; what is not defined is an empty cell."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        parts = ("", "difference", "removed")
        ends = [f"{part}_{end}" if part and end != "value" else part or end for part in parts for end in _ENDS]
        writer.writerow(["measure", "model", *ends, "unit", "of", "n"])
        for figure in self.figures:
            for model, estimate in figure.models.items():
                row: list[object] = [figure.measure, model]
                for found in (estimate, figure.differences.get(model), figure.removed.get(model)):
                    row += ["", "", ""] if found is None else [getattr(found, end) for end in _ENDS]
                writer.writerow([*row, estimate.unit, estimate.of, estimate.n])
        write_text(path, text.getvalue())

    def to_html(self, path: str | Path) -> None:
        """Write the page."""
        from steelyard.reports.comparison_page import comparison_page

        write_text(path, comparison_page(self))

    def write(self, directory: str | Path) -> None:
        """Write `comparison.json`, `comparison.csv` and `comparison.html` into a folder, which is made if need be."""
        with drafts_in(Path(directory)) as drafts:
            self.to_json(drafts / "comparison.json")
            self.to_csv(drafts / "comparison.csv")
            self.to_html(drafts / "comparison.html")

    def __str__(self) -> str:
        from steelyard.reports.comparison_text import comparison_text

        return comparison_text(self)


def _figure(record: object, where: str) -> ComparedFigure:
    fields = check_record(ComparedFigure, record, where)
    parts: dict[str, dict[str, Estimate]] = {}
    for part in ("models", "differences", "removed"):
        if not isinstance(fields.get(part), dict):
            raise InputError(f"{where}.{part}: expected an object, found {fields.get(part)!r}")
        parts[part] = {
            name: Estimate.from_dict(check_record(Estimate, e, f"{where}.{part}.{name}"))
            for name, e in fields[part].items()
        }
    return ComparedFigure(measure=fields["measure"], **parts)
