"""Runs that are killed and resumed, for `test_engine_resume`; `python engine_kills.py ROOT`.

PyTorch is loaded once, and each run is a process forked from here: nothing was trained in this one, so that the fork
is sound. What happened goes to ROOT/killed.json: run → what each of its processes ended with.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.utils.tensorboard  # loaded before the fork, for all
from engine_world import SIZE, FakeSource, WithCritic, task_of, tiny_network

from killing import forked, kill_myself
from steelyard.training import checkpoints, resuming
from steelyard.training.engine import train
from steelyard.training.launching import launch
from steelyard.training.options import TrainingOptions

OPTIONS = TrainingOptions(
    head_epochs=1,
    epochs=2,
    rate=1e-2,
    accumulation=2,
    schedule="cosine",
    precision="32-true",
    accelerator="cpu",
    checkpoint_minutes=None,
    checkpoint_steps=2,
    log_steps=3,
)
WRITES = 9  # calls that reach the disk in each checkpoint


def run(folder, hook=None):
    """Train, or go on."""
    train_source = FakeSource(48, training=True, hook=hook)
    val_source = FakeSource(30, training=False, seed=1)

    def work(fabric):
        train(
            fabric,
            tiny_network(),
            WithCritic(),
            task_of(train_source),
            train_source,
            val_source,
            OPTIONS,
            folder,
            size=SIZE,
            resume=True,
        )

    launch(OPTIONS, work)


def at_batch(folder, epoch, number):
    """Train until this batch is about to be made, then be killed."""
    run(folder, lambda *at: kill_myself() if at == (epoch, number) else None)


def at_write(folder, which):
    """Train until this call that reaches the disk, then be killed before it is made."""
    calls = []

    def counted(real):
        def call(*args, **kwargs):
            calls.append(real)
            if len(calls) == which:
                kill_myself()
            return real(*args, **kwargs)

        return call

    checkpoints.os.fsync = counted(os.fsync)
    checkpoints.Path.rename = counted(Path.rename)
    checkpoints.Path.replace = counted(Path.replace)
    run(folder)


def forgetful(folder):
    """Like `at_batch`, but the checkpoints hold another random state than the run's."""
    other = torch.Generator().manual_seed(99).get_state()
    resuming._random_states = lambda fabric: {"cpu": other}
    at_batch(folder, 3, 4)


def main(root):
    torch.set_num_threads(1)
    ends = {}
    begun = time.monotonic()
    ends["whole"] = [forked(run, root / "whole")]
    takes = time.monotonic() - begun
    for epoch, number in [(0, 0), (1, 3), (2, 1), (2, 4), (3, 0), (3, 5)]:
        folder = root / f"batch-{epoch}-{number}"
        ends[folder.name] = [forked(at_batch, folder, epoch, number), forked(run, folder)]
    for which in (1, 4, *range(7 * WRITES + 1, 8 * WRITES + 1)):
        folder = root / f"write-{which}"
        ends[folder.name] = [forked(at_write, folder, which), forked(run, folder)]
    folder = root / "thrice"
    kills = [(at_batch, 0, 4), (at_batch, 2, 3), (at_write, 3)]
    ends["thrice"] = [*(forked(kill, folder, *where) for kill, *where in kills), forked(run, folder)]
    for part in range(1, 5):
        folder = root / f"time-{part}"
        ends[folder.name] = [forked(run, folder, delay=takes * part / 5), forked(run, folder)]
    ends["forgetful"] = [forked(forgetful, root / "forgetful"), forked(run, root / "forgetful")]
    (root / "killed.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
