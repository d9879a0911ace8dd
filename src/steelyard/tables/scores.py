"""The scores of a predictions table, checked against what their kind allows."""

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.columns import numbers
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import closest, complaint, counted, listed, quoted, some_ids
from steelyard.tables.prediction_table import ScoreKind
from steelyard.tables.raw_table import RawTable

_ROUNDING = 1e-6
"""How far a probability may lie outside [0, 1]: what single precision does to a softmax. It is then clipped."""


def read_scores(raw: RawTable, labels: LabelTable, kind: ScoreKind, ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """`[n, t]` scores in the order of `labels.target_names`.

    Raises:
        InputError: a score is no finite number, a probability is outside [0, 1], a decision is neither 0 nor
            1, or an image of a single-label table has not exactly one decision.
    """
    scores = np.empty((raw.rows, len(labels.target_names)))
    for position, name in enumerate(labels.target_names):
        scores[:, position], wrong = numbers(raw.plain(name))
        _require(raw, name, wrong, ids, "a number", "pass numbers only")
    finite = np.isfinite(scores)
    _require_all(raw, labels, finite, ids, "a finite number", "drop the images without a score from both tables")
    if kind == "probabilities":
        inside = (scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING)
        percent = scores.min() >= 0 and 10 < scores.max() <= 100
        do = "divide by 100 if these are percentages, or pass" if percent else "pass"
        _require_all(raw, labels, inside, ids, "a probability in [0, 1]", f"{do} --kind logits if these are logits")
        scores = np.clip(scores, 0.0, 1.0)
    if kind == "decisions":
        binary = (scores == 0) | (scores == 1)
        do = "pass --kind probabilities or logits if these are scores"
        _require_all(raw, labels, binary, ids, "a decision, 0 or 1", do)
        if labels.kind == "single":
            _require_one_decision(raw, scores, ids)
    return scores


def one_hot_decisions(raw: RawTable, labels: LabelTable, ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """`[n, t]` decisions from the column that is called like the labels' target and holds the category."""
    name = labels.target_column
    values = raw.texts(name, ids, expected="a category")
    distinct, positions = np.unique(values, return_inverse=True)
    place = {category: position for position, category in enumerate(labels.target_names)}
    unknown = [value for value in distinct.tolist() if value not in place]
    if unknown:
        hint = closest(unknown[0], labels.target_names)
        raise InputError(
            complaint(
                raw.source,
                f"column {quoted(name)}",
                expected=f"the {len(place):,} categories of {labels.source}",
                found=f"{listed(unknown)} ({some_ids(ids[np.isin(values, unknown)])}){hint}",
                do="write the categories as the labels do",
            )
        )
    rows = np.array([place[value] for value in distinct.tolist()])[positions]
    decisions: NDArray[np.float64] = np.eye(len(place))[rows]
    return decisions


def _require_all(
    raw: RawTable, labels: LabelTable, sound: NDArray[np.bool_], ids: NDArray[np.str_], expected: str, do: str
) -> None:
    """Raise for the first target that has an unsound score."""
    columns = np.flatnonzero(~sound.all(axis=0))
    if columns.size:
        first = int(columns[0])
        also = f", and so in {counted(len(columns) - 1, 'other column')}" if len(columns) > 1 else ""
        _require(raw, labels.target_names[first], ~sound[:, first], ids, expected, do, also)


def _require(
    raw: RawTable,
    name: str,
    bad: NDArray[np.bool_],
    ids: NDArray[np.str_],
    expected: str,
    do: str,
    also: str = "",
) -> None:
    if not bad.any():
        return
    cell = raw.columns[name][int(np.flatnonzero(bad)[0])].as_py()
    value = "nothing" if cell is None or cell == "" else quoted(cell)
    found = f"{value} in {counted(int(bad.sum()), 'row')} ({some_ids(ids[bad])}){also}"
    raise InputError(complaint(raw.source, f"column {quoted(name)}", expected=expected, found=found, do=do))


def _require_one_decision(raw: RawTable, scores: NDArray[np.float64], ids: NDArray[np.str_]) -> None:
    """Raise where an image of a single-label table has no decision, or several."""
    counts = scores.sum(axis=1)
    bad = counts != 1
    if bad.any():
        others = " or ".join(f"{int(count):,}" for count in np.unique(counts[bad])[:3])
        raise InputError(
            complaint(
                raw.source,
                "",
                expected="exactly one 1 in each row of single-label decisions",
                found=f"{others} in {counted(int(bad.sum()), 'row')} ({some_ids(ids[bad])})",
                do="decide for one category, or pass the scores",
            )
        )
