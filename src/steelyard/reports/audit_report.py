"""AuditReport: what an audit found, and its way to JSON and back, to a table, to text and to a page."""

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from steelyard.base.drafts import drafts_in
from steelyard.base.errors import InputError, first_few
from steelyard.base.estimate import Estimate
from steelyard.metrics.catalog import by_name
from steelyard.reports.records import check_record, dump_json, load_json, write_text
from steelyard.reports.rows import CurvePoint, Interval, LabelRow, Omitted

SCHEMA = 1
_LISTS = ("estimates", "curve", "per_label", "omitted", "notes")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit found.

    Attributes:
        estimates: the figures, each with its interval.
        curve: dataset leakage over the quality of the labels, by rising F1.
        per_label: one row per target, in the order of the table.
        omitted: what was not measured, and why.
        data: what the figures were measured on. Required: `protected` (the attribute's name) and `groups`
            (the k >= 2 group names). Shown where present: `kind` (`single` or `multi`), `target` (column),
            `targets` (how many), `counts` (split → group → images), `sources` (file names), `ignored`
            (columns), `threshold` (the rule for decisions), `balance` (list of notes), `audited` (images behind
            `per_label`), `per_label_split` (their split, where it is one of `counts`).
        notes: anything else that a reader must know.
        provenance: see `steelyard.reports.provenance`.

    Raises:
        InputError: `data` lacks the attribute's name or its groups.
    """

    estimates: tuple[Estimate, ...]
    curve: tuple[CurvePoint, ...] = ()
    per_label: tuple[LabelRow, ...] = ()
    omitted: tuple[Omitted, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.data.get("protected"), str):
            raise InputError("report: data.protected must name the protected attribute")
        groups = self.data.get("groups")
        if not isinstance(groups, list | tuple) or len(groups) < 2:
            raise InputError(f"report: data.groups must list two groups or more, found {groups!r}")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the k groups."""
        return tuple(str(group) for group in self.data["groups"])

    @property
    def chance(self) -> float:
        """Accuracy of an attacker that knows nothing, on group-balanced images: 1/k."""
        return 1.0 / len(self.groups)

    def estimate(self, name: str, of: str | None = None) -> Estimate | None:
        """The first figure of this name (and of this evidence), or None where it was not measured.

        Raises:
            InputError: there is no such measure.
        """
        if all(e.name != name for e in self.estimates):
            by_name(name)
        return next((e for e in self.estimates if e.name == name and of in (None, e.of)), None)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON types (schema 1)."""
        return {
            "schema": SCHEMA,
            "estimates": [e.to_dict() for e in self.estimates],
            "curve": [asdict(point) for point in self.curve],
            "per_label": [asdict(row) for row in self.per_label],
            "omitted": [asdict(item) for item in self.omitted],
            "data": dict(self.data),
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], *, source: str = "report") -> "AuditReport":
        """The inverse of `to_dict`.

        Raises:
            InputError: the schema is unknown, or a field is missing, unknown or of the wrong type.
        """
        _check_outline(record, source)
        return cls(
            estimates=tuple(_estimate(e, f"{source}: {w}") for w, e in _numbered(record, "estimates")),
            curve=tuple(
                CurvePoint(**check_record(CurvePoint, p, f"{source}: {w}")) for w, p in _numbered(record, "curve")
            ),
            per_label=tuple(_label_row(r, f"{source}: {w}") for w, r in _numbered(record, "per_label")),
            omitted=tuple(
                Omitted(**check_record(Omitted, o, f"{source}: {w}")) for w, o in _numbered(record, "omitted")
            ),
            data=record["data"],
            notes=tuple(record["notes"]),
            provenance=record["provenance"],
        )

    def to_json(self, path: str | Path) -> None:
        """Write `report.json`.

        Raises:
            UndefinedError: a figure is NaN or infinite.
        """
        write_text(path, dump_json(self.to_dict()))

    @classmethod
    def from_json(cls, path: str | Path) -> "AuditReport":
        """Read a `report.json`.

        Raises:
            InputError: it is not a report of a known schema.
        """
        return cls.from_dict(load_json(Path(path)), source=str(path))

    def to_csv(self, path: str | Path) -> None:
        """Write `per_label.csv`: one row per label; a figure that is undefined for a label is an empty cell."""
        write_text(path, _csv(self))

    def to_html(self, path: str | Path) -> None:
        """Write the page."""
        from steelyard.reports.page import audit_page

        write_text(path, audit_page(self))

    def write(self, directory: str | Path) -> None:
        """Write `report.json`, `per_label.csv` and `report.html` into a folder, which is made if need be."""
        with drafts_in(Path(directory)) as drafts:
            self.to_json(drafts / "report.json")
            self.to_csv(drafts / "per_label.csv")
            self.to_html(drafts / "report.html")

    def __str__(self) -> str:
        from steelyard.reports.text import plain_text

        return plain_text(self)


def _check_outline(record: object, source: str) -> None:
    if not isinstance(record, dict) or "schema" not in record:
        raise InputError(f"{source}: not a report: expected an object with a schema number")
    if record["schema"] != SCHEMA or isinstance(record["schema"], bool):
        raise InputError(
            f"{source}: schema {record['schema']!r} is unknown, expected {SCHEMA}; "
            "read it with the version of steelyard that wrote it"
        )
    expected = {"schema", *_LISTS, "data", "provenance"}
    if missing := sorted(expected - record.keys()):
        raise InputError(f"{source}: {first_few(missing)} missing")
    if unknown := sorted(record.keys() - expected):
        raise InputError(f"{source}: unknown part {first_few(unknown)}")
    for name in expected - {"schema"}:
        wanted = list if name in _LISTS else dict
        if not isinstance(record[name], wanted):
            raise InputError(f"{source}: {name} must be a {wanted.__name__}, found {record[name]!r}")
    if wrong := [note for note in record["notes"] if not isinstance(note, str)]:
        raise InputError(f"{source}: notes must be text, found {wrong[0]!r}")


def _numbered(record: dict[str, Any], part: str) -> list[tuple[str, Any]]:
    return [(f"{part}[{i}]", item) for i, item in enumerate(record[part])]


def _estimate(record: object, where: str) -> Estimate:
    fields = check_record(Estimate, record, where)
    varied = fields.get("varied", ["images"])
    if not isinstance(varied, list) or not all(isinstance(v, str) for v in varied):
        raise InputError(f"{where}: field 'varied' must be a list of text, found {varied!r}")
    return Estimate.from_dict({**fields, "varied": varied})


def _label_row(record: object, where: str) -> LabelRow:
    fields = check_record(LabelRow, record, where)
    measures = {
        key: Interval(**check_record(Interval, value, f"{where}.measures.{key}"))
        for key, value in fields.get("measures", {}).items()
    }
    return LabelRow(**{**fields, "measures": measures})


def _csv(report: AuditReport) -> str:
    groups = list(dict.fromkeys([*report.groups, *(g for row in report.per_label for g in row.counts)]))
    keys = list(dict.fromkeys(key for row in report.per_label for key in row.measures))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    ends = [name for key in keys for name in (key, f"{key}_low", f"{key}_high")]
    writer.writerow(["label", "positives", *(f"count_{group}" for group in groups), *ends])
    for row in report.per_label:
        cells: list[object] = [row.label, row.positives, *(row.counts.get(group, "") for group in groups)]
        for key in keys:
            figure = row.measures.get(key)
            cells += ["", "", ""] if figure is None else [figure.value, figure.low, figure.high]
        writer.writerow(cells)
    return text.getvalue()
