"""What is minimised: the task alone, or the task against an adversary, by group, or with a head per group."""

from steelyard.mitigation.objectives.catalog import OBJECTIVES, PRESETS, ObjectiveRow, Preset, build_objective

__all__ = ["OBJECTIVES", "PRESETS", "ObjectiveRow", "Preset", "build_objective"]
