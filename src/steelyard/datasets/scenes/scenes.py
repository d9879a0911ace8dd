"""Scenes: a synthetic world of people in rooms with objects, rendered by the package without any download.

It has what Wang et al., ICCV 2019 (https://arxiv.org/abs/1811.08489) found in photographs: labels that go with groups,
and unlabelled cues that do, so that a model can amplify although the labels are balanced. Its probabilities are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, MissingExtraError, first_few
from steelyard.base.random import stream
from steelyard.datasets.dataset import Selection, by_split
from steelyard.datasets.scenes.drawing import Drawn, draw
from steelyard.datasets.scenes.settings import CATALOGUE, GROUP_NAMES, ScenesSettings
from steelyard.datasets.scenes.truth import ScenesTruth
from steelyard.tables.label_table import LabelTable, Split

if TYPE_CHECKING:
    from steelyard.datasets.scenes.face import Face

SPLITS: tuple[Split, ...] = ("train", "val", "test")
_MOST_IMAGES = 1_000_000  # of one split: its ids have six digits


@dataclass(frozen=True, slots=True)
class Rendered:
    """`n` images of side h = w and what is known of their pixels; boxes are x0, y0, x1, y1 in pixels, ends excluded.

    Attributes:
        images: `[n, h, w, 3]` uint8, red, green, blue.
        person_mask: `[n, h, w]` bool: the person's visible pixels (hair and clothes included, what stands before not).
        person_box: `[n, 4]` int64: the smallest box around the mask.
        face_box: `[n, 4]` int64: around the head without its hair, within the person's box.
    """

    images: NDArray[np.uint8]
    person_mask: NDArray[np.bool_]
    person_box: NDArray[np.int64]
    face_box: NDArray[np.int64]


class Scenes:
    """A world of images in three splits, numbered through: train, then val, then test.

    Image i of a split depends on the settings, the seed, the split and i alone: not on the number of images, nor on
    which are rendered together or by which process. OpenCV is needed for rendering only.

    Attributes:
        settings: the dials.
        sizes: images of each split.
        seed: seed of everything.
        truth: the probabilities that the images are drawn from.
    """

    def __init__(
        self,
        settings: ScenesSettings | None = None,
        *,
        train: int = 6000,
        val: int = 1000,
        test: int = 3000,
        seed: int = 0,
    ) -> None:
        """A world; nothing is rendered yet.

        Args:
            settings: the dials; None for the defaults.
            train: images to train on, 0 to 1,000,000, as for the other splits.
            val: images to validate on.
            test: images to test on.
            seed: 0 or more.

        Raises:
            InputError: a number outside its range, or settings that make a label too probable.
        """
        self.settings = settings or ScenesSettings()
        self.sizes: Mapping[Split, int] = {"train": train, "val": val, "test": test}
        for split, size in self.sizes.items():
            if not 0 <= size <= _MOST_IMAGES:
                raise InputError(f"Scenes: {split}: expected 0 to {_MOST_IMAGES:,} images, found {size}; change it")
        if seed < 0:
            raise InputError(f"Scenes: seed: expected 0 or more, found {seed}; change it")
        self.seed = seed
        self.truth = ScenesTruth.of(self.settings)

    def __len__(self) -> int:
        return sum(self.sizes.values())

    @property
    def name(self) -> str:
        """The data set's name."""
        return "scenes"

    @property
    def source(self) -> str:
        """Where it comes from, for messages."""
        return f"Scenes, seed {self.seed}"

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB: the image of this id, rendered.

        Raises:
            InputError: no image has this id.
            MissingExtraError: OpenCV is not installed.
        """
        return np.asarray(self.render(self.find([image_id])).images[0])

    def selections(self) -> tuple[Selection, ...]:
        """Every image counts."""
        return by_split(self.labels())

    @property
    def label_names(self) -> tuple[str, ...]:
        """The t types of objects, in the order of the labels' columns."""
        return tuple(sorted(CATALOGUE[: self.settings.labels]))

    @property
    def group_names(self) -> tuple[str, ...]:
        """The k groups."""
        return GROUP_NAMES[: self.settings.groups]

    @cached_property
    def drawn(self) -> Drawn:
        """What every image holds, the cues and styles that no table shows included."""
        parts = [draw(self.truth, size, stream(self.seed, "scenes", split)) for split, size in self.sizes.items()]
        return Drawn(
            groups=np.concatenate([part.groups for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            cues=np.concatenate([part.cues for part in parts]),
            styles=np.concatenate([part.styles for part in parts]),
        )

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Indices of a split's images, for `render`."""
        at = SPLITS.index(split)
        start = sum(self.sizes[name] for name in SPLITS[:at])
        return np.arange(start, start + self.sizes[split])

    def labels(self, split: Split | None = None) -> LabelTable:
        """The labels of a split, or of all images; row i is image `rows(split)[i]`."""
        single = self.settings.kind == "single"
        targets = self.drawn.labels.argmax(axis=1) if single else self.drawn.labels.astype(np.uint8)
        table = LabelTable(
            ids=np.array([f"{name}-{i:06d}" for name in SPLITS for i in range(self.sizes[name])], dtype=np.str_),
            groups=self.drawn.groups,
            group_names=self.group_names,
            targets=targets,
            target_names=self.label_names,
            kind=self.settings.kind,
            splits=np.repeat(np.array(SPLITS, dtype=np.str_), list(self.sizes.values())),
            source=self.source,
            target_column="object" if single else "",
        )
        return table if split is None else table.split(split)

    def find(self, ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Indices of the images with these ids, in their order, for `render`.

        Raises:
            InputError: an id of no image.
        """
        place = {str(name): row for row, name in enumerate(self.labels().ids)}
        if unknown := [str(name) for name in ids if str(name) not in place]:
            known = f"ids such as {next(iter(place))}" if place else "no ids, the world is empty"
            raise InputError(f"Scenes: ids: expected {known}, found {first_few(unknown)}; take them from labels()")
        return np.array([place[str(name)] for name in ids], dtype=np.int64)

    def render(self, indices: ArrayLike) -> Rendered:
        """Render some images, in the order asked for.

        Args:
            indices: `[n]` integers in 0 … len(self) − 1.

        Raises:
            InputError: an index of no image.
            MissingExtraError: OpenCV is not installed.
        """
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if (wrong := wanted[(wanted < 0) | (wanted >= len(self))]).size:
            raise InputError(
                f"Scenes: indices: expected 0 … {len(self) - 1}, found {first_few(wrong)}; take them from rows(split)"
            )
        return self._render(wanted)

    def _render(self, wanted: NDArray[np.int64]) -> Rendered:
        try:
            from steelyard.datasets.scenes.painting import Content, develop, paint
            from steelyard.datasets.scenes.pen import Pen
        except ModuleNotFoundError as error:
            if error.name != "cv2":
                raise
            raise MissingExtraError("Scenes are drawn by OpenCV: pip install 'steelyard[train]'") from error
        drawn, names, side = self.drawn, self.label_names, self.settings.size
        pen, faces = Pen(side), []
        images = np.empty((len(wanted), side, side, 3), dtype=np.uint8)
        mask = np.empty((len(wanted), side, side), dtype=np.bool_)
        for at, row in enumerate(wanted.tolist()):
            objects = [names[label] for label in np.flatnonzero(drawn.labels[row])]
            content = Content(objects, drawn.cues[row].tolist(), drawn.styles[row].tolist())
            rng = self._stream_of(row)
            faces.append(paint(pen, content, self.settings, rng).face)
            clean = pen.image()
            images[at] = develop(clean[..., :3], self.settings.noise, rng)
            mask[at] = clean[..., 3] > 127
        person_box = boxes_of(mask)
        return Rendered(images, mask, person_box, _face_boxes(faces, side, person_box))

    def _stream_of(self, row: int) -> np.random.Generator:
        """The image's own stream: of the seed, the split and the number within it."""
        for at, split in enumerate(SPLITS):
            if row < self.sizes[split]:
                return np.random.Generator(np.random.SFC64([self.seed, at, row]))
            row -= self.sizes[split]
        raise AssertionError("the index was checked")


def boxes_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`[n, 4]` smallest boxes (x0, y0, x1, y1, ends excluded) around `[n, h, w]` masks, none of them empty."""
    columns: NDArray[np.bool_] = np.any(mask, axis=1)
    rows: NDArray[np.bool_] = np.any(mask, axis=2)
    ends = [columns.argmax(1), rows.argmax(1)]
    ends += [line.shape[1] - line[:, ::-1].argmax(1) for line in (columns, rows)]
    return np.stack(ends, axis=1).astype(np.int64)


def _face_boxes(faces: "list[Face]", side: int, within: NDArray[np.int64]) -> NDArray[np.int64]:
    edges = side * np.array([face.box for face in faces]).reshape(-1, 4)
    low, high = np.floor(edges[:, :2]), np.ceil(edges[:, 2:])
    low, high = np.maximum(low, within[:, :2]), np.minimum(high, within[:, 2:])
    return np.concatenate([low, high], axis=1).astype(np.int64)
