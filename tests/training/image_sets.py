"""Data sets of images for the tests of training; what they decode is written down, by whatever process."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steelyard.base.errors import InputError
from steelyard.tables.label_table import LabelTable


class Decodes:
    """Ids in a file, one line each time that an image is decoded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, ids: Sequence[str]) -> None:
        with self.path.open("a") as file:
            file.write("".join(f"{one}\n" for one in ids))

    def counts(self) -> Counter[str]:
        return Counter(self.path.read_text().split())

    def total(self) -> int:
        return self.counts().total()


class Pictures:
    """Random images; those in `broken` cannot be read."""

    name = source = "pictures"

    def __init__(self, images: dict[str, np.ndarray], decodes: Decodes, broken: Sequence[str] = ()) -> None:
        self.made, self.decodes, self.broken = images, decodes, frozenset(broken)

    def image(self, image_id: str) -> np.ndarray:
        if image_id in self.broken:
            raise InputError(f"/data/{image_id}.jpg: expected an image, found an empty file; restore the file")
        self.decodes.note([image_id])
        return self.made[image_id]


class Rendered(Pictures):
    """The same, many at once."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.calls: list[int] = []

    def image(self, image_id: str) -> np.ndarray:
        raise AssertionError("one by one")

    def images(self, image_ids: Sequence[str]) -> np.ndarray:
        self.calls.append(len(image_ids))
        self.decodes.note(image_ids)
        return np.stack([self.made[one] for one in image_ids])


def table(n: int, groups: Sequence[int] | None = None, *, kind: str = "multi") -> LabelTable:
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 2, (n, 3)).astype(np.uint8) if kind == "multi" else rng.integers(0, 3, n)
    return LabelTable(
        ids=np.array([f"i{row:03d}" for row in range(n)]),
        groups=rng.integers(0, 2, n) if groups is None else np.asarray(groups, dtype=np.int64),
        group_names=("p", "q"),
        targets=targets,
        target_names=("x", "y", "z"),
        kind=kind,
        source="labels.csv",
    )


def noise(n: int, height: int = 12, width: int = 12) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    return {f"i{row:03d}": rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for row in range(n)}
