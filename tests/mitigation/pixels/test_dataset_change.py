"""Changes bound to data sets: the right pixels of the right image, refusals in one line, and other processes."""

import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="pixels are changed by OpenCV, of the train extra")

from steelyard.base.errors import InputError
from steelyard.datasets.catalog import open_dataset
from steelyard.datasets.dataset import Dataset, Selection
from steelyard.datasets.faces import FaceBoxes
from steelyard.datasets.people import People
from steelyard.datasets.scenes import Scenes, ScenesSettings
from steelyard.mitigation.pixels import PIXEL_CHANGES, DatasetChange, pixel_change
from steelyard.tables.label_table import LabelTable, Split

SIZE = 20, 30


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(1, 256, (*SIZE, 3), dtype=np.uint8)


class Plain:
    """Two images of which nothing but labels is known."""

    name, source = "plain", "plain data"

    def labels(self, split: Split | None = None) -> LabelTable:
        ids = np.array(["a", "b"])
        codes = np.array([0, 1])
        return LabelTable(
            ids=ids, groups=codes, group_names=("x", "y"), targets=codes, target_names=("s", "t"), kind="single"
        )

    def image(self, image_id: str) -> NDArray[np.uint8]:
        return picture()

    def selections(self) -> tuple[Selection, ...]:
        return ()


class Crowded(Plain):
    """In `a` a person, one at the lower right border, and a crowd; in `b` nobody."""

    def __init__(self, *, segments: bool = True) -> None:
        self.segments = segments

    def people(self, image_id: str) -> People:
        boxes = np.array([[2, 3, 7, 9], [25, 15, 30, 20], [10.0, 0, 20, 4]] if image_id == "a" else []).reshape(-1, 4)
        masks = np.zeros((len(boxes), *SIZE), dtype=bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes.astype(int), strict=True):
            mask[top:bottom, left:right] = True
            mask[top, left] = False  # a segment is less than its box
        crowds = np.array([False, False, True][: len(boxes)], dtype=bool)
        return People(size=SIZE, boxes=boxes, masks=masks if self.segments else None, crowds=crowds)


def test_segments_boxes_and_crowds_are_covered_each_on_its_own() -> None:
    image = picture()
    segments = np.zeros(SIZE, dtype=bool)
    boxes = np.zeros(SIZE, dtype=bool)
    for left, top, right, bottom in ((2, 3, 7, 9), (25, 15, 30, 20), (10, 0, 20, 4)):
        boxes[top:bottom, left:right] = segments[top:bottom, left:right] = True
        segments[top, left] = False
    black = pixel_change("blackout-box", Crowded())("a", image)
    np.testing.assert_array_equal((black == 0).all(axis=2), boxes)
    for name in ("blackout-segment", "blur-segment", "edges-segment", "greyscale-segment"):
        made = pixel_change(name, Crowded())("a", image)
        np.testing.assert_array_equal(made[~segments], image[~segments])
        assert (made[segments] != image[segments]).any(axis=1).mean() > 0.9, name
        np.testing.assert_array_equal(made, PIXEL_CHANGES[name].how(image, segments))


@pytest.mark.parametrize("name", PIXEL_CHANGES)
def test_an_image_without_anybody_is_unchanged(name: str) -> None:
    faces = FaceBoxes({}, "faces", others_have_none=True)
    np.testing.assert_array_equal(pixel_change(name, Crowded(), faces=faces)("b", picture()), picture())


def test_faces_come_from_where_one_says() -> None:
    faces = FaceBoxes({"a": np.array([[3.2, 1, 6, 5], [28, 18, 33, 24]])}, "faces", others_have_none=True)
    made = pixel_change("blackout-face", Plain(), faces=faces)("a", picture())
    covered = np.zeros(SIZE, dtype=bool)
    covered[1:5, 3:6] = covered[18:, 28:] = True
    np.testing.assert_array_equal((made == 0).all(axis=2), covered)


# --- Scenes


def world() -> Scenes:
    return Scenes(ScenesSettings(size=48), train=9, val=0, test=3, seed=5)


def test_scenes_show_each_change_where_its_truth_says() -> None:
    scenes = world()
    ids, truth = scenes.labels().ids.tolist(), scenes.render(range(12))
    for name, change in PIXEL_CHANGES.items():
        made = pixel_change(name, scenes).change_many(ids, scenes.images(ids))
        where = truth.person_mask.copy()
        if change.needs != "segments":
            where[:] = False
            boxes = truth.face_box if change.needs == "faces" else truth.person_box
            for mask, (left, top, right, bottom) in zip(where, boxes, strict=True):
                mask[top:bottom, left:right] = True
        np.testing.assert_array_equal(made[~where], truth.images[~where])
        assert (made[where] != truth.images[where]).any(axis=1).mean() > 0.85, name


@pytest.mark.parametrize("name", PIXEL_CHANGES)
def test_many_at_once_are_as_one_by_one_and_rendered_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = world()
    ids = scenes.labels().ids.tolist()
    change = pixel_change(name, scenes)
    single = [change(image_id, scenes.image(image_id)) for image_id in ids]
    calls: list[int] = []
    render: Any = Scenes._render
    monkeypatch.setattr(Scenes, "_render", lambda self, rows: calls.append(len(rows)) or render(self, rows))
    images = scenes.images(ids)
    np.testing.assert_array_equal(change.change_many(ids, images), np.stack(single))
    np.testing.assert_array_equal(change(ids[4], images[4]), single[4])
    assert calls == [12]
    assert change.change_many([], images[:0]).shape == (0, 48, 48, 3)


def change_in_worker(change: DatasetChange) -> NDArray[np.uint8]:
    return change("train-000003", change.dataset.image("train-000003"))


def test_it_travels_to_worker_processes() -> None:
    change = pixel_change("blackout-segment", world())
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made = pool.submit(change_in_worker, change).result()
    np.testing.assert_array_equal(made, change_in_worker(change))
    boxes = FaceBoxes({"a": np.array([[1.0, 1, 3, 3]])}, "faces", others_have_none=True)
    copied = pickle.loads(pickle.dumps(pixel_change("blackout-face", world(), faces=boxes)))
    assert (copied("a", picture())[1:3, 1:3] == 0).all()


# --- COCO


def write_coco(root: Path) -> Path:
    """One image with a person without any segment beside one with a polygon, and the captions."""
    common = {"image_id": 1, "category_id": 1, "area": 0, "iscrowd": 0}
    people = [
        {**common, "id": 1, "bbox": [2, 3, 5, 6], "segmentation": []},
        {**common, "id": 2, "bbox": [20, 10, 10, 10], "segmentation": [[20, 10, 30, 10, 30, 20]]},
    ]
    (root / "annotations").mkdir(parents=True)
    images = [{"id": number, "file_name": f"{number}.png", "height": 20, "width": 30} for number in (1, 2)]
    other = {**common, "image_id": 2, "id": 3, "bbox": [0, 0, 4, 4], "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}]
    content = {"images": images, "annotations": [*people, other], "categories": categories}
    said = [{"id": n, "image_id": n, "caption": text} for n, text in ((1, "a man"), (2, "a woman"))]
    for part in ("train", "val"):
        own = content if part == "train" else {**content, "images": [], "annotations": []}
        (root / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(own))
        captions = {"annotations": said if part == "train" else []}
        (root / "annotations" / f"captions_{part}2017.json").write_text(json.dumps(captions))
    return root


def test_a_person_of_coco_without_a_segment_is_covered_by_its_box(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    coco = open_dataset("coco", write_coco(tmp_path))
    made = pixel_change("blackout-segment", coco)("1.png", picture())
    black = (made == 0).all(axis=2)
    assert black[3:9, 2:7].all()
    triangle = black[10:20, 20:30]
    assert 40 <= triangle.sum() <= 60  # half the box
    assert black.sum() == 30 + triangle.sum()


# --- what is wrong


def fails(name: str, dataset: Dataset, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        pixel_change(name, dataset, **more)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_what_the_data_set_does_not_say_is_one_line() -> None:
    assert fails("blur-segments", Crowded()).endswith("found 'blur-segments' (closest: 'blur-segment'); choose one")
    assert fails("blur-segment", Plain()) == (
        "plain data: expected segments of people, for blur-segment, found none; choose blackout-face or another data "
        "set"
    )
    assert "expected boxes of people, for blackout-box, found none; choose" in fails("blackout-box", Plain())
    boxes_alone = Crowded(segments=False)
    assert fails("edges-segment", boxes_alone) == (
        "plain data: expected segments of people, for edges-segment, found boxes alone; choose blackout-face, "
        "blackout-box or another data set"
    )
    assert fails("blackout-face", Crowded()) == (
        "plain data: expected a data set that says where faces are, found plain; give a file of boxes, or have them "
        "detected"
    )
    np.testing.assert_array_equal(
        (pixel_change("blackout-box", boxes_alone)("a", picture()) == 0).all(axis=2).sum(), 95
    )


def test_an_image_of_another_size_is_refused() -> None:
    change = pixel_change("blackout-segment", Crowded())
    expected = "image 'a': expected 20 by 30 pixels, as its people were annotated, found 10 by 15; change pixels before"
    with pytest.raises(InputError, match=expected):
        change("a", picture()[::2, ::2])


def test_faces_of_an_image_of_another_size_are_refused() -> None:
    faces = FaceBoxes({"a": np.array([[60.0, 5, 70, 12]])}, "faces", others_have_none=True)
    expected = "image 'a': expected faces within 20 by 30 pixels, found a box from 60, 5 to 70, 12; give boxes in the"
    with pytest.raises(InputError, match=expected):
        pixel_change("blackout-face", Plain(), faces=faces)("a", picture())
