"""A table of images: paths beside the labels that any audit reads."""

from pathlib import Path

import pandas as pd
import pytest

from steelyard.base.errors import InputError
from steelyard.datasets.image_table import ImageTable


def test_labels_and_paths(table: Path, tmp_path: Path) -> None:
    for source in (table, table / "labels.csv"):
        data = ImageTable(source, protected="age")
        found = data.labels()
        assert found.ids.tolist() == ["a/one.png", "a/two.png", "b/three.png", "b/four.png"]
        assert found.group_names == ("middle", "old", "young")
        assert found.target_names == ("hat", "dog")
        assert data.labels("test").ids.tolist() == ["b/three.png", "b/four.png"]
        assert data.image_path("b/four.png") == table / "b" / "four.png"
    assert ImageTable(table, protected="age", images=tmp_path).image_path("a/one.png") == tmp_path / "a" / "one.png"


def test_ids_of_their_own_another_column_of_paths_and_one_target(table: Path) -> None:
    frame = pd.read_csv(table / "labels.csv").rename(columns={"path": "file"})
    frame.insert(0, "id", [10, 11, 12, 13])
    frame["scene"] = ["park", "park", "street", "street"]
    frame.to_csv(table / "other.csv", index=False)
    data = ImageTable(table / "other.csv", protected="age", target="scene", path_column="file", split_column="split")
    assert data.labels().ids.tolist() == ["10", "11", "12", "13"]
    assert data.labels().kind == "single"
    assert data.image_path("12") == table / "b" / "three.png"
    assert ImageTable(frame, protected="age", path_column="file").image_path("12") == Path("b/three.png")


def test_absolute_paths_stay(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table / "labels.csv")
    frame["path"] = [str(tmp_path / "x" / name) for name in frame["path"]]
    data = ImageTable(frame, protected="age", images=table)
    assert data.image_path(str(tmp_path / "x" / "a/one.png")) == tmp_path / "x" / "a" / "one.png"


def test_without_splits_each_split_is_everything(table: Path) -> None:
    frame = pd.read_csv(table / "labels.csv").drop(columns="split")
    data = ImageTable(frame, protected="age")
    assert len(data.labels("val")) == 4
    assert [str(one) for one in data.selections()] == ["all: 4 images; 4 kept (1 middle + 2 old + 1 young)"]


def test_faults(table: Path, tmp_path: Path) -> None:
    path = table / "labels.csv"
    with pytest.raises(InputError) as caught:
        ImageTable(path, protected="age", path_column="file")
    assert str(caught.value) == (
        f"{path}: column 'file': expected this column, named by --path-column, found 5 columns: 'path', 'split', "
        "'age', 'hat', 'dog'; correct --path-column or the file's header"
    )
    path.write_text(path.read_text().replace("a/two.png", ""))
    with pytest.raises(InputError) as caught:
        ImageTable(path, protected="age")
    assert str(caught.value) == (
        f"{path}: column 'path': expected an id in each row, found 1 empty id (data row 2); fill these ids or name "
        "another column with --id"
    )
    with pytest.raises(InputError, match=r"labels\.csv: expected a file, found nothing of this name; correct the path"):
        ImageTable(tmp_path, protected="age")
