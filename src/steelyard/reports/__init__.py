"""Reports: what an audit found, as JSON, a table, plain text and a page that people can read."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.reports.audit_report import AuditReport
    from steelyard.reports.provenance import fingerprint
    from steelyard.reports.rows import CurvePoint, Interval, LabelRow, Omitted
    from steelyard.reports.verdict import Verdict

_HOMES = {
    "AuditReport": "audit_report",
    "CurvePoint": "rows",
    "Interval": "rows",
    "LabelRow": "rows",
    "Omitted": "rows",
    "Verdict": "verdict",
    "fingerprint": "provenance",
}

__all__ = [
    "AuditReport",
    "CurvePoint",
    "Interval",
    "LabelRow",
    "Omitted",
    "Verdict",
    "fingerprint",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
