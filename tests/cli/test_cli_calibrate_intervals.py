"""What a calibration says of chance, of few images and of masks, and what a failed write leaves."""

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calibrate_samples import OBJECTS, TEST, labels, multi, write_corpus
from cli_samples import call

from steelyard.base.drafts import drafts_in
from steelyard.base.errors import InputError
from steelyard.reports import calibration as calibration_module
from steelyard.reports.calibration import VIOLATED, CalibrationReport
from steelyard.reports.calibration_page import calibration_page
from steelyard.tables import write_potentials

LINE = f"calibrate objects.npz --labels labels.csv --protected sex --targets {','.join(OBJECTS)} --quiet"
MARGIN, ROUNDS = 0.05, 400


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrated")
    write_corpus(folder)
    with contextlib.chdir(folder):
        call(f"{LINE} --bootstrap {ROUNDS} --out made")
    return folder / "made"


def outside(table: pd.DataFrame, rows: np.ndarray, shares: dict[str, float]) -> int:
    """Constrained labels whose share of men lies outside the margin, among these rows."""
    found = 0
    for label, share in shares.items():
        groups = table["sex"].to_numpy()[rows][table[label].to_numpy()[rows] == 1]
        found += len(groups) > 0 and abs((groups == "man").mean() - share) > MARGIN + 1e-9
    return found


def resampled(folder: Path) -> np.ndarray:
    """`[rounds, 2]`: the counts before and after in the same resamples of the images, one at a time."""
    frame = labels()
    train = frame[frame["split"] == "train"]
    shares = {
        name: float((train["sex"][train[name] == 1] == "man").mean()) for name in OBJECTS if train[name].sum() >= 100
    }
    tables = [
        pd.read_parquet(folder / f"{f}.parquet").rename(columns={"group": "sex"})
        for f in ("uncalibrated", "predictions")
    ]
    rng, n = np.random.default_rng(8), len(tables[0])
    draws = [rng.integers(0, n, n) for _ in range(ROUNDS)]
    return np.array([[outside(table, rows, shares) for table in tables] for rows in draws])


def test_the_count_outside_the_margin_has_the_percentiles_of_its_resamples(done: Path) -> None:
    found = CalibrationReport.from_json(done / "report.json").figure(VIOLATED)
    assert found is not None
    counts = resampled(done)
    columns = (counts[:, 0], counts[:, 1], counts[:, 1] - counts[:, 0])
    for estimate, drawn in zip((found.before, found.after, found.difference), columns, strict=True):
        low, high = np.quantile(drawn, [0.025, 0.975])
        # Whole numbers: at most one apart, where a percentile is between two.
        assert abs(estimate.low - min(low, estimate.value)) <= 1
        assert abs(estimate.high - max(high, estimate.value)) <= 1
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low.is_integer()
        assert estimate.high.is_integer()
        assert -4 <= estimate.low <= drawn.mean() <= estimate.high <= 4, "four labels are constrained"
        share = np.mean((drawn >= estimate.low) & (drawn <= estimate.high))
        assert share >= 0.9, "nearly all resamples lie inside"
    assert found.after.value == 0
    assert counts[:, 1].mean() > 0.5, "the control: resamples fall outside again"
    assert found.after.high >= 2
    said = re.match(r"in resamples of the images it is ([0-9.]+) on average", found.after.note)
    assert said is not None
    assert float(said[1]) == pytest.approx(counts[:, 1].mean(), abs=0.3)
    assert "centred" not in found.after.scheme


def test_the_terminal_and_the_page_say_so(done: Path) -> None:
    report = CalibrationReport.from_json(done / "report.json")
    assert "in resamples of the images it is" in " ".join(str(report).split())
    assert "n resamples of the images it is" in calibration_page(report)
    assert all(len(line) <= 80 for line in str(report).splitlines())


@pytest.mark.parametrize("n", [1, 12])
def test_few_images_settle_nothing(n: int, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = labels()
    frame.to_csv(tmp_path / "labels.csv", index=False)
    table = multi(frame, "sex")
    assert table.group_scores is not None
    # Every label there, with one group: outside the margin, however they are drawn.
    potentials = table.potentials[:n].copy()
    potentials[..., 1] += 3
    few = replace(table, ids=table.ids[:n], potentials=potentials, group_scores=table.group_scores[:n] * [[9, 0]])
    write_potentials(tmp_path / "objects.npz", few)
    with contextlib.chdir(tmp_path):
        call(f"{LINE} --bootstrap 40 --out made")
    said = " ".join(capsys.readouterr().out.split())
    report = CalibrationReport.from_json(tmp_path / "made" / "report.json")
    assert f"Only {n} image{'' if n == 1 else 's'} calibrated" in " ".join(report.notes)
    assert "intervals are too narrow below 30" in said
    assert any(f.difference.value and f.difference.low * f.difference.high > 0 for f in report.figures)
    assert "*[" not in said
    whole = CalibrationReport.from_json(done / "report.json")
    assert not whole.notes
    assert "*[" in str(whole), "the control: of many images differences are marked"


def test_images_that_must_take_what_their_scores_rule_out_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All must have apples, and who is a woman is known: too many women for their share among apples, or not."""
    frame = labels()
    frame.to_csv(tmp_path / "labels.csv", index=False)
    table = multi(frame, "sex")
    assert table.group_scores is not None
    said = []
    for share in (0.75, 0.3):
        potentials, scores = table.potentials.copy(), table.group_scores.copy()
        potentials[:, :, 0, 0] -= 1e30
        women = np.arange(TEST) < share * TEST
        scores[np.arange(TEST), np.where(women, 0, 1)] -= 1e30
        masked = replace(table, potentials=potentials, group_scores=scores)
        write_potentials(tmp_path / "objects.npz", masked)
        with contextlib.chdir(tmp_path):
            call(f"{LINE} --bootstrap 10 --out made")
        out = capsys.readouterr().out
        assert "1e+30" not in out
        assert len(max(out.splitlines(), key=len)) <= 80
        said.append(CalibrationReport.from_json(tmp_path / "made" / "report.json"))
    noted = [[note for note in report.notes if "take a group or label" in note] for report in said]
    assert [len(notes) for notes in noted] == [1, 0]
    counted = re.match(rf"(\d+) of {TEST} images \(ids 0\d+\.jpg, ", noted[0][0])
    assert counted is not None
    least = fewest(frame, int(0.75 * TEST))
    assert least <= int(counted[1]) <= 1.05 * least
    assert "duality gap above 100 %" in " ".join(str(said[0]).split()), "what the bound allows is said as it is"
    assert said[1].solution.gap < 0.001


def fewest(frame: pd.DataFrame, women: int) -> int:
    """How many women must be taken for men, or go without apples, until shares are held: all numbers tried."""
    train = frame[(frame["split"] == "train") & (frame["apple"] == 1)]
    high = (train["sex"] == "woman").mean() + MARGIN
    return min(
        taken + without
        for taken in range(women + 1)
        for without in range(women - taken + 1)
        if women - taken - without <= high * (TEST - without)
    )


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def test_a_later_write_that_fails_leaves_an_earlier_calibration_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path)
    monkeypatch.chdir(tmp_path)
    call(f"{LINE} --bootstrap 10 --out made")
    before = contents(tmp_path)

    def run_out_of_space(path: Path, text: str) -> None:
        path.write_text(text[:100])
        raise InputError(f"{path}: cannot be written (No space left on device); choose another --out")

    with monkeypatch.context() as patched:
        patched.setattr(calibration_module, "write_text", run_out_of_space)
        with pytest.raises(SystemExit) as stop:
            call(f"{LINE} --bootstrap 10 --margin 0.1 --out made")
    assert stop.value.code == 2
    line = "steelyard: made/report.json: cannot be written (No space left on device); choose another --out\n"
    assert capsys.readouterr().err == line
    assert contents(tmp_path) == before
    call(f"{LINE} --bootstrap 10 --margin 0.1 --out made")
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"made/{f}" for f in ("predictions.parquet", "report.json", "report.html")}, "the control"


def test_drafts_take_their_places_together(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_text("old")

    def write(folder: Path, *names: str) -> None:
        with drafts_in(folder) as made:
            for name in names:
                (made / name).write_text("new")

    with pytest.raises(InputError, match=r"b: expected a file to replace, found a folder"):
        write(tmp_path, "a", "b")
    with pytest.raises(InputError, match=r"cannot be written \(No such file or directory\)"):
        write(tmp_path, "a", "c/d")
    with pytest.raises(InputError, match=r"a: cannot be written \(File exists\)"):
        write(tmp_path / "a", "a")
    assert contents(tmp_path) == {"a": b"old", "b": None}
    write(tmp_path, "a")
    assert contents(tmp_path) == {"a": b"new", "b": None}
