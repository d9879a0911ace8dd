"""Pairs: which are left by a filter, what the oracle says of them, their images on disk, and as a data set.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, section 3.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import UndefinedError
from steelyard.jobs.augment.labels import THRESHOLDS, annotate, read_labels_of
from steelyard.jobs.augment.networks import agreement, as_wanted, share
from steelyard.jobs.augment.oracle import judged, rates, sifted, train_filter
from steelyard.jobs.augment.planes import mirror_of, pair_rows
from steelyard.jobs.augment.steps import Made
from steelyard.jobs.augment.work import Work, file_name
from steelyard.latent.annotation import label_scores
from steelyard.latent.by_id import ByLatent, mirror_ids, read_columns, write_columns
from steelyard.latent.pairs import OnDisk, OnTheFly, Pairs, flips_of, pair_labels, pair_latents, store
from steelyard.latent.pixels import Images
from steelyard.latent.real import present_group
from steelyard.reports.records import load_json

Flip = tuple[str, ...]
Kept = dict[Flip, NDArray[np.bool_]]


def make_pairs(work: Work, folder: Path) -> Made:
    """Filter the pairs of every set, ask the oracle about them, and store their images where that is asked for."""
    rows, records, files, shares = pair_rows(work), [], [], []
    train_filter(work)
    for name, targets in work.sets.items():
        place = folder / file_name(name)
        place.mkdir(exist_ok=True)
        seen = _seen_by_oracle(work, rows, targets, place)
        kept = _filtered(work, rows, targets, place)
        table = ByLatent(
            rows.ids,
            np.stack([kept[flip] for flip in kept], axis=1).astype(np.uint8),
            tuple("+".join(flip) for flip in kept),
        )
        write_columns(place / "kept.parquet", table)
        files.append(place / "kept.parquet")
        shares += [one.mean() for one in kept.values()]
        records += _records(work, targets, kept, seen)
    large: tuple[Path, ...] = ()
    if work.config.pairs.images == "disk":
        _store(work, folder, rows)
        places = ("images", *(f"{file_name(name)}/images" for name in work.sets))
        large = tuple(path for place in places for path in sorted((folder / place).iterdir()) if path.is_file())
    says = f"{len(rows):,} pairs" + (f" of each of {len(shares):,} kinds" if len(shares) > 1 else "")
    if work.config.pairs.filter != "none":
        most = f" to {max(shares):.1%}" if len(shares) > 1 else ""
        says += f", of which the filter leaves {min(shares):.1%}{most}"
    return Made(tuple(files), says, {"rates": records, "pairs": len(rows)}, large)


def pair_dataset(work: Work, name: str, targets: Sequence[str]) -> Pairs:
    """The pairs of one set as a data set, with these targets.

    Args:
        work: has the steps' results.
        name: of the set.
        targets: that its mirror images keep.
    """
    rows, flips = pair_rows(work), flips_of(work.protected)
    _, labels = read_labels_of(work)
    held = read_columns(work.path("pairs") / file_name(name) / "kept.parquet")
    kept = {flip: held.column("+".join(flip)).astype(np.bool_) for flip in flips}
    like = work.real(targets).labels()
    table = pair_labels(like, labels, rows.ids, flips, kept=kept, present=present_group(work.labels))
    if work.config.pairs.images == "fly":
        return Pairs(table, OnTheFly(work.synthesis, pair_latents(rows, flips, mirror_of(work, targets))))
    folder = work.path("pairs")
    own = OnDisk(folder / "images", rows.ids)
    mirrored = OnDisk(folder / file_name(name) / "images", _mirrored_ids(rows, flips))
    return Pairs(table, _Either(frozenset(rows.ids.tolist()), own, mirrored))


class _Either:
    """Images from two folders: those of the latents themselves, which all sets share, and mirror images."""

    def __init__(
        self,
        own: frozenset[str],
        first: Callable[[Sequence[str]], Images],
        second: Callable[[Sequence[str]], Images],
    ) -> None:
        self._own, self._first, self._second = own, first, second

    def __call__(self, image_ids: Sequence[str]) -> Images:
        here = np.array([image_id in self._own for image_id in image_ids], dtype=np.bool_)
        parts = [
            (mask, source([one for one, wanted in zip(image_ids, mask.tolist(), strict=True) if wanted]))
            for mask, source in ((here, self._first), (~here, self._second))
            if mask.any()
        ]
        made = np.empty((len(image_ids), *parts[0][1].shape[1:]), dtype=np.uint8)
        for mask, images in parts:
            made[mask] = images
        return made


def _mirrored_ids(rows: ByLatent, flips: Sequence[Flip]) -> NDArray[np.str_]:
    return np.concatenate([mirror_ids(rows.ids, flip) for flip in flips])


def _mirrored(work: Work, rows: ByLatent, targets: Sequence[str], flip: Flip) -> ByLatent:
    """Mirror images of one kind, under the ids of their latents, row by row."""
    return ByLatent(rows.ids, mirror_of(work, targets)(rows.values, flip), source="mirrored latents")


def _seen_by_oracle(
    work: Work, rows: ByLatent, targets: Sequence[str], place: Path
) -> dict[Flip, dict[str, NDArray[np.bool_]]]:
    """Flip → attribute → whether the oracle sees it changed or kept, of the first pairs."""
    if work.config.oracle is None:
        return {}
    count = min(len(rows), work.config.oracle.pairs)
    some = ByLatent(rows.ids[:count], rows.values[:count], source=rows.source)
    work.progress(f"the oracle judges {count:,} pairs that keep {' and '.join(targets)}")
    before = judged(work, some, work.path("pairs") / "judged")
    found = {}
    for flip in flips_of(work.protected):
        after = judged(work, _mirrored(work, some, targets, flip), place / f"judged-{file_name('+'.join(flip))}")
        found[flip] = agreement(before, after, flip=flip, keep=_stay(work, targets, flip))
    return found


def _stay(work: Work, targets: Sequence[str], flip: Flip) -> tuple[str, ...]:
    return (*targets, *(name for name in work.protected if name not in flip))


def _filtered(work: Work, rows: ByLatent, targets: Sequence[str], place: Path) -> Kept:
    """Flip → which pairs are left."""
    kept: Kept = {}
    for flip in flips_of(work.protected):
        kept[flip] = np.ones(len(rows), dtype=np.bool_)
        if work.config.pairs.filter == "oracle":
            kept[flip] = _sifted(work, rows, targets, flip, place)
        elif work.config.pairs.filter == "annotators":
            kept[flip] = _agreed(work, rows, targets, flip, place)
        if not kept[flip].any():
            raise UndefinedError(
                f"pairs.filter: expected pairs in which {' and '.join(flip)} changes and {' and '.join(targets)} "
                f"stays, found none of {len(rows):,}; look at the planes' accuracy, or drop the filter"
            )
    return kept


def _agreed(work: Work, rows: ByLatent, targets: Sequence[str], flip: Flip, place: Path) -> NDArray[np.bool_]:
    """Which pairs the networks that labelled the latents see as they should be: one pass over the mirror images."""
    stay = _stay(work, targets, flip)
    work.progress(f"the classifiers look at {len(rows):,} mirror images")
    folder = place / f"scores-{file_name('+'.join(flip))}"
    scored = annotate(work, _mirrored(work, rows, targets, flip), folder, of=(*flip, *stay))
    thresholds = load_json(work.path("classifiers") / THRESHOLDS)
    after = label_scores(scored.table, {name: thresholds[name] for name in (*flip, *stay)})
    _, labels = read_labels_of(work)
    before = ByLatent(rows.ids, labels.of(rows.ids), labels.names)
    return as_wanted(agreement(before, after, flip=flip, keep=stay))


def _sifted(work: Work, rows: ByLatent, targets: Sequence[str], flip: Flip, place: Path) -> NDArray[np.bool_]:
    """Which pairs the filter's own network sees as they should be."""
    work.progress(f"the filter looks at {len(rows):,} pairs")
    before = sifted(work, rows, work.path("pairs") / "sifted")
    after = sifted(work, _mirrored(work, rows, targets, flip), place / f"sifted-{file_name('+'.join(flip))}")
    return as_wanted(agreement(before, after, flip=flip, keep=_stay(work, targets, flip)))


def _records(
    work: Work, targets: Sequence[str], kept: Kept, seen: Mapping[Flip, Mapping[str, NDArray[np.bool_]]]
) -> list[dict[str, Any]]:
    """A record of each kept target and each flip: rates and the share that the filter leaves."""
    records = []
    filtered = work.config.pairs.filter != "none"
    for flip, left in kept.items():
        found = {"kept_share": share("kept", left, of=" and ".join(flip))} if filtered else {}
        for target in targets:
            judged_of = seen.get(flip)
            row: dict[str, Any] = {"kept": target, "flipped": list(flip), "pairs": 0}
            every: dict[str, Any] = dict(found)
            if judged_of is not None:
                count = len(judged_of[target])
                row["pairs"] = count
                every |= rates(judged_of, left[:count] if filtered else None, flip=flip, target=target)
            records.append({**row, **{key: one.to_dict() for key, one in every.items() if one is not None}})
    return records


def _store(work: Work, folder: Path, rows: ByLatent) -> None:
    """Make all images and keep them; each latent's own once, its mirror images in every set."""
    flips, done = flips_of(work.protected), {"images": 0}
    total = len(rows) * (1 + len(flips) * len(work.sets))

    def told(count: int) -> None:
        done["images"] += count
        speed = work.synthesis.made / max(work.synthesis.seconds, 1e-9)
        work.progress(f"{done['images']:,} of {total:,} images stored ({speed:,.0f} images/s)")

    mark = work.generator_mark
    store(folder / "images", work.synthesis, rows, mark=mark, told=told)
    for name, targets in work.sets.items():
        parts = [_mirrored(work, rows, targets, flip).values for flip in flips]
        mirrored = ByLatent(_mirrored_ids(rows, flips), np.concatenate(parts), source="mirrored latents")
        store(folder / file_name(name) / "images", work.synthesis, mirrored, mark=mark, told=told)
