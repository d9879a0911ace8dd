"""One portrait from what it holds: the background, the body, the head and what it wears; then the light on many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.datasets.portraits import wearing
from steelyard.datasets.portraits.head import (
    STYLES,
    Head,
    draw_body,
    draw_eyes_and_nose,
    draw_hair_before,
    draw_hair_behind,
    draw_skull,
    mixed,
)
from steelyard.datasets.scenes.pen import Colour, Dice, Pen, colour

CANVAS = 256
"""Side of the canvas: four pixels a side for one of the usual images, so that edges are smooth."""

NUMBERS = 16
"""Numbers that an image takes for all that is not an attribute."""

_LIGHT_SKIN, _DARK_SKIN = (252, 222, 198), (172, 118, 86)
_LIGHT_HAIR, _DARK_HAIR = (236, 196, 96), (46, 30, 24)


@dataclass(frozen=True, slots=True)
class Content:
    """What one portrait holds.

    Attributes:
        group: 0 … k − 1.
        has: attribute to whether it is there.
        strength: attribute to its share of full contrast, in [0, 1].
    """

    group: int
    has: dict[str, bool]
    strength: dict[str, float]


def paint(pen: Pen, content: Content, numbers: list[float]) -> None:
    """Paint one portrait on the pen's canvas.

    Attributes take no numbers of their own: two portraits of the same numbers differ in attributes and group alone.

    Args:
        pen: with its canvas.
        content: group and attributes.
        numbers: `NUMBERS` of [0, 1).
    """
    dice, has, strength = Dice(numbers), content.has, content.strength
    x, y, size = dice(0.49, 0.51), dice(0.455, 0.475), dice(0.98, 1.02)
    skin, hue = mixed(_LIGHT_SKIN, _DARK_SKIN, dice()), dice(0.5, 0.64)
    hat, scarf = colour(dice(0.58, 0.66), 0.7, 0.62), colour(dice(-0.03, 0.03), 0.75, 0.8)
    light_hair, dark_clothes, bright = (
        _side(has[name], strength[name], dice) for name in ("light_hair", "dark_clothes", "bright_background")
    )
    style = STYLES[content.group]
    head = Head(
        x=x,
        y=y,
        w=0.225 * size * style.wide * dice(0.97, 1.03),
        h=0.287 * size,
        style=style,
        vary=dice(-1.0, 1.0),
        skin=skin,
        hair=mixed(_DARK_HAIR, _LIGHT_HAIR, light_hair),
        clothes=mixed(colour(hue + 0.8, 0.25, 0.92), colour(hue + 0.8, 0.5, 0.22), dark_clothes),
    )
    pen.box(0.0, 0.0, 1.0, 1.0, mixed(colour(hue, 0.45, 0.36), colour(hue, 0.2, 0.95), bright))
    _paint_head(pen, head, content, hat, scarf)


def _paint_head(pen: Pen, head: Head, content: Content, hat: Colour, scarf: Colour) -> None:
    has, strength = content.has, content.strength
    draw_hair_behind(pen, head)
    draw_body(pen, head)
    if has["scarf"]:
        with pen.faintly(strength["scarf"]):
            wearing.draw_scarf(pen, head, scarf)
    draw_skull(pen, head)
    if has["beard"]:
        with pen.faintly(strength["beard"]):
            wearing.draw_beard(pen, head)
    if has["red_cheeks"]:
        with pen.faintly(strength["red_cheeks"]):
            wearing.draw_cheeks(pen, head)
    if not has["smile"] or strength["smile"] < 1.0:
        wearing.draw_mouth(pen, head)
    if has["smile"]:
        with pen.faintly(strength["smile"]):
            wearing.draw_smile(pen, head)
    draw_eyes_and_nose(pen, head)
    draw_hair_before(pen, head)
    if has["glasses"]:
        with pen.faintly(strength["glasses"]):
            wearing.draw_glasses(pen, head)
    if has["hat"]:
        with pen.faintly(strength["hat"]):
            wearing.draw_hat(pen, head, hat)
    if has["earrings"]:
        with pen.faintly(strength["earrings"]):
            wearing.draw_earrings(pen, head)


def _side(there: bool, strength: float, dice: Dice) -> float:
    """Where between two tones an attribute of colour is: near 1 if it is there, else near 0; near ½ if it is faint."""
    away = 0.5 * strength * dice(0.84, 1.0)
    return 0.5 + away if there else 0.5 - away


def lit(clean: NDArray[np.uint8], bright: float, side: float) -> NDArray[np.uint8]:
    """Soft light from one side on a portrait `[h, w, 3]`.

    Args:
        clean: the portrait.
        bright: in [0, 1), how much light there is.
        side: in [0, 1), from where: left or right.
    """
    across = np.linspace(-1.0, 1.0, clean.shape[1])
    gain = 0.92 + 0.1 * bright + 0.05 * (2.0 * side - 1.0) * across
    scaled = clean * gain[:, None].astype(np.float32) + np.float32(0.5)
    return np.asarray(np.minimum(scaled, 255.0), dtype=np.uint8)
