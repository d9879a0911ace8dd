"""imSitu: what the agent does as the target, the group from the agent's noun.

Yatskar, Zettlemoyer, Farhadi, CVPR 2016 (http://imsitu.org); boxes of agents from SWiG (Pratt et al., ECCV 2020,
https://arxiv.org/abs/2003.12058), whose files are of the same form.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.agents import DISAGREE, NO_GROUP, SOME_ABSTAIN, agent_group, noun_groups, require_rule
from steelyard.datasets.dataset import Selection, by_split, rows_of, unknown_image
from steelyard.datasets.images import read_image
from steelyard.datasets.json_files import field, read_json, wrong
from steelyard.datasets.layout import first_of, require_files, require_folder
from steelyard.datasets.people import People
from steelyard.datasets.words import AGENT_NOUNS, Words
from steelyard.tables import read_labels
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import closest, complaint, listed

_FILES: dict[Split, str] = {"train": "train.json", "val": "dev.json", "test": "test.json"}
_FOLDERS = "images", "of500_images_resized", "of500_images", "images_512"
_PLAIN = "labels.csv"
OTHER_VERB = "of verbs that are not listed"


@dataclass(frozen=True, slots=True)
class _Kept:
    """An image that counts: its split, group, verb, and its box and size (h, w) where SWiG gives them."""

    split: Split
    group: int
    verb: str
    box: tuple[float, float, float, float] | None
    size: tuple[int, int] | None


class Imsitu:
    """imSitu from its official files, or from a plain table of labels; ids are file names."""

    name = "imsitu"

    def __init__(
        self,
        source: str | Path,
        *,
        words: Words | None = None,
        rule: str = "agree",
        verbs: Sequence[str] | None = None,
        images: str | Path | None = None,
        protected: str = "gender",
    ) -> None:
        """Find the annotation files; they are read when they are needed.

        Args:
            source: folder with `train.json`, `dev.json`, `test.json` and `imsitu_space.json`; or a CSV or Parquet of
                `image`, `split`, `verb` and the group (or a folder with it as `labels.csv`), which needs no rule.
            words: group to nouns, by id (`n10787470`) or first gloss (`woman`).
            rule: how three annotators make one group: `agree` (all who name a listed noun), `majority`, `unanimous`.
            verbs: the verbs to keep; by default those that have an image that counts.
            images: folder of the images, where it is not in `source`.
            protected: name of the attribute that the groups are of; the column in a plain table.

        Raises:
            InputError: the layout or an option is not what it must be.
        """
        self.root = Path(source)
        self.source = str(self.root)
        self.protected = protected
        self._rule = require_rule(rule)
        self._words = words
        self._groups = tuple(sorted(AGENT_NOUNS if words is None else words))
        self._verbs = None if verbs is None else tuple(dict.fromkeys(verbs))
        self._images = Path(images) if images is not None else None
        self._plain = self._find_plain()
        if self._plain is None:
            require_folder(self.root, layout="imSitu")
            files = [self.root / name for name in (*_FILES.values(), "imsitu_space.json")]
            require_files(self.root, files, layout="the layout of imSitu", source="imsitu.org")
        elif words is not None or rule != "agree":
            found, do = f"{self._plain.name} alone, whose groups are given", "drop the option"
            expected = "frames for --words and --rule"
            raise InputError(complaint(self.source, "", expected=expected, found=found, do=do))

    def labels(self, split: Split | None = None) -> LabelTable:
        """Single-label targets (verbs) of the images that count."""
        return rows_of(self._made[0], split)

    def selections(self) -> tuple[Selection, ...]:
        """By split: images of other verbs, without a listed noun, disagreed on, and kept."""
        return self._made[1]

    def image_path(self, image_id: str) -> Path:
        """The image's file: in the images' folder, or there in its verb's folder."""
        if image_id not in self._verb_of:
            raise unknown_image(self.source, image_id, self._verb_of)
        folder = self._images or first_of(self.root if self.root.is_dir() else self.root.parent, *_FOLDERS)
        return first_of(folder, image_id, f"{self._verb_of[image_id]}/{image_id}")

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB."""
        return read_image(self.image_path(image_id))

    def people(self, image_id: str) -> People:
        """The agent's box; nobody where it was not found in the image.

        Raises:
            InputError: the files have no boxes.
        """
        if image_id not in self._verb_of:
            raise unknown_image(self.source, image_id, self._verb_of)
        kept = self._frames[0].get(image_id) if self._plain is None else None
        if kept is None or kept.size is None:
            do = "take the files of SWiG, which give 'bb', 'height' and 'width'"
            found = "none"
            raise InputError(complaint(self.source, f"image {image_id}", expected="boxes", found=found, do=do))
        boxes = np.array([kept.box] if kept.box else [], dtype=np.float64).reshape(-1, 4)
        return People(size=kept.size, boxes=boxes, masks=None, crowds=np.zeros(len(boxes), dtype=np.bool_))

    def _find_plain(self) -> Path | None:
        if self.root.is_file():
            return self.root
        plain = self.root / _PLAIN
        official = any((self.root / name).exists() for name in _FILES.values())
        return plain if plain.exists() and not official else None

    @cached_property
    def _verb_of(self) -> dict[str, str]:
        table = self.labels()
        return dict(zip(table.ids.tolist(), (table.target_names[code] for code in table.targets), strict=True))

    @cached_property
    def _made(self) -> tuple[LabelTable, tuple[Selection, ...]]:
        if self._plain is None:
            kept, selections = self._frames
            return self._table(kept, selections), selections
        table = _only_verbs(read_labels(self._plain, protected=self.protected, target="verb"), self._verbs)
        return table, by_split(table)

    @cached_property
    def _frames(self) -> tuple[dict[str, _Kept], tuple[Selection, ...]]:
        """The images that count, in the order of the files, and what became of the others."""
        nouns = noun_groups(self.root / "imsitu_space.json", self._words)
        kept: dict[str, _Kept] = {}
        selections, seen = [], set[str]()
        for split, file in _FILES.items():
            path = self.root / file
            content = read_json(path)
            if not isinstance(content, dict):
                raise wrong(path, "", "an object of image names", type(content).__name__, "use the official file")
            counts: Counter[int | str] = Counter()
            for image, record in content.items():
                verb = field(record, "verb", str, path, f"image {image}")
                seen.add(verb)
                said = self._said(record, verb, nouns, path, f"image {image}")
                counts[said] += 1
                if isinstance(said, str):
                    continue
                if image in kept:
                    found, do = f"it in {_FILES[kept[image].split]}, too", "use the official files"
                    raise wrong(path, f"image {image}", "each image in one file", found, do)
                kept[image] = _Kept(split, said, verb, *_agent_box(record, path, image))
            selections.append(self._selection(split, counts))
        _require_verbs(self._verbs, seen, self.source)
        return kept, tuple(selections)

    def _said(self, record: Any, verb: str, nouns: dict[str, int], path: Path, where: str) -> int | str:
        """The position of the agent's group, or why the image does not count."""
        if self._verbs is not None and verb not in self._verbs:
            return OTHER_VERB
        return agent_group(field(record, "frames", list, path, where), nouns, self._rule)

    def _selection(self, split: Split, counts: Counter[int | str]) -> Selection:
        asked = {OTHER_VERB: self._verbs is not None, SOME_ABSTAIN: self._rule == "unanimous"}
        reasons = [reason for reason in (OTHER_VERB, NO_GROUP, DISAGREE, SOME_ABSTAIN) if asked.get(reason, True)]
        return Selection(
            split=split,
            images=counts.total(),
            dropped={reason: counts[reason] for reason in reasons},
            kept={group: counts[position] for position, group in enumerate(self._groups)},
        )

    def _table(self, kept: dict[str, _Kept], selections: tuple[Selection, ...]) -> LabelTable:
        groups = np.array([one.group for one in kept.values()], dtype=np.int64)
        if len(np.unique(groups)) < 2:
            found = "; ".join(map(str, selections))
            expected = "images whose agents are of two or more groups"
            raise InputError(complaint(self.source, "", expected=expected, found=found, do="give other --words"))
        verbs, targets = np.unique([one.verb for one in kept.values()], return_inverse=True)
        return LabelTable(
            ids=np.array(list(kept), dtype=np.str_),
            groups=groups,
            group_names=self._groups,
            targets=targets.astype(np.int64),
            target_names=tuple(verbs.tolist()),
            kind="single",
            splits=np.array([one.split for one in kept.values()], dtype=np.str_),
            protected=self.protected,
            source=self.source,
            id_column="image",
            split_column="split",
            target_column="verb",
        )


def _agent_box(
    record: dict[str, Any], path: Path, image: str
) -> tuple[tuple[float, float, float, float] | None, tuple[int, int] | None]:
    """The agent's box and the size of the image it is in, or None; −1 marks an agent that was not found."""
    if "bb" not in record:
        return None, None
    where = f"image {image}"
    size = field(record, "height", int, path, where), field(record, "width", int, path, where)
    box = field(record, "bb", dict, path, where).get("agent") or [-1, -1, -1, -1]
    if len(box) != 4:
        raise wrong(path, where, "four numbers for the agent in 'bb'", f"{len(box)}", "use the official file")
    if min(box) < 0:
        return None, size
    left, top, right, bottom = map(float, box)
    return (left, top, right, bottom), size


def _only_verbs(table: LabelTable, verbs: tuple[str, ...] | None) -> LabelTable:
    if verbs is None:
        return table
    _require_verbs(verbs, set(table.target_names), table.source)
    names = tuple(sorted(verbs))
    chosen = np.array([name in names for name in table.target_names])
    part = table.take(np.flatnonzero(chosen[table.targets]))
    place = np.cumsum(chosen) - 1
    return replace(part, targets=place[part.targets].astype(np.int64), target_names=names)


def _require_verbs(verbs: tuple[str, ...] | None, seen: set[str], source: str) -> None:
    unknown = [verb for verb in verbs or () if verb not in seen]
    if unknown:
        found = f"{listed(unknown)}{closest(unknown[0], sorted(seen))}"
        expected = f"verbs among the {len(seen):,} there"
        raise InputError(complaint(source, "--verbs", expected=expected, found=found, do="correct the list"))
