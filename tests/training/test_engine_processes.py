import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import engine_processes  # noqa: E402
from engine_world import SIZE, TARGETS, FakeSource, WithCritic, task_of, tiny_network  # noqa: E402

from killing import run_script  # noqa: E402
from steelyard.training.checkpoints import read_checkpoint, restore_network  # noqa: E402
from steelyard.training.evaluation import predict, validate  # noqa: E402
from steelyard.training.launching import launch  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]

HERE = Path(__file__).parent
ALONE = replace(engine_processes.OPTIONS, devices=1)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two processes started from here."""
    root = tmp_path_factory.mktemp("two")
    before = dict(os.environ)
    told = launch(engine_processes.OPTIONS, engine_processes.spawned, root)
    assert dict(os.environ) == before
    assert not torch.distributed.is_initialized()
    return root, told


def predicted_alone(folder):
    """What one process says of the same images with the weights of the last checkpoint."""
    network = tiny_network()
    restore_network(network, read_checkpoint(folder, "last"))
    source = FakeSource(engine_processes.VALIDATION, training=False, seed=1)

    def work(fabric):
        objective = WithCritic()
        objective.setup(fabric, network, task_of(source), SIZE)
        return predict(fabric, network, objective, source)

    return launch(ALONE, work), task_of(source)


def test_two_processes_evaluate_like_one_and_no_image_twice(two):
    root, told = two
    alone, task = predicted_alone(root / "process-0")
    got = told["critic"]
    assert got["rows"].tolist() == list(range(engine_processes.VALIDATION))
    assert torch.equal(got["targets"], torch.from_numpy(alone.targets))
    torch.testing.assert_close(got["scores"], torch.from_numpy(alone.scores), rtol=1e-5, atol=1e-6)
    lines = [json.loads(line) for line in (root / "process-0/metrics.jsonl").read_text().splitlines()]
    one = validate(task, alone)
    assert lines[-1]["val"] == pytest.approx({"quality": one.quality, "loss": one.loss}, rel=1e-6)


def test_what_is_scored_together_is_gathered_in_full(two):
    """All that the head said, row by row; also where one process has no image and does not know how wide a row is."""
    for told, alone in zip(two[1]["joint"], launch(ALONE, engine_processes.jointly), strict=True):
        assert told.rows.tolist() == alone.rows.tolist() == list(range(len(alone.rows)))
        assert told.outputs.shape == (len(alone.rows), TARGETS + 2)
        np.testing.assert_allclose(told.outputs, alone.outputs, rtol=1e-5, atol=1e-6)
        by_hand = told.outputs[:, :TARGETS] + told.outputs[:, TARGETS:].sum(1, keepdims=True)
        np.testing.assert_allclose(told.scores, by_hand, rtol=1e-5, atol=1e-6)
    plain, _ = predicted_alone(two[0] / "process-0")
    assert plain.outputs is None  # the control


def test_both_processes_end_with_equal_weights(two):
    _, told = two
    untrained = tiny_network().state_dict()
    for name, both in (*told["critic"]["weights"].items(), *told["critic"]["critics"].items()):
        assert len(both) == 2
        assert torch.equal(both[0], both[1]), name
    assert not torch.equal(told["critic"]["weights"]["head.weight"][0], untrained["head.weight"])


def test_only_the_first_process_writes(two):
    root, _ = two
    assert sorted(path.name for path in root.iterdir()) == ["alike-1", "alike-4", "process-0"]
    lines = (root / "process-0/metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert read_checkpoint(root / "process-0", "last").state["random"]["cpu"].shape[0] == 2


@pytest.mark.parametrize("accumulation", [1, 4])
def test_two_processes_learn_what_one_learns_from_both_shares(two, tmp_path, accumulation):
    """Head first, then all layers: what is frozen changes between the stages, and gradients are the mean of both."""
    _, told = two
    alone = launch(ALONE, engine_processes.alike, tmp_path, accumulation)
    for name, value in told["alike"][accumulation].items():
        torch.testing.assert_close(value, alone[name], rtol=1e-4, atol=1e-6)
    other = told["alike"][5 - accumulation]
    assert not torch.allclose(other["head.weight"], alone["head.weight"], rtol=1e-4, atol=1e-6)


def test_processes_that_others_started_a_kill_a_resume_and_an_error(tmp_path):
    run_script(HERE / "engine_processes.py", tmp_path)
    told = {name: torch.load(tmp_path / f"{name}.pt") for name in ("whole-0", "whole-1", "killed-0", "killed-1")}
    assert [told[name]["own_rows"] for name in ("whole-0", "whole-1")] == [4 * 9, 4 * 8]
    for name, one in told.items():
        assert torch.equal(one["scores"], told["whole-0"]["scores"]), name
        for place, both in one["weights"].items():
            assert torch.equal(both, told["whole-0"]["weights"][place]), (name, place)
    assert (tmp_path / "notebook.txt").read_text() == "image 7: cannot be read; restore it"
    expected = "options devices and nodes: expected 2 processes, as they were started, found 1; set them"
    assert (tmp_path / "alone.txt").read_text() == expected
