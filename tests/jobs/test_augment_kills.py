"""`kill -9` in every step, then run again: the same final table, byte for byte."""

import json
from pathlib import Path

import pytest

from killing import run_script

pytest.importorskip("torch")

pytestmark = pytest.mark.torch
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("kills")
    said = run_script(HERE / "augment_kills.py", root)
    return root, json.loads((root / "killed.json").read_text()), said


def test_every_step_was_killed_and_the_last_run_ended(runs):
    _, ends, said = runs
    assert ends["whole"] == ends["resumed"] == [0], said
    kills = {step: [end for name, _, end in ends["killed"] if name == step] for step, _, _ in ends["killed"]}
    assert set(kills) == {"classifiers", "oracle", "latents", "labels", "planes", "pairs", "models", "report"}
    for step, found in kills.items():
        # 0 where the step had ended before so many files; the kills before the first and the second always come.
        assert found[:2] == [-9, -9], step
        assert set(found) <= {-9, 0}, said


def test_what_was_killed_says_that_it_took_several_sessions(runs):
    root, _, _ = runs
    for step in ("classifiers", "labels", "models"):
        one, several = (json.loads((root / name / step / "step.json").read_text()) for name in ("whole", "killed"))
        assert one["sessions"] == 1
        assert several["sessions"] > 1
    notes = [row["what"] for row in json.loads((root / "killed" / "report" / "report.json").read_text())["steps"]]
    assert any("sessions, the time is of the last" in note for note in notes)


def test_the_final_table_is_the_same(runs):
    root, _, _ = runs
    tables = [(root / name / "report" / "figures.csv").read_bytes() for name in ("whole", "killed")]
    assert tables[0] == tables[1]
    for model in ("plain", "augmented"):
        whole, other = (root / name / "models" / f"{model}.parquet" for name in ("whole", "killed"))
        assert whole.read_bytes() == other.read_bytes()
