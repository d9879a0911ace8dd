"""One image from what it holds: the room, objects behind the person, the person, objects before, light and noise."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from steelyard.datasets.scenes.objects import draw_cover, draw_object
from steelyard.datasets.scenes.pen import Dice, Pen
from steelyard.datasets.scenes.person import Person, draw_person, pose
from steelyard.datasets.scenes.room import draw_clutter, draw_room
from steelyard.datasets.scenes.settings import ScenesSettings

_COLUMNS = (0.1, 0.3, 0.5, 0.7, 0.9)
_ROWS = (0.17, 0.42, 0.66, 0.88)
_CELLS = tuple((x, y) for y in _ROWS for x in _COLUMNS)
_PART = 48  # numbers that one part of an image takes at most
_PER_OBJECT = 8
_ASIDE = 0.06
_HEAD_WIDE, _HEAD_LOW = 0.24, 0.6
_IN_FRONT = 0.13
"""Objects whose middle is nearer to the person's axis are before the person, the others behind."""


@dataclass(frozen=True, slots=True)
class Content:
    """What one image holds: names of objects, which cues, styles of the looks."""

    objects: list[str]
    cues: list[bool]
    styles: list[int]


@dataclass(frozen=True, slots=True)
class _Placed:
    name: str  # empty for clutter
    x: float
    y: float
    r: float
    dice: Dice


def paint(pen: Pen, content: Content, settings: ScenesSettings, rng: np.random.Generator) -> Person:
    """Paint one image on the pen's canvas, without noise; returns who stands in it.

    Each part of the image takes its own numbers, so that the person and the room do not depend on the labels.
    """
    things = len(_CELLS)
    numbers = rng.random(3 * _PART + 3 * things + _PER_OBJECT * things).tolist()
    room, body, places = (Dice(numbers[at * _PART : (at + 1) * _PART]) for at in range(3))
    person = pose(body, content.styles)
    draw_room(pen, room, content.cues)
    free = _free_cells(person, Dice(numbers[3 * _PART : 3 * _PART + 3 * things]))
    own = 3 * (_PART + things)
    clutter = [""] * min(settings.clutter, max(0, len(free) - len(content.objects)))
    placed = []
    for at, name in enumerate([*content.objects, *clutter]):
        dice = Dice(numbers[own + at * _PER_OBJECT : own + (at + 1) * _PER_OBJECT])
        # Where there are more objects than cells, cells are used again, a little to the side.
        again, cell = divmod(at, len(free))
        x, y = free[cell][0] + _ASIDE * again, free[cell][1] + _ASIDE * again
        placed.append(_Placed(name, x, y, settings.object_size * places(0.75, 1.25), dice))
    before = [thing for thing in placed if abs(thing.x - person.face.x) < _IN_FRONT]
    for thing in placed:
        if thing not in before:
            _draw(pen, thing, settings)
    draw_person(pen, person)
    for thing in before:
        _draw(pen, thing, settings)
    return person


def _free_cells(person: Person, dice: Dice) -> list[tuple[float, float]]:
    """Places for objects in random order, where nobody's head can be: looks leave no trace in where things are."""
    drawn = [(dice(), x + dice(-0.035, 0.035), y + dice(-0.035, 0.035)) for x, y in _CELLS]
    return [(x, y) for _, x, y in sorted(drawn) if abs(x - person.face.x) > _HEAD_WIDE or y > _HEAD_LOW]


def _draw(pen: Pen, thing: _Placed, settings: ScenesSettings) -> None:
    dice = thing.dice
    if not thing.name:
        draw_clutter(pen, dice, thing.x, thing.y, thing.r)
        return
    covered = dice() < settings.occlusion
    draw_object(pen, dice, thing.name, thing.x, thing.y, thing.r)
    if covered:
        draw_cover(pen, dice, thing.x, thing.y, thing.r)


def develop(clean: NDArray[np.uint8], noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light and noise on `[h, w, 3]` pixels: a gain and a tint of the whole image, Gaussian noise on every value."""
    light = rng.uniform(0.8, 1.1) * rng.uniform(0.94, 1.06, size=3)
    levels = np.minimum(np.arange(256)[:, None] * light, 255.0).astype(np.uint8)
    return grained(cv2.LUT(clean, levels[None]), noise, rng)


def grained(clean: cv2.typing.MatLike, noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gaussian noise on every value of `[h, w, 3]` pixels, its standard deviation a share of white."""
    grain = _grains(noise)[rng.integers(0, 256, size=clean.shape, dtype=np.uint8)]
    return np.asarray(cv2.add(clean, grain, dtype=cv2.CV_8U), dtype=np.uint8)


@lru_cache(maxsize=8)
def _grains(noise: float) -> NDArray[np.int16]:
    """`[256]` equally likely values of the noise (looking them up is far cheaper than drawing normal numbers)."""
    quantiles = ndtri((np.arange(256) + 0.5) / 256)
    return np.asarray(np.round(255.0 * noise * quantiles / quantiles.std()), dtype=np.int16)
