"""Published facts about CelebA's attributes: their types, and the paper's averages by type.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469: its three types of attribute, under its own names, and its averages over each type,
plain and augmented. Its AP, DEO and BA are in percent; behind ± stands the spread that it prints.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from steelyard.reports.augment.figures import MeasureKey

NOT_THE_SAME = (
    "The published figures come from all images of CelebA and another generator, and from other estimators: its DEO "
    "counts a group without positives as recall 0, its BA takes the direction from the evaluated labels, and its KL "
    "compares histograms over each group’s own range. Read the change from plain to augmented, not the levels."
)
_METHODS = {"baseline": "plain", "augmented": "augmented"}


@dataclass(frozen=True, slots=True)
class Published:
    """One average of the paper, on the scale of this package's figures.

    Attributes:
        value: the average: a fraction (AP), a difference of fractions (DEO, BA), nats (KL).
        spread: what the paper prints behind ±, on the same scale.
    """

    value: float
    spread: float


def _rows(name: str) -> list[dict[str, str]]:
    text = files("steelyard.reports").joinpath("published", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def celeba_attribute_types() -> dict[str, str]:
    """Attribute → type, for the 26 attributes that the paper recognises."""
    return {row["attribute"]: row["type"] for row in _rows("celeba_attribute_types.csv")}


@cache
def published_averages() -> dict[str, dict[str, dict[MeasureKey, Published]]]:
    """Type of attribute → `plain` or `augmented` → measure → average.

    BA is the signed one; the paper prints no other.
    """
    columns: tuple[tuple[str, MeasureKey, float], ...] = (
        ("ap", "ap", 100.0),
        ("deo", "deo_absolute", 100.0),
        ("ba", "ba", 100.0),
        ("kl", "kl", 1.0),
    )
    found: dict[str, dict[str, dict[MeasureKey, Published]]] = {}
    for row in _rows("ramaswamy2021_main.csv"):
        found.setdefault(row["attribute_type"], {})[_METHODS[row["method"]]] = {
            key: Published(float(row[name]) / factor, float(row[f"{name}_pm"]) / factor)
            for name, key, factor in columns
        }
    return found
