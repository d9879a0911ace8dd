"""`steelyard calibrate` on a planted corpus: what it writes holds, and what the audit says of it agrees."""

import contextlib
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrate_samples import OBJECTS, TEST, TRAIN, VERBS, multi, write_corpus
from calibrate_samples import labels as made_labels
from cli_samples import call

import steelyard as sy
from steelyard.cli.main import main
from steelyard.reports.calibration import CalibrationReport
from steelyard.tables import write_potentials

MARGIN = 0.05
BASE = "--min-support 100 --bootstrap 40 --quiet"
COMMANDS = {
    "objects": f"calibrate objects.npz --labels labels.csv --protected sex --targets {','.join(OBJECTS)} {BASE}",
    "places": f"calibrate places.parquet --labels labels.csv --protected place --targets {','.join(OBJECTS)} {BASE}",
    "verbs": f"calibrate verbs.npz --labels labels.csv --protected sex --target verb {BASE}",
}
PROTECTED = {"objects": "sex", "places": "place", "verbs": "sex"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module", params=list(COMMANDS))
def done(request: pytest.FixtureRequest, shelf: Path) -> tuple[str, Path]:
    with contextlib.chdir(shelf):
        call(f"{COMMANDS[request.param]} --out {request.param}")
    return request.param, shelf / request.param


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def figure(folder: Path, measure: str, side: str) -> float:
    return next(f[side]["value"] for f in report_of(folder)["figures"] if f["measure"] == measure)


def one_hot(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if name != "verbs":
        return frame[list(OBJECTS)]
    return pd.DataFrame({verb: (frame["verb"] == verb).astype(int) for verb in VERBS})


def outside_and_mean(folder: Path, name: str, file: str) -> tuple[int, float]:
    """Labels outside the margin, and mean amplification, image by image from the files alone."""
    frame, protected = made_labels(), PROTECTED[name]
    train = frame[frame["split"] == "train"]
    table = pd.read_parquet(folder / file)
    truth, k = one_hot(train, name), frame[protected].nunique()
    outside, gains = 0, []
    for label in truth.columns:
        support = int(truth[label].sum())
        images = table[table[label] == 1]
        gain, out = 0.0, False
        for group in sorted(frame[protected].unique()):
            share = float((truth[label][train[protected] == group]).sum()) / support
            if len(images):
                predicted = float((images["group"] == group).mean())
                out |= abs(predicted - share) > MARGIN + 1e-9
                gain += predicted - share if share > 1 / k else 0.0
        outside += out and support >= 100
        gains.append(gain)
    return outside, sum(gains) / len(gains)


def test_every_constraint_holds_after_and_some_did_not_before(done: tuple[str, Path]) -> None:
    name, folder = done
    assert outside_and_mean(folder, name, "predictions.parquet")[0] == 0
    assert outside_and_mean(folder, name, "uncalibrated.parquet")[0] > 0


def test_the_report_says_what_the_files_say(done: tuple[str, Path]) -> None:
    name, folder = done
    for side, file in (("before", "uncalibrated.parquet"), ("after", "predictions.parquet")):
        outside, mean = outside_and_mean(folder, name, file)
        assert figure(folder, "violated_labels", side) == outside
        assert figure(folder, "mals_amplification", side) == pytest.approx(mean, abs=1e-12)
    before, after = (pd.read_parquet(folder / f"{f}.parquet") for f in ("uncalibrated", "predictions"))
    solution = report_of(folder)["solution"]
    assert solution["images_changed"] == int((before != after).any(axis=1).sum()) > 0
    assert solution["groups_changed"] == int((before["group"] != after["group"]).sum())
    assert solution["objective_after"] <= solution["dual_bound"] <= solution["objective_before"]


def test_intervals_stand_beside_every_figure(done: tuple[str, Path]) -> None:
    _, folder = done
    report = CalibrationReport.from_json(folder / "report.json")
    names = [f.measure for f in report.figures]
    assert {"violated_labels", "mals_amplification", "f1_macro", "f1_micro", "balanced_accuracy"} <= set(names)
    for found in report.figures:
        for estimate in (found.before, found.after, found.difference):
            assert estimate.low <= estimate.value <= estimate.high
        assert found.difference.value == pytest.approx(found.after.value - found.before.value, abs=1e-12)
        width = found.difference.high - found.difference.low
        alone = found.before.high - found.before.low + found.after.high - found.after.low
        assert width <= alone + 1e-9, "images are shared, so the pair varies less than both apart"
    assert report.data["labelled"] == report.data["images"] == TEST
    assert sum(report.data["training"].values()) == TRAIN


def test_quality_is_that_of_the_files(done: tuple[str, Path]) -> None:
    name, folder = done
    frame = made_labels()
    test = frame[frame["split"] == "test"].set_index("image")
    for side, file in (("before", "uncalibrated.parquet"), ("after", "predictions.parquet")):
        table = pd.read_parquet(folder / file).set_index("image").loc[test.index]
        truth = one_hot(test, name)
        f1 = [2 * (truth[c] & table[c].astype(int)).sum() / (truth[c].sum() + table[c].sum()) for c in truth.columns]
        assert figure(folder, "f1_macro", side) == pytest.approx(np.mean(f1), abs=1e-12)
        right = table["group"] == test[PROTECTED[name]]
        recalls = right.groupby(test[PROTECTED[name]]).mean()
        assert figure(folder, "balanced_accuracy", side) == pytest.approx(recalls.mean(), abs=1e-12)


def test_the_audit_reads_both_and_agrees(done: tuple[str, Path], shelf: Path, tmp_path: Path) -> None:
    """Mean amplification and target → group amplification are measured on the predicted groups, on decisions."""
    name, folder = done
    target = "--target verb" if name == "verbs" else f"--targets {','.join(OBJECTS)}"
    quick = "--rounds 1 --folds 2 --permutations 0 --bootstrap 40 --levels none --workers 1 --attackers logistic"
    for side, file in (("before", "uncalibrated.parquet"), ("after", "predictions.parquet")):
        with contextlib.chdir(shelf):
            call(
                f"audit --labels labels.csv --predictions {name}/{file} --kind decisions --predicted-protected "
                f"group --protected {PROTECTED[name]} {target} {quick} --quiet --out {tmp_path / side}"
            )
        estimates = {e["name"]: e for e in json.loads((tmp_path / side / "report.json").read_text())["estimates"]}
        for measure in ("mals_amplification", "directional_amplification_target_to_attribute", "f1_macro"):
            assert estimates[measure]["value"] == pytest.approx(figure(folder, measure, side), abs=1e-12)


def test_the_page_and_what_is_printed(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(shelf):
        call(f"{COMMANDS['objects'].replace('--quiet', '')} --out {tmp_path / 'made'}")
    out, err = capsys.readouterr()
    assert out.startswith("Before calibration ")
    assert "The page: " in out
    assert all(len(line) <= 80 for line in out.splitlines() if str(tmp_path) not in line)
    assert "calibrating 300 images, 4 constrained labels" in err
    assert "labels.csv" in (tmp_path / "made" / "report.html").read_text()
    names = {"predictions.parquet", "uncalibrated.parquet", "report.json", "report.html"}
    assert {path.name for path in (tmp_path / "made").iterdir()} == names
    row = next(r for r in report_of(tmp_path / "made")["labels"] if r["label"] == "egg")
    assert not row["constrained"]
    assert row["after"]["within"] is None


def test_what_is_printed_last_audits_before_and_after(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attribute is called `sex`; the predicted group is in `group` all the same."""
    frame = made_labels().rename(columns={"split": "part of it"})
    frame.to_csv(shelf / "other labels.csv", index=False)
    line = COMMANDS["objects"].replace("labels.csv", "'other labels.csv' --split-column 'part of it'")
    with contextlib.chdir(shelf):
        main(shlex.split(f"{line} --out printed"))
        printed = capsys.readouterr().out.split("before calibration and after:\n")[1]
        commands = [shlex.split(words) for words in printed.replace("\\\n", " ").splitlines()]
        assert [words[:2] for words in commands] == [["steelyard", "audit"]] * 2
        quick = "--rounds 1 --folds 2 --permutations 0 --bootstrap 40 --levels none --attackers logistic --quiet"
        for words, side in zip(commands, ("before", "after"), strict=True):
            main([*words[1:], *quick.split()])
            found = json.loads((shelf / "printed" / f"audit-{side}" / "report.json").read_text())["estimates"]
            mean = next(e["value"] for e in found if e["name"] == "mals_amplification")
            assert mean == pytest.approx(figure(shelf / "printed", "mals_amplification", side), abs=1e-12)
    capsys.readouterr()


def test_the_wrong_column_of_predicted_groups_is_set_right(
    done: tuple[str, Path], shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _ = done
    target = "--target verb" if name == "verbs" else f"--targets {','.join(OBJECTS)}"
    line = f"audit --labels labels.csv --protected {PROTECTED[name]} {target} --predictions {name}/predictions.parquet"
    with contextlib.chdir(shelf), pytest.raises(SystemExit):
        call(f"{line} --predicted-protected {PROTECTED[name]} --out no")
    err = capsys.readouterr().err
    assert err.startswith(f"steelyard: {name}/predictions.parquet: column '{PROTECTED[name]}': expected this column")
    assert "; name 'group', " in err
    assert err.count("\n") == 1


def rarely_predicted(ids: np.ndarray | None = None) -> Any:
    """Calibrated potentials of which `dog` is predicted for a few women alone, and `car` never."""
    table = multi(made_labels(), "sex")
    potentials = table.potentials.copy()
    dog, car = OBJECTS.index("dog"), OBJECTS.index("car")
    potentials[:, :, car, 1] -= 50
    potentials[:, :, dog, 1] = -50
    potentials[:8, :, dog, 1] = 0
    potentials[:8, 1, dog, 1] = 0.01
    assert table.group_scores is not None
    scores = table.group_scores.copy()
    scores[:8] = [-50, 50]
    potentials[:8, :, dog, 0] = 0
    changed = replace(table, potentials=potentials, group_scores=scores, ids=table.ids if ids is None else ids)
    return sy.calibrate(changed, made_labels(), protected="sex", targets=OBJECTS, bootstrap=40)


def test_labels_that_are_no_longer_predicted_are_not_called_within_the_margin(tmp_path: Path) -> None:
    made = rarely_predicted()
    dog, car = OBJECTS.index("dog"), OBJECTS.index("car")
    assert made.uncalibrated.scores[:, dog].sum() == 8
    assert made.predictions.scores[:, [dog, car]].sum() == 0
    made.write(tmp_path)
    rows = {row["label"]: row for row in report_of(tmp_path)["labels"]}
    sides = [[(rows[name][side]["within"], rows[name][side]["why"]) for side in ("before", "after")] for name in rows]
    told = dict(zip(rows, sides, strict=True))
    assert told["dog"] == [(False, ""), (None, "no longer predicted")]
    assert told["car"] == [(None, "not predicted")] * 2
    assert told["egg"] == [(None, "not constrained")] * 2
    assert told["apple"][1] == (True, "")
    text = " ".join(str(made).split())
    outside = int(figure(tmp_path, "violated_labels", "before"))
    assert f"after it none is, 1 of the {outside} because it is no longer predicted." in text
    assert 'no longer predicted for any image: "dog" (8 before); 1 is predicted neither before nor after.' in text


def test_ids_that_match_nothing_are_said_before_anything_else(tmp_path: Path) -> None:
    ids = np.array([name[:-4] for name in multi(made_labels(), "sex").ids.tolist()])
    made = rarely_predicted(ids)
    (warning,) = made.report.warnings
    assert "none of the 300 ids of potentials is among the labels’ ids (first: '0600'; there: '0600.jpg')" in warning
    assert not any("have no row" in note for note in made.report.notes)
    said = str(made).split("\n\n")
    assert said[0].startswith("Before calibration ")
    assert said[1].startswith("No calibrated image has a row in ")
    made.write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.index("No calibrated image has a row") < page.index('class="tempers"')
    assert rarely_predicted().report.warnings == (), "the control"


def test_a_second_run_replaces_what_the_first_wrote(shelf: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    with contextlib.chdir(shelf):
        call(f"{COMMANDS['objects']} --out {out}")
        (out / "mine.txt").write_text("kept")
        first = (out / "predictions.parquet").read_bytes()
        call(f"{COMMANDS['objects']} --out {out}")
        assert (out / "predictions.parquet").read_bytes() == first  # the same input, the same bytes
        call(f"{COMMANDS['objects']} --margin 0.3 --out {out}")
    assert report_of(out)["margin"] == 0.3
    assert (out / "predictions.parquet").read_bytes() != first
    assert (out / "mine.txt").read_text() == "kept"
    assert not [path for path in out.iterdir() if path.name.endswith(".part")]


def test_names_are_matched_not_positions(shelf: Path, tmp_path: Path) -> None:
    frame = made_labels()
    table = multi(frame, "sex")
    assert table.group_scores is not None
    turned = [3, 1, 4, 0, 2]
    shuffled = replace(
        table,
        potentials=table.potentials[:, ::-1][:, :, turned],
        group_scores=table.group_scores[:, ::-1],
        group_names=table.group_names[::-1],
        target_names=tuple(table.target_names[t] for t in turned),
    )
    options: dict[str, Any] = {"protected": "sex", "targets": OBJECTS, "bootstrap": 10}
    one, other = sy.calibrate(table, frame, **options), sy.calibrate(shuffled, frame, **options)
    assert np.array_equal(one.predictions.scores, other.predictions.scores)
    assert one.predictions.predicted_groups is not None
    assert one.predictions.predicted_groups.tolist() == other.predictions.predicted_groups.tolist()  # type: ignore[union-attr]


def test_without_a_split_column_rows_without_potentials_are_counted(shelf: Path, tmp_path: Path) -> None:
    with contextlib.chdir(shelf):
        call(f"{COMMANDS['objects']} --out {tmp_path / 'split'}")
        call(f"{COMMANDS['objects'].replace('labels.csv', 'unsplit.csv')} --out {tmp_path / 'unsplit'}")
    split, unsplit = (tmp_path / part / "predictions.parquet" for part in ("split", "unsplit"))
    assert pd.read_parquet(split).equals(pd.read_parquet(unsplit))
    assert report_of(tmp_path / "unsplit")["data"]["training_rows"] == "the rows without potentials"


def test_images_without_labels_are_calibrated_too(shelf: Path, tmp_path: Path) -> None:
    frame = made_labels()
    table = multi(frame, "sex")
    for labelled in (0, 100):
        known = frame[(frame["split"] == "train") | frame["image"].isin(table.ids[:labelled])]
        known = known[known.index < TRAIN + labelled]
        found = sy.calibrate(table, known, protected="sex", targets=OBJECTS, bootstrap=10)
        report = found.report
        assert len(found.predictions) == TEST
        assert report.data["labelled"] == labelled
        assert report.figure("mals_amplification") is not None
        assert (report.figure("f1_macro") is None) == (labelled == 0)
        assert f"{TEST - labelled} of {TEST} calibrated images have no row" in report.notes[0]
    nothing = sy.calibrate(table, known[known["split"] == "train"], protected="sex", targets=OBJECTS, bootstrap=10)
    assert {item.name for item in nothing.report.omitted} >= {"f1_macro", "f1_micro", "balanced_accuracy"}
    assert "not known" in str(nothing)
    nothing.report.to_html(tmp_path / "page.html")


def test_only_one_split_is_calibrated_when_asked(shelf: Path) -> None:
    frame = made_labels()
    frame.loc[TRAIN : TRAIN + 149, "split"] = "val"
    table = multi(made_labels(), "sex")
    options: dict[str, Any] = {"protected": "sex", "targets": OBJECTS, "bootstrap": 10, "min_support": 30}
    part = sy.calibrate(table, frame, split="val", **options)
    assert part.predictions.ids.tolist() == table.ids[:150].tolist()
    assert part.report.data["split"] == "val"
    whole = sy.calibrate(table, frame, train_split="val", **options)
    assert sum(whole.report.data["training"].values()) == 150
    assert "150 of the calibrated images are among those" in whole.report.notes[0]


def test_a_wide_margin_changes_nothing(shelf: Path) -> None:
    found = sy.calibrate(
        multi(made_labels(), "sex"), made_labels(), protected="sex", targets=OBJECTS, margin=0.9, bootstrap=10
    )
    assert np.array_equal(found.predictions.scores, found.uncalibrated.scores)
    assert found.report.solution.finish == "unchanged"
    assert "nothing was changed" in str(found)
    gap = found.report.figure("f1_macro")
    assert gap is not None
    assert gap.difference.low == gap.difference.high == 0


def test_the_report_round_trips(done: tuple[str, Path], tmp_path: Path) -> None:
    _, folder = done
    report = CalibrationReport.from_json(folder / "report.json")
    report.to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (folder / "report.json").read_bytes()
    assert CalibrationReport.from_json(tmp_path / "again.json") == report


def test_written_potentials_of_either_form_give_the_same(shelf: Path, tmp_path: Path) -> None:
    table = multi(made_labels(), "place")
    found = []
    for extension in ("npz", "parquet"):
        write_potentials(tmp_path / f"p.{extension}", table)
        with contextlib.chdir(shelf):
            command = COMMANDS["places"].replace("places.parquet", str(tmp_path / f"p.{extension}"))
            call(f"{command} --out {tmp_path / extension}")
        found.append((tmp_path / extension / "predictions.parquet").read_bytes())
    assert found[0] == found[1]
