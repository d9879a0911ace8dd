"""Every way of handing over one table gives the same table; what is written is read back."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_samples import HANDOVERS, labels_columns, predictions_columns, small_labels

from steelyard.base.errors import InputError
from steelyard.tables import (
    LabelTable,
    PredictionTable,
    read_labels,
    read_predictions,
    write_labels,
    write_predictions,
)


def same(left: Any, right: Any, *but: str) -> bool:
    """Equality of two tables in all fields and dtypes' kinds, except in the fields `but`."""
    for field in fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if field.name in (*but, "source"):
            continue
        if isinstance(a, np.ndarray):
            if not isinstance(b, np.ndarray) or a.dtype.kind != b.dtype.kind or not np.array_equal(a, b):
                return False
        elif a != b:
            return False
    return True


MULTI = LabelTable(
    ids=np.array(["b.jpg", "007", "c,d.jpg", 'e"f.jpg', "ü.jpg"]),
    groups=np.array([2, 0, 1, 0, 2]),
    group_names=("man", "other", "woman"),
    targets=np.array([[1, 0], [0, 0], [0, 1], [1, 1], [1, 0]], dtype=np.uint8),
    target_names=("cat", "dog"),
    kind="multi",
    splits=np.array(["train", "val", "test", "val", "train"]),
    protected="group",
    ignored=("verb", "age"),
    id_column="image",
    split_column="split",
)
SINGLE = replace(
    MULTI,
    targets=np.array([1, 0, 1, 2, 0]),
    target_names=("eat", "run", "swim"),
    kind="single",
    ignored=("cat", "dog", "age"),
    target_column="verb",
)


@pytest.mark.parametrize("handover", HANDOVERS)
def test_labels_are_the_same_from_every_source(handover: str, tmp_path: Path) -> None:
    source = HANDOVERS[handover](tmp_path, labels_columns())
    assert same(read_labels(source, protected="group"), MULTI)
    assert same(read_labels(source, protected="group", target="verb"), SINGLE)


def test_the_comparison_notices_each_field() -> None:
    assert same(MULTI, MULTI)
    assert not same(MULTI, replace(MULTI, ids=MULTI.ids[::-1]))
    assert not same(MULTI, replace(MULTI, splits=None))
    assert not same(MULTI, replace(MULTI, ignored=()))
    assert not same(MULTI, SINGLE)


@pytest.mark.parametrize("handover", HANDOVERS)
def test_predictions_are_the_same_from_every_source(handover: str, tmp_path: Path) -> None:
    columns = predictions_columns()
    source = HANDOVERS[handover](tmp_path, columns)
    table = read_predictions(source, labels=MULTI, kind="probabilities", predicted_protected="seen_as")
    assert table.ids.tolist() == columns["image"]
    assert table.scores.tolist() == [list(row) for row in zip(columns["cat"], columns["dog"], strict=True)]
    assert table.predicted_groups is not None
    assert table.predicted_groups.tolist() == columns["seen_as"]
    assert (table.kind, table.splits, table.ignored) == ("probabilities", None, ("note",))


@pytest.mark.parametrize(
    "values",
    [[1, 0, 1], [1.0, 0.0, 1.0], [True, False, True], ["1", "0", "1"], ["1.0", "0", "True"], [" 1", "false", "1"]],
)
@pytest.mark.parametrize("handover", ["csv", "parquet", "npz", "pandas", "pyarrow"])
def test_spellings_of_0_and_1(values: list[Any], handover: str, tmp_path: Path) -> None:
    columns = {"image": ["x", "y", "z"], "group": ["a", "b", "a"], "cat": values}
    table = read_labels(HANDOVERS[handover](tmp_path, columns), protected="group")
    assert table.targets.tolist() == [[1], [0], [1]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.bool_])
def test_scores_of_any_numeric_type(dtype: type, tmp_path: Path) -> None:
    scores = np.array([1, 0, 1], dtype=dtype)
    path = tmp_path / "scores.npz"
    np.savez(path, image=["x", "y", "z"], scores=np.column_stack([scores, scores]), target_names=["dog", "cat"])
    table = read_predictions(path, labels=small_labels(), kind="logits")
    assert table.scores.dtype == np.float64
    assert table.scores.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_npz_matrices_bear_their_target_names(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    np.savez(path, image=["x", "y"], group=[b"a", b"b"], targets=np.eye(2), target_names=["cat", "dog"])
    table = read_labels(path, protected="group")
    assert table.target_names == ("cat", "dog")
    assert table.group_names == ("a", "b")
    assert table.targets.tolist() == [[1, 0], [0, 1]]


def test_nullable_decimal_and_mixed_columns() -> None:
    frame = pd.DataFrame(
        {
            "id": pd.array([7, 8], dtype="Int64"),
            "group": pd.Series([1, "b"], dtype=object),
            "cat": pd.array([True, False], dtype="boolean"),
            "boxes": [[1, 2], [3]],
        }
    )
    table = read_labels(frame, protected="group")
    assert (table.ids.tolist(), table.group_names, table.ignored) == (["7", "8"], ("1", "b"), ("boxes",))
    assert read_labels(
        pa.table({"group": ["a", "b"], "cat": pa.array([1, 0], pa.decimal128(4, 1))}), protected="group"
    ).target_names == ("cat",)


def test_ids_default_to_image_then_id_then_rows(tmp_path: Path) -> None:
    columns = {"group": ["a", "b"], "cat": [1, 0]}
    plain = pd.DataFrame(columns)
    assert read_labels(plain, protected="group").ids.tolist() == ["0", "1"]
    assert read_labels(pl.DataFrame(columns), protected="group").id_column == ""
    assert read_labels(plain.set_axis([5, 7]), protected="group").ids.tolist() == ["5", "7"]
    named = read_labels(plain.set_axis(pd.Index(["p", "q"], name="file")), protected="group")
    assert (named.ids.tolist(), named.id_column, named.ignored) == (["p", "q"], "file", ())
    both = plain.assign(id=[3, 4], image=["m", "n"])
    assert read_labels(both, protected="group").ids.tolist() == ["m", "n"]
    assert read_labels(both, protected="group", id_column="id").ids.tolist() == ["3", "4"]
    assert read_labels(both.drop(columns="image"), protected="group").ids.tolist() == ["3", "4"]
    plain.set_axis(["p", "q"]).to_csv(tmp_path / "indexed.csv")
    assert read_labels(tmp_path / "indexed.csv", protected="group").ids.tolist() == ["p", "q"]
    plain.set_axis(["p", "q"]).to_parquet(tmp_path / "indexed.parquet")
    assert read_labels(tmp_path / "indexed.parquet", protected="group").ids.tolist() == ["p", "q"]


def test_targets_by_name_glob_comma_and_file(tmp_path: Path) -> None:
    names = ["cat", "dog", "hot dog", "car"]
    frame = pd.DataFrame({"group": ["a", "b"], **{name: [0, 1] for name in names}})
    listing = tmp_path / "targets.txt"
    listing.write_text("dog\n\nca?\n", encoding="utf-8")

    def chosen(targets: Any) -> tuple[str, ...]:
        return read_labels(frame, protected="group", targets=targets).target_names

    assert chosen(["dog", "cat"]) == ("dog", "cat")
    assert chosen("dog, c*") == ("dog", "cat", "car")
    assert chosen(["*dog", "cat", "dog"]) == ("dog", "hot dog", "cat")
    assert chosen(f"@{listing}") == ("dog", "cat", "car")
    assert chosen("*") == tuple(names)
    assert read_labels(frame, protected="group", targets="car").ignored == ("cat", "dog", "hot dog")
    comma = pd.DataFrame({"group": ["a", "b"], "cat, dog": [0, 1]})
    assert read_labels(comma, protected="group", targets="cat, dog").target_names == ("cat, dog",)


def test_line_breaks_within_the_cells_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    ids = [f"image\n{row}, in three\nlines" for row in range(60_000)]
    pd.DataFrame({"image": ids, "group": ["a", "b"] * 30_000, "cat": 1}).to_csv(path, index=False)
    assert path.stat().st_size > 2**20
    assert read_labels(path, protected="group").ids.tolist() == ids


def test_attribute_list(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text("2\nMale Young Smiling\n1.jpg -1  1 -1\n2.jpg  1 -1 -1\n", encoding="utf-8")
    table = read_labels(path, protected="Male")
    assert table.group_names == ("Male", "not Male")
    assert table.groups.tolist() == [1, 0]
    assert table.target_names == ("Young", "Smiling")
    assert table.targets.tolist() == [[1, 0], [0, 0]]
    assert table.ids.tolist() == ["1.jpg", "2.jpg"]
    single = read_labels(path, protected="Male", target="Young")
    assert single.target_names == ("Young", "not Young")


def test_kind_comes_from_the_metadata(tmp_path: Path) -> None:
    labels = small_labels()
    table = PredictionTable(ids=labels.ids, scores=np.eye(3, 2), target_names=("cat", "dog"), kind="decisions")
    write_predictions(tmp_path / "p.parquet", table)
    assert read_predictions(tmp_path / "p.parquet", labels=labels).kind == "decisions"
    assert read_predictions(parquet.read_table(tmp_path / "p.parquet"), labels=labels).kind == "decisions"
    write_predictions(tmp_path / "p.csv", table)
    with pytest.raises(InputError, match="nothing that says which"):
        read_predictions(tmp_path / "p.csv", labels=labels)


def test_single_label_decisions_as_one_column() -> None:
    columns = {"image": ["007", "b.jpg", "c,d.jpg", 'e"f.jpg', "ü.jpg"], "verb": ["eat", "run", "run", "eat", "swim"]}
    table = read_predictions(pd.DataFrame(columns), labels=SINGLE, kind="decisions")
    assert np.array(SINGLE.target_names)[table.scores.argmax(axis=1)].tolist() == columns["verb"]
    assert (table.scores.sum(axis=1) == 1).all()


def test_a_target_may_be_called_like_the_id_or_split_column() -> None:
    labels = read_labels(
        pd.DataFrame({"image": ["x", "y"], "group": ["a", "b"], "verb": ["split", "image"]}),
        protected="group",
        target="verb",
    )
    scores = pd.DataFrame({"id": ["x", "y"], "split": [1.5, 2.5], "image": [-1.0, -2.0]})
    table = read_predictions(scores, labels=labels, kind="logits")
    assert table.ids.tolist() == ["x", "y"]
    assert table.scores.tolist() == [[-1, 1.5], [-2, 2.5]]
    assert table.splits is None
    with pytest.raises(
        InputError, match=r"expected a column of ids \('id', 'path'\), found 'image', which is a target"
    ):
        read_predictions(scores.drop(columns="id"), labels=labels, kind="logits")


def test_a_split_column_counts_only_beside_splits_of_the_labels() -> None:
    frame = pd.DataFrame({"image": ["x", "y", "z"], "cat": 0, "dog": 0, "split": ["test"] * 3})
    assert read_predictions(frame, labels=small_labels(), kind="logits").ignored == ("split",)
    with_splits = small_labels(splits=np.array(["test"] * 3))
    splits = read_predictions(frame, labels=with_splits, kind="logits").splits
    assert splits is not None
    assert splits.tolist() == ["test"] * 3


def test_predictions_follow_the_column_names_of_the_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame({"file": ["x", "y"], "fold": ["train", "test"], "group": ["a", "b"], "cat": [0, 1]})
    labels = read_labels(frame, protected="group", id_column="file", split_column="fold")
    assert (labels.id_column, labels.split_column) == ("file", "fold")
    table = read_predictions(frame, labels=labels, kind="decisions")
    assert (table.ids.tolist(), table.ignored) == (["x", "y"], ("group",))
    assert table.splits is not None
    assert table.splits.tolist() == ["train", "test"]
    write_labels(tmp_path / "kept.csv", labels)
    assert same(read_labels(tmp_path / "kept.csv", protected="group", id_column="file", split_column="fold"), labels)


# Names that a file can hold and that no reader takes for "nothing here".
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: text.strip().lower() not in ("", "nan", "<na>", "null")
)
reserved = {"image", "id", "split", "group", "target"}


@st.composite
def tables(draw: st.DrawFn) -> LabelTable:
    ids = draw(st.lists(names, min_size=2, max_size=8, unique=True))
    groups = sorted(draw(st.lists(names, min_size=2, max_size=3, unique=True)))
    held = [*range(len(groups)), *draw(st.lists(st.integers(0, len(groups) - 1), max_size=8))]
    ids = (ids + [f"extra {i}" for i in range(len(held))])[: len(held)]
    targets = draw(st.lists(names.filter(lambda t: t not in reserved), min_size=1, max_size=4, unique=True))
    cells = draw(st.lists(st.integers(0, 1), min_size=len(held) * len(targets), max_size=len(held) * len(targets)))
    splits = draw(
        st.none() | st.lists(st.sampled_from(["train", "val", "test"]), min_size=len(held), max_size=len(held))
    )
    return LabelTable(
        ids=np.array(ids),
        groups=np.array(held),
        group_names=tuple(groups),
        targets=np.array(cells, dtype=np.uint8).reshape(len(held), len(targets)),
        target_names=tuple(targets),
        kind="multi",
        splits=None if splits is None else np.array(splits),
        id_column="image",
        split_column="" if splits is None else "split",
    )


@pytest.mark.parametrize("extension", ["csv", "parquet"])
@settings(max_examples=60, deadline=None)
@given(table=tables(), seed=st.integers(0, 2**32))
def test_what_is_written_is_read_back(
    extension: str, table: LabelTable, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("written")
    write_labels(folder / f"labels.{extension}", table)
    assert same(read_labels(folder / f"labels.{extension}", protected="group"), table)
    rng = np.random.default_rng(seed)
    predictions = PredictionTable(
        ids=table.ids,
        scores=rng.standard_normal(table.targets.shape) * 10.0 ** rng.integers(-200, 200, table.targets.shape),
        target_names=table.target_names,
        kind="logits",
        splits=table.splits,
        predicted_groups=np.array(table.group_names)[table.groups],
    )
    path = folder / f"predictions.{extension}"
    write_predictions(path, predictions)
    read = read_predictions(path, labels=table, kind="logits", predicted_protected="group")
    assert same(read, predictions)


def test_single_label_tables_are_read_back(tmp_path: Path) -> None:
    for extension in ("csv", "parquet"):
        path = tmp_path / f"labels.{extension}"
        write_labels(path, SINGLE)
        assert same(read_labels(path, protected="group", target="verb"), SINGLE, "ignored")
