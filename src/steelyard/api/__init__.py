"""What `import steelyard as sy` offers: the jobs as plain functions on paths or data frames."""

from steelyard.api.runs import predict, train
from steelyard.api.tables import audit, balance, compare

__all__ = ["audit", "balance", "compare", "predict", "train"]
