"""Killed at any moment and resumed, a run ends bit by bit as if it had never stopped."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from killing import run_script

torch = pytest.importorskip("torch")

from steelyard.training.checkpoints import read_checkpoint, read_index  # noqa: E402

pytestmark = pytest.mark.torch

HERE = Path(__file__).parent
STEPS = 24


@pytest.fixture(scope="module")
def root():
    """In memory where there is such a place: hundreds of writes are waited for until they lie on the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def killed(root):
    """A folder of runs, and how their processes ended."""
    said = run_script(HERE / "engine_kills.py", root)
    ends = json.loads((root / "killed.json").read_text())
    assert all(one[-1] == 0 for one in ends.values()), said
    return root, ends


def tensors(value, name=""):
    """Every tensor and number in nested state, by its place."""
    if isinstance(value, dict):
        return {place: found for key, part in value.items() for place, found in tensors(part, f"{name}/{key}").items()}
    if isinstance(value, list | tuple):
        return {place: found for i, part in enumerate(value) for place, found in tensors(part, f"{name}/{i}").items()}
    return {name: value}


def everything(folder, which="last"):
    checkpoint = read_checkpoint(folder, which)
    return tensors({"weights": checkpoint.weights, "state": checkpoint.state})


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def differences(folder, whole, which="last"):
    ours, theirs = everything(folder, which), everything(whole, which)
    assert set(ours) == set(theirs)
    # The length of the log depends on how fast the run was.
    return [place for place in ours if not same(ours[place], theirs[place]) and place != "/state/kept"]


def log(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in ("images_per_s", "wait")} for line in lines]


def test_every_run_ends_with_the_same_weights_and_state(killed):
    root, ends = killed
    for name in set(ends) - {"forgetful"}:
        assert differences(root / name, root / "whole") == [], name
        assert differences(root / name, root / "whole", "best") == [], name
        assert read_index(root / name) == read_index(root / "whole"), name
        assert read_index(root / name).complete
        kept = {path.name for path in (root / name / "checkpoints").iterdir()}
        assert kept == {"index.json", read_index(root / name).last, read_index(root / name).best}, name


def test_the_log_has_every_line_once(killed):
    root, ends = killed
    whole = log(root / "whole")
    steps = [line["step"] for line in whole]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS
    for name in set(ends) - {"forgetful"}:
        assert log(root / name) == whole, name


def test_the_runs_were_killed_at_different_moments(killed):
    _, ends = killed
    killed_runs = {name: one for name, one in ends.items() if name not in ("whole",) and not name.startswith("time")}
    assert len(killed_runs) == 6 + 11 + 1 + 1
    assert all(set(one[:-1]) == {-9} for one in killed_runs.values())
    timed = [one[0] for name, one in ends.items() if name.startswith("time")]
    assert len(timed) == 4
    assert -9 in timed  # some may have been faster than the first


def test_a_run_that_forgets_its_random_state_ends_elsewhere(killed):
    root, _ = killed
    different = differences(root / "forgetful", root / "whole")
    assert "/weights/backbone.0.weight" in different
    assert "/weights/head.weight" in different
