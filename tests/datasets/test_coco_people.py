"""Where COCO's people are: polygons, run lengths, crowds, boxes; and real images, checked by eye."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import CROWD, SIZE, SQUARE, change_json, file_name

from steelyard.base.errors import InputError
from steelyard.datasets.coco import Coco
from steelyard.datasets.people import People, decode_segment

pytestmark = pytest.mark.torch  # pycocotools and OpenCV come with the train extra
INSTANCES = "annotations/instances_train2017.json"
BOX = (20.0, 10.0, 40.0, 20.0)


def decode(segment: Any) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    return decode_segment(segment, SIZE, BOX, source="file", where="annotation 1")


def rectangle(left: int, top: int, right: int, bottom: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def test_a_polygon_is_height_by_width() -> None:
    mask = decode(SQUARE)
    assert mask.shape == SIZE
    assert (mask == rectangle(20, 10, 40, 20)).all()


def test_the_people_of_an_image(coco: Path) -> None:
    people = Coco(coco).people(file_name(6))
    assert len(people) == 2
    assert people.size == SIZE
    assert people.boxes.tolist() == [[0, 0, 60, 40], [2, 5, 3, 15]]
    assert people.crowds.tolist() == [False, True]
    assert people.masks is not None
    parts = rectangle(0, 0, 8, 8) | rectangle(50, 30, 60, 40)
    assert (people.masks[0] == parts).all()
    assert (people.masks[1] == rectangle(2, 5, 3, 15)).all()
    assert (people.mask() == parts | rectangle(2, 5, 3, 15)).all()


def test_nobody(coco: Path) -> None:
    people = Coco(coco).people(file_name(5))
    assert len(people) == 0
    assert not people.mask().any()
    assert not people.box_mask().any()


@pytest.mark.parametrize("as_text", [True, False])
def test_compressed_run_lengths(as_text: bool) -> None:
    from pycocotools import mask as coder

    rng = np.random.default_rng(1)
    masks = [rectangle(7, 3, 30, 31), rectangle(0, 0, 60, 40), rectangle(0, 0, 0, 0), rectangle(0, 0, 1, 1)]
    masks += [rng.random(SIZE) < share for share in (0.01, 0.5, 0.99)]
    for mask in masks:
        packed = coder.encode(np.asfortranarray(mask, dtype=np.uint8))
        counts = packed["counts"].decode() if as_text else packed["counts"]
        assert (decode({"size": list(SIZE), "counts": counts}) == mask).all()


def test_run_lengths_against_a_slow_reading() -> None:
    rng = np.random.default_rng(0)
    runs = [0, *rng.integers(1, 90, size=40).tolist()]
    runs.append(SIZE[0] * SIZE[1] - sum(runs))
    flat = [bool(i % 2) for i, run in enumerate(runs) for _ in range(run)]
    slow = np.array(flat).reshape(SIZE[1], SIZE[0]).T  # column by column
    assert (decode({"size": list(SIZE), "counts": runs}) == slow).all()
    assert not (decode({"size": list(SIZE), "counts": runs}) == slow[::-1]).all()


@pytest.mark.parametrize("segment", [None, [], [[1.0, 1.0, 30.0, 30.0]]])
def test_without_a_segment_the_box_covers_the_person(segment: Any) -> None:
    """The last is a line, which pycocotools would take for a box of its own."""
    assert (decode(segment) == rectangle(20, 10, 40, 20)).all()


@pytest.mark.parametrize(
    ("segment", "line"),
    [
        (
            {"size": [60, 40], "counts": CROWD["counts"]},
            "expected run lengths of 40 by 60 pixels, found the size [60, 40]; correct the annotation",
        ),
        (
            {"size": list(SIZE), "counts": [10, 20]},
            "expected runs of 2,400 pixels together, found 30; correct the annotation",
        ),
        ({"size": list(SIZE), "counts": ""}, "expected runs of 2,400 pixels together, found 0; correct the annotation"),
        ([["a"] * 6], "expected numbers in 'segmentation', found other values; correct the annotation"),
        ([None], "expected numbers in 'segmentation', found other values; correct the annotation"),
        ([[0.0, 1, 2, 3, 4, 5, 6]], "expected polygons of x, y pairs, found an odd number; correct the annotation"),
    ],
)
def test_segments_of_another_form(segment: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        decode(segment)
    assert str(caught.value) == f"file: annotation 1: {line}"


def test_the_annotation_is_named(coco: Path) -> None:
    def spoil(content: Any) -> None:
        crowd = next(one for one in content["annotations"] if one["iscrowd"])
        crowd["segmentation"]["size"] = [1, 1]
        spoilt.append(crowd["id"])

    spoilt: list[int] = []
    change_json(coco / INSTANCES, spoil)
    with pytest.raises(InputError) as caught:
        Coco(coco).people(file_name(6))
    assert str(caught.value).startswith(f"{coco / INSTANCES}: annotation {spoilt[0]}: expected run lengths")


def test_a_box_mask_has_one_box_a_person_with_its_last_row_and_column() -> None:
    boxes = np.array([[1.0, 2.0, 4.0, 5.0], [50.5, 30.2, 80.0, 39.1]])  # the second leaves the image
    people = People(size=SIZE, boxes=boxes, masks=None, crowds=np.zeros(2, dtype=np.bool_))
    expected = rectangle(1, 2, 4, 5) | rectangle(50, 30, 60, 40)
    assert (people.box_mask() == expected).all()
    assert people.box_mask()[4, 3]
    assert not people.box_mask()[10, 20]  # between the two: inside a box around both
    assert (people.mask() == expected).all()


def test_an_unknown_image(coco: Path) -> None:
    with pytest.raises(InputError) as caught:
        Coco(coco).people("000000000001.png")
    assert str(caught.value) == (
        f"{coco}: expected one of its 10 image ids, found '000000000001.png' (closest: '000000000001.jpg'); take ids "
        "from the labels"
    )


# Looked at, with masks and boxes drawn over the pictures: people (crowds among them), the group, labels that are
# there, pixels (x, y) on people, pixels on none.
Seen = tuple[int, int, str, set[str], list[tuple[int, int]], list[tuple[int, int]]]
SEEN: dict[str, Seen] = {
    # Two men in a wood; a dog to the right.
    "000000442450.jpg": (2, 0, "man", {"dog", "frisbee"}, [(48, 226), (350, 230)], [(466, 287), (200, 60)]),
    # A woman at a window, somebody outside it; a television at the far left, the chair before her.
    "000000000139.jpg": (2, 0, "woman", {"tv", "vase", "clock"}, [(450, 200), (391, 186)], [(79, 183), (428, 240)]),
    # A cook from behind; a hand that comes in from the left; pies.
    "000000397133.jpg": (2, 0, "man", {"oven", "bottle"}, [(448, 159), (30, 284)], [(79, 385), (560, 100)]),
    # A pitcher, a batter's back in front, spectators one by one and as a crowd; a scoreboard.
    "000000433998.jpg": (14, 1, "man", {"sports ball", "tv"}, [(352, 277), (361, 381)], [(122, 173), (120, 300)]),
    # A child in a towel, cut off at the right; a blue wall.
    "000000501368.jpg": (1, 0, "woman", {"hair drier", "bottle"}, [(275, 188), (320, 400)], [(60, 216), (100, 60)]),
}


@pytest.mark.parametrize("image", SEEN)
def test_real_people_where_the_eye_sees_them(real_coco: Path, image: str) -> None:
    count, crowds, group, labels, on, off = SEEN[image]
    data = Coco(real_coco)
    table, people = data.labels(), data.people(image)
    row = table.ids.tolist().index(image)
    assert (len(people), int(people.crowds.sum())) == (count, crowds)
    assert table.group_names[table.groups[row]] == group
    assert labels <= {name for name, there in zip(table.target_names, table.targets[row], strict=True) if there}
    assert data.image(image).shape == (*people.size, 3)
    mask = people.mask()
    assert [bool(mask[y, x]) for x, y in on] == [True] * len(on)
    assert [bool(mask[y, x]) for x, y in off] == [False] * len(off)
    assert people.box_mask()[mask].mean() > 0.999


def test_real_masks_have_the_area_that_the_files_say(real_coco: Path) -> None:
    """Of polygons up to the pixels on their outline; of crowds as their runs say (`area` counts overlaps twice)."""
    import json

    data, crowds = Coco(real_coco), 0
    ids = set(data.labels().ids.tolist())
    for part in ("train", "val"):
        content = json.loads((real_coco / f"annotations/instances_{part}2017.json").read_text())
        for image in (one for one in content["images"] if one["file_name"] in ids):
            people = data.people(image["file_name"])
            records = [a for a in content["annotations"] if a["image_id"] == image["id"] and a["category_id"] == 1]
            assert people.masks is not None
            for record, mask, crowd in zip(records, people.masks, people.crowds, strict=True):
                crowds += crowd
                if crowd:
                    assert mask.sum() == sum(record["segmentation"]["counts"][1::2]) <= record["area"]
                else:
                    assert abs(mask.sum() - record["area"]) <= 4 + 2 * sum(record["bbox"][2:])
    assert crowds == 5
