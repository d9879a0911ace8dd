"""Potentials beside labels: names matched, rows to calibrate and rows to count from chosen."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.reports.calibration_figures import FEW_IMAGES
from steelyard.tables import LabelTable, PotentialTable
from steelyard.tables.messages import closest, complaint, counted, listed, quoted, some_ids
from steelyard.tables.roles import SPLIT_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is calibrated, and against what.

    Attributes:
        potentials: of the images to calibrate, groups and targets in the order of the labels.
        training: the rows that the shares are counted from.
        training_rows: which these are, in words.
        known: `[m]` rows of `potentials` whose true labels are known.
        truth: `m` rows: their labels, in that order.
    """

    potentials: PotentialTable
    training: LabelTable
    training_rows: str
    known: NDArray[np.int64]
    truth: LabelTable


def corpus(potentials: PotentialTable, labels: LabelTable, *, train_split: str, split: str | None) -> Corpus:
    """Match names, choose rows.

    Args:
        potentials: in any order of groups and targets.
        labels: with the same names.
        train_split: `train`, `val` or `test`: rows of it are counted; without splits, the rows without potentials are.
        split: only images of this split are calibrated; None takes all that have potentials.

    Raises:
        InputError: names do not agree, a split is not there, or no row is left to count or to calibrate.
    """
    ordered = _in_order(potentials, labels)
    place = {name: row for row, name in enumerate(labels.ids.tolist())}
    rows = np.array([place.get(name, -1) for name in ordered.ids.tolist()], dtype=np.int64)
    training, words = _training(labels, rows, potentials.source, train_split)
    if split is not None:
        kept = _of_split(labels, rows, ordered.ids, potentials.source, split)
        ordered, rows = _take(ordered, kept), rows[kept]
    known = np.flatnonzero(rows >= 0)
    return Corpus(
        potentials=ordered,
        training=labels.take(training),
        training_rows=words,
        known=known,
        truth=labels.take(rows[known]),
    )


def _in_order(potentials: PotentialTable, labels: LabelTable) -> PotentialTable:
    """The potentials with groups and targets in the order of the labels."""
    if potentials.kind != labels.kind:
        forms = {"multi": "many 0/1 columns (--targets)", "single": "one category an image (--target)"}
        expected = f"potentials of {labels.kind}-label targets, as {labels.source} is read: {forms[labels.kind]}"
        do = "name the labels' columns with --target or --targets as the model was trained"
        raise InputError(
            complaint(potentials.source, "", expected=expected, found=f"{potentials.kind}-label ones", do=do)
        )
    groups = _positions("groups", potentials.group_names, labels.group_names, potentials, labels, "--protected")
    option = "--target" if labels.kind == "single" else "--targets"
    targets = _positions("targets", potentials.target_names, labels.target_names, potentials, labels, option)
    axes = (groups, targets) if potentials.kind == "multi" else (targets, groups)
    scores = potentials.group_scores
    return replace(
        potentials,
        potentials=potentials.potentials[:, axes[0]][:, :, axes[1]],
        group_scores=None if scores is None else scores[:, groups],
        group_names=labels.group_names,
        target_names=labels.target_names,
    )


def _positions(
    field: str,
    found: tuple[str, ...],
    wanted: tuple[str, ...],
    potentials: PotentialTable,
    labels: LabelTable,
    option: str,
) -> list[int]:
    """Where each of the labels' names is among those of the potentials."""
    unknown = [name for name in found if name not in wanted]
    missing = [name for name in wanted if name not in found]
    if unknown or missing:
        parts = [f"{listed(unknown)}, which {'is' if len(unknown) == 1 else 'are'} not there" if unknown else ""]
        parts += [f"none for {listed(missing)}" if missing else ""]
        hint = closest(unknown[0], missing) if unknown and missing else ""
        raise InputError(
            complaint(
                potentials.source,
                field,
                expected=f"the {counted(len(wanted), field[:-1])} of {labels.source}",
                found=" and ".join(part for part in parts if part) + hint,
                do=f"write the names as the labels do, or name other columns with {option}",
            )
        )
    return [found.index(name) for name in wanted]


def _training(
    labels: LabelTable, rows: NDArray[np.int64], source: str, train_split: str
) -> tuple[NDArray[np.int64], str]:
    """The rows of the labels that shares are counted from, and which they are in words."""
    if train_split.lower() not in SPLIT_NAMES:
        raise InputError(f"--train-split: expected train, val or test, found {train_split!r}")
    if labels.splits is not None:
        name = SPLIT_NAMES[train_split.lower()]
        training = np.flatnonzero(labels.splits == name)
        if not len(training):
            found = listed(dict.fromkeys(labels.splits.tolist()))
            do = "name the split to count shares from with --train-split, or other labels"
            raise InputError(
                complaint(labels.source, "splits", expected=f"rows of the {name} split", found=f"only {found}", do=do)
            )
        return training, f"the {name} split"
    free = np.ones(len(labels), dtype=np.bool_)
    free[rows[rows >= 0]] = False
    do = "add a column that says train and name it with --split-column"
    if free.all():
        expected = (
            f"ids that {labels.source} has too, as it has no split column and rows without potentials are counted"
        )
        found = f"none of its {counted(len(labels), 'id')} (such as {listed(labels.ids[:1])}) among the potentials"
        raise InputError(complaint(source, "ids", expected=expected, found=found, do=f"correct the ids, or {do}"))
    if not free.any():
        expected = "rows without potentials to count shares from, as there is no split column"
        found = f"potentials for all {counted(len(labels), 'row')}"
        raise InputError(complaint(labels.source, "", expected=expected, found=found, do=do))
    return np.flatnonzero(free), "the rows without potentials"


def require_support(found: Corpus, least: int) -> None:
    """See that some label can be constrained.

    Raises:
        InputError: none has the training images.
    """
    support = found.training.matrix().sum(axis=0)
    if not len(support) or support.max() < least:
        most = f"at most {support.max():,} ({quoted(found.training.target_names[int(support.argmax())])})"
        raise InputError(
            complaint(
                found.training.source,
                "targets",
                expected=f"a label with at least {counted(least, 'image')} in {found.training_rows}",
                found=most,
                do="lower --min-support or give more training rows",
            )
        )


def _no_match(ids: NDArray[np.str_], others: NDArray[np.str_]) -> str:
    """That no id is among the others, and the first of either to compare."""
    first, other = (quoted(some[0]) for some in (ids, others))
    return f"none of the {counted(len(ids), 'id')} (first: {first}) among {len(others):,} there (first: {other})"


def _of_split(
    labels: LabelTable, rows: NDArray[np.int64], ids: NDArray[np.str_], source: str, split: str
) -> NDArray[np.int64]:
    """The rows of the potentials that are of a split."""
    if split.lower() not in SPLIT_NAMES:
        raise InputError(f"--split: expected train, val or test, found {split!r}")
    if labels.splits is None:
        do = "name it with --split-column, or leave --split out"
        raise InputError(f"--split {split}: {labels.source} has no split column; {do}")
    if not (rows >= 0).any():
        expected = f"ids that {labels.source} has too, as --split {split} is looked up there"
        do = "write the ids as the labels do, or leave --split out"
        raise InputError(complaint(source, "ids", expected=expected, found=_no_match(ids, labels.ids), do=do))
    of = np.where(rows >= 0, labels.splits[rows], "")
    kept = np.flatnonzero(of == SPLIT_NAMES[split.lower()])
    if not len(kept):
        raise InputError(f"--split {split}: {source} has no image of it; name another split, or leave it out")
    return kept


def _take(table: PotentialTable, rows: NDArray[np.int64]) -> PotentialTable:
    scores = table.group_scores
    return replace(
        table,
        ids=table.ids[rows],
        potentials=table.potentials[rows],
        group_scores=None if scores is None else scores[rows],
    )


def warnings_on(found: Corpus, labels: LabelTable, train_split: str) -> Iterable[str]:
    """That no image is known, where the labels have rows beside those that are counted from."""
    if len(found.known) or labels.splits is None:
        return
    free = labels.splits != SPLIT_NAMES[train_split.lower()]
    if free.any():
        ids = found.potentials.ids
        yield (
            f"No calibrated image has a row in {labels.source}, though {counted(int(free.sum()), 'row')} there "
            f"{'is' if free.sum() == 1 else 'are'} not of the {SPLIT_NAMES[train_split.lower()]} split: "
            f"none of the {counted(len(ids), 'id')} of {found.potentials.source} is among the labels’ ids (first: "
            f"{quoted(ids[0])}; there: {quoted(labels.ids[free][0])}). What calibration costs is therefore not "
            "measured; if these are the same images, write their ids alike."
        )


def notes_on(found: Corpus, labels: LabelTable, *, warned: bool) -> Iterable[str]:
    """What a reader must know of the rows; `warned`: that no image is known has been said."""
    if len(found.potentials) < FEW_IMAGES:
        yield (
            f"Only {counted(len(found.potentials), 'image')} calibrated, of which little can be said: intervals are "
            f"too narrow below {FEW_IMAGES}, and no difference is called clear of 0."
        )
    else:
        counts = np.bincount(found.truth.groups, minlength=len(labels.group_names))
        small = [name for name, count in zip(labels.group_names, counts, strict=True) if count < FEW_IMAGES]
        if small and len(found.known):
            names = ", ".join(map(quoted, small))
            yield f"Groups of fewer than {FEW_IMAGES} calibrated images, of which little can be said: {names}."
    unknown = np.setdiff1d(np.arange(len(found.potentials)), found.known)
    if len(unknown) and not warned:
        names = some_ids(found.potentials.ids[unknown])
        yield (
            f"{len(unknown):,} of {len(found.potentials):,} calibrated images have no row in {labels.source} "
            f"({names}): they are calibrated with the others, and left out of what needs true labels."
        )
    seen = int(np.isin(found.potentials.ids, found.training.ids).sum())
    if seen:
        yield (
            f"{seen:,} of the calibrated images are among those that the training shares are counted from: a "
            "model says more about images that it was trained on."
        )
    absent = np.flatnonzero(np.bincount(found.training.groups, minlength=len(labels.group_names)) == 0)
    if len(absent):
        names = ", ".join(quoted(labels.group_names[group]) for group in absent)
        yield f"No training image is of {names}: constrained labels may keep at most the margin of it."
