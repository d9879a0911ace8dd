"""The real files are read as their published counts say."""

import os
from pathlib import Path

import numpy as np
import pytest

from steelyard.tables import PredictionTable, join, read_labels, read_predictions, write_predictions

DATA = os.environ.get("STEELYARD_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="STEELYARD_DATA does not name the folder of real data")


@pytest.fixture
def folder() -> Path:
    return Path(DATA or "")


def test_imsitu(folder: Path) -> None:
    table = read_labels(folder / "imsitu" / "labels.csv", protected="gender", target="verb")
    assert (len(table), len(table.target_names), table.group_names) == (39_700, 211, ("man", "woman"))
    assert table.ignored == ("alpha3", "alpha2", "alpha1")
    counts = {"train": [14_199, 10_102], "val": [4_457, 3_273], "test": [4_517, 3_152]}
    for split in ("train", "val", "test"):
        assert np.bincount(table.split(split).groups).tolist() == counts[split]


def test_imsitu_subsets(folder: Path) -> None:
    table = read_labels(folder / "imsitu" / "labels.csv", protected="gender", targets="alpha*")
    train = table.split("train")
    kept = {
        name: np.bincount(train.groups[train.targets[:, j] == 1]).tolist() for j, name in enumerate(train.target_names)
    }
    assert kept == {"alpha3": [11_613, 9_530], "alpha2": [10_265, 8_884], "alpha1": [7_342, 7_342]}


def test_predictions_of_the_imsitu_test_split(folder: Path, tmp_path: Path) -> None:
    labels = read_labels(folder / "imsitu" / "labels.csv", protected="gender", target="verb")
    test = labels.split("test")
    order = np.random.default_rng(0).permutation(len(test))
    scores = test.matrix().astype(np.float64)
    table = PredictionTable(ids=test.ids[order], scores=scores[order], target_names=test.target_names, kind="decisions")
    write_predictions(tmp_path / "predictions.parquet", table)
    joined = join(labels, read_predictions(tmp_path / "predictions.parquet", labels=labels))
    assert joined.labels.ids.tolist() == test.ids.tolist()
    assert np.array_equal(joined.scores, scores)


def test_celeba(folder: Path) -> None:
    path = folder / "celeba" / "list_attr_celeba.txt"
    table = read_labels(path, protected="Male")
    assert (len(table), len(table.target_names)) == (8_000, 39)
    assert table.group_names == ("Male", "not Male")
    lines = path.read_text(encoding="utf-8").splitlines()
    names = lines[1].split()
    rows = [line.split() for line in lines[2:]]
    for target in ("Bald", "Smiling", "Young"):
        column = [row[1 + names.index(target)] == "1" for row in rows]
        assert table.targets[:, table.target_names.index(target)].tolist() == column
    assert (table.groups == 0).tolist() == [row[1 + names.index("Male")] == "1" for row in rows]
