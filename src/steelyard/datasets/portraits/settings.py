"""The dials of Portraits: how often each attribute is there in each group, and how hard the images are to read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steelyard.base.errors import InputError
from steelyard.tables.messages import closest, quoted

GROUP_NAMES = ("a", "b", "c", "d")

PROBABILITIES: dict[str, tuple[float, float]] = {
    "beard": (0.55, 0.15),
    "bright_background": (0.45, 0.45),
    "dark_clothes": (0.50, 0.35),
    "earrings": (0.15, 0.55),
    "glasses": (0.50, 0.20),
    "hat": (0.35, 0.25),
    "light_hair": (0.20, 0.55),
    "red_cheeks": (0.20, 0.50),
    "scarf": (0.35, 0.35),
    "smile": (0.40, 0.50),
}
"""P(attribute | group a), P(attribute | group b) by default; groups c and d are as a and b."""

ATTRIBUTES = tuple(PROBABILITIES)
"""The t = 10 attributes, in the order of the labels' columns."""

SKEWED = ("beard", "earrings", "glasses", "light_hair", "red_cheeks")
"""Those that go with the group most, by default: 0.3 to 0.4 more probable in one group than in the other."""

SIDES = (32, 64, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitsSettings:
    """A world of faces: its groups, how attributes go with them, and how hard its images are.

    By default every image is clear: attributes are large and strong, and there is no noise, so that a generator can
    learn them in an hour on two cores and a small network reads each of them almost without error. A classifier of
    such images has no reason to look at the group. For a world in which it has, raise `faint`: a part of the
    attributes is then drawn at low contrast, down to nothing, and what the picture leaves open the group helps to
    guess (a beard that is hardly there is more probable in group a). `noise` hides faint ones further.

    Attributes:
        size: side of the square images in pixels: 32, 64 or 128.
        groups: k, 2 to 4, all equally frequent.
        probabilities: attribute to P(attribute | group), one number a group, each 0.02 to 0.98; those not named are as
            in `PROBABILITIES`.
        correlation: how far attributes go with groups, in [0, 1]: at 1 as `probabilities` says, at 0 each attribute is
            in all groups as frequent as over all at 1, so that nothing goes with anything.
        faint: probability that an attribute of `faint_attributes` is faint in an image, in [0, 1]; each for itself.
        faint_attributes: which attributes may be faint.
        faint_contrast: a faint attribute has a share of its contrast between 0 and this, all equally likely; in [0, 1].
        noise: standard deviation of the pixel noise, a share of white, 0 to 0.5.

    Raises:
        InputError: a dial outside its range, or an attribute that there is not.
    """

    size: int = 64
    groups: int = 2
    probabilities: Mapping[str, Sequence[float]] = field(default_factory=dict)
    correlation: float = 1.0
    faint: float = 0.0
    faint_attributes: Sequence[str] = SKEWED
    faint_contrast: float = 0.3
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size not in SIDES:
            sides = ", ".join(map(str, SIDES[:-1]))
            raise _wrong("size", f"{sides} or {SIDES[-1]}", repr(self.size))
        if not isinstance(self.groups, int) or isinstance(self.groups, bool) or not 2 <= self.groups <= 4:
            raise _wrong("groups", "a whole number from 2 to 4", repr(self.groups))
        _require("correlation", self.correlation, 0.0, 1.0)
        _require("faint", self.faint, 0.0, 1.0)
        _require("faint_contrast", self.faint_contrast, 0.0, 1.0)
        _require("noise", self.noise, 0.0, 0.5)
        if not isinstance(self.probabilities, Mapping):
            raise _wrong("probabilities", "attributes and numbers", quoted(self.probabilities))
        for name, chances in self.probabilities.items():
            _require_attribute("probabilities", name)
            if not isinstance(chances, Sequence) or isinstance(chances, str) or len(chances) != self.groups:
                raise _wrong(f"probabilities.{name}", f"a list of {self.groups} numbers, one a group", quoted(chances))
            for chance in chances:
                _require(f"probabilities.{name}", chance, 0.02, 0.98)
        if isinstance(self.faint_attributes, str) or not isinstance(self.faint_attributes, Sequence):
            raise _wrong("faint_attributes", "a list of attributes", quoted(self.faint_attributes))
        for name in self.faint_attributes:
            _require_attribute("faint_attributes", name)

    def chances(self, attribute: str) -> tuple[float, ...]:
        """`[k]` P(attribute | group) where the correlation is 1."""
        default = PROBABILITIES[attribute]
        given = self.probabilities.get(attribute)
        return tuple(default[at % 2] for at in range(self.groups)) if given is None else tuple(map(float, given))


def _require(dial: str, value: Any, low: float, high: float) -> None:
    proper = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not proper or not math.isfinite(value) or not low <= value <= high:
        raise _wrong(dial, f"a number from {low:g} to {high:g}", repr(value))


def _require_attribute(dial: str, name: Any) -> None:
    if name not in ATTRIBUTES:
        raise _wrong(dial, f"names among {', '.join(ATTRIBUTES)}", f"{quoted(name)}{closest(str(name), ATTRIBUTES)}")


def _wrong(dial: str, expected: str, found: str) -> InputError:
    return InputError(f"Portraits: {dial}: expected {expected}, found {found}; change this dial")
