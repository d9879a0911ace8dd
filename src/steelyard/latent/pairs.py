"""Pairs of generated images for training: G(z) and G(z′), made while training reads them or kept on disk.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469: both images of a pair have the target labels of G(z); the protected label of
G(z) is a, that of G(z′) is 1 − a. So targets and protected attribute are uncorrelated in the generated part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import JoinError
from steelyard.datasets.dataset import Dataset, ManyImages, Selection, by_split, rows_of, unknown_image
from steelyard.latent.by_id import ByLatent, mirror_ids
from steelyard.latent.generator import Latents
from steelyard.latent.pixels import Images, Synthesis, Told
from steelyard.latent.shards import Plan, Shards, make_shards
from steelyard.tables.label_table import LabelTable, Split
from steelyard.tables.messages import complaint, some_ids

Mirror = Callable[[Latents, tuple[str, ...]], Latents]
"""Latents `[n, d]` and the attributes to flip → mirrored latents `[n, d]`."""


def flips_of(protected: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Every set of protected attributes that a mirror image may change: 2^k − 1 of them, the smallest first."""
    return tuple(flip for size in range(1, len(protected) + 1) for flip in combinations(protected, size))


def pair_latents(latents: ByLatent, flips: Sequence[tuple[str, ...]], mirror: Mirror) -> ByLatent:
    """Ids and latents of the images and of all their mirror images, the images first.

    Args:
        latents: z by id.
        flips: what each mirror image changes.
        mirror: z → z′.
    """
    ids = [latents.ids, *(mirror_ids(latents.ids, flip) for flip in flips)]
    values = [latents.values, *(mirror(latents.values, flip).astype(np.float32, copy=False) for flip in flips)]
    return ByLatent(np.concatenate(ids), np.concatenate(values), source=latents.source)


def pair_labels(
    like: LabelTable,
    labels: ByLatent,
    ids: NDArray[np.str_],
    flips: Sequence[tuple[str, ...]],
    *,
    kept: Mapping[tuple[str, ...], NDArray[np.bool_]] | None = None,
    present: int = 1,
) -> LabelTable:
    """Labels of generated images and their mirror images, all of them training images.

    Args:
        like: labels of the real images; the targets and groups of the pairs are named as there.
        labels: of G(z), 0 or 1, by latent id: the targets, and the protected attribute by its name.
        ids: `[n]` of the latents that make pairs.
        flips: what each mirror image changes; a target among them (a second protected attribute) changes its label.
        kept: flip → `[n]`, which pairs a filter has left; None keeps all. An image without any pair left is no part.
        present: position of the group that has the protected attribute.

    Raises:
        JoinError: a latent has no labels.
    """
    rows = labels.of(ids)
    columns = {name: rows[:, at].astype(np.int64) for at, name in enumerate(labels.names)}
    stays = np.ones(len(ids), dtype=np.bool_)
    if kept is not None:
        stays = np.any(np.stack([kept[flip] for flip in flips]), axis=0)
    parts = [_part(like, columns, ids, (), stays, present)]
    for flip in flips:
        left = stays if kept is None else kept[flip]
        parts.append(_part(like, columns, mirror_ids(ids, flip), flip, left, present))
    return joined_labels(parts)


def _part(
    like: LabelTable,
    columns: Mapping[str, NDArray[np.int64]],
    ids: NDArray[np.str_],
    flip: tuple[str, ...],
    kept: NDArray[np.bool_],
    present: int,
) -> LabelTable:
    there = {name: 1 - values if name in flip else values for name, values in columns.items()}
    protected = there[like.protected]
    return replace(
        like,
        ids=ids[kept],
        groups=np.where(protected == 1, present, 1 - present)[kept].astype(np.int64),
        targets=np.stack([there[name] for name in like.target_names], axis=1)[kept].astype(np.uint8),
        splits=np.full(int(kept.sum()), "train"),
        source="pairs",
    )


def joined_labels(tables: Sequence[LabelTable]) -> LabelTable:
    """The rows of several tables of the same targets and groups, one after the other.

    Raises:
        JoinError: the tables share an id, or differ in targets or groups.
    """
    first = tables[0]
    for other in tables[1:]:
        if (other.target_names, other.group_names) != (first.target_names, first.group_names):
            expected, found = f"the targets and groups of {first.source}", "others"
            raise JoinError(complaint(other.source, "", expected=expected, found=found, do="label them alike"))
    ids = np.concatenate([table.ids for table in tables])
    distinct, counts = np.unique(ids, return_counts=True)
    if len(again := distinct[counts > 1]):
        expected, do = "ids that no other part has", "rename the images, or leave out one part"
        raise JoinError(complaint(first.source, "", expected=expected, found=some_ids(again), do=do))
    splits = [np.full(len(table), "train") if table.splits is None else table.splits for table in tables]
    return replace(
        first,
        ids=ids,
        groups=np.concatenate([table.groups for table in tables]),
        targets=np.concatenate([table.targets for table in tables]),
        splits=np.concatenate(splits),
    )


class OnTheFly:
    """Images of latents, synthesised when they are asked for; nothing is written."""

    def __init__(self, synthesis: Synthesis, latents: ByLatent) -> None:
        """Nothing is synthesised yet.

        Args:
            synthesis: makes images.
            latents: by id.
        """
        self._synthesis, self._latents = synthesis, latents

    def __call__(self, image_ids: Sequence[str]) -> Images:
        """`[n, h, w, 3]`: the images of these ids.

        Raises:
            JoinError: an id is not among the latents.
        """
        return self._synthesis(self._latents.of(np.array(image_ids, dtype=np.str_)))


class OnDisk:
    """Images of latents that `store` has written, read back shard by shard."""

    def __init__(self, folder: Path, ids: NDArray[np.str_]) -> None:
        """Look what the folder holds.

        Args:
            folder: that `store` wrote.
            ids: in the order in which they were stored.

        Raises:
            InputError: shards are missing, or of another number of images.
        """
        self._shards = Shards(folder)
        if self._shards.plan.rows != len(ids):
            found = f"{self._shards.plan.rows:,} images"
            raise JoinError(
                complaint(str(folder), "", expected=f"images of {len(ids):,} ids", found=found, do="make them anew")
            )
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def __call__(self, image_ids: Sequence[str]) -> Images:
        """`[n, h, w, 3]`: the images of these ids."""
        wanted = np.array(image_ids, dtype=np.str_)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        if (strange := self._sorted[at] != wanted).any():
            first = str(wanted[strange][0])
            raise unknown_image(str(self._shards.folder), first, dict.fromkeys(self._sorted.tolist()))
        return np.asarray(self._shards.rows(self._order[at]))


def store(
    folder: Path, synthesis: Synthesis, latents: ByLatent, *, mark: str, length: int = 1024, told: Told | None = None
) -> int:
    """Synthesise images onto disk in lossless shards; what stands already of the same mark and latents is left.

    Args:
        folder: for the shards.
        synthesis: makes images.
        latents: by id; their order is that of the images on disk.
        mark: fingerprint of the generator; images of another, or of other latents, are made anew.
        length: images of a shard.
        told: called with the number of images of each shard that was made.

    Returns:
        Images made in this session.

    Raises:
        InputError: the disk is full; shards that stand are sound, and the work goes on from there.
    """
    plan = Plan(len(latents), length, f"{mark}-{latents.mark()}")
    return make_shards(folder, plan, lambda span: synthesis(latents.values[span]), told=told)


class Pairs:
    """Generated images as a data set; they are training images."""

    name = "pairs"

    def __init__(self, table: LabelTable, images: Callable[[Sequence[str]], Images]) -> None:
        """Nothing is made or read yet.

        Args:
            table: labels, of `pair_labels`.
            images: ids → images: `OnTheFly` or `OnDisk`.
        """
        self._table, self._images = table, images
        self.source = table.source

    def labels(self, split: Split | None = None) -> LabelTable:
        """The labels of all of them."""
        return rows_of(self._table, split)

    def selections(self) -> tuple[Selection, ...]:
        """Every image counts."""
        return by_split(self._table)

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB."""
        return np.asarray(self.images([image_id])[0])

    def images(self, image_ids: Sequence[str]) -> NDArray[np.uint8]:
        """`[n, h, w, 3]`, RGB."""
        return self._images(image_ids)


class Together:
    """Real images and pairs as one data set; only the training images grow, validation and test images stay real."""

    name = "together"

    def __init__(self, real: Dataset, pairs: Pairs, *, real_training: bool = True) -> None:
        """Join their labels.

        Args:
            real: real images of the generator's size, with splits.
            pairs: generated images of the same size.
            real_training: False trains on the pairs only.

        Raises:
            JoinError: they share ids, or differ in targets or groups.
        """
        table = real.labels()
        if not real_training and table.splits is not None:
            table = table.take(np.flatnonzero(table.splits != "train"))
        generated = pairs.labels()
        self._real, self._pairs = real, pairs
        self._table = replace(joined_labels([table, generated]), source=real.source)
        self._generated = frozenset(generated.ids.tolist())
        self.source = real.source

    def labels(self, split: Split | None = None) -> LabelTable:
        """The labels of both."""
        return rows_of(self._table, split)

    def selections(self) -> tuple[Selection, ...]:
        """By split; every image counts."""
        return by_split(self._table)

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """`[h, w, 3]`, RGB."""
        return (self._pairs if image_id in self._generated else self._real).image(image_id)

    def images(self, image_ids: Sequence[str]) -> NDArray[np.uint8]:
        """`[n, h, w, 3]`, RGB."""
        generated = np.array([image_id in self._generated for image_id in image_ids], dtype=np.bool_)
        parts: list[tuple[NDArray[np.bool_], NDArray[np.uint8]]] = []
        for source, mask in ((self._real, ~generated), (self._pairs, generated)):
            wanted = [image_id for image_id, here in zip(image_ids, mask.tolist(), strict=True) if here]
            if wanted:
                if isinstance(source, ManyImages):
                    parts.append((mask, source.images(wanted)))
                else:
                    parts.append((mask, np.stack([source.image(image_id) for image_id in wanted])))
        made = np.empty((len(image_ids), *parts[0][1].shape[1:]), dtype=np.uint8)
        for mask, images in parts:
            made[mask] = images
        return made
