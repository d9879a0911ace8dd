"""The scripts make what the package carries."""

import importlib.util
import os
from importlib.resources import files
from pathlib import Path

import pytest

DATA = os.environ.get("STEELYARD_DATA")
SCRIPT = Path(__file__).parents[1] / "scripts" / "imsitu_counts.py"


@pytest.fixture
def counting():
    spec = importlib.util.spec_from_file_location("imsitu_counts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_by_hand(counting, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(
        "image,split,gender,verb\na,train,man,run\nb,train,man,run\nc,test,woman,run\nd,val,man,aim\n", encoding="utf-8"
    )
    assert counting.main(table, tmp_path / "counts.csv") == 4
    assert (tmp_path / "counts.csv").read_text(encoding="utf-8") == (
        "verb,train_man,train_woman,val_man,val_woman,test_man,test_woman\naim,0,0,1,0,0,0\nrun,2,0,0,0,0,1\n"
    )


@pytest.mark.skipif(not DATA, reason="STEELYARD_DATA does not name the folder of real data")
def test_counts_that_come_with_the_package_are_made_by_the_script(counting, tmp_path):
    assert counting.main(Path(DATA) / "imsitu" / "labels.csv", tmp_path / "counts.csv") == 39_700
    shipped = files("steelyard.datasets").joinpath("imsitu_counts.csv").read_bytes()
    assert (tmp_path / "counts.csv").read_bytes() == shipped
