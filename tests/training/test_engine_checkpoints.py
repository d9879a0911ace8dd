import json
import os
import pickle
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import safetensors  # noqa: E402
from engine_world import SIZE, FakeSource, Plain, WithCritic, task_of, tiny_network  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.training import checkpoints  # noqa: E402
from steelyard.training.checkpoints import (  # noqa: E402
    Index,
    name_of,
    read_checkpoint,
    read_index,
    restore_network,
    write_checkpoint,
)
from steelyard.training.engine import train  # noqa: E402
from steelyard.training.launching import launch  # noqa: E402
from steelyard.training.options import TrainingOptions  # noqa: E402

pytestmark = pytest.mark.torch

OPTIONS = TrainingOptions(epochs=2, rate=1e-2, precision="32-true", accelerator="cpu", checkpoint_minutes=None)


def run(folder, *, chosen=OPTIONS, network=None, objective=None, resume=False, model="tiny", n=48):
    network, objective = network or tiny_network(), objective or Plain()
    train_source = FakeSource(n, training=True)
    val_source = FakeSource(30, training=False, seed=1)

    def work(fabric):
        return train(
            fabric,
            network,
            objective,
            task_of(train_source),
            train_source,
            val_source,
            chosen,
            folder,
            size=SIZE,
            model=model,
            resume=resume,
        )

    return launch(chosen, work)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(folder, objective=WithCritic())
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def unfinished(copy):
    """The same run, as if it were not at its end."""
    index = read_index(copy)
    (copy / "checkpoints/index.json").write_text(json.dumps(asdict(replace(index, complete=False))))
    return copy


def write(folder, step, *, best=None, numbers=100, state=None):
    index = Index(last=name_of(step), best=best, step=step, complete=False, monitor="quality", quality=None, loss=None)
    weights = {"w": torch.full((numbers,), float(step))}
    write_checkpoint(folder, index, weights=weights, model="m", state={"step": step} if state is None else state)


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_folder_holds_what_it_says(finished):
    index = read_index(finished)
    assert index.complete
    folders = {
        path.name: sorted(file.name for file in path.iterdir()) for path in (finished / "checkpoints").glob("step*")
    }
    assert folders == {name: ["state.pt", "weights.safetensors"] for name in {index.last, index.best}}
    with safetensors.safe_open(finished / "checkpoints" / index.last / "weights.safetensors", "pt") as file:
        assert file.metadata() == {"model": "tiny"}
        assert set(file.keys()) == set(tiny_network().state_dict())
    state = read_checkpoint(finished, "last").state
    assert set(state["objective"]) == {"critic", "optimiser"}
    network = tiny_network()
    restore_network(network, read_checkpoint(finished, "best"), model="tiny")
    assert not torch.equal(network.head.weight, tiny_network().head.weight)


def test_a_complete_run_is_not_trained_on(copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    result = run(copy, objective=WithCritic(), resume=True)
    assert result.index == read_index(copy)
    assert result.images_per_s == 0
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_a_run_without_checkpoints_begins_when_resumed_and_has_nothing_to_read(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    with pytest.raises(InputError, match=r"expected a run folder with checkpoints, found none; train first") as caught:
        read_checkpoint(tmp_path, "best")
    one_line(caught)
    assert run(tmp_path, resume=True).index.complete
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [6, 12]


def test_a_malicious_pickle_is_refused_and_does_not_run(unfinished, tmp_path):
    marker = tmp_path / "marker"

    class Malicious:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    content = pickle.dumps({"standing": Malicious()})
    pickle.loads(content)
    assert marker.exists()  # it would
    marker.unlink()
    path = unfinished / "checkpoints" / read_index(unfinished).last / "state.pt"
    for write_it in (lambda: path.write_bytes(content), lambda: torch.save({"standing": Malicious()}, path)):
        write_it()
        with pytest.raises(InputError, match=r"state\.pt: .* it was refused, nothing ran") as caught:
            run(unfinished, objective=WithCritic(), resume=True)
        one_line(caught)
        assert not marker.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
@pytest.mark.parametrize("keep", [0, 7, 0.5, -1])
def test_a_truncated_file_is_named(unfinished, name, keep):
    path = unfinished / "checkpoints" / read_index(unfinished).last / name
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match=rf"{name}: expected") as caught:
        run(unfinished, objective=WithCritic(), resume=True)
    one_line(caught)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name}: ") as caught:
        read_checkpoint(unfinished, "last")
    one_line(caught)


@pytest.mark.parametrize("content", ["", "[]", '{"last": "step-1"}', "{"])
def test_a_damaged_index_is_named(copy, content):
    (copy / "checkpoints/index.json").write_text(content)
    with pytest.raises(InputError, match=r"index\.json: expected the index of a run's checkpoints") as caught:
        run(copy, resume=True)
    one_line(caught)


def test_another_model_objective_or_plan_is_named(unfinished):
    deeper = tiny_network()
    deeper.backbone.append(torch.nn.Linear(6, 6))
    for network, model, said in [
        (tiny_network(), "other", r"\(model 'other'\), found model 'tiny'; "),
        (tiny_network(width=7), "tiny", r"backbone\.0\.weight: expected \[7, 3, 3, 3\], found \[6, 3, 3, 3\]"),
        (tiny_network(outputs=4), "", r"2 of another shape \(head\.bias: expected \[4\], found \[3\]"),
        (deeper, "", r"2 missing \(backbone\.6\.weight, backbone\.6\.bias\)"),
    ]:
        before = {name: value.clone() for name, value in network.state_dict().items()}
        with pytest.raises(InputError, match=rf"weights\.safetensors: .*{said}") as caught:
            restore_network(network, read_checkpoint(unfinished, "last"), model=model)
        one_line(caught)
        assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with pytest.raises(InputError, match=r"objective: expected Plain, found WithCritic; resume with the options"):
        run(unfinished, resume=True)
    with pytest.raises(InputError, match=r"stages: expected 1 critic, 3 all, found 1 critic, 2 all; resume with"):
        run(unfinished, chosen=replace(OPTIONS, epochs=3), objective=WithCritic(), resume=True)
    with pytest.raises(InputError, match=r"batches of an epoch: expected 5, found 6; resume with"):
        run(unfinished, objective=WithCritic(), n=40, resume=True)


def test_a_state_that_could_not_be_read_again_is_not_written(tmp_path):
    write(tmp_path, 1)
    with pytest.raises(InputError, match=r"the objective's state: expected tensors and plain types") as caught:
        write(tmp_path, 2, state={"path": Path("x")})
    one_line(caught)
    assert read_checkpoint(tmp_path, "last").state == {"step": 1}


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of half a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by the administrator only")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_the_checkpoint_before(tiny_disk):
    write(tiny_disk, 1, best=name_of(1))
    write(tiny_disk, 2, best=name_of(1))
    before = {path: path.read_bytes() for path in tiny_disk.rglob("*") if path.is_file()}
    with pytest.raises(
        InputError, match=r"step-00000003: the checkpoint cannot be written \(No space left on device\); "
    ) as caught:
        write(tiny_disk, 3, numbers=150_000)
    assert "step-00000001, step-00000002 stands; make room, then resume" in one_line(caught)
    assert before == {path: path.read_bytes() for path in tiny_disk.rglob("*") if path.is_file()}
    assert read_checkpoint(tiny_disk, "last").state == {"step": 2}
    write(tiny_disk, 3)
    assert read_checkpoint(tiny_disk, "best").state == {"step": 3}


def test_a_full_disk_stops_a_run_that_can_be_resumed(tiny_disk, tmp_path):
    run(tmp_path / "whole")
    (tiny_disk / "run").mkdir()
    filler = tiny_disk / "filler"
    filler.write_bytes(b"0" * (512 * 1024 - 64 * 1024))  # room for two checkpoints, not for three
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)") as caught:
        run(tiny_disk / "run", chosen=replace(OPTIONS, checkpoint_steps=1))
    one_line(caught)
    filler.unlink()
    run(tiny_disk / "run", chosen=replace(OPTIONS, checkpoint_steps=1), resume=True)
    whole, ours = tiny_network(), tiny_network()
    restore_network(whole, read_checkpoint(tmp_path / "whole", "last"))
    restore_network(ours, read_checkpoint(tiny_disk / "run", "last"))
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("failing", range(8))
def test_any_failing_write_leaves_a_checkpoint_that_can_be_read(tmp_path, monkeypatch, failing):
    """The same without a file system of its own: each call that reaches the disk fails once."""
    write(tmp_path, 1)
    calls = []

    def fails_once(real):
        def call(*args, **kwargs):
            calls.append(real.__name__)
            if len(calls) == failing + 1:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return call

    monkeypatch.setattr(checkpoints.os, "fsync", fails_once(os.fsync))
    monkeypatch.setattr(checkpoints.Path, "rename", fails_once(Path.rename))
    monkeypatch.setattr(checkpoints.Path, "replace", fails_once(Path.replace))
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        write(tmp_path, 2)
    monkeypatch.undo()
    assert len(calls) == failing + 1
    expected = 2 if failing == 7 else 1  # the index has moved, only its folder was not written through
    assert read_checkpoint(tmp_path, "last").state == {"step": expected}
    write(tmp_path, expected + 1)
    assert read_checkpoint(tmp_path, "last").state == {"step": expected + 1}
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"index.json", name_of(expected + 1)}
