"""A table is written whole or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from table_samples import small_labels

from steelyard.base.errors import InputError
from steelyard.tables import PredictionTable, write_labels, write_predictions


def predictions(*target_names: str) -> PredictionTable:
    scores = np.full((2, len(target_names)), 0.1)
    return PredictionTable(ids=np.array(["x", "y"]), scores=scores, target_names=target_names, kind="probabilities")


def test_csv_is_plain_text(tmp_path: Path) -> None:
    write_labels(tmp_path / "t.csv", small_labels(splits=np.array(["train", "test", "val"])))
    expected = "image,split,group,cat,dog\nx,train,man,1,0\ny,test,woman,0,0\nz,val,man,1,1\n"
    assert (tmp_path / "t.csv").read_text() == expected


def test_parquet_says_the_kind(tmp_path: Path) -> None:
    write_predictions(tmp_path / "t.parquet", predictions("cat"))
    assert parquet.read_schema(tmp_path / "t.parquet").metadata[b"steelyard.kind"] == b"probabilities"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    write_predictions(path, predictions("cat"))
    before = path.read_bytes()

    def run_out_of_space(table: object, target: Path) -> None:
        target.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", run_out_of_space)
    with pytest.raises(InputError) as caught:
        write_predictions(path, predictions("cat", "dog"))
    assert str(caught.value) == (
        f"{path}: expected a writable path, found No space left on device; check the folder and its free space"
    )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    write_predictions(tmp_path / "t.csv", predictions("cat"))
    with (tmp_path / "t.csv").open() as opened_before:
        write_predictions(tmp_path / "t.csv", predictions("cat", "dog"))
        assert opened_before.read() == "image,cat\nx,0.1\ny,0.1\n"
    assert (tmp_path / "t.csv").read_text() == "image,cat,dog\nx,0.1,0.1\ny,0.1,0.1\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_category_takes_the_usual_name_of_the_ids(tmp_path: Path) -> None:
    write_predictions(tmp_path / "t.csv", predictions("image"))
    assert (tmp_path / "t.csv").read_text().startswith("id,image\n")


def test_names_that_collide_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(InputError) as caught:
        write_predictions(path, predictions("image", "id"))
    assert str(caught.value) == (
        f"{path}: expected a free name for the ids, found other columns called 'image', 'id'; rename one of these "
        "targets"
    )
    with pytest.raises(InputError) as caught:
        write_predictions(path, replace(predictions("split"), splits=np.array(["test", "test"])))
    assert str(caught.value) == (
        f"{path}: expected a name for each column, found 1 name more than once ('split'); rename the target, or "
        "leave out the column that has its name"
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("t.xlsx", "expected .parquet or .csv, found the extension '.xlsx'; name a file with one of these"),
        (
            "gone/t.csv",
            "expected a writable path, found No such file or directory; check the folder and its free space",
        ),
    ],
)
def test_paths_that_cannot_be_written(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_labels(tmp_path / name, small_labels())
    assert str(caught.value) == f"{tmp_path / name}: {said}"
