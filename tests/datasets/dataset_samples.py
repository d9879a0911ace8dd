"""Small data sets in the published layouts: written, and changed in one place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CATEGORIES = [(1, "person"), (3, "car"), (18, "dog"), (44, "bottle")]
SIZE = (40, 60)  # height, width

# number: categories beside person, people, captions. What each stands for is in its name below.
COCO_TRAIN: dict[int, tuple[list[int], int, list[str]]] = {
    1: ([3], 1, ["A man parks his car.", "Somebody outside"]),
    2: ([18], 1, ["A WOMAN'S dog.", "the lady smiles"]),
    3: ([3, 18], 1, ["A man and a woman walk", "people"]),
    4: ([44], 1, ["A snow-man and a man-made lake", "a postwoman"]),  # compounds name nobody
    5: ([3], 0, ["A man"]),
    6: ([18, 44], 2, ["two boys", "a guy"]),
    7: ([], 1, []),
}
COCO_VAL: dict[int, tuple[list[int], int, list[str]]] = {
    11: ([44], 1, ["a girl", "the mother"]),
    12: ([3], 1, ["men at work"]),
    13: ([18], 1, ["a girl and her father"]),
}
# In image 1: a 10 by 20 rectangle; in image 6 two triangles as one person, and a crowd as run lengths.
SQUARE = [[20.0, 10.0, 40.0, 10.0, 40.0, 20.0, 20.0, 20.0]]
TWO_PARTS = [[0.0, 0.0, 8.0, 0.0, 8.0, 8.0, 0.0, 8.0], [50.0, 30.0, 60.0, 30.0, 60.0, 40.0, 50.0, 40.0]]
# By columns: the first two columns are free, then rows 5 to 14 of column 2, then nothing.
CROWD = {"size": list(SIZE), "counts": [2 * 40 + 5, 10, 40 * 60 - 2 * 40 - 15]}


def file_name(number: int) -> str:
    return f"{number:012d}.jpg"


def write_coco(root: Path, year: int = 2017) -> Path:
    for part, images in (("train", COCO_TRAIN), ("val", COCO_VAL)):
        write_json(root / "annotations" / f"instances_{part}{year}.json", instances(images))
        captions = [
            {"image_id": number, "id": 100 * number + i, "caption": caption}
            for number, (_, _, said) in images.items()
            for i, caption in enumerate(said)
        ]
        content = {"images": [{"id": number} for number in images], "annotations": captions}
        write_json(root / "annotations" / f"captions_{part}{year}.json", content)
    return root


def instances(images: dict[int, tuple[list[int], int, list[str]]]) -> dict[str, Any]:
    records = []
    for number, (categories, people, _) in images.items():
        for category in categories * 2:  # twice: a label is there or not, however often
            records.append(instance(len(records), number, category, SQUARE, [20, 10, 20, 10]))
        if people:
            segment, box = (TWO_PARTS, [0, 0, 60, 40]) if people > 1 else (SQUARE, [20.0, 10.0, 20.0, 10.0])
            records.append(instance(len(records), number, 1, segment, box))
        if people > 1:
            records.append({**instance(len(records), number, 1, CROWD, [2.0, 5.0, 1.0, 10.0]), "iscrowd": 1})
    height, width = SIZE
    return {
        "images": [{"id": n, "file_name": file_name(n), "height": height, "width": width} for n in images],
        "annotations": records,
        "categories": [{"id": number, "name": name, "supercategory": "x"} for number, name in CATEGORIES],
    }


def instance(number: int, image: int, category: int, segment: Any, box: list[float]) -> dict[str, Any]:
    area = {"area": 0.0, "iscrowd": 0}
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segment, "bbox": box, **area}


MAN, WOMAN, BOY, SERVICEMAN, DOG = "n10287213", "n10787470", "n10285313", "n10582746", "n02084071"
NOUNS = {
    MAN: {"gloss": ["man", "adult male"], "def": "an adult person who is male"},
    WOMAN: {"gloss": ["woman", "adult female"], "def": "an adult female person"},
    BOY: {"gloss": ["male child", "boy"], "def": "a youthful male person"},
    SERVICEMAN: {"gloss": ["serviceman", "military man", "man"], "def": "someone who serves in the armed forces"},
    DOG: {"gloss": ["dog", "domestic dog"], "def": "a member of the genus Canis"},
}
FRAMES: dict[str, dict[str, tuple[str, list[str]]]] = {
    "train": {
        "cooking_1.jpg": ("cooking", [WOMAN, WOMAN, WOMAN]),
        "cooking_2.jpg": ("cooking", [WOMAN, MAN, WOMAN]),
        "cooking_3.jpg": ("cooking", [WOMAN, DOG, ""]),
        "driving_1.jpg": ("driving", [MAN, BOY, MAN]),
        "driving_2.jpg": ("driving", [SERVICEMAN, DOG, ""]),
    },
    "dev": {"driving_3.jpg": ("driving", [BOY, BOY, BOY]), "cooking_4.jpg": ("cooking", [WOMAN, WOMAN, SERVICEMAN])},
    "test": {"cooking_5.jpg": ("cooking", [MAN, MAN, MAN]), "driving_4.jpg": ("driving", [WOMAN, MAN, DOG])},
}


def write_imsitu(root: Path) -> Path:
    roles = {"agent": {"framenet": "agent", "def": "who acts"}, "place": {"framenet": "place", "def": "where"}}
    verb = {"framenet": "x", "abstract": "an AGENT acts at a PLACE", "def": "y", "order": ["agent", "place"]}
    space = {"nouns": NOUNS, "verbs": {name: {**verb, "roles": roles} for name in ("cooking", "driving")}}
    write_json(root / "imsitu_space.json", space)
    for name, images in FRAMES.items():
        content = {
            image: {"verb": verb_name, "frames": [{"agent": agent, "place": "n03413828"} for agent in agents]}
            for image, (verb_name, agents) in images.items()
        }
        write_json(root / f"{name}.json", content)
    return root


ATTRIBUTES = """6
Bald Male Smiling Young
000001.jpg -1  1  1 -1
000002.jpg  1  1 -1 -1
000003.jpg -1 -1  1  1
000004.jpg -1 -1 -1  1
000005.jpg -1  1  1  1
000006.jpg -1 -1  1  1
"""
PARTITION = """000001.jpg 0
000002.jpg 0
000003.jpg 0
000004.jpg 1
000005.jpg 2
000006.jpg 2
"""


def write_celeba(root: Path) -> Path:
    root.mkdir(parents=True)
    (root / "list_attr_celeba.txt").write_text(ATTRIBUTES)
    (root / "list_eval_partition.txt").write_text(PARTITION)
    return root


LABELS = """path,split,age,hat,dog
a/one.png,train,old,1,0
a/two.png,train,young,0,1
b/three.png,test,old,1,1
b/four.png,test,middle,0,0
"""


def write_table(root: Path) -> Path:
    root.mkdir(parents=True)
    (root / "labels.csv").write_text(LABELS)
    return root


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def change_json(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)
