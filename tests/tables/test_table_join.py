"""The join does what a plain dict does, or says why it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, find, given, settings
from hypothesis import strategies as st
from table_samples import small_labels

from steelyard.base.errors import InputError, JoinError
from steelyard.tables import LabelTable, PredictionTable, join

GROUPS = ("a", "b", "c")
Case = tuple[LabelTable, PredictionTable]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Labels, and predictions of a permutation of some of their rows, sometimes with a fault."""
    n, t = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    ids = draw(st.permutations([f"i{j}" for j in range(n)]))
    split_of = {name: draw(st.sampled_from(["train", "val", "test"])) for name in ids}
    with_splits = draw(st.booleans())
    labels = LabelTable(
        ids=np.array(ids),
        groups=np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))),
        group_names=GROUPS,
        targets=np.zeros((n, t), dtype=np.uint8),
        target_names=tuple(f"t{j}" for j in range(t)),
        kind="multi",
        splits=np.array([split_of[name] for name in ids]) if with_splits else None,
    )
    covered = draw(st.sets(st.sampled_from(["train", "val", "test"]), min_size=1)) if with_splits else None
    kept = [name for name in ids if covered is None or split_of[name] in covered]
    dropped = draw(st.sets(st.sampled_from(kept), max_size=1)) if kept and draw(st.booleans()) else set()
    extra = ["unknown"] if draw(st.integers(0, 5)) == 0 else []
    rows = draw(st.permutations([name for name in kept if name not in dropped] + extra))
    assume(rows)
    own = [split_of.get(name, "train") for name in rows]
    if draw(st.integers(0, 5)) == 0:
        own[0] = draw(st.sampled_from(["train", "val", "test"]))
    order = draw(st.permutations(range(t)))
    predictions = PredictionTable(
        ids=np.array(rows),
        scores=np.array([[hash_score(name, j) for j in order] for name in rows]),
        target_names=tuple(f"t{j}" for j in order),
        kind="logits",
        splits=np.array(own) if with_splits and draw(st.booleans()) else None,
        predicted_groups=np.array([GROUPS[sum(map(ord, name)) % 3] for name in rows]) if draw(st.booleans()) else None,
    )
    return labels, predictions


def hash_score(name: str, target: int) -> float:
    return float(sum(map(ord, name)) * 10 + target)


def oracle(labels: LabelTable, predictions: PredictionTable) -> dict[str, tuple[list[float], str | None]] | None:
    """By id, in the order of the labels: scores by target name and predicted group; None where they do not fit."""
    said = {}
    for row, name in enumerate(predictions.ids.tolist()):
        by_target = dict(zip(predictions.target_names, predictions.scores[row].tolist(), strict=True))
        group = None if predictions.predicted_groups is None else str(predictions.predicted_groups[row])
        split = None if predictions.splits is None else str(predictions.splits[row])
        said[name] = ([by_target[t] for t in labels.target_names], group, split)
    split_of = {name: "" if labels.splits is None else labels.splits[i] for i, name in enumerate(labels.ids.tolist())}
    for name, (_, _, split) in said.items():
        if name not in split_of or (split is not None and split != split_of[name]):
            return None
    touched = {split_of[name] for name in said}
    for name, split in split_of.items():
        if split in touched and name not in said:
            return None
    return {name: said[name][:2] for name in split_of if name in said}


def agrees(case: Case) -> bool:
    """Whether `join` and the oracle give the same rows or both refuse."""
    labels, predictions = case
    expected = oracle(labels, predictions)
    try:
        joined = join(labels, predictions)
    except JoinError as error:
        return expected is None and "\n" not in str(error)
    if expected is None or joined.labels.ids.tolist() != list(expected):
        return False
    place = {name: row for row, name in enumerate(labels.ids.tolist())}
    for row, (name, (scores, group)) in enumerate(expected.items()):
        found = None if joined.predicted_groups is None else labels.group_names[joined.predicted_groups[row]]
        if joined.scores[row].tolist() != scores or found != group:
            return False
        if joined.labels.groups[row] != labels.groups[place[name]]:
            return False
    return len(joined) == len(expected)


@settings(max_examples=400, deadline=None)
@given(cases())
def test_join_agrees_with_a_dict(case: Case) -> None:
    assert agrees(case)


def test_the_cases_hold_both_outcomes_and_shuffled_rows() -> None:
    def shuffled(case: Case) -> bool:
        fits = oracle(*case)
        return fits is not None and list(fits) != case[1].ids.tolist()

    assert find(cases(), shuffled)
    assert find(cases(), lambda case: oracle(*case) is None)


def test_the_oracle_notices_rows_out_of_order() -> None:
    labels = small_labels()
    table = predictions_of(labels)
    shuffled = replace(table, scores=table.scores[::-1])
    assert agrees((labels, table))
    assert join(labels, shuffled).scores.tolist() != join(labels, table).scores.tolist()


def predictions_of(labels: LabelTable) -> PredictionTable:
    return PredictionTable(
        ids=labels.ids,
        scores=np.arange(6.0).reshape(3, 2),
        target_names=labels.target_names,
        kind="logits",
        source="preds.csv",
    )


SPLIT = small_labels(splits=np.array(["train", "test", "test"]))
PREDICTED = predictions_of(SPLIT)
REFUSED = {
    "unknown ids": (
        SPLIT,
        replace(PREDICTED, ids=np.array(["x", "q", "r"])),
        "preds.csv: ids: expected ids of labels.csv (such as 'x'), found 2 unknown ids (ids q, r); remove these rows, "
        "add the images to the labels, or name the column of ids with --predictions-id",
    ),
    "duplicates": (
        SPLIT,
        replace(PREDICTED, ids=np.array(["x", "y", "x"])),
        "preds.csv: ids: expected each id once, found 1 repeated id (id x); keep one row for each image",
    ),
    "duplicates in the labels": (
        replace(SPLIT, ids=np.array(["x", "x", "x"])),
        PREDICTED,
        "labels.csv: ids: expected each id once, found 1 repeated id (id x); keep one row for each image",
    ),
    "a split covered in part": (
        SPLIT,
        replace(PREDICTED, ids=np.array(["y"]), scores=np.ones((1, 2))),
        "preds.csv: ids: expected a prediction for each of the 2 images of the test split of labels.csv, found none "
        "for 1 image (id z); predict these images or leave that split out of the predictions",
    ),
    "not all rows": (
        small_labels(),
        replace(PREDICTED, ids=np.array(["y"]), scores=np.ones((1, 2))),
        "preds.csv: ids: expected a prediction for each of the 3 images of labels.csv, found none for 2 images "
        "(ids x, z); predict these images or drop these rows from the labels",
    ),
    "another split": (
        SPLIT,
        replace(PREDICTED, splits=np.array(["train", "test", "val"])),
        "preds.csv: splits: expected the splits of labels.csv, found val for test in 1 row (id z); correct the split "
        "column of one of the files",
    ),
    "splits in the predictions only": (
        small_labels(),
        replace(PREDICTED, splits=np.array(["test"] * 3)),
        "preds.csv: splits: expected splits in labels.csv, found them in the predictions only; add the split column "
        "to the labels or drop it from the predictions",
    ),
    "a target missing": (
        SPLIT,
        replace(PREDICTED, target_names=("cat", "cow")),
        "preds.csv: targets: expected scores of the 2 targets of labels.csv, found none for 'dog'; read the "
        "predictions with labels= this table",
    ),
    "a group unknown": (
        SPLIT,
        replace(PREDICTED, predicted_groups=np.array(["man", "men", "woman"])),
        "preds.csv: predicted groups: expected the groups of labels.csv: 'man', 'woman', found 'men' (id y); write "
        "the groups as the labels do",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(fault: str) -> None:
    labels, predictions, line = REFUSED[fault]
    with pytest.raises(JoinError) as caught:
        join(labels, predictions)
    assert str(caught.value) == line


def test_a_whole_split_is_enough() -> None:
    joined = join(SPLIT, replace(PREDICTED, ids=np.array(["z", "y"]), scores=np.array([[1.0, 2.0], [3.0, 4.0]])))
    assert joined.labels.ids.tolist() == ["y", "z"]
    assert joined.scores.tolist() == [[3, 4], [1, 2]]
    assert joined.source == "preds.csv"


def test_tables_refuse_arrays_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"groups: expected the shape \(3,\), found \(2,\)"):
        small_labels(groups=np.array([0, 1]))
    with pytest.raises(InputError, match=r"groups: expected 0 … 1, found 0 … 2"):
        small_labels(groups=np.array([0, 1, 2]))
    with pytest.raises(InputError, match=r"scores: expected the shape \(3, 2\), found \(3, 3\)"):
        replace(PREDICTED, scores=np.eye(3))
