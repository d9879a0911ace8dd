"""steelyard: how much a vision model gives away about the people in its images, and how much is its own doing.

import steelyard as sy
report = sy.audit(labels, predictions, protected="gender", target="verb", kind="logits")
print(report)
report.to_html("report.html")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard import latent, leakage, metrics, mitigation, reports, tables
    from steelyard.api import audit, augment, balance, calibrate, compare, predict, train
    from steelyard.base.errors import SteelyardError
    from steelyard.base.estimate import Estimate
    from steelyard.reports import AuditReport

__all__ = [
    "AuditReport",
    "Estimate",
    "SteelyardError",
    "audit",
    "augment",
    "balance",
    "calibrate",
    "compare",
    "latent",
    "leakage",
    "metrics",
    "mitigation",
    "predict",
    "reports",
    "tables",
    "train",
]

_NAMES = {
    "AuditReport": "steelyard.reports",
    "Estimate": "steelyard.base.estimate",
    "SteelyardError": "steelyard.base.errors",
    "audit": "steelyard.api",
    "augment": "steelyard.api",
    "balance": "steelyard.api",
    "calibrate": "steelyard.api",
    "compare": "steelyard.api",
    "predict": "steelyard.api",
    "train": "steelyard.api",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    if name in __all__:
        return import_module(f"steelyard.{name}")
    raise AttributeError(f"module 'steelyard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
