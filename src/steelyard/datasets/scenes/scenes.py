"""Scenes: a synthetic world of people in rooms with objects, rendered by the package without any download.

It has what Wang et al., ICCV 2019 (https://arxiv.org/abs/1811.08489) found in photographs: labels that go with groups,
and unlabelled cues that do, so that a model can amplify although the labels are balanced. Its probabilities are known.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, MissingExtraError, first_few
from steelyard.base.random import stream
from steelyard.datasets.dataset import Selection, by_split
from steelyard.datasets.people import People
from steelyard.datasets.scenes.drawing import Drawn, draw
from steelyard.datasets.scenes.rendered import Rendered, Whereabouts, boxes_of, face_boxes
from steelyard.datasets.scenes.settings import CATALOGUE, GROUP_NAMES, ScenesSettings
from steelyard.datasets.scenes.truth import ScenesTruth
from steelyard.tables.label_table import LabelTable, Split

if TYPE_CHECKING:
    pass

SPLITS: tuple[Split, ...] = ("train", "val", "test")
_MOST_IMAGES = 1_000_000  # of one split: its ids have six digits
_MOST_KEPT = 2**24  # pixels of the last images whose masks are kept


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
            if not _is_whole(size) or size > _MOST_IMAGES:
                raise InputError(f"Scenes: {split}: expected 0 to {_MOST_IMAGES:,} images, found {size}; change it")
        if not _is_whole(seed):
            raise InputError(f"Scenes: seed: expected 0 or more, found {seed}; change it")
        self.seed = seed
        self._last: Whereabouts | None = None
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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB: the image of this id, rendered.

        Raises:
            InputError: no image has this id.
            MissingExtraError: OpenCV is not installed.
        """
        return np.asarray(self.images([image_id])[0])

    def images(self, image_ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.uint8]:
        """`[n, h, w, 3]`, RGB: the images of these ids, rendered; `people` and `faces` of them are then at hand."""
        return self._rendered(self.find(image_ids)).images

    def people(self, image_id: str) -> People:
        """The person's box and mask."""
        return self.people_of([image_id])[0]

    def faces(self, image_id: str) -> NDArray[np.float64]:
        """`[1, 4]`: left, top, right, bottom of the face in pixels, as edges."""
        return self.faces_of([image_id])[0]

    def people_of(self, image_ids: Sequence[str] | NDArray[np.str_]) -> list[People]:
        """The people of each of these images; nothing is rendered again after `images` of them."""
        known, places = self._whereabouts(image_ids)
        size = self.settings.size, self.settings.size
        boxes = known.person_box.astype(np.float64)
        alone = np.zeros(1, dtype=np.bool_)
        return [
            People(size=size, boxes=boxes[[at]], masks=known.person_mask[[at]], crowds=alone.copy()) for at in places
        ]

    def faces_of(self, image_ids: Sequence[str] | NDArray[np.str_]) -> list[NDArray[np.float64]]:
        """The faces of each of these images, as `people_of`."""
        known, places = self._whereabouts(image_ids)
        boxes = known.face_box.astype(np.float64)
        return [boxes[[at]] for at in places]

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
        return self._table if split is None else self._table.split(split)

    @cached_property
    def _table(self) -> LabelTable:
        single = self.settings.kind == "single"
        targets = self.drawn.labels.argmax(axis=1) if single else self.drawn.labels.astype(np.uint8)
        return LabelTable(
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

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._table.ids.tolist())}

    def find(self, ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Indices of the images with these ids, in their order, for `render`.

        Raises:
            InputError: an id of no image.
        """
        place = self._place
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

    def _rendered(self, rows: NDArray[np.int64]) -> Rendered:
        """Rendered, and where people and faces are remembered."""
        made = self._render(rows)
        if made.person_mask.size <= _MOST_KEPT:
            self._last = Whereabouts.of(rows.tolist(), made)
        return made

    def _whereabouts(self, image_ids: Sequence[str] | NDArray[np.str_]) -> tuple[Whereabouts, list[int]]:
        """Where people and faces are in images that have these ids, and the positions of the images there."""
        rows = self.find(image_ids)
        known = self._last  # taken once: another thread may render meanwhile
        if known is None or not all(row in known.place for row in rows.tolist()):
            known = Whereabouts.of(rows.tolist(), self._rendered(rows))
        return known, [known.place[row] for row in rows.tolist()]

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
        return Rendered(images, mask, person_box, face_boxes(faces, side, person_box))

    def _stream_of(self, row: int) -> np.random.Generator:
        """The image's own stream: of the seed, the split and the number within it."""
        for at, split in enumerate(SPLITS):
            if row < self.sizes[split]:
                return np.random.Generator(np.random.SFC64([self.seed, at, row]))
            row -= self.sizes[split]
        raise AssertionError("the index was checked")


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
