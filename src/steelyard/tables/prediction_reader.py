"""Predictions read from a file or a data frame."""

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.frames import read_raw
from steelyard.tables.label_table import LabelTable
from steelyard.tables.messages import closest, complaint, counted, listed, quoted, some_ids
from steelyard.tables.prediction_table import PredictionTable, ScoreKind
from steelyard.tables.raw_table import RawTable
from steelyard.tables.roles import (
    ID_COLUMNS,
    choose_id,
    choose_split,
    read_ids,
    read_splits,
    require_different,
)
from steelyard.tables.scores import one_hot_decisions, read_scores
from steelyard.tables.writing import PREDICTED_GROUP_COLUMN

_KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)


def read_predictions(
    source: Any,
    *,
    labels: LabelTable,
    kind: ScoreKind | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    predicted_protected: str | None = None,
) -> PredictionTable:
    """Read a model's scores of the targets of `labels`.

    A column that is called like a target holds its scores, even where it is called `image` or `split`.

    Args:
        source: a path (`str` or `Path`) of a `.csv`, `.parquet` or `.npz` file, or a data frame.
        labels: the labels, whose `target_names` must each have a column here. Decisions of a single-label
            table may instead be one column that is called like the labels' target and holds the category.
        kind: `logits` (any real number), `probabilities` (in [0, 1]) or `decisions` (0 or 1); may be left out
            where Parquet metadata says it.
        id_column: column of the ids; by default that of the labels, else `image`, else `id`, else a data
            frame's index; row numbers only where they are the ids of the labels.
        split_column: column of the splits; by default that of the labels, else `split`, where there is one;
            none where the labels have no splits.
        predicted_protected: column of the group that the model predicted, in the names of the labels' groups.

    Returns:
        The table, rows in the order of the source; columns without a role are listed in `ignored`.

    Raises:
        InputError: the source cannot be read, a column is missing, an id is empty or there twice, the kind is
            unknown or contradicts the metadata, or a score is not what its kind allows.
    """
    raw = read_raw(source)
    score_kind = _kind(raw, kind)
    _require_group(raw, predicted_protected)
    named = {"--id": id_column, "--split-column": split_column, "--predicted-protected": predicted_protected}
    require_different(raw.source, named)
    raw.require(id_column, "--id")
    one_column = _is_one_column(raw, labels, score_kind, set(named.values()))
    names = (labels.target_column,) if one_column else labels.target_names
    _require_free(raw, names, named)
    ids_from = _id_column(raw, labels, id_column, {*names, *_given(predicted_protected, split_column)})
    taken = {*names, *_given(predicted_protected, ids_from)}
    wants_split = split_column is not None or labels.splits is not None
    split_from = choose_split(raw, split_column, taken, (labels.split_column,)) if wants_split else None
    _require_targets(raw, names, labels)
    ids = read_ids(raw, ids_from)
    roles = {*taken, *_given(split_from)}
    return PredictionTable(
        ids=ids,
        scores=one_hot_decisions(raw, labels, ids) if one_column else read_scores(raw, labels, score_kind, ids),
        target_names=labels.target_names,
        kind=score_kind,
        splits=read_splits(raw, split_from, ids),
        predicted_groups=_predicted_groups(raw, predicted_protected, labels, ids),
        source=raw.source,
        ignored=tuple(name for name in raw.names if name not in roles),
    )


def _require_group(raw: RawTable, name: str | None) -> None:
    """See that the column of predicted groups is there; written predictions call it by one name for any attribute."""
    if name is not None and name not in raw.columns and PREDICTED_GROUP_COLUMN in raw.columns:
        found = f"{counted(len(raw.names), 'column')}: {listed(raw.names, 12)}"
        expected = "this column, named by --predicted-protected"
        written = quoted(PREDICTED_GROUP_COLUMN)
        do = f"name {written}, which predictions written here keep the group in, whatever the labels call it"
        raise InputError(complaint(raw.source, f"column {quoted(name)}", expected=expected, found=found, do=do))
    raw.require(name, "--predicted-protected")


def _given(*names: str | None) -> set[str]:
    return {name for name in names if name is not None}


def _kind(raw: RawTable, given: str | None) -> ScoreKind:
    """The kind of the scores, never guessed."""
    choices = ", ".join(_KINDS[:-1]) + f" or {_KINDS[-1]}"
    do = f"pass --kind {'|'.join(_KINDS)}"
    for said in (given, raw.score_kind):
        if said is not None and said not in _KINDS:
            raise InputError(complaint(raw.source, "kind", expected=choices, found=quoted(said), do=do))
    if given is not None and raw.score_kind is not None and given != raw.score_kind:
        found = f"{given} in --kind and {raw.score_kind} in the file's metadata"
        do = "drop --kind, or write the file again with the right one"
        raise InputError(complaint(raw.source, "kind", expected="one kind of score", found=found, do=do))
    said = given or raw.score_kind
    for kind in _KINDS:
        if kind == said:
            return kind
    raise InputError(complaint(raw.source, "kind", expected=choices, found="nothing that says which", do=do))


def _is_one_column(raw: RawTable, labels: LabelTable, kind: ScoreKind, roles: set[str | None]) -> bool:
    """Whether the decisions are one column of categories, called like the labels' target."""
    name = labels.target_column
    own = name in raw.columns and name not in labels.target_names and name not in roles
    no_scores = not any(target in raw.columns for target in labels.target_names)
    return kind == "decisions" and labels.kind == "single" and own and no_scores


def _require_free(raw: RawTable, names: tuple[str, ...], named: dict[str, str | None]) -> None:
    """Raise where an option names a column that holds a target's scores."""
    for option, name in named.items():
        if name is not None and name in names:
            found = f"the target {quoted(name)} and {option}"
            do = f"rename the column that {option} means, and name it there"
            where = f"column {quoted(name)}"
            raise InputError(complaint(raw.source, where, expected="scores only", found=found, do=do))


def _id_column(raw: RawTable, labels: LabelTable, named: str | None, taken: set[str]) -> str | None:
    first = (labels.id_column,) if labels.id_column else ()
    chosen = choose_id(raw, named, taken, first)
    if chosen is None and raw.index is None and labels.id_column:
        usual = list(dict.fromkeys((*first, *ID_COLUMNS)))
        free = [name for name in usual if name not in taken]
        clash = [name for name in usual if name in taken and name in raw.columns]
        found = f"{listed(clash)}, which is a target's name" if clash else f"{listed(raw.names, 12)}"
        expected = f"a column of ids ({', '.join(map(quoted, free or usual))})"
        do = "name the column of ids with --predictions-id"
        raise InputError(complaint(raw.source, "", expected=expected, found=found, do=do))
    return chosen


def _require_targets(raw: RawTable, names: tuple[str, ...], labels: LabelTable) -> None:
    """Raise where a target has no column."""
    absent = [name for name in names if name not in raw.columns]
    if absent:
        hint = closest(absent[0], raw.names)
        raise InputError(
            complaint(
                raw.source,
                "",
                expected=f"a score column for each of the {counted(len(names), 'target')} of {labels.source}",
                found=f"none for {listed(absent)}{hint}",
                do="add these columns, called like the targets",
            )
        )


def _predicted_groups(
    raw: RawTable, column: str | None, labels: LabelTable, ids: NDArray[np.str_]
) -> NDArray[np.str_] | None:
    if column is None:
        return None
    groups = raw.texts(column, ids, expected="a predicted group")
    unknown = ~np.isin(groups, labels.group_names)
    if unknown.any():
        raise InputError(
            complaint(
                raw.source,
                f"column {quoted(column)}",
                expected=f"the groups of {labels.source}: {listed(labels.group_names, 12)}",
                found=f"{listed(dict.fromkeys(groups[unknown].tolist()))} ({some_ids(ids[unknown])})",
                do="write the groups as the labels do",
            )
        )
    return groups
