"""The changes by name: where each acts, and what it makes of the pixels there.

Wang et al., ICCV 2019 (https://arxiv.org/abs/1811.08489), section 5, compare with these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from steelyard.mitigation.pixels.changes import Images, blackout, blackout_boxes, blur, edges, greyscale

Needs = Literal["segments", "boxes", "faces"]


@dataclass(frozen=True, slots=True)
class Change:
    """One way to hide people.

    Attributes:
        needs: what the data set must say of an image: `segments` or `boxes` of the people, or boxes of `faces`.
        how: a stack of images and where → changed images; where is a stack of masks for segments, else a list of boxes
            for each image.
        line: what it does, in words.
    """

    needs: Needs
    how: Callable[[Images, Any], Images]
    line: str


PIXEL_CHANGES: dict[str, Change] = {
    "blur-segment": Change("segments", blur, "people blurred (Gaussian, radius 10 pixels)"),
    "blackout-face": Change("faces", blackout_boxes, "a black box over each face"),
    "blackout-segment": Change("segments", blackout, "people black, to their outline"),
    "blackout-box": Change("boxes", blackout_boxes, "a black box over each person"),
    "edges-segment": Change("segments", edges, "people as dark lines on white"),
    "greyscale-segment": Change("segments", greyscale, "people in grey"),
}
