"""`steelyard compare` through the command: what it writes and prints, and one line for each kind of bad input."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from cli_samples import OBJECTS, call

QUICK = "--rounds 1 --folds 3 --bootstrap 20 --workers 1 --attackers logistic --quiet"
TABLES = "compare --labels labels.csv --protected sex --targets o* --kind logits --out new"


@pytest.fixture
def desk_with_two(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Labels and two models of the objects; a spoilt one, one of another split, and one of verbs."""
    for name in ("labels.csv", "objects_test.csv", "objects_val.csv", "verbs_test.csv"):
        shutil.copy(desk / name, tmp_path / name)
    table = pd.read_csv(tmp_path / "objects_test.csv")
    table.assign(o0=-table["o0"]).to_csv(tmp_path / "worse.csv", index=False)
    table.drop(columns=list(OBJECTS[1:])).to_csv(tmp_path / "narrow.csv", index=False)
    (tmp_path / "sub").mkdir()
    shutil.copy(tmp_path / "worse.csv", tmp_path / "sub" / "objects_test.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_three_files_and_prints_the_differences(
    desk_with_two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(f"{TABLES} {QUICK} --predictions objects_test.csv worse=worse.csv")
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("2 models on the same 180 images (test); differences are to objects_test,")
    assert out.rstrip().endswith("The page: new/comparison.html")
    record = json.loads(Path("new/comparison.json").read_text())
    assert record["models"] == ["objects_test", "worse"]
    assert [item["name"] for item in record["provenance"]["fingerprints"]] == [
        "labels.csv",
        "objects_test.csv",
        "worse.csv",
    ]
    f1 = next(figure for figure in record["figures"] if figure["measure"] == "f1_macro")
    assert f1["differences"]["worse"]["high"] < 0
    assert sorted(path.name for path in Path("new").iterdir()) == [
        "comparison.csv",
        "comparison.html",
        "comparison.json",
    ]


def test_options_from_a_file(desk_with_two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("compare.yaml").write_text(
        "labels: labels.csv\nprotected: sex\ntargets: o*\nkind: logits\nrounds: 1\nfolds: 3\nbootstrap: 20\nout: new\n"
        "predictions: [a=objects_test.csv, b=worse.csv]\nworkers: 1\nattackers: logistic\nquiet: true\n"
    )
    call("compare --config compare.yaml")
    assert "differences are to a," in capsys.readouterr().out


TWO = "--predictions a=objects_test.csv b=worse.csv"
CASES = {
    "one model": (
        f"{TABLES} --predictions a=objects_test.csv",
        "compare: expected two models or more, found one, a; add those to compare with",
    ),
    "nothing": (
        "compare --out new",
        "compare: expected two models or more, found none; add those to compare with",
    ),
    "one file twice": (
        f"{TABLES} --predictions a=objects_test.csv b=./objects_test.csv",
        "b=./objects_test.csv: expected a file of its own, found the one of 'a'; name another",
    ),
    "one name twice": (
        f"{TABLES} --predictions objects_test.csv sub/objects_test.csv",
        "objects_test: expected one model of each name, found objects_test.csv and sub/objects_test.csv; name them as "
        "NAME=sub/objects_test.csv",
    ),
    "the labels as a model": (
        f"{TABLES} --predictions a=objects_test.csv b=labels.csv",
        "--predictions labels.csv: is the file of the labels too, so that labels would pass for predictions; put the "
        "model's output into a file of its own, its columns named like the targets",
    ),
    "no labels": (
        f"compare {TWO} --protected sex --out new",
        "--labels: expected the labels of these predictions, found none; add --labels FILE",
    ),
    "no predictions": (
        TABLES,
        "--predictions: expected NAME=FILE of two models or more, found none; add them",
    ),
    "no protected attribute": (
        f"compare --labels labels.csv {TWO} --out new",
        "--protected: expected the column of the protected attribute, found none; name it",
    ),
    "runs and labels": (
        "compare r1 r2 --labels labels.csv --out new",
        "compare: expected folders of runs alone, or --labels and --predictions, found both runs and --labels; give a "
        "run to --predictions as NAME=RUN",
    ),
    "a run that is not there": (
        "compare r1 r2 --out new",
        "r1: expected the folder of a finished run, found no such folder; name what steelyard train wrote, or give "
        "--labels beside files of predictions",
    ),
    "a folder that is no run": (
        "compare sub . --out new",
        "sub: expected the folder of a finished run, found none with a provenance.json; name what steelyard train "
        "wrote, or give --labels beside files of predictions",
    ),
    "runs with columns": (
        "compare r1 r2 --protected sex --out new",
        "--protected sex: expected --labels beside it, since runs know their own columns, found none; add --labels, or "
        "drop --protected",
    ),
    "another split": (
        f"{TABLES} --predictions a=objects_test.csv b=objects_val.csv",
        "b: val images: expected the test images of 'a', found 300 images in one of them only (ids 0300.jpg, 0301.jpg, "
        "0302.jpg and 297 more); predict both on the same images",
    ),
    "other targets": (
        f"{TABLES} --predictions a=objects_test.csv b=narrow.csv",
        "narrow.csv: expected a score column for each of the 5 targets of labels.csv, found none for 'o1', 'o2', 'o3' "
        "and 1 more; add these columns, called like the targets",
    ),
    "no validation rows": (
        f"{TABLES} {TWO} --threshold f1",
        "--threshold f1: is fitted on validation rows, and objects_test.csv has none; add predictions for the val "
        "split, or use --threshold 0.5",
    ),
    "no folds": (f"{TABLES} {TWO} --folds 1", "--folds: expected 2 or more, found 1"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(desk_with_two: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    command, line = CASES[case]
    before = sorted(desk_with_two.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        call(command)
    out, err = capsys.readouterr()
    assert (out, err, stop.value.code) == ("", f"steelyard: {line}\n", 2)
    assert sorted(desk_with_two.rglob("*")) == before
