"""Bad input to `steelyard calibrate`: exit code 2, one line on stderr, nothing on stdout, nothing written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrate_samples import OBJECTS, labels, multi, single, write_corpus
from cli_samples import call

from steelyard.tables import PotentialTable, write_potentials

OBJECTS_LINE = f"calibrate objects.npz --labels labels.csv --protected sex --targets {','.join(OBJECTS)} --out new/made"
VERBS_LINE = "calibrate verbs.npz --labels labels.csv --protected sex --target verb --out new/made"
OF = "objects.npz: "


def with_arrays(**changes: Any) -> Callable[[Path], None]:
    """`objects.npz` with arrays replaced, or left out where None."""

    def spoil(folder: Path) -> None:
        with np.load(folder / "objects.npz") as archive:
            arrays = {name: archive[name] for name in archive.files}
        for name, change in changes.items():
            arrays[name] = change(arrays[name]) if callable(change) else change
        np.savez(folder / "objects.npz", **{name: a for name, a in arrays.items() if a is not None})

    return spoil


def with_labels(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    """`labels.csv` changed."""
    return lambda folder: change(pd.read_csv(folder / "labels.csv")).to_csv(folder / "labels.csv", index=False)


def holed(potentials: np.ndarray) -> np.ndarray:
    potentials[7, 1, 2, 1] = np.nan
    return potentials


def seven(folder: Path) -> None:
    """Seven images, all of which can only be cooked in: shares in whole numbers miss a small margin."""
    table = single(labels())
    scores = np.full((7, 3, 2), -1e3)
    scores[:, 0] = table.potentials[:7, 0]
    write_potentials(folder / "verbs.npz", replace(table, ids=table.ids[:7], potentials=scores))


def renamed(table: PotentialTable) -> Callable[[Path], None]:
    return lambda folder: write_potentials(folder / "objects.npz", table)


CASES: dict[str, tuple[str, Callable[[Path], None] | None, str]] = {
    "missing potentials": (
        OBJECTS_LINE.replace("objects.npz", "object.npz"),
        None,
        "object.npz: expected a file, found nothing of this name; correct the path",
    ),
    "wrong shape": (
        OBJECTS_LINE,
        with_arrays(potentials=lambda p: p[:, :, :4]),
        f"{OF}potentials: expected [n, k, t, 2] = (300, 2, 5, 2) for 300 ids, 2 groups and 5 targets, found the shape "
        "(300, 2, 4, 2); write the axes in this order, or correct the names",
    ),
    "NaN": (
        OBJECTS_LINE,
        with_arrays(potentials=holed),
        f"{OF}potentials: expected finite numbers, found nan at group 'woman', target 'car' present, in 1 row "
        "(id 0607.jpg); compute these rows again or leave these images out",
    ),
    "no group scores": (
        OBJECTS_LINE,
        with_arrays(group_scores=None),
        f"{OF}group_scores: expected [n, k] beside multi-label potentials, found none; add the score of each group "
        "(zeros where the potentials hold it)",
    ),
    "a pickled array": (
        OBJECTS_LINE,
        with_arrays(ids=lambda ids: ids.astype(object)),
        f"{OF}array 'ids': expected numbers or text, found Python objects or a damaged array; write it again with "
        "numpy.savez",
    ),
    "a group of another name": (
        OBJECTS_LINE,
        with_arrays(groups=np.array(["man", "women"])),
        f"{OF}groups: expected the 2 groups of labels.csv, found 'women', which is not there and none for 'woman' "
        "(closest: 'woman'); write the names as the labels do, or name other columns with --protected",
    ),
    "a target that the labels do not have": (
        OBJECTS_LINE.replace("apple,", ""),
        None,
        f"{OF}targets: expected the 4 targets of labels.csv, found 'apple', which is not there; write the names as the "
        "labels do, or name other columns with --targets",
    ),
    "a target that the potentials do not have": (
        OBJECTS_LINE,
        renamed(
            replace(
                multi(labels(), "sex"), potentials=multi(labels(), "sex").potentials[:, :, :4], target_names=OBJECTS[:4]
            )
        ),
        f"{OF}targets: expected the 5 targets of labels.csv, found none for 'egg'; write the names as the labels do, "
        "or name other columns with --targets",
    ),
    "single for multi": (
        VERBS_LINE.replace("verbs.npz", "objects.npz"),
        None,
        f"{OF}expected potentials of single-label targets, as labels.csv is read: one category an image (--target), "
        "found multi-label ones; name the labels' columns with --target or --targets as the model was trained",
    ),
    "no training rows": (
        OBJECTS_LINE,
        with_labels(lambda table: table[table["split"] == "test"]),
        "labels.csv: splits: expected rows of the train split, found only 'test'; name the split to count shares from "
        "with --train-split, or other labels",
    ),
    "a split of another name": (
        f"{OBJECTS_LINE} --train-split learn",
        None,
        "--train-split: expected train, val or test, found 'learn'",
    ),
    "nothing to calibrate": (
        f"{OBJECTS_LINE} --split val",
        None,
        f"--split val: {OF}".rstrip(": ") + " has no image of it; name another split, or leave it out",
    ),
    "no image of a split as no id is there": (
        f"{OBJECTS_LINE} --split test",
        with_arrays(ids=lambda ids: np.char.replace(ids, ".jpg", "")),
        f"{OF}ids: expected ids that labels.csv has too, as --split test is looked up there, found none of the 300 ids "
        "(first: '0600') among 900 there (first: '0000.jpg'); write the ids as the labels do, or leave --split out",
    ),
    "no split column and potentials of everything": (
        OBJECTS_LINE,
        with_labels(lambda table: table[table["split"] == "test"].drop(columns="split")),
        "labels.csv: expected rows without potentials to count shares from, as there is no split column, found "
        "potentials for all 300 rows; add a column that says train and name it with --split-column",
    ),
    "no split column and potentials of nothing": (
        OBJECTS_LINE,
        with_labels(lambda table: table[table["split"] == "train"].drop(columns="split")),
        f"{OF}ids: expected ids that labels.csv has too, as it has no split column and rows without potentials are "
        "counted, found none of its 600 ids (such as '0000.jpg') among the potentials; correct the ids, or add a "
        "column that says train and name it with --split-column",
    ),
    "labels without support": (
        f"{OBJECTS_LINE} --min-support 500",
        None,
        "labels.csv: targets: expected a label with at least 500 images in the train split, found at most 273 "
        "('bench'); lower --min-support or give more training rows",
    ),
    "a margin below 0": (
        f"{OBJECTS_LINE} --margin -0.1",
        None,
        "--margin: expected a share from 0 to below 1, found -0.1; 0.05 is the paper's",
    ),
    "a margin that is no number": (
        f"{OBJECTS_LINE} --margin nan",
        None,
        "--margin: expected a share from 0 to below 1, found nan; 0.05 is the paper's",
    ),
    "the input as output": (
        OBJECTS_LINE.replace("objects.npz", "predictions.parquet").replace("new/made", "."),
        lambda folder: write_potentials(folder / "predictions.parquet", multi(labels(), "sex")),
        "--out predictions.parquet: expected a new file, found the input itself; name another",
    ),
    "a file as folder": (
        OBJECTS_LINE.replace("new/made", "labels.csv"),
        None,
        "--out labels.csv: expected a folder, found a file; name another",
    ),
}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_corpus(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_leaves_nothing(bench: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    command, spoil, line = CASES[case]
    if spoil is not None:
        spoil(bench)
    before = contents(bench)
    with pytest.raises(SystemExit) as stop:
        call(f"{command} --bootstrap 10 --quiet")
    out, err = capsys.readouterr()
    assert err == f"steelyard: {line}\n"
    assert (out, stop.value.code) == ("", 2)
    assert contents(bench) == before


def test_a_margin_that_cannot_be_met_is_one_line(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven images in one category: no whole number of them is within 0.001 of the training share."""
    seven(bench)
    before = contents(bench)
    with pytest.raises(SystemExit) as stop:
        call(f"{VERBS_LINE} --margin 0.0001 --bootstrap 10 --quiet --min-support 1")
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), stop.value.code) == ("", 1, 2)
    assert "cook" in err
    assert contents(bench) == before


def test_a_failed_write_leaves_no_half_file(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as parquet

    def run_out_of_space(table: object, target: Path) -> None:
        target.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", run_out_of_space)
    before = contents(bench)
    with pytest.raises(SystemExit) as stop:
        call(f"{OBJECTS_LINE} --bootstrap 10 --quiet")
    assert stop.value.code == 2
    assert "No space left on device" in capsys.readouterr().err
    assert contents(bench) == before


def test_the_sound_files_pass(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The control: what the cases spoil is sound before."""
    for line in (OBJECTS_LINE, VERBS_LINE):
        call(f"{line} --bootstrap 10 --quiet")
    assert "steelyard:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("calibrate", "POTENTIALS, --labels, --protected, --out"),
        ("calibrate objects.npz --labels labels.csv --out made", "--protected"),
        ("augment", "CONFIG.yaml"),
        ("catalog", "{metrics}"),
    ],
)
def test_what_is_missing_is_named_as_help_names_it(capsys: pytest.CaptureFixture[str], line: str, named: str) -> None:
    with pytest.raises(SystemExit) as stop:
        call(line)
    verb = line.split()[0]
    out, err = capsys.readouterr()
    wanted = f"steelyard: the following arguments are required: {named} (see steelyard {verb} --help)\n"
    assert (out, err, stop.value.code) == ("", wanted, 2)
    with pytest.raises(SystemExit):
        call(f"{verb} --help")
    assert all(name in capsys.readouterr().out for name in named.split(", ")[:1])


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        call("calibrate --help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for option in ("--margin", "--min-support", "--train-split", "--split-column", "--labels", "--protected", "--out"):
        assert option in out
    call("")
    assert "calibrate" in capsys.readouterr().out
