import itertools
import sys

import pytest

torch = pytest.importorskip("torch")

from engine_world import SIZE, FakeSource, WithCritic, task_of, tiny_network  # noqa: E402

from steelyard.training import loop  # noqa: E402
from steelyard.training.display import on_stderr  # noqa: E402
from steelyard.training.engine import train  # noqa: E402
from steelyard.training.launching import launch  # noqa: E402
from steelyard.training.logs import Meter  # noqa: E402
from steelyard.training.options import TrainingOptions  # noqa: E402

pytestmark = pytest.mark.torch

OPTIONS = TrainingOptions(epochs=2, rate=1e-2, precision="32-true", accelerator="cpu", log_steps=2)


def run(folder, *, quiet=False, options=OPTIONS):
    train_source, val_source = FakeSource(48, training=True), FakeSource(30, training=False, seed=1)
    train_source.skipped, val_source.skipped = 3, 1

    def work(fabric):
        with on_stderr(quiet=quiet) as display:
            parts = (tiny_network(), WithCritic(), task_of(train_source), train_source, val_source)
            return train(fabric, *parts, options, folder, size=SIZE, display=display, resume=True)

    return launch(options, work)


def test_a_file_gets_a_line_per_epoch_and_the_figures_of_the_run(tmp_path, capfd):
    result = run(tmp_path)
    lines = capfd.readouterr().err.splitlines()
    assert [line.split("] ")[1].split(":")[0] for line in lines] == ["critic 1/1", "all 1/2", "all 2/2", "trained"]
    assert "mean average precision" in lines[1]
    assert "validation" not in lines[0]
    assert "18 steps" in lines[-1]
    assert "% of the time waited for data, 4 images skipped; best: step-0000" in lines[-1]
    assert result.skipped == 4
    run(tmp_path)
    assert "already complete after 18 steps; nothing to do" in capfd.readouterr().err


def test_quiet_says_nothing(tmp_path, capfd):
    run(tmp_path, quiet=True)
    assert capfd.readouterr().err == ""


def test_a_terminal_gets_bars(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(tmp_path)
    said = capfd.readouterr().err
    assert "all 2/2: critic" in said
    assert "trained: 18 steps" in said


def test_checkpoints_come_by_the_clock(tmp_path, monkeypatch):
    """The clock moves a minute each time it is looked at."""
    clock, written = itertools.count(0, 60), []
    monkeypatch.setattr(loop, "monotonic", lambda: float(next(clock)))
    real = loop.write_checkpoint
    monkeypatch.setattr(
        loop,
        "write_checkpoint",
        lambda folder, index, **rest: (written.append(index.step), real(folder, index, **rest)),
    )
    changed = {"epochs": 2, "rate": 1e-2, "precision": "32-true", "accelerator": "cpu", "log_steps": 2}
    run(tmp_path / "a", options=TrainingOptions(**changed, checkpoint_minutes=1.5))
    assert written == [4, 6, 10, 12, 16, 18]
    written.clear()
    run(tmp_path / "b", options=TrainingOptions(**changed, checkpoint_minutes=None))
    assert written == [6, 12, 18]


def test_the_meter_counts_training_and_waiting_only(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    source = FakeSource(8, training=True)
    meter = Meter(source, 2)
    assert meter.total() == (0, 0)
    meter.run()
    now[0], source.waited_s = 4.0, 1.0
    meter.add(50)
    assert meter.rates() == (25.0, 0.25)
    meter.stop()
    now[0] = 100.0
    meter.run()
    now[0] = 104.0
    meter.add(50)
    assert meter.rates() == (25.0, 0.0)
    assert meter.total() == (25.0, 0.125)
