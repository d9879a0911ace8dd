"""COCO 2014 and 2017: objects as targets, groups from captions, segments and boxes of the people.

The set-up of Wang et al. (ICCV 2019, https://arxiv.org/abs/1811.08489) after Zhao et al. (EMNLP 2017): images with a
person whose captions name one group only; the targets are the categories other than person.
"""

from collections import Counter
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.coco_files import ImageRecord, Instances, read_captions, read_instances
from steelyard.datasets.dataset import SPLITS, Selection, rows_of, unknown_image
from steelyard.datasets.images import read_image
from steelyard.datasets.layout import first_of, require_files, require_folder
from steelyard.datasets.people import People, decode_segment
from steelyard.datasets.split_file import read_split_file
from steelyard.datasets.words import CAPTION_WORDS, Words, group_of_word, named_groups, require_single_words
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import complaint, some_ids

YEARS = (2017, 2014)
_OFFICIAL = "train", "val"
NO_PERSON, NEITHER, SEVERAL = "without a person", "whose captions name no group", "whose captions name several groups"


class Coco:
    """COCO in its official layout; ids are file names."""

    name = "coco"

    def __init__(
        self,
        source: str | Path,
        *,
        year: int | None = None,
        words: Words | None = None,
        splits: str | Path | None = None,
        images: str | Path | None = None,
        protected: str = "gender",
    ) -> None:
        """Find the annotation files; they are read when they are needed.

        Args:
            source: folder with `annotations/`, and `train2017/`, `val2017/` (or of 2014), or these in `images/`.
            year: 2014 or 2017; by default the one that is there.
            words: group to the words that name it in captions; two or more groups.
            splits: a table of image ids (file names or COCO's numbers) and their splits, such as the authors': only
                these images are taken. By default the official train and val.
            images: folder that holds `train2017/` and `val2017/` (or of 2014), where it is not `source`.
            protected: name of the attribute that the groups are of.

        Raises:
            InputError: the layout or an option is not what it must be.
        """
        self.root = Path(source)
        self.source = str(self.root)
        self.protected = protected
        self._words = dict(CAPTION_WORDS if words is None else words)
        require_single_words(self._words)
        self._owner = group_of_word(self._words)
        self._groups = tuple(sorted(self._words))
        self._split_file = None if splits is None else Path(splits)
        require_folder(self.root, layout="COCO")
        self._images = Path(images) if images is not None else None
        self.year = self._find_year(year)
        self._parts = tuple(part for part in _OFFICIAL if self._any_file(part, self.year)) or ("train",)
        files = [self._file(kind, part, self.year) for part in self._parts for kind in ("instances", "captions")]
        layout = f"the layout of COCO {self.year}"
        require_files(self.root, files, layout=layout, source=f"annotations_trainval{self.year}.zip")

    def labels(self, split: Split | None = None) -> LabelTable:
        """Multi-label targets (categories without person) of the images that count."""
        return rows_of(self._made[0], split)

    def selections(self) -> tuple[Selection, ...]:
        """By split: images without a person, with captions of no group, of several groups, and kept."""
        return self._made[1]

    def image_path(self, image_id: str) -> Path:
        """The image's file, in the folder of its official part."""
        part, _, _ = self._record(image_id)
        folder = f"{part}{self.year}"
        if self._images is not None:
            return self._images / folder / image_id
        return first_of(self.root, folder, f"images/{folder}") / image_id

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB.

        Raises:
            InputError: the file is missing or damaged, or has not the size that the annotations say.
        """
        _, record, _ = self._record(image_id)
        path = self.image_path(image_id)
        pixels = read_image(path)
        if pixels.shape[:2] != (record.height, record.width):
            expected = f"{record.height} by {record.width} pixels, as annotated"
            found = f"{pixels.shape[0]} by {pixels.shape[1]}"
            raise InputError(complaint(str(path), "", expected=expected, found=found, do="use the original image"))
        return pixels

    def people(self, image_id: str) -> People:
        """Boxes and masks of the people and crowds of an image.

        Raises:
            InputError: a segment is not of COCO's format.
            MissingExtraError: pycocotools is not installed.
        """
        _, record, file = self._record(image_id)
        size = record.height, record.width
        people, source = record.people, str(file)
        masks = [
            decode_segment(one.segment, size, one.box, source=source, where=f"annotation {one.number}")
            for one in people
        ]
        return People(
            size=size,
            boxes=np.array([one.box for one in people], dtype=np.float64).reshape(-1, 4),
            masks=np.array(masks, dtype=np.bool_).reshape(-1, *size),
            crowds=np.array([one.crowd for one in people], dtype=np.bool_),
        )

    def captions(self, image_id: str) -> tuple[str, ...]:
        """The captions that the group was read from."""
        part, _, _ = self._record(image_id)
        return tuple(self._captions[part].get(self._numbers[image_id], ()))

    def _find_year(self, year: int | None) -> int:
        if year is not None and year not in YEARS:
            raise InputError(f"--year: expected 2014 or 2017, found {year}")
        there = [number for number in YEARS if any(self._any_file(part, number) for part in _OFFICIAL)]
        if year is None and len(there) > 1:
            do = "choose one with --year"
            found = "annotations of both"
            raise InputError(complaint(self.source, "", expected="COCO 2014 or 2017", found=found, do=do))
        return year or (there or list(YEARS))[0]

    def _file(self, kind: str, part: str, year: int) -> Path:
        return self.root / "annotations" / f"{kind}_{part}{year}.json"

    def _any_file(self, part: str, year: int) -> bool:
        return any(self._file(kind, part, year).exists() for kind in ("instances", "captions"))

    @cached_property
    def _instances(self) -> dict[str, Instances]:
        return {part: read_instances(self._file("instances", part, self.year)) for part in self._parts}

    @cached_property
    def _captions(self) -> dict[str, dict[int, list[str]]]:
        return {part: read_captions(self._file("captions", part, self.year)) for part in self._parts}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """File name to COCO's number, over all parts."""
        return {record.file_name: number for read in self._instances.values() for number, record in read.images.items()}

    @cached_property
    def _made(self) -> tuple[LabelTable, tuple[Selection, ...]]:
        return self._select()

    def _record(self, image_id: str) -> tuple[str, ImageRecord, Path]:
        number = self._numbers.get(image_id)
        if number is None:
            raise unknown_image(self.source, image_id, self._numbers)
        part = next(part for part, read in self._instances.items() if number in read.images)
        read = self._instances[part]
        return part, read.images[number], read.path

    def _select(self) -> tuple[LabelTable, tuple[Selection, ...]]:
        first = next(iter(self._instances.values()))
        splits = self._splits()
        counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        ids, groups, kept_splits, rows = [], [], [], []
        for part, read in self._instances.items():
            for number, record in read.images.items():
                split = splits.get(record.file_name)
                if split is None:
                    continue
                said = self._said(record, self._captions[part].get(number, []))
                counts[split][said if isinstance(said, str) else self._groups[said]] += 1
                if not isinstance(said, str):
                    ids.append(record.file_name)
                    groups.append(said)
                    kept_splits.append(split)
                    rows.append([category in record.categories for category in first.categories])
        selections = tuple(self._selection(split, counts[split]) for split in SPLITS if counts[split])
        if len(set(groups)) < 2:
            found = "; ".join(map(str, selections)) or "no image"
            expected = "images whose captions name two or more groups"
            raise InputError(complaint(self.source, "", expected=expected, found=found, do="give other --words"))
        table = LabelTable(
            ids=np.array(ids, dtype=np.str_),
            groups=np.array(groups, dtype=np.int64),
            group_names=self._groups,
            targets=np.array(rows, dtype=np.uint8),
            target_names=tuple(first.categories.values()),
            kind="multi",
            splits=np.array(kept_splits, dtype=np.str_),
            protected=self.protected,
            source=self.source,
            id_column="image",
            split_column="split",
        )
        return table, selections

    def _said(self, record: ImageRecord, captions: list[str]) -> int | str:
        """The position of the image's group, or why it has none."""
        if not record.people:
            return NO_PERSON
        named = named_groups(captions, self._owner)
        return named.pop() if len(named) == 1 else SEVERAL if named else NEITHER

    def _selection(self, split: str, counts: Counter[str]) -> Selection:
        several = SEVERAL.replace("several", "both") if len(self._groups) == 2 else SEVERAL
        dropped = {NO_PERSON: counts[NO_PERSON], NEITHER: counts[NEITHER], several: counts[SEVERAL]}
        kept = {group: counts[group] for group in self._groups}
        return Selection(split=split, images=counts.total(), dropped=dropped, kept=kept)

    def _splits(self) -> dict[str, str]:
        """File name to split, of the images that take part."""
        if self._split_file is None:
            return {record.file_name: part for part, read in self._instances.items() for record in read.images.values()}
        names: dict[str, str] = {}
        for name, number in self._numbers.items():
            names |= {name: name, Path(name).stem: name, str(number): name}
        listed = read_split_file(self._split_file)
        unknown = [image for image in listed if image not in names]
        if unknown:
            expected = f"file names or numbers of images in {self.source}"
            found, do = f"{len(unknown):,} others ({some_ids(unknown)})", "add the annotations that they are in"
            raise InputError(complaint(str(self._split_file), "", expected=expected, found=found, do=do))
        return {names[image]: split for image, split in listed.items()}
