"""The dials of Scenes: how hard its images are to read, and how far labels, cues and looks go with the group.

What the dials stand for: Wang et al., ICCV 2019, https://arxiv.org/abs/1811.08489 (models amplify although the labels
are balanced, because the images hold unlabelled cues).
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from steelyard.base.errors import InputError
from steelyard.tables.label_table import Kind

CATALOGUE = (
    "ball",
    "boat",
    "book",
    "bottle",
    "car",
    "chair",
    "cup",
    "fish",
    "guitar",
    "kite",
    "plant",
    "umbrella",
    "apple",
    "bag",
    "clock",
    "drum",
    "flag",
    "house",
    "key",
    "mushroom",
)
"""Every type of object; a world has the first few of them as its labels."""

CUES = (
    "window",
    "rug",
    "stripes",
    "bunting",
    "curtain",
    "lamp",
    "shelf",
    "picture",
    "tiles",
    "panelling",
)
"""Every unlabelled cue: things in the room that no label mentions."""

GROUP_NAMES = ("A", "B", "C", "D")

MOST_LIKELY = 0.95
"""No label may be more probable than this in any group, whatever the cues: something is left to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How far each visual cue of the person goes with the group, in [0, 1].

    A person wears the group's own style with probability s + (1 − s)/k and each other style with (1 − s)/k: at 0 the
    style says nothing of the group, at 1 it names it.

    Attributes:
        face: shape of the head, brows, mouth.
        hair: its cut.
        clothing: its cut and colour.
        silhouette: shoulders, hips, height.
    """

    face: float = 0.8
    hair: float = 0.8
    clothing: float = 0.8
    silhouette: float = 0.8

    def __post_init__(self) -> None:
        for look in LOOKS:
            require("looks." + look, getattr(self, look), 0.0, 1.0)


LOOKS = tuple(entry.name for entry in fields(Looks))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenesSettings:
    """A world: its labels, groups, cues, and how hard its images are.

    Attributes:
        size: side of the square images in pixels, 32 to 256.
        kind: `multi` (any number of objects in an image) or `single` (exactly one labelled object).
        labels: types of objects, 2 to 20.
        groups: k, 2 to 4, all equally frequent.
        tilted: the first so many labels go with groups, and an image has at most one of them (were they independent,
            the largest balanced subset would leave the group in which of them occur together). Single-label worlds
            ignore it: all their labels are tilted.
        prevalence: probability of each label; tilted · prevalence is at most 1. Single-label worlds ignore it: theirs
            is 1 / labels.
        correlation: how far tilted labels go with groups, in [0, 1]. Tilted label l goes with group l mod k, whose
            share among the images with the label is 1/k + correlation · (1 − 1/k), exactly so where each group has
            equally many such labels: 0 is balanced, 1 is one group only.
        cues: unlabelled cues, 0 to 10; cue j goes with group j mod k.
        cue_strength: how far cues go with groups, in [0, 1]: a cue is there with probability (1 + cue_strength)/2 in
            its group and (1 − cue_strength)/2 in the others (0.5 is 75 : 25).
        cue_boost: how many times as probable a label is where its cue is there, 1 or more; within each group the
            label keeps its probability.
        labels_per_cue: labels that each cue raises, in turn, from the first label that is not tilted (single-label:
            from the first). Where several share a cue, they give the group away together though each is balanced.
        looks: how far the person's looks go with the group.
        noise: standard deviation of the pixel noise, a share of white, 0 to 0.5.
        object_size: mean radius of objects, a share of the image's side, 0.03 to 0.12.
        occlusion: probability that something covers a part of an object, in [0, 1].
        clutter: unlabelled shapes in each image, 0 to 8.

    Raises:
        InputError: a dial outside its range, or dials that together make a label too probable.
    """

    size: int = 64
    kind: Kind = "multi"
    labels: int = 12
    groups: int = 2
    tilted: int = 6
    prevalence: float = 0.15
    correlation: float = 0.4
    cues: int = 6
    cue_strength: float = 0.5
    cue_boost: float = 4.0
    labels_per_cue: int = 1
    looks: Looks = field(default_factory=Looks)
    noise: float = 0.1
    object_size: float = 0.065
    occlusion: float = 0.4
    clutter: int = 4

    def __post_init__(self) -> None:
        for dial, (low, high) in _RANGES.items():
            require(dial, getattr(self, dial), low, high)
        if self.kind not in ("multi", "single"):
            raise InputError(f"Scenes: kind: expected multi or single, found {self.kind!r}; choose one of them")
        if self.kind == "multi" and self.tilted * self.prevalence > 1.0 + 1e-9:
            raise InputError(
                f"Scenes: expected tilted × prevalence of at most 1, found {self.tilted} × {self.prevalence:g}; "
                "lower one of them"
            )
        raised, free = self.cues * self.labels_per_cue, self.labels - self.first_raised
        if raised > free:
            raise InputError(
                f"Scenes: expected cues × labels_per_cue of at most {free} (the labels that are not tilted), found "
                f"{self.cues} × {self.labels_per_cue}; lower them or tilted, or raise labels"
            )

    @property
    def first_raised(self) -> int:
        """The first label that cues may raise."""
        return 0 if self.kind == "single" else min(self.tilted, self.labels)


_RANGES: dict[str, tuple[float, float]] = {
    "size": (32, 256),
    "labels": (2, len(CATALOGUE)),
    "groups": (2, len(GROUP_NAMES)),
    "tilted": (0, len(CATALOGUE)),
    "prevalence": (0.01, 0.5),
    "correlation": (0.0, 1.0),
    "cues": (0, len(CUES)),
    "cue_strength": (0.0, 1.0),
    "cue_boost": (1.0, 100.0),
    "labels_per_cue": (1, len(CATALOGUE)),
    "noise": (0.0, 0.5),
    "object_size": (0.03, 0.12),
    "occlusion": (0.0, 1.0),
    "clutter": (0, 8),
}
_WHOLE = frozenset({"size", "labels", "groups", "tilted", "cues", "labels_per_cue", "clutter"})


def require(dial: str, value: Any, low: float, high: float) -> None:
    """Raise an `InputError` where a dial is no number of its range, or not whole where it must be."""
    whole = dial in _WHOLE
    proper = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not proper or not math.isfinite(value) or not low <= value <= high:
        noun = "a whole number" if whole else "a number"
        expected = f"{noun} from {low:g} to {high:g}"
        raise InputError(f"Scenes: {dial}: expected {expected}, found {value!r}; change this dial")
