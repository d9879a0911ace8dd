"""Tables: what is in each image and who, and what a model said of it; reading, writing, joining, checking."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.tables.joined import Joined
    from steelyard.tables.joining import join
    from steelyard.tables.label_reader import read_labels
    from steelyard.tables.label_table import LabelTable
    from steelyard.tables.potential_reader import read_potentials
    from steelyard.tables.potential_table import PotentialTable
    from steelyard.tables.potential_writer import write_potentials
    from steelyard.tables.prediction_reader import read_predictions
    from steelyard.tables.prediction_table import PredictionTable
    from steelyard.tables.writing import write_labels, write_predictions

__all__ = [
    "Joined",
    "LabelTable",
    "PotentialTable",
    "PredictionTable",
    "join",
    "read_labels",
    "read_potentials",
    "read_predictions",
    "write_labels",
    "write_potentials",
    "write_predictions",
]

_MODULES = {
    "Joined": "joined",
    "LabelTable": "label_table",
    "PotentialTable": "potential_table",
    "PredictionTable": "prediction_table",
    "join": "joining",
    "read_labels": "label_reader",
    "read_potentials": "potential_reader",
    "read_predictions": "prediction_reader",
    "write_labels": "writing",
    "write_potentials": "potential_writer",
    "write_predictions": "writing",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
