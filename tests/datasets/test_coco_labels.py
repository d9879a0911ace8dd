"""COCO's labels: a hand-made pair of annotation files, and real ones against a plain parse."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import change_json, file_name, write_coco

from steelyard.base.errors import InputError
from steelyard.datasets.coco import Coco
from steelyard.datasets.words import CAPTION_WORDS


def test_targets_groups_and_splits(coco: Path) -> None:
    table = Coco(coco).labels()
    assert table.ids.tolist() == [file_name(n) for n in (1, 2, 6, 11, 12)]
    assert table.group_names == ("man", "woman")
    assert table.groups.tolist() == [0, 1, 0, 1, 0]
    assert table.target_names == ("car", "dog", "bottle")
    assert table.targets.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 0]]
    assert table.splits is not None
    assert table.splits.tolist() == ["train"] * 3 + ["val"] * 2
    assert (table.kind, table.protected) == ("multi", "gender")


def test_each_image_that_does_not_count_is_counted_once(coco: Path) -> None:
    assert [str(one) for one in Coco(coco).selections()] == [
        "train: 7 images; 1 without a person; 2 whose captions name no group; 1 whose captions name both groups; "
        "3 kept (2 man + 1 woman)",
        "val: 3 images; 0 without a person; 0 whose captions name no group; 1 whose captions name both groups; "
        "2 kept (1 man + 1 woman)",
    ]


def test_a_split_alone(coco: Path) -> None:
    data = Coco(coco)
    assert data.labels("val").ids.tolist() == [file_name(11), file_name(12)]
    with pytest.raises(InputError) as caught:
        data.labels("test")
    assert str(caught.value) == (
        f"{coco}: expected images of the split 'test', found images of train, val only; name one of these or give a "
        "file of splits"
    )


def test_other_words_make_other_groups_any_number_of_them(coco: Path) -> None:
    data = Coco(coco, words={"child": ["boys", "girl"], "adult": ["man", "men", "mother"], "lady": ["lady"]})
    assert data.labels().group_names == ("adult", "child", "lady")
    groups = dict(zip(data.labels().ids.tolist(), data.labels().groups.tolist(), strict=True))
    assert groups == {file_name(1): 0, file_name(2): 2, file_name(3): 0, file_name(6): 1, file_name(12): 0} | {
        file_name(13): 1
    }
    assert "1 whose captions name several groups" in str(data.selections()[1])  # image 11: a girl, the mother


@pytest.mark.parametrize(
    "rows",
    [
        [f"{file_name(12)},train", f"{file_name(1)},val", f"{file_name(2)},test", f"{file_name(5)},test"],
        ["12,train", "1,valid", "2,test", "5,test"],
        ["000000000012,train", "1,dev", "2,test", f"{file_name(5)},test"],
    ],
)
def test_a_file_of_splits_by_name_or_number(coco: Path, tmp_path: Path, rows: list[str]) -> None:
    (tmp_path / "splits.csv").write_text("\n".join(["image,split", *rows]))
    data = Coco(coco, splits=tmp_path / "splits.csv")
    table = data.labels()
    assert table.splits is not None
    assert dict(zip(table.ids.tolist(), table.splits.tolist(), strict=True)) == {
        file_name(1): "val",
        file_name(2): "test",
        file_name(12): "train",
    }
    assert str(data.selections()[2]) == (
        "test: 2 images; 1 without a person; 0 whose captions name no group; 0 whose captions name both groups; 1 kept "
        "(0 man + 1 woman)"
    )


def test_images_are_looked_for_in_their_official_folder(coco: Path, tmp_path: Path) -> None:
    assert Coco(coco).image_path(file_name(11)) == coco / "val2017" / file_name(11)
    (coco / "images" / "val2017").mkdir(parents=True)
    assert Coco(coco).image_path(file_name(11)) == coco / "images" / "val2017" / file_name(11)
    assert Coco(coco, images=tmp_path).image_path(file_name(1)) == tmp_path / "train2017" / file_name(1)


def test_the_year_is_found_or_asked_for(tmp_path: Path) -> None:
    write_coco(tmp_path, 2014)
    assert Coco(tmp_path).year == 2014
    write_coco(tmp_path, 2017)
    with pytest.raises(InputError) as caught:
        Coco(tmp_path)
    assert (
        str(caught.value)
        == f"{tmp_path}: expected COCO 2014 or 2017, found annotations of both; choose one with --year"
    )
    assert Coco(tmp_path, year=2014).image_path(file_name(1)).parent.name == "train2014"


def test_one_official_part_is_enough(coco: Path) -> None:
    for kind in ("instances", "captions"):
        (coco / "annotations" / f"{kind}_train2017.json").unlink()
    assert len(Coco(coco).labels()) == 2


Change = Callable[[Any], object]
INSTANCES, CAPTIONS = "annotations/instances_train2017.json", "annotations/captions_train2017.json"
FAULTS: dict[str, tuple[str, Change, str]] = {
    "no person": (
        INSTANCES,
        lambda content: content["categories"].pop(0),
        "categories: expected one called 'person', found 3 others; use the official file",
    ),
    "an image without a name": (
        INSTANCES,
        lambda content: content["images"][1].pop("file_name"),
        "image 2: expected 'file_name', text, found none; this is not the official file, or it was changed",
    ),
    "an image's size is text": (
        INSTANCES,
        lambda content: content["images"][1].update(height="40"),
        "image 2: expected 'height', a whole number, found '40'; this is not the official file, or it was changed",
    ),
    "no annotations": (
        INSTANCES,
        lambda content: content.pop("annotations"),
        "expected 'annotations', a list, found none; this is not the official file, or it was changed",
    ),
    "an annotation of another image": (
        INSTANCES,
        lambda content: content["annotations"][3].update(image_id=99),
        "annotation 3: expected an image of this file, found '99', which is not in 'images'; use the official file",
    ),
    "an annotation of another category": (
        INSTANCES,
        lambda content: content["annotations"][0].update(category_id=7),
        "annotation 0: expected a category of this file, found '7'; use the official file",
    ),
    "half a box": (
        INSTANCES,
        lambda content: content["annotations"][2].update(bbox=[1, 2]),
        "annotation 2: expected four numbers in 'bbox', found [1, 2]; use the official file",
    ),
    "a box of words": (
        INSTANCES,
        lambda content: content["annotations"][2].update(bbox=[1, 2, 3, "4"]),
        "annotation 2: expected four numbers in 'bbox', found [1, 2, 3, '4']; use the official file",
    ),
    "a caption without its image": (
        CAPTIONS,
        lambda content: content["annotations"][0].pop("image_id"),
        "annotations: expected 'image_id', a whole number, found none; this is not the official file, or it was "
        "changed",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_annotation_files(coco: Path, fault: str) -> None:
    file, change, line = FAULTS[fault]
    change_json(coco / file, change)
    with pytest.raises(InputError) as caught:
        Coco(coco).labels()
    assert str(caught.value) == f"{coco / file}: {line}"


def test_a_file_that_breaks_off(coco: Path) -> None:
    path = coco / INSTANCES
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))}: expected JSON, found .* in line 1, column \d+; "):
        Coco(coco).labels()


def test_every_missing_file_is_named(tmp_path: Path, coco: Path) -> None:
    with pytest.raises(InputError) as caught:
        Coco(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: expected the layout of COCO 2017, found no annotations/instances_train2017.json, no "
        "annotations/captions_train2017.json; put them there from annotations_trainval2017.zip"
    )
    (coco / CAPTIONS).unlink()
    with pytest.raises(InputError) as caught:
        Coco(coco)
    assert str(caught.value) == (
        f"{coco}: expected the layout of COCO 2017, found no annotations/captions_train2017.json; put it there from "
        "annotations_trainval2017.zip"
    )


def test_a_file_of_splits_with_unknown_images(coco: Path, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    path.write_text("image,split\n1,train\n77,train\n78,val\n")
    with pytest.raises(InputError) as caught:
        Coco(coco, splits=path).labels()
    assert str(caught.value) == (
        f"{path}: expected file names or numbers of images in {coco}, found 2 others (ids 77, 78); add the annotations "
        "that they are in"
    )


def test_words_that_keep_one_group_only(coco: Path) -> None:
    with pytest.raises(InputError) as caught:
        Coco(coco, words={"man": ["man"], "robot": ["robot"]}).labels()
    assert str(caught.value).startswith(
        f"{coco}: expected images whose captions name two or more groups, found train: "
    )
    assert str(caught.value).endswith("; give other --words")


def test_real_labels_against_a_plain_parse(real_coco: Path) -> None:
    table = Coco(real_coco).labels()
    assert table.targets.shape == (46, 79)
    assert "person" not in table.target_names
    assert Coco(real_coco).selections()[0].dropped == {
        "without a person": 44,
        "whose captions name no group": 12,
        "whose captions name both groups": 3,
    }
    expected = {}
    for part in ("train", "val"):
        boxes = json.loads((real_coco / f"annotations/instances_{part}2017.json").read_text())
        said = json.loads((real_coco / f"annotations/captions_{part}2017.json").read_text())
        names = {one["id"]: one["name"] for one in boxes["categories"]}
        for image in boxes["images"]:
            seen = {names[one["category_id"]] for one in boxes["annotations"] if one["image_id"] == image["id"]}
            text = " ".join(one["caption"] for one in said["annotations"] if one["image_id"] == image["id"]).lower()
            words = set(re.split(r"[^a-z-]+", text.replace("'s", "")))
            groups = [group for group in ("man", "woman") if words & set(CAPTION_WORDS[group])]
            if "person" in seen and len(groups) == 1:
                expected[image["file_name"]] = (part, groups[0], frozenset(seen - {"person"}))
    assert table.splits is not None
    found = {
        name: (split, table.group_names[group], frozenset(np.array(table.target_names)[row == 1].tolist()))
        for name, split, group, row in zip(table.ids, table.splits, table.groups, table.targets, strict=True)
    }
    assert found == expected
