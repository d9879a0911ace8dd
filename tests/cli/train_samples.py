"""A tiny training run as files: a world of Scenes, a table of real image files, and calls of the command."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

from steelyard.cli.main import main

WORLD = "size: 32\ntrain: 64\nval: 32\ntest: 48\nlabels: 4\ntilted: 2\ncues: 2\n"
CONFIG = """
seed: 3
data: {name: scenes, source: world.yaml, resize: null, crop: null, workers: 0, batch_size: 16}
model: {name: compact, width: 4}
objective: {name: task, weighting: none}
training: {epochs: 2, rate: 5.0e-3, accelerator: cpu, precision: 32-true, checkpoint_steps: 1}
audit: null
out: run
"""
ADVERSARIAL = "--objective.name adversarial --objective.tap conv5"


def write_desk(folder: Path) -> None:
    """A folder with everything."""
    (folder / "world.yaml").write_text(WORLD)
    (folder / "config.yaml").write_text(CONFIG)


def said(folder: Path, command: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, run in this process inside `folder`."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(command.split())
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def line(folder: Path, command: str) -> str:
    """The one line that a refused command says."""
    code, out, err = said(folder, command)
    assert code == 2, (code, out, err)
    assert err.count("\n") == 1, err
    return err.strip()


def started(folder: Path, command: str) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    words = [sys.executable, "-m", "steelyard", *command.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
