"""Labels and predictions put side by side by id."""

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import JoinError
from steelyard.tables.joined import Joined
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import complaint, counted, listed, some_ids
from steelyard.tables.prediction_table import PredictionTable


def join(labels: LabelTable, predictions: PredictionTable) -> Joined:
    """Put each prediction beside the labels of its image; nothing is dropped.

    Where the labels have splits, predictions may cover some of them, each in full; else they must cover
    all rows.

    Args:
        labels: `n` images.
        predictions: scores of some of them, in any order.

    Returns:
        The labels that have predictions, in the order of `labels`, and their scores.

    Raises:
        JoinError: an id is unknown, missing or there twice; the splits, the targets or the groups do not
            agree.
    """
    for table in (labels, predictions):
        _require_unique(table.ids, table.source)
    rows = _positions(labels, predictions)
    order = np.argsort(rows, kind="stable")
    _require_agreeing_splits(labels, predictions, rows)
    _require_cover(labels, predictions, rows)
    groups = _group_positions(labels, predictions)
    return Joined(
        labels=labels.take(rows[order]),
        scores=predictions.scores[np.ix_(order, _columns(labels, predictions))],
        kind=predictions.kind,
        predicted_groups=None if groups is None else groups[order],
        source=predictions.source,
    )


def _require_unique(ids: NDArray[np.str_], source: str) -> None:
    distinct, counts = np.unique(ids, return_counts=True)
    repeated = distinct[counts > 1]
    if repeated.size:
        found = f"{counted(len(repeated), 'repeated id')} ({some_ids(repeated)})"
        do = "keep one row for each image"
        raise JoinError(complaint(source, "ids", expected="each id once", found=found, do=do))


def _positions(labels: LabelTable, predictions: PredictionTable) -> NDArray[np.int64]:
    """The row of `labels` that each prediction belongs to."""
    place = {name: row for row, name in enumerate(labels.ids.tolist())}
    rows = np.array([place.get(name, -1) for name in predictions.ids.tolist()], dtype=np.int64)
    unknown = rows < 0
    if unknown.any():
        raise JoinError(
            complaint(
                predictions.source,
                "ids",
                expected=f"ids of {labels.source} (such as {listed(labels.ids[:1])})",
                found=f"{counted(int(unknown.sum()), 'unknown id')} ({some_ids(predictions.ids[unknown])})",
                do="remove these rows, add the images to the labels, or name the column of ids with --predictions-id",
            )
        )
    return rows


def _require_agreeing_splits(labels: LabelTable, predictions: PredictionTable, rows: NDArray[np.int64]) -> None:
    if predictions.splits is None:
        return
    if labels.splits is None:
        found = "them in the predictions only"
        do = "add the split column to the labels or drop it from the predictions"
        expected = f"splits in {labels.source}"
        raise JoinError(complaint(predictions.source, "splits", expected=expected, found=found, do=do))
    differ = labels.splits[rows] != predictions.splits
    if differ.any():
        first = int(np.flatnonzero(differ)[0])
        theirs = f"{predictions.splits[first]} for {labels.splits[rows[first]]}"
        found = f"{theirs} in {counted(int(differ.sum()), 'row')} ({some_ids(predictions.ids[differ])})"
        do = "correct the split column of one of the files"
        expected = f"the splits of {labels.source}"
        raise JoinError(complaint(predictions.source, "splits", expected=expected, found=found, do=do))


def _require_cover(labels: LabelTable, predictions: PredictionTable, rows: NDArray[np.int64]) -> None:
    """Raise where a split that has a prediction (or the whole table) is not covered in full."""
    covered = np.zeros(len(labels), dtype=np.bool_)
    covered[rows] = True
    if labels.splits is None:
        wanted, whole = np.ones(len(labels), dtype=np.bool_), f"{labels.source}"
        other = "drop these rows from the labels"
    else:
        touched = np.unique(labels.splits[rows])
        wanted, whole = (
            np.isin(labels.splits, touched),
            f"the {' and '.join(touched)} split of {labels.source}",
        )
        other = "leave that split out of the predictions"
    missing = wanted & ~covered
    if missing.any() or not len(rows):
        raise JoinError(
            complaint(
                predictions.source,
                "ids",
                expected=f"a prediction for each of the {counted(int(wanted.sum()), 'image')} of {whole}",
                found=f"none for {counted(int(missing.sum()), 'image')} ({some_ids(labels.ids[missing])})",
                do=f"predict these images or {other}",
            )
        )


def _columns(labels: LabelTable, predictions: PredictionTable) -> NDArray[np.int64]:
    """The column of the scores that holds each of the labels' targets."""
    place = {name: column for column, name in enumerate(predictions.target_names)}
    absent = [name for name in labels.target_names if name not in place]
    extra = set(predictions.target_names) - set(labels.target_names)
    if absent or extra:
        wrong = f"none for {listed(absent)}" if absent else f"{listed(sorted(extra))} besides"
        do = "read the predictions with labels= this table"
        expected = f"scores of the {counted(len(labels.target_names), 'target')} of {labels.source}"
        raise JoinError(complaint(predictions.source, "targets", expected=expected, found=wrong, do=do))
    return np.array([place[name] for name in labels.target_names], dtype=np.int64)


def _group_positions(labels: LabelTable, predictions: PredictionTable) -> NDArray[np.int64] | None:
    if predictions.predicted_groups is None:
        return None
    place = {name: position for position, name in enumerate(labels.group_names)}
    groups = np.array([place.get(name, -1) for name in predictions.predicted_groups.tolist()], dtype=np.int64)
    unknown = groups < 0
    if unknown.any():
        names = dict.fromkeys(predictions.predicted_groups[unknown].tolist())
        found = f"{listed(names)} ({some_ids(predictions.ids[unknown])})"
        do = "write the groups as the labels do"
        expected = f"the groups of {labels.source}: {listed(labels.group_names, 12)}"
        raise JoinError(complaint(predictions.source, "predicted groups", expected=expected, found=found, do=do))
    return groups
