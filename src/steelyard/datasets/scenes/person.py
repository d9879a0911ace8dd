"""The person: styles of face, hair, clothing and silhouette, each of which may or may not be the group's own."""

from dataclasses import dataclass

from steelyard.datasets.scenes.face import KNOT, LONG, ROUND, SHORT, Face, draw_head
from steelyard.datasets.scenes.pen import PERSON, SCENERY, Colour, Dice, Pen, colour, shade

# Half widths of shoulders, waist and hips and the height, as shares of a person's usual height, by silhouette.
_BODIES = (
    (0.175, 0.115, 0.105, 0.98),
    (0.110, 0.080, 0.155, 0.98),
    (0.105, 0.085, 0.090, 1.04),
    (0.170, 0.185, 0.180, 0.88),
)
_CUTS = (SHORT, LONG, KNOT, ROUND)
_TROUSERS, _TUNIC, _SHORTS, _ROBE = range(4)
_CLOTH_HUES = (0.60, 0.14, 0.36, 0.80)
# Jaw, brow, half width of the mouth, width of the head (shares), by face.
_FACES = ((1.0, 0.16, 0.45, 1.05), (0.15, 0.08, 0.28, 0.92), (0.6, 0.12, 0.6, 1.15), (0.45, 0.16, 0.35, 0.82))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone who stands in the room; lengths in units of the image's side."""

    face: Face
    foot: float
    shoulder: float
    waist: float
    hip: float
    body: int
    clothing: int
    cloth: Colour
    second: Colour
    arms: tuple[float, float]


def pose(dice: Dice, styles: list[int]) -> Person:
    """A person of these styles (face, hair, clothing, silhouette); all else is drawn alike for every group."""
    face_style, hair_style, clothing, body = styles
    shoulder, waist, hip, tall = _BODIES[body]
    height = 0.8 * tall * dice(0.92, 1.06)
    x, foot, width = dice(0.38, 0.62), dice(0.93, 0.98), dice(0.92, 1.08) * 0.8
    high = 0.098 * dice(0.93, 1.07)
    jaw, brow, mouth, wide = _FACES[face_style]
    hue = _CLOTH_HUES[clothing] + dice(-0.05, 0.05)
    face = Face(
        x=x,
        y=foot - height + high,
        wide=0.82 * high * wide * dice(0.97, 1.03),
        high=high,
        skin=colour(dice(0.05, 0.085), dice(0.3, 0.55), dice(0.5, 0.98)),
        hair=colour(dice(0.03, 0.12), dice(0.3, 0.7), dice(0.12, 0.6)),
        cut=_CUTS[hair_style],
        jaw=jaw,
        brow=brow,
        lips=(190, 50, 60) if face_style == 1 else (140, 80, 75),
        mouth=mouth,
        cheeks=face_style == 1,
        beard=face_style == 0,
        glasses=face_style == 2,
    )
    cloth = colour(hue, dice(0.55, 0.85), dice(0.55, 0.9))
    second = colour(hue + dice(0.3, 0.7), dice(0.15, 0.4), dice(0.25, 0.5))
    return Person(
        face=face,
        foot=foot,
        shoulder=shoulder * width,
        waist=waist * width,
        hip=hip * width,
        body=body,
        clothing=clothing,
        cloth=cloth,
        second=second,
        arms=(dice(0.02, 0.1), dice(0.02, 0.1)),
    )


def draw_person(pen: Pen, person: Person) -> None:
    """Draw the person; every stroke belongs to the mask."""
    pen.layer = PERSON
    face = person.face
    chin = face.y + face.high
    top, belt = chin + 0.035, chin + 0.48 * (person.foot - chin)
    _legs(pen, person, belt)
    _arms(pen, person, top, belt)
    pen.box(face.x - 0.4 * face.wide, chin - 0.02, face.x + 0.4 * face.wide, top + 0.02, shade(face.skin, 0.85))
    _torso(pen, person, top, belt)
    draw_head(pen, face)
    pen.layer = SCENERY


def _legs(pen: Pen, p: Person, belt: float) -> None:
    x, apart, thick = p.face.x, 0.55 * p.hip, 0.75 * p.hip
    knee = belt + 0.5 * (p.foot - belt)
    for side in (-1, 1):
        leg = x + side * apart
        fill = p.second if p.clothing == _TROUSERS else p.face.skin
        pen.box(leg - thick / 2, belt, leg + thick / 2, p.foot - 0.02, fill)
        if p.clothing == _SHORTS:
            pen.box(leg - 0.62 * thick, belt, leg + 0.62 * thick, knee, p.second)
        pen.ellipse(leg + side * 0.012, p.foot - 0.015, thick / 2 + 0.015, 0.022, (50, 40, 40))


def _arms(pen: Pen, p: Person, top: float, belt: float) -> None:
    for side, out in zip((-1, 1), p.arms, strict=True):
        x0, y0 = p.face.x + side * (p.shoulder - 0.02), top + 0.035
        x1, y1 = x0 + side * (0.02 + out), belt + 0.02
        sleeve = 0.5 if p.clothing in (_TUNIC, _SHORTS) else 0.9
        pen.line(x0, y0, x1, y1, 0.042, p.face.skin)
        pen.line(x0, y0, x0 + sleeve * (x1 - x0), y0 + sleeve * (y1 - y0), 0.054, shade(p.cloth, 0.85))


def _torso(pen: Pen, p: Person, top: float, belt: float) -> None:
    x, middle = p.face.x, top + 0.6 * (belt - top)
    outline = [(x + p.shoulder, top + 0.02), (x + p.waist, middle), (x + p.hip, belt + 0.03)]
    hem = {_TUNIC: belt + 0.55 * (p.foot - belt), _ROBE: p.foot - 0.035}.get(p.clothing)
    if hem is not None:
        outline.append((x + p.hip + 0.3 * (hem - belt), hem))
    neck = [(x + 0.6 * p.shoulder, top - 0.015), *outline]
    mirrored = [(2 * x - px, py) for px, py in reversed(neck)]
    pen.polygon([*neck, *mirrored], p.cloth)
    if p.clothing == _SHORTS:
        for at in range(3):
            y = top + 0.03 + at * (belt - top) / 3
            pen.box(x - p.waist, y, x + p.waist, y + 0.025, shade(p.cloth, 1.6))
    elif p.clothing == _ROBE:
        pen.box(x - 0.012, top, x + 0.012, p.foot - 0.035, shade(p.cloth, 0.6))
    elif p.clothing == _TUNIC:
        pen.box(x - p.waist, middle - 0.012, x + p.waist, middle + 0.012, shade(p.cloth, 0.55))
