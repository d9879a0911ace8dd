"""COCO's official annotation files, reduced to what is used: images, categories present, people, captions.

Format: https://cocodataset.org/#format-data (Lin et al., ECCV 2014, https://arxiv.org/abs/1405.0312).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.datasets.json_files import field, read_json, wrong
from steelyard.datasets.people import edges
from steelyard.tables.messages import one_line

PERSON = "person"


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """One annotated person or crowd.

    Attributes:
        number: id of the annotation.
        box: left, top, right, bottom in pixels.
        segment: polygons or run lengths, as in the file.
        crowd: whether it is a crowd.
    """

    number: int
    box: tuple[float, float, float, float]
    segment: Any
    crowd: bool


@dataclass(slots=True)
class ImageRecord:
    """One image: its file, its size in pixels, and what was annotated in it (category ids)."""

    file_name: str
    height: int
    width: int
    categories: set[int]
    people: list[PersonRecord]


@dataclass(frozen=True, slots=True)
class Instances:
    """One `instances_*.json`: categories without person (id to name, in the order of ids), and images by id."""

    path: Path
    categories: dict[int, str]
    images: dict[int, ImageRecord]


def read_instances(path: Path) -> Instances:
    """Read an `instances_*.json`.

    Raises:
        InputError: not JSON, not of this format, or without a category `person`.
    """
    content = read_json(path, hook=_compact)
    names = {
        field(record, "id", int, path, "categories"): field(record, "name", str, path, "categories")
        for record in field(content, "categories", list, path, "")
    }
    person = next((number for number, name in names.items() if name == PERSON), None)
    if person is None:
        raise wrong(path, "categories", f"one called '{PERSON}'", f"{len(names):,} others", "use the official file")
    images = {}
    for record in field(content, "images", list, path, ""):
        number = field(record, "id", int, path, "images")
        where = f"image {number}"
        images[number] = ImageRecord(
            file_name=field(record, "file_name", str, path, where),
            height=field(record, "height", int, path, where),
            width=field(record, "width", int, path, where),
            categories=set(),
            people=[],
        )
    for record in field(content, "annotations", list, path, ""):
        _add(images, record, names, person, path)
    return Instances(path, {number: names[number] for number in sorted(names) if number != person}, images)


def read_captions(path: Path) -> dict[int, list[str]]:
    """Image id to captions, of a `captions_*.json`.

    Raises:
        InputError: not JSON, or not of this format.
    """
    captions: dict[int, list[str]] = {}
    for record in field(read_json(path), "annotations", list, path, ""):
        number = field(record, "image_id", int, path, "annotations")
        captions.setdefault(number, []).append(field(record, "caption", str, path, f"image {number}"))
    return captions


def _add(images: dict[int, ImageRecord], record: Any, names: dict[int, str], person: int, path: Path) -> None:
    number = field(record, "id", int, path, "annotations")
    where = f"annotation {number}"
    category = field(record, "category_id", int, path, where)
    image = images.get(field(record, "image_id", int, path, where))
    if image is None:
        found, do = f"'{record['image_id']}', which is not in 'images'", "use the official file"
        raise wrong(path, where, "an image of this file", found, do)
    if category not in names:
        raise wrong(path, where, "a category of this file", f"'{category}'", "use the official file")
    image.categories.add(category)
    if category == person:
        box = field(record, "bbox", list, path, where)
        if len(box) != 4 or not all(isinstance(number, int | float) for number in box):
            raise wrong(path, where, "four numbers in 'bbox'", one_line(box, longest=60), "use the official file")
        crowd = bool(record.get("iscrowd", 0))
        image.people.append(PersonRecord(number, edges(box), record.get("segmentation"), crowd))


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """Keep coordinates as arrays while the file is read: the official ones would fill gigabytes as lists."""
    segment = record.get("segmentation")
    try:
        if isinstance(segment, list):
            record["segmentation"] = [np.asarray(polygon, dtype=np.float64) for polygon in segment]
        elif isinstance(record.get("counts"), list):
            record["counts"] = np.asarray(record["counts"], dtype=np.int64)
    except (TypeError, ValueError):
        pass  # left as it is: an error where this segment is asked for, which names the annotation
    return record
