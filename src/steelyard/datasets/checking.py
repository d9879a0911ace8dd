"""A data set checked before anything is trained on it: files, images, and what its labels hold."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelyard.base.errors import InputError, first_few
from steelyard.datasets.dataset import SPLITS, Dataset, OnDisk, Selection
from steelyard.datasets.images import require_cv2
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import counted

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCounts:
    """Images of one split: of each group, and how common its labels are.

    Attributes:
        split: its name; empty where there are no splits.
        groups: group to images.
        per_image: labels of an image, on average (1 for single-label data).
        absent: labels that none of its images has.
        one_sided: labels that images of one group alone have.
    """

    split: str
    groups: dict[str, int]
    per_image: float
    absent: tuple[str, ...]
    one_sided: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCheck:
    """What was found.

    Attributes:
        name: the data set.
        source: its folder or file.
        images: images that count.
        target_names: the labels.
        kind: `single` or `multi`.
        selections: what was kept and dropped, by split.
        splits: what the labels hold, by split.
        missing_folders: folders that are not there, with the number of images that belong in each.
        missing: files that are not there, in folders that are.
        unreadable: one line for each file that is no whole image.
        sizes: smallest and largest height and width in pixels, or None where no image was read.
    """

    name: str
    source: str
    images: int
    target_names: tuple[str, ...]
    kind: str
    selections: tuple[Selection, ...]
    splits: tuple[SplitCounts, ...]
    missing_folders: dict[str, int]
    missing: tuple[str, ...]
    unreadable: tuple[str, ...]
    sizes: tuple[tuple[int, int], tuple[int, int]] | None

    @property
    def faults(self) -> str:
        """What keeps the data set from being used, on one line; empty where nothing does."""
        said = [f"no folder {folder}, where {count:,} images belong" for folder, count in self.missing_folders.items()]
        if self.missing:
            said.append(f"no file for {counted(len(self.missing), 'image')} ({first_few(self.missing)})")
        if self.unreadable:
            names = first_few([line.partition(": expected")[0] for line in self.unreadable])
            said.append(f"{counted(len(self.unreadable), 'image')} cannot be read ({names})")
        return "; ".join(said)

    def __str__(self) -> str:
        kind = "categories, one an image" if self.kind == "single" else "labels, any number an image"
        lines = [f"{self.name} in {self.source}: {len(self.target_names):,} {kind}", "", "Images that count"]
        lines += [f"  {selection}" for selection in self.selections]
        lines += ["", "Labels"]
        for one in self.splits:
            lines += [f"  {line}" for line in _label_lines(one, len(self.target_names), self.kind)]
        lines += ["", "Image files", *(f"  {line}" for line in self._file_lines())]
        return "\n".join(lines)

    def _file_lines(self) -> Iterator[str]:
        bad = len(self.missing) + sum(self.missing_folders.values()) + len(self.unreadable)
        yield f"{self.images - bad:,} of {counted(self.images, 'image')} read whole"
        if self.sizes is not None:
            (low_h, low_w), (high_h, high_w) = self.sizes
            yield f"{low_h:,} – {high_h:,} pixels high, {low_w:,} – {high_w:,} wide"
        for folder, count in self.missing_folders.items():
            yield f"no folder {folder}: {counted(count, 'image')} belong there"
        yield from _few(self.missing, "not there")
        yield from _few(self.unreadable, "cannot be read")


def check_dataset(
    dataset: Dataset,
    *,
    workers: int = 4,
    every: int = 1000,
    progress: Callable[[str], None] = lambda stage: None,
) -> DataCheck:
    """Read every image that counts, and count what the labels hold.

    Args:
        dataset: the data set.
        workers: threads that read images.
        every: images between two reports of progress.
        progress: told of each stage.

    Raises:
        InputError: the labels cannot be read.
        MissingExtraError: OpenCV is not installed.
    """
    require_cv2()
    progress("reading labels")
    table = dataset.labels()
    ids = table.ids.tolist()
    folders, missing, there = _sort_by_presence(dataset, ids)
    unreadable: list[str] = []
    sizes: list[tuple[int, int]] = []

    def look(image_id: str) -> tuple[int, int] | str:
        try:
            height, width = dataset.image(image_id).shape[:2]
        except InputError as error:
            return str(error)
        return height, width

    with ThreadPoolExecutor(workers) as pool:
        # In blocks, so that a large data set's answers do not pile up ahead of the report.
        for start in range(0, len(there), every):
            progress(f"reading images: {start:,} of {len(there):,}")
            for seen in pool.map(look, there[start : start + every]):
                if isinstance(seen, str):
                    unreadable.append(seen)
                else:
                    sizes.append(seen)
    ends = np.array(sizes, dtype=np.int64).reshape(-1, 2)
    return DataCheck(
        name=dataset.name,
        source=dataset.source,
        images=len(ids),
        target_names=table.target_names,
        kind=table.kind,
        selections=dataset.selections(),
        splits=tuple(_count(table, split) for split in ("", *SPLITS) if _rows(table, split).any()),
        missing_folders=folders,
        missing=tuple(missing),
        unreadable=tuple(unreadable),
        sizes=None if not len(ends) else (_pair(ends.min(axis=0)), _pair(ends.max(axis=0))),
    )


def _sort_by_presence(dataset: Dataset, ids: list[str]) -> tuple[dict[str, int], list[str], list[str]]:
    """Folders that are not there, files that are not there, and ids whose files are."""
    if not isinstance(dataset, OnDisk):
        return {}, [], ids
    folders: dict[str, int] = {}
    missing, there = [], []
    known: dict[Path, bool] = {}
    for image_id in ids:
        path = dataset.image_path(image_id)
        if not known.setdefault(path.parent, path.parent.is_dir()):
            folders[str(path.parent)] = folders.get(str(path.parent), 0) + 1
        elif path.exists():
            there.append(image_id)
        else:
            missing.append(str(path))
    return folders, missing, there


def _rows(table: LabelTable, split: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    if table.splits is None:
        return np.full(len(table), split == "")
    return np.asarray(table.splits == split)


def _count(table: LabelTable, split: str) -> SplitCounts:
    part = table.take(np.flatnonzero(_rows(table, split)))
    flags = part.matrix()
    of_group = np.array([flags[part.groups == group].sum(axis=0) for group in range(len(part.group_names))])
    total = of_group.sum(axis=0)
    names = np.array(part.target_names)
    return SplitCounts(
        split=split,
        groups=dict(zip(part.group_names, np.bincount(part.groups, minlength=len(of_group)).tolist(), strict=True)),
        per_image=float(flags.sum() / len(part)),
        absent=tuple(names[total == 0].tolist()),
        one_sided=tuple(names[(total > 0) & ((of_group > 0).sum(axis=0) == 1)].tolist()),
    )


def _label_lines(one: SplitCounts, labels: int, kind: str) -> Iterator[str]:
    name, total = one.split or "all", sum(one.groups.values())
    shares = ", ".join(f"{100 * count / total:.1f} % {group}" for group, count in one.groups.items())
    average = f"; {one.per_image:.2f} labels an image" if kind == "multi" else ""
    yield f"{name}: {shares}{average}; {labels - len(one.absent):,} of {labels:,} labels occur"
    if one.absent:
        yield f"  no image has {first_few(one.absent, _SHOWN)}"
    if one.one_sided:
        yield f"  in one group alone: {first_few(one.one_sided, _SHOWN)}"


def _few(lines: Sequence[str], what: str) -> Iterator[str]:
    if lines:
        yield f"{len(lines):,} {what}:"
        yield from (f"  {line}" for line in lines[:_SHOWN])
        if len(lines) > _SHOWN:
            yield f"  and {len(lines) - _SHOWN:,} more"


def _pair(ends: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> tuple[int, int]:
    return int(ends[0]), int(ends[1])
