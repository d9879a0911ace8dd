"""What the model says: thresholds for each group, decoding, and RBA's calibration. Imports without PyTorch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.mitigation.predictions.decoding import Decoded as Decoded
    from steelyard.mitigation.predictions.decoding import decode as decode
    from steelyard.mitigation.predictions.rba import Calibration as Calibration
    from steelyard.mitigation.predictions.rba import RBAOptions as RBAOptions
    from steelyard.mitigation.predictions.rba import calibrate as calibrate
    from steelyard.mitigation.predictions.rba import mean_amplification as mean_amplification
    from steelyard.mitigation.predictions.relaxation import Round as Round
    from steelyard.mitigation.predictions.shares import ShareConstraints as ShareConstraints
    from steelyard.mitigation.predictions.shares import predicted_counts as predicted_counts
    from steelyard.mitigation.predictions.shares import share_constraints as share_constraints
    from steelyard.mitigation.predictions.shares import violations as violations

_HOME = {
    "Calibration": "rba",
    "Decoded": "decoding",
    "RBAOptions": "rba",
    "Round": "relaxation",
    "ShareConstraints": "shares",
    "calibrate": "rba",
    "decode": "decoding",
    "mean_amplification": "rba",
    "predicted_counts": "shares",
    "share_constraints": "shares",
    "violations": "shares",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
