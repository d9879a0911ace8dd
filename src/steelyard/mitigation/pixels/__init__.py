"""What the model may see: people or faces blurred, blacked out, as edges or in grey."""

from steelyard.mitigation.pixels.catalog import PIXEL_CHANGES, Change
from steelyard.mitigation.pixels.dataset_change import DatasetChange, pixel_change

__all__ = ["PIXEL_CHANGES", "Change", "DatasetChange", "pixel_change"]
