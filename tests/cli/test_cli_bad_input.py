"""Bad input through the command: exit code 2, one line on stderr, nothing on stdout, nothing written."""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from cli_samples import FLAGS, OBJECTS, VERBS, call

Change = Callable[[pd.DataFrame], pd.DataFrame]
SINGLE = "audit --labels labels.csv --protected sex --target verb --out new/report"
MULTI = "audit --labels labels.csv --protected sex --targets o* --out new/report"
BALANCE = "balance labels.csv --protected sex --target verb --alpha 2 --out kept.csv"
VERB_SCORES = "--predictions verbs_test.csv --kind logits"
OBJECT_SCORES = "--predictions objects_test.csv --kind logits"


def setting(row: int, column: str, value: object) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return change


def repeat(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[[4]]])


def only_few_women(table: pd.DataFrame) -> pd.DataFrame:
    women = table.index[(table["split"] == "train") & (table["sex"] == "woman")]
    return table.drop(women[7:])


def no_women_in_test(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["split"] != "test") | (table["sex"] == "man")]


# Command, file that is spoilt (and how), the line.
CASES: dict[str, tuple[str, tuple[str, Change] | None, str]] = {
    "missing file": (
        SINGLE.replace("labels.csv", "lables.csv"),
        None,
        "lables.csv: expected a file, found nothing of this name; correct the path",
    ),
    "misspelt protected attribute": (
        SINGLE.replace("sex", "Sex"),
        None,
        "labels.csv: column 'Sex': expected this column, named by --protected, found 12 columns: 'image', 'split', "
        "'sex', 'place', 'verb', 'o0', 'o1', 'o2', 'o3', 'o4', 'never', 'age' (closest: 'sex'); correct --protected "
        "or the file's header",
    ),
    "repeated id": (
        SINGLE,
        ("labels.csv", repeat),
        "labels.csv: column 'image': expected each id once, found 1 repeated id (id 0004.jpg); keep one row for each "
        "image or name another column with --id",
    ),
    "one group": (
        SINGLE,
        ("labels.csv", lambda table: table[table["sex"] == "man"]),
        "labels.csv: column 'sex': expected two or more groups, found only 'man' in 356 rows; name another column with "
        "--protected",
    ),
    "too few of a group to fit": (
        SINGLE,
        ("labels.csv", only_few_women),
        "group 'woman' has 7 images in the train rows of labels.csv, at least 10 are needed to split; add images of "
        "that group, leave it out of the table, or use fewer folds",
    ),
    "a group that the test split lacks": (
        f"{SINGLE} {VERB_SCORES}",
        ("both", no_women_in_test),
        "group 'woman' has 0 images in the test split, at least 10 are needed to split; add images of that group, "
        "leave it out of the table, or use fewer folds",
    ),
    "a target that is no flag": (
        MULTI.replace("o*", "o0,age"),
        None,
        "labels.csv: column 'age': expected 0 or 1 in each row, found '56', '79', '38' and 67 more values in 600 rows "
        "(ids 0000.jpg, 0001.jpg, 0002.jpg and 597 more); correct these cells or leave the column out of --targets",
    ),
    "both forms of target": (
        f"{SINGLE} --targets o*",
        None,
        "labels.csv: expected --target or --targets, found 'verb' and 'o*'; drop one: --target is for one categorical "
        "column, --targets for 0/1 columns",
    ),
    "an unknown split": (
        SINGLE,
        ("labels.csv", setting(3, "split", "trian")),
        "labels.csv: column 'split': expected train, val (dev, valid, validation) or test, found 'trian' "
        "(id 0003.jpg); rename these splits or name another column with --split-column",
    ),
    "an empty category": (
        SINGLE,
        ("labels.csv", setting(9, "verb", None)),
        "labels.csv: column 'verb': expected a category in each row, found 1 empty cell (id 0009.jpg); fill these "
        "cells or remove the rows",
    ),
    "scores of no known kind": (
        f"{SINGLE} --predictions verbs_test.csv",
        None,
        "verbs_test.csv: kind: expected logits, probabilities or decisions, found nothing that says which; pass --kind "
        "logits|probabilities|decisions",
    ),
    "a kind without predictions": (
        f"{SINGLE} --kind logits",
        None,
        "--kind logits: speaks of predictions, and there are none; add --predictions FILE",
    ),
    "a predicted group without predictions": (
        f"{SINGLE} --predicted-protected seen",
        None,
        "--predicted-protected seen: speaks of predictions, and there are none; add --predictions FILE",
    ),
    "a missing score": (
        f"{SINGLE} {VERB_SCORES}",
        ("verbs_test.csv", setting(2, "run", None)),
        "verbs_test.csv: column 'run': expected a finite number, found nothing in 1 row (id 0422.jpg); drop the images "
        "without a score from both tables",
    ),
    "logits called probabilities": (
        f"{SINGLE} --predictions verbs_test.csv --kind probabilities",
        ("verbs_test.csv", lambda table: table.assign(**dict.fromkeys(VERBS, 0.25) | {"cook": [7.5, *[0.25] * 179]})),
        "verbs_test.csv: column 'cook': expected a probability in [0, 1], found '7.5' in 1 row (id 0420.jpg); pass "
        "--kind logits if these are logits",
    ),
    "a score column that is not there": (
        f"{MULTI} {OBJECT_SCORES}",
        ("objects_test.csv", lambda table: table.rename(columns={"o3": "o03"})),
        "objects_test.csv: expected a score column for each of the 5 targets of labels.csv, found none for 'o3' "
        "(closest: 'o03'); add these columns, called like the targets",
    ),
    "a prediction for an unknown image": (
        f"{SINGLE} {VERB_SCORES}",
        ("verbs_test.csv", setting(0, "image", "x.jpg")),
        "verbs_test.csv: ids: expected ids of labels.csv (such as '0000.jpg'), found 1 unknown id (id x.jpg); remove "
        "these rows, add the images to the labels, or name the column of ids with --predictions-id",
    ),
    "an image without a prediction": (
        f"{SINGLE} {VERB_SCORES}",
        ("verbs_test.csv", lambda table: table.drop(index=[5, 6])),
        "verbs_test.csv: ids: expected a prediction for each of the 180 images of the test split of labels.csv, found "
        "none for 2 images (ids 0425.jpg, 0426.jpg); predict these images or leave that split out of the predictions",
    ),
    "splits that disagree": (
        f"{SINGLE} {VERB_SCORES}",
        ("verbs_test.csv", lambda table: table.assign(split=["val", *["test"] * 179])),
        "verbs_test.csv: splits: expected the splits of labels.csv, found val for test in 1 row (id 0420.jpg); correct "
        "the split column of one of the files",
    ),
    "two decisions for one image": (
        f"{SINGLE} --predictions verbs_test.csv --kind decisions",
        ("verbs_test.csv", lambda table: table.assign(cook=1, read=[1, *[0] * 179], run=0, swim=0)),
        "verbs_test.csv: expected exactly one 1 in each row of single-label decisions, found 2 in 1 row (id 0420.jpg); "
        "decide for one category, or pass the scores",
    ),
    "a group that only the model knows": (
        f"{SINGLE} {VERB_SCORES} --predicted-protected seen",
        ("verbs_test.csv", setting(1, "seen", "female")),
        "verbs_test.csv: column 'seen': expected the groups of labels.csv: 'man', 'woman', found 'female' "
        "(id 0421.jpg); write the groups as the labels do",
    ),
    "a threshold without validation rows": (
        f"{MULTI} {OBJECT_SCORES} --threshold f1",
        None,
        "--threshold f1: is fitted on validation rows, and objects_test.csv has none; add predictions for the val "
        "split, or use --threshold 0.5",
    ),
    "a threshold for one category per image": (
        f"{SINGLE} {VERB_SCORES} --threshold calibrated",
        None,
        "--threshold calibrated: cuts 0/1 labels; single-label data are decided by the top score",
    ),
    "a threshold for decisions": (
        f"{MULTI} --predictions objects_decisions.csv --kind decisions --threshold f1",
        None,
        "--threshold f1: objects_decisions.csv holds decisions, there is no score to cut",
    ),
    "a threshold without predictions": (
        f"{MULTI} --threshold f1",
        None,
        "--threshold f1: cuts scores, and there are none; add --predictions FILE",
    ),
    "replacement among 0/1 columns": (
        f"{MULTI} --channel replace",
        None,
        "--channel replace: swaps one category for another, and these labels are many 0/1 columns; use flip or "
        "prevalence",
    ),
    "the table for 0/1 columns": (
        f"{MULTI} --attackers logistic,table",
        None,
        "--attackers table: looks up one category per image, and these labels are many 0/1 columns; use logistic, "
        "boosting or mlp",
    ),
    "the table alone for scores": (
        f"{SINGLE} {VERB_SCORES} --attackers table",
        None,
        "--attackers table: looks up one category per image, and scores are many numbers; add logistic, boosting "
        "or mlp",
    ),
    "more folds than images": (
        f"{SINGLE} {VERB_SCORES} --folds 500",
        None,
        "group 'woman' has 70 images in the test split, at least 1000 are needed to split; add images of that group, "
        "leave it out of the table, or use fewer folds",
    ),
    "an unknown attacker": (
        f"{SINGLE} --attackers forest",
        None,
        "--attackers: there is no 'forest'; choose from table, logistic, boosting, mlp",
    ),
    "an unknown channel": (
        f"{SINGLE} --channel noise",
        None,
        "--channel: there is no 'noise'; choose from flip, replace, prevalence",
    ),
    "an unknown preset": (
        f"{SINGLE} --preset wang2020",
        None,
        "--preset: there is no 'wang2020'; choose from wang2019-coco, wang2019-imsitu",
    ),
    "a preset without a split column": (
        f"{SINGLE.replace('labels.csv', 'unsplit.csv')} --preset wang2019-imsitu",
        None,
        "--preset wang2019-imsitu: needs train, val and test rows, and unsplit.csv has no train rows; leave --preset "
        "out, or give a split column with all three",
    ),
    "a preset for three groups": (
        f"{SINGLE.replace('sex', 'place')} --preset wang2019-coco",
        None,
        "--preset wang2019-coco: the published protocol knows two groups, found 3; leave --preset out",
    ),
    "levels that are neither a number nor an F1": (
        f"{SINGLE} --levels 12,1.5",
        None,
        "--levels: 1.5 is neither a number of levels (2 or more) nor an F1 in (0, 1]",
    ),
    "no rounds": (f"{SINGLE} --rounds 0", None, "--rounds: expected 1 or more, found 0"),
    "an output folder that is a file": (
        SINGLE.replace("new/report", "labels.csv"),
        None,
        "--out labels.csv: expected a folder, found a file; name another",
    ),
    "an output folder below a file": (
        SINGLE.replace("new/report", "labels.csv/report"),
        None,
        "--out labels.csv/report: expected a folder, found a file; name another",
    ),
    "balance: alpha below 1": (
        BALANCE.replace("--alpha 2", "--alpha 0.5"),
        None,
        "alpha: expected a finite real number of at least 1, found 0.5; pass e.g. 2",
    ),
    "balance: another extension": (
        BALANCE.replace("kept.csv", "kept.txt"),
        None,
        "--out kept.txt: expected a name that ends in .csv or .parquet",
    ),
    "balance: a folder that is not there": (
        BALANCE.replace("kept.csv", "new/kept.csv"),
        None,
        "--out new/kept.csv: there is no folder new; make it first",
    ),
    "balance: its own input": (
        BALANCE.replace("kept.csv", "./labels.csv"),
        None,
        "--out labels.csv: expected a new file, found the input itself; name another",
    ),
    "balance: an unknown split": (
        f"{BALANCE} --split dev2",
        None,
        "--split: expected train, val or test, found 'dev2'",
    ),
    "balance: a split without a column of splits": (
        f"{BALANCE.replace('labels.csv', 'unsplit.csv')} --split train",
        None,
        "--split train: unsplit.csv has no split column; name it with --split-column, or leave out",
    ),
    "balance: a split without a group": (
        f"{BALANCE} --split test",
        ("labels.csv", no_women_in_test),
        "--split test: labels.csv has no image of group 'woman' there, so none can stay",
    ),
    "balance: no time": (
        f"{BALANCE} --time-limit 0",
        None,
        "--time-limit: expected seconds above 0, found 0.0",
    ),
    "balance: negative support": (
        f"{BALANCE} --min-support -1",
        None,
        "--min-support: expected 0 or more, found -1",
    ),
    "option: not a number": (
        f"{SINGLE} --rounds many",
        None,
        "--rounds: expected a whole number, found 'many' (see steelyard audit --help)",
    ),
    "option: a negative seed": (
        f"{BALANCE} --seed -3",
        None,
        "--seed: expected 0 or more, found -3 (see steelyard balance --help)",
    ),
}


@pytest.fixture
def copy(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files, to spoil one."""
    for path in desk.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoil(folder: Path, how: tuple[str, Change] | None) -> None:
    if how is None:
        return
    name, change = how
    if name == "both":
        labels = change(pd.read_csv(folder / "labels.csv"))
        labels.to_csv(folder / "labels.csv", index=False)
        scores = pd.read_csv(folder / "verbs_test.csv")
        scores[scores["image"].isin(labels["image"])].to_csv(folder / "verbs_test.csv", index=False)
        return
    change(pd.read_csv(folder / name)).to_csv(folder / name, index=False)


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_leaves_nothing(copy: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    command, how, line = CASES[case]
    spoil(copy, how)
    before = contents(copy)
    with pytest.raises(SystemExit) as stop:
        call(command)
    out, err = capsys.readouterr()
    assert err == f"steelyard: {line}\n"
    assert out == ""
    assert stop.value.code == 2
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("audit --labels labels.csv --protected sex", "required"),
        (f"{SINGLE} --colour red", "--colour red"),
        (SINGLE.replace("--labels", "--label"), "--label labels.csv"),
        (f"{SINGLE} --kind scores", "'scores'"),
        ("catalog verbs", "'verbs'"),
    ],
)
def test_what_the_parser_refuses_is_one_line(
    copy: Path, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    """In the parser's own words, which change from version to version."""
    before = contents(copy)
    with pytest.raises(SystemExit) as stop:
        call(command)
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), stop.value.code) == ("", 1, 2)
    assert err.startswith("steelyard: ")
    assert said in err
    assert err.endswith(" --help)\n")
    assert contents(copy) == before


DAMAGED: dict[str, tuple[str, str]] = {
    "empty file": (
        "labels.csv",
        "labels.csv: expected a table, found an empty file (0 bytes); write the table again",
    ),
    "truncated Parquet": (
        "scores.parquet",
        "scores.parquet: expected a Parquet file, PAR1 at both ends, found other bytes; the file is truncated or "
        "damaged, write it again",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_line(copy: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    name, line = DAMAGED[case]
    pd.read_csv(copy / "verbs_test.csv").to_parquet(copy / "scores.parquet")
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(b"" if name == "labels.csv" else content[: len(content) // 2])
    with pytest.raises(SystemExit) as stop:
        call(f"{SINGLE} --predictions scores.parquet --kind logits")
    out, err = capsys.readouterr()
    assert (out, err, stop.value.code) == ("", f"steelyard: {line}\n", 2)
    assert not (copy / "new").exists()


def test_the_sound_files_pass(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The control: what the cases spoil is sound before."""
    call(f"{SINGLE} {VERB_SCORES} --levels none --permutations 0 --rounds 1 --folds 2 --workers 1")
    call(f"{BALANCE} --split test")
    assert (copy / "new/report/report.json").is_file()
    assert (copy / "kept.csv").is_file()
    assert "steelyard:" not in capsys.readouterr().err


def test_no_extra_names_what_to_install(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for words in ("--attackers mlp", "--preset wang2019-imsitu"):
        with pytest.raises(SystemExit) as stop:
            call(f"{SINGLE} {words}")
        out, err = capsys.readouterr()
        assert (out, stop.value.code) == ("", 2)
        assert err == "steelyard: the MLP attacker needs PyTorch: pip install 'steelyard[train]'\n"


def test_nothing_to_keep_is_one_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(copy / "labels.csv")
    table["verb"] = table["sex"].map({"man": "run", "woman": "cook"})
    table.to_csv(copy / "labels.csv", index=False)
    with pytest.raises(SystemExit) as stop:
        call(f"{BALANCE} --quiet")
    out, err = capsys.readouterr()
    assert (out, stop.value.code, err.count("\n")) == ("", 2, 1)
    assert err.startswith("steelyard: ")
    assert not (copy / "kept.csv").exists()


ABLATION = "leakage ablation --labels labels.csv --protected sex --target verb"
ABLATION_CASES = {
    "decisions": (
        f"{ABLATION} --predictions verbs_decisions.csv",
        "verbs_decisions.csv: kind: expected logits, probabilities or decisions, found nothing that says which; pass "
        "--kind logits|probabilities|decisions",
    ),
    "no epochs": (
        f"{ABLATION} --predictions verbs_test.csv --kind logits --epochs 0",
        "--epochs: expected 1 or more, found 0",
    ),
    "a preset that is not there": (
        f"{ABLATION} --predictions verbs_test.csv --kind logits --preset nobody",
        "--preset: there is no 'nobody'; choose from wang2019-coco, wang2019-imsitu",
    ),
    "its own input": (
        f"{ABLATION} --predictions verbs_test.csv --kind logits --out verbs_test.csv",
        "--out verbs_test.csv: expected a new file, found the input itself; name another",
    ),
    "below a file": (
        f"{ABLATION} --predictions verbs_test.csv --kind logits --out labels.csv/rows.csv",
        "--out labels.csv/rows.csv: there is no folder labels.csv; make it first",
    ),
    "two splits where each is too small": (
        f"{ABLATION.replace('sex', 'rare')} --predictions verbs_test.csv --kind logits",
        "group 'few' has 6 images in the train part of verbs_test.csv, at least 10 are needed to split; add images of "
        "that group, leave it out of the table, or use fewer folds",
    ),
}


@pytest.mark.torch
@pytest.mark.parametrize("case", ABLATION_CASES)
def test_bad_input_of_the_ablation_is_one_line(copy: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    pytest.importorskip("torch", reason="the ablation needs the train extra")
    table = pd.read_csv(copy / "labels.csv")
    test = table.index[table["split"] == "test"]
    table["rare"] = "many"
    table.loc[test[:12], "rare"] = "few"
    table.to_csv(copy / "labels.csv", index=False)
    command, line = ABLATION_CASES[case]
    before = contents(copy)
    with pytest.raises(SystemExit) as stop:
        call(command)
    out, err = capsys.readouterr()
    assert (out, err, stop.value.code) == ("", f"steelyard: {line}\n", 2)
    assert contents(copy) == before


def test_there_are_more_than_twenty_kinds() -> None:
    assert len(CASES) + len(DAMAGED) > 20
    lines = [line for _, _, line in CASES.values()]
    assert len(set(lines)) == len(lines)
    assert set(OBJECTS) < set(FLAGS)
