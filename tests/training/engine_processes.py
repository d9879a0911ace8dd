"""Runs of two processes, for `test_engine_processes`; `python engine_processes.py ROOT`.

Processes are forked from one that has loaded PyTorch and trained nothing.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.utils.tensorboard  # loaded before the fork, for all
from engine_world import SIZE, TARGETS, FakeSource, Joint, Plain, WithCritic, task_of, tiny_network

from killing import forked, kill_myself
from steelyard.base.errors import InputError
from steelyard.training.engine import train
from steelyard.training.evaluation import evaluate, predict
from steelyard.training.launching import launch
from steelyard.training.options import TrainingOptions
from steelyard.training.processes import of_all

OPTIONS = TrainingOptions(
    head_epochs=1,
    epochs=2,
    rate=1e-2,
    precision="32-true",
    accelerator="cpu",
    checkpoint_minutes=None,
    checkpoint_steps=2,
    log_steps=2,
    devices=2,
)
VALIDATION = 17
"""Rows: the first process has 9 and two batches, the second 8 and one."""


def sources(fabric, *, hook=None, batch=8):
    share = {"process": fabric.global_rank, "processes": fabric.world_size}
    return (
        FakeSource(96, training=True, hook=hook, batch=batch, **share),
        FakeSource(VALIDATION, training=False, seed=1, **share),
    )


def of_both(fabric, weights):
    """Each process's value of each tensor, `[processes, …]`."""
    return {name: of_all(fabric, value) for name, value in weights.items()}


def work(fabric, root, *, hook=None, options=OPTIONS):
    """Train with a critic, each process into a folder of its own name; weights and scores of both at the end."""
    torch.set_num_threads(1)
    network, objective = tiny_network(), WithCritic()
    train_source, val_source = sources(fabric, hook=hook)
    folder = root / f"process-{fabric.global_rank}" if hook is None else root / "process-0"
    result = train(
        fabric,
        network,
        objective,
        task_of(train_source),
        train_source,
        val_source,
        options,
        folder,
        size=SIZE,
        resume=hook is not None,
    )
    scores = evaluate(fabric, network, objective, val_source)
    weights = of_both(fabric, network.state_dict())
    critics = of_both(fabric, objective.state_dict()["critic"])
    return {
        "weights": weights,
        "critics": critics,
        "rows": torch.from_numpy(scores.rows),
        "scores": torch.from_numpy(scores.scores),
        "targets": torch.from_numpy(scores.targets),
        "own_rows": val_source.decoded,
        "quality": result.index.quality,
    }


def alike(fabric, root, accumulation):
    """Train without anything that depends on how images are shared out; the weights."""
    torch.set_num_threads(1)
    network, objective = tiny_network(dropout=0, normed=False), Plain()
    train_source, val_source = sources(fabric, batch=16 // fabric.world_size)
    options = replace(OPTIONS, head_epochs=1, accumulation=accumulation)
    train(fabric, network, objective, task_of(train_source), train_source, val_source, options, root, size=SIZE)
    return network.state_dict()


def jointly(fabric):
    """What an objective says that scores targets and group together, of the validation images and of only one."""
    network, objective = tiny_network(outputs=TARGETS + 2), Joint()
    share = {"process": fabric.global_rank, "processes": fabric.world_size}
    few = (FakeSource(n, training=False, seed=1, **share) for n in (VALIDATION, 1))
    return [predict(fabric, network, objective, source) for source in few]


def spawned(fabric, root):
    """All that one start of two processes is asked for."""
    likes = {steps: alike(fabric, root / f"alike-{steps}", steps) for steps in (1, 4)}
    return {"critic": work(fabric, root), "alike": likes, "joint": jointly(fabric)}


def fails(fabric):
    if fabric.global_rank == 1:
        raise InputError("image 7: cannot be read; restore it")
    fabric.barrier()


def in_notebook(root):
    """Several processes from where there is no script, one of which fails."""
    sys.ps1 = ">>> "
    before = dict(os.environ)
    try:
        launch(OPTIONS, fails)
    except InputError as error:
        (root / "notebook.txt").write_text(str(error))
    assert dict(os.environ) == before


def elastic(root, name, rank, port, kill):
    """One of two processes that torchrun started."""
    os.environ |= {"TORCHELASTIC_RUN_ID": "run", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    told = launch(OPTIONS, work, root / name, hook=lambda *at: kill_myself() if at == kill else None)
    assert not torch.distributed.is_initialized()
    torch.save(told, root / f"{name}-{rank}.pt")


def pair(root, name, port, kill=None):
    """Both processes that torchrun would start."""
    first = os.fork()
    if first == 0:
        os._exit(forked(elastic, root, name, 1, port, kill) != 0)
    ended = forked(elastic, root, name, 0, port, kill)
    return ended, os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def alone(root):
    """One process of two that torchrun started, told of one device."""
    os.environ |= {"TORCHELASTIC_RUN_ID": "run", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    try:
        launch(replace(OPTIONS, devices=1), fails)
    except InputError as error:
        (root / "alone.txt").write_text(str(error))


def main(root):
    torch.set_num_threads(1)
    assert pair(root, "whole", free_port()) == (0, 0)
    assert pair(root, "killed", free_port(), kill=(3, 3)) == (-9, 1)
    assert pair(root, "killed", free_port()) == (0, 0)
    assert forked(in_notebook, root) == 0
    assert forked(alone, root) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
