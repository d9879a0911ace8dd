"""What the paper of the calibration printed: mean amplification and violated constraints, before and after.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

CITATION = "Zhao et al., EMNLP 2017"
NOT_THE_SAME = (
    "The published figures come from other images, labels and models. Read the change from before to after, not the "
    "levels. The paper stops after a number of rounds; the repair at the end is this package’s own."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCalibration:
    """One row of the paper.

    Attributes:
        task: the data set and what is predicted.
        labels: constrained labels.
        amplification: mean amplification before and after, a difference of fractions.
        violations: violated constraints before and after.
    """

    task: str
    labels: int
    amplification: tuple[float, float]
    violations: tuple[int, int]


@cache
def published_calibrations() -> tuple[PublishedCalibration, ...]:
    """The paper's rows: imSitu and COCO."""
    text = files("steelyard.reports").joinpath("published", "zhao2017_rba.csv").read_text(encoding="utf-8")
    ends = ("before", "after")
    found = []
    for row in csv.DictReader(text.splitlines()):
        before, after = (float(row[f"mean_amplification_{end}"]) for end in ends)
        broken, left = (int(row[f"violations_{end}"]) for end in ends)
        found.append(
            PublishedCalibration(
                task=row["task"], labels=int(row["labels"]), amplification=(before, after), violations=(broken, left)
            )
        )
    return tuple(found)
