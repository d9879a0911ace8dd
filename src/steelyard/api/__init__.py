"""What `import steelyard as sy` offers: the jobs as plain functions on paths or data frames."""

from steelyard.api.runs import augment, predict, train
from steelyard.api.tables import audit, balance, calibrate, compare

__all__ = ["audit", "augment", "balance", "calibrate", "compare", "predict", "train"]
