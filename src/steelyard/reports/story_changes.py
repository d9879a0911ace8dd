"""What became of a leak from one model to another, as their intervals tell."""

from typing import Literal

from steelyard.base.estimate import Estimate
from steelyard.reports.verdict import side

MOST = 0.5
"""Share of a leak from which on "most of it" is said to be gone."""

Change = Literal["unknown", "nothing", "more", "unsettled", "part", "most", "all"]


def apart(before: Estimate, after: Estimate) -> bool:
    """Whether the intervals are clear of each other."""
    return after.high < before.low or after.low > before.high


def change(before: Estimate | None, after: Estimate | None) -> tuple[Change, float]:
    """What became of a leak (0 for none), and which share of it went (NaN where there was none to remove).

    Only intervals that are clear of each other count as a change.
    """
    if before is None or after is None:
        return "unknown", float("nan")
    if side(before, 0.0) != "above":
        return "nothing", float("nan")
    share = 1 - after.value / before.value
    if not apart(before, after):
        return "unsettled", share
    if after.value > before.value:
        return "more", share
    return ("all" if share >= 1 else "most" if share >= MOST else "part"), share
