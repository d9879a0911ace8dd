"""Portraits: faces of the synthetic world with attributes that go with the group, rendered without any download.

What CelebA (Liu et al., ICCV 2015, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html) is to real faces: one head fills
the picture, with binary attributes, some of which are more frequent in one group. Its probabilities are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, MissingExtraError, first_few
from steelyard.base.random import stream
from steelyard.datasets.dataset import SPLITS, Selection, by_split
from steelyard.datasets.portraits.settings import ATTRIBUTES, GROUP_NAMES, PortraitsSettings
from steelyard.datasets.portraits.truth import PortraitsTruth
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import closest, quoted

_MOST_IMAGES = 300_000  # of one split: the ids of all three have six digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What `n` portraits hold.

    Attributes:
        groups: `[n]` integers in 0 … k − 1.
        labels: `[n, t]` whether each attribute is there.
        strengths: `[n, t]` the share of its full contrast, in [0, 1]; below 1 where it is faint.
    """

    groups: NDArray[np.int64]
    labels: NDArray[np.bool_]
    strengths: NDArray[np.float32]


class Portraits:
    """A world of faces in three splits, numbered through: train, then val, then test; ids `p000001` and so on.

    Image i of a split depends on the settings, the seed, the split and i alone: not on the number of images, nor on
    which are rendered together. OpenCV is needed for rendering only.

    Attributes:
        settings: the dials.
        sizes: images of each split.
        seed: seed of everything.
        truth: the probabilities that the images are drawn from.
        target_names: the columns of the labels.
        protected: name of the protected attribute.
    """

    name = "portraits"

    def __init__(
        self,
        settings: PortraitsSettings | None = None,
        *,
        train: int = 20_000,
        val: int = 2000,
        test: int = 4000,
        seed: int = 0,
        protected: str = "group",
        targets: Sequence[str] | str | None = None,
    ) -> None:
        """A world; nothing is rendered yet.

        Args:
            settings: the dials; None for the defaults.
            train: images to train on, 0 to 300,000, as for the other splits.
            val: images to validate on.
            test: images to test on.
            seed: 0 or more.
            protected: what the protected attribute is called.
            targets: the labels to recognise, names or globs (`a,b` as one text too): attributes, and `group_a`,
                `group_b`, …, 1 for the images of that group (with `group_b` a classifier learns the protected attribute
                beside the others); None for the attributes.

        Raises:
            InputError: a number outside its range, or an unknown target.
        """
        self.settings = settings or PortraitsSettings()
        self.sizes: Mapping[Split, int] = {"train": train, "val": val, "test": test}
        for split, size in self.sizes.items():
            if not _is_whole(size) or size > _MOST_IMAGES:
                raise InputError(f"Portraits: {split}: expected 0 to {_MOST_IMAGES:,} images, found {size}; change it")
        if not _is_whole(seed):
            raise InputError(f"Portraits: seed: expected 0 or more, found {seed}; change it")
        self.seed, self.protected = seed, protected
        self.truth = PortraitsTruth.of(self.settings)
        self.target_names = self._chosen(targets)

    def __len__(self) -> int:
        return sum(self.sizes.values())

    @property
    def source(self) -> str:
        """Where it comes from, for messages."""
        return f"Portraits, seed {self.seed}"

    @property
    def group_names(self) -> tuple[str, ...]:
        """The k groups."""
        return GROUP_NAMES[: self.settings.groups]

    def labels(self, split: Split | None = None) -> LabelTable:
        """The labels of a split, or of all images; row i of all is image i of `render`."""
        return self._table if split is None else self._table.split(split)

    def selections(self) -> tuple[Selection, ...]:
        """Every image counts."""
        return by_split(self._table)

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB: the image of this id, rendered."""
        return np.asarray(self.images([image_id])[0])

    def images(self, image_ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.uint8]:
        """`[n, h, w, 3]`, RGB: the images of these ids, rendered.

        Raises:
            InputError: no image has this id.
            MissingExtraError: OpenCV is not installed.
        """
        return self.render(self.find(image_ids))

    def find(self, ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Indices of the images with these ids, in their order, for `render`.

        Raises:
            InputError: an id of no image.
        """
        rows = np.array([_number(str(name)) for name in ids], dtype=np.int64) - 1
        if wrong := [str(name) for name, row in zip(ids, rows, strict=True) if not 0 <= row < len(self)]:
            known = f"ids p000001 … p{len(self):06d}" if len(self) else "no ids, the world is empty"
            raise InputError(f"Portraits: ids: expected {known}, found {first_few(wrong)}; take them from labels()")
        return rows

    @cached_property
    def drawn(self) -> Drawn:
        """What every image holds, how faint it is included."""
        parts = [
            _draw(self.truth, self.settings, size, stream(self.seed, "portraits", split))
            for split, size in self.sizes.items()
        ]
        return Drawn(
            groups=np.concatenate([part.groups for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            strengths=np.concatenate([part.strengths for part in parts]),
        )

    def render(
        self, indices: ArrayLike, *, groups: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> NDArray[np.uint8]:
        """Render some images in the order asked for, as they are or with other attributes.

        With `groups` or `labels` the same heads are drawn as members of another group or with other attributes, and
        nothing else changes: what a perfect complementary image is.

        Args:
            indices: `[n]` integers in 0 … len(self) − 1.
            groups: `[n]` integers in 0 … k − 1; None leaves them.
            labels: `[n, t]` whether each of `ATTRIBUTES` is there; None leaves them.

        Returns:
            `[n, h, w, 3]`, RGB.

        Raises:
            InputError: an index of no image, or groups or labels of another shape or range.
            MissingExtraError: OpenCV is not installed.
        """
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if (wrong := wanted[(wanted < 0) | (wanted >= len(self))]).size:
            raise InputError(
                f"Portraits: indices: expected 0 … {len(self) - 1}, found {first_few(wrong)}; correct them"
            )
        n, t, k = len(wanted), len(ATTRIBUTES), self.settings.groups
        of_group = self.drawn.groups[wanted] if groups is None else np.asarray(groups, dtype=np.int64)
        has = self.drawn.labels[wanted] if labels is None else np.asarray(labels, dtype=np.bool_)
        if of_group.shape != (n,) or has.shape != (n, t) or (of_group < 0).any() or (of_group >= k).any():
            expected = f"groups [{n}] of 0 … {k - 1} and labels [{n}, {t}]"
            found = f"{list(of_group.shape)} and {list(has.shape)}, groups {first_few(np.unique(of_group))}"
            raise InputError(f"Portraits: render: expected {expected}, found {found}; correct them")
        return self._render(wanted, of_group, has)

    def _render(
        self, wanted: NDArray[np.int64], groups: NDArray[np.int64], labels: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        try:
            from steelyard.datasets.portraits.painting import CANVAS, NUMBERS, Content, lit, paint
            from steelyard.datasets.scenes.painting import grained
            from steelyard.datasets.scenes.pen import Pen
        except ModuleNotFoundError as error:
            if error.name != "cv2":
                raise
            raise MissingExtraError("Portraits are drawn by OpenCV: pip install 'steelyard[train]'") from error
        side, noise = self.settings.size, self.settings.noise
        pen = Pen(side, canvas=CANVAS)
        images = np.empty((len(wanted), side, side, 3), dtype=np.uint8)
        strengths = self.drawn.strengths[wanted].tolist()
        for at, row in enumerate(wanted.tolist()):
            rng = self._stream_of(row)
            *numbers, bright, aside = rng.random(NUMBERS + 2).tolist()
            has = dict(zip(ATTRIBUTES, labels[at].tolist(), strict=True))
            strength = dict(zip(ATTRIBUTES, strengths[at], strict=True))
            paint(pen, Content(int(groups[at]), has, strength), numbers)
            images[at] = lit(pen.image()[..., :3], bright, aside)
            if noise:
                images[at] = grained(images[at], noise, rng)
        return images

    def _stream_of(self, row: int) -> np.random.Generator:
        """The image's own stream: of the seed, the split and the number within it."""
        for at, split in enumerate(SPLITS):
            if row < self.sizes[split]:
                return np.random.Generator(np.random.SFC64([self.seed, at, row]))
            row -= self.sizes[split]
        raise AssertionError("the index was checked")

    @cached_property
    def _table(self) -> LabelTable:
        columns = dict(zip(ATTRIBUTES, self.drawn.labels.T, strict=True))
        columns |= {f"group_{name}": self.drawn.groups == at for at, name in enumerate(self.group_names)}
        return LabelTable(
            ids=np.array([f"p{i + 1:06d}" for i in range(len(self))], dtype=np.str_),
            groups=self.drawn.groups,
            group_names=self.group_names,
            targets=np.stack([columns[name] for name in self.target_names], axis=1).astype(np.uint8),
            target_names=self.target_names,
            kind="multi",
            splits=np.repeat(np.array(SPLITS, dtype=np.str_), list(self.sizes.values())),
            protected=self.protected,
            source=self.source,
        )

    def _chosen(self, targets: Sequence[str] | str | None) -> tuple[str, ...]:
        if targets is None:
            return ATTRIBUTES
        names = (*ATTRIBUTES, *(f"group_{name}" for name in self.group_names))
        items = targets.split(",") if isinstance(targets, str) else list(targets)
        chosen: dict[str, None] = {}
        for item in items:
            pattern = str(item).strip()
            matches = [name for name in names if fnmatchcase(name, pattern)]
            if not matches:
                found = f"{quoted(pattern)}{closest(pattern, names)}"
                expected, do = f"names or globs among {', '.join(names)}", "correct the name"
                raise InputError(f"Portraits: targets: expected {expected}, found {found}; {do}")
            chosen.update(dict.fromkeys(matches))
        if not chosen:
            raise InputError("Portraits: targets: expected names or globs, found none; name some, or leave it out")
        return tuple(chosen)


def _draw(truth: PortraitsTruth, settings: PortraitsSettings, n: int, rng: np.random.Generator) -> Drawn:
    """Draw `n` portraits; every row takes its own numbers, so more rows leave the first ones as they are."""
    k, t = truth.label_given_group.shape
    uniform = rng.random((n, 1 + 3 * t))
    groups = np.minimum((uniform[:, 0] * k).astype(np.int64), k - 1)
    of_labels, of_faint, of_contrast = np.split(uniform[:, 1:], 3, axis=1)
    strengths = np.where(of_faint < truth.faint, settings.faint_contrast * of_contrast, 1.0)
    return Drawn(
        groups=groups,
        labels=of_labels < truth.label_given_group[groups],
        strengths=strengths.astype(np.float32),
    )


def _number(name: str) -> int:
    """The number in an id; 0 where it is none."""
    digits = name[1:]
    return int(digits) if name[:1] == "p" and len(digits) == 6 and digits.isascii() and digits.isdigit() else 0


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
