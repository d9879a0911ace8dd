"""Starts the processes of a run: one, several on this machine, or those that torchrun or SLURM has started."""

import inspect
import json
import logging
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lsf import LSFEnvironment
from lightning.fabric.plugins.environments.mpi import MPIEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from torch.multiprocessing.spawn import ProcessException
from torch.nn.parallel import DistributedDataParallel

from steelyard.base import errors
from steelyard.base.errors import InputError, SteelyardError
from steelyard.training.options import TrainingOptions, accelerator_of, precision_of

P = ParamSpec("P")
T = TypeVar("T")


def launch(
    options: TrainingOptions, function: Callable[Concatenate[Fabric, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call `function(fabric, …)` in every process of the run.

    With one device it runs here. With several, processes are started and ended again, and this one waits for
    them; under torchrun, SLURM, LSF or MPI each process that they started calls it, and goes on with its own result.

    Args:
        options: devices, nodes, accelerator and precision.
        function: of a module, not within another function: with several devices, it and what it is given are pickled.
        args: for the function.
        kwargs: for the function.

    Returns:
        What it returned in the first process.

    Raises:
        InputError: there is no such device.
        SteelyardError: what it raised in any process.
    """
    fabric = _fabric(options)
    with _environment(), tempfile.TemporaryDirectory() as told:
        work: Callable[..., T | None] = _work  # what Fabric's own annotation leaves out is that it passes arguments on
        try:
            result = fabric.launch(work, Path(told), function, args, kwargs)
        except ProcessException:
            if said := sorted(Path(told).glob("error-*")):
                name, message = json.loads(said[0].read_text(encoding="utf-8"))
                raise getattr(errors, name, SteelyardError)(message) from None
            raise
        # Not by Fabric's own queue: what is in it goes with the process that put it there.
        returned = Path(told) / "result"
        return cast(T, pickle.loads(returned.read_bytes()) if returned.exists() else result)


def _fabric(options: TrainingOptions) -> Fabric:
    several = options.devices * options.nodes > 1
    if not several and (others := _world_around()) > 1:
        raise InputError(
            f"options devices and nodes: expected {others} processes, as they were started, found 1; set them"
        )
    accelerator, precision = accelerator_of(options), precision_of(options)
    with _quiet():
        try:
            return Fabric(
                accelerator=accelerator,
                devices=options.devices,
                num_nodes=options.nodes,
                precision=precision,
                strategy=DDPStrategy(start_method=_start_method(), **_own_buffers()) if several else "auto",
            )
        except (ValueError, RuntimeError) as error:
            found = " ".join(str(error).split())
            raise InputError(f"options devices, nodes and accelerator: {found}") from None


def _own_buffers() -> dict[str, Any]:
    """The option by which each process keeps its own running statistics; the engine equalises them after each epoch.

    Sent in each pass they would overwrite what a second pass of the same step still needs.
    """
    newer = "forward_sync_buffers"  # PyTorch 2.15 took it in place of the older name
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    return {newer if newer in known else "broadcast_buffers": False}


_MANAGERS = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)


def _world_around() -> int:
    """Processes that a manager has started; 1 without one."""
    return next((manager().world_size() for manager in _MANAGERS if manager.detect()), 1)


def _start_method() -> Literal["popen", "spawn", "fork"]:
    """How processes are started; `popen` finds those that somebody else has started."""
    if "LOCAL_RANK" in os.environ or any(manager.detect() for manager in _MANAGERS):
        return "popen"
    return "fork" if hasattr(sys, "ps1") else "spawn"  # in a notebook there is no script to begin anew


def _work(
    fabric: Fabric, told: Path, function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
) -> T | None:
    """What each process does; a process of ours leaves its result, or its error of ours, for the one that waits."""
    ours = isinstance(fabric.strategy.launcher, _MultiProcessingLauncher)
    try:
        result = function(fabric, *args, **kwargs)
        if not ours:
            return result
        if fabric.is_global_zero:
            (told / "result").write_bytes(pickle.dumps(result))
        return None
    except SteelyardError as error:
        if not ours:
            raise
        path = told / f"error-{fabric.global_rank:05d}"
        path.write_text(json.dumps([type(error).__name__, str(error)]), encoding="utf-8")
        sys.exit(2)
    finally:
        if fabric.world_size > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextmanager
def _environment() -> Iterator[None]:
    """Leave the environment's variables as they were: the next run in this process has a port of its own."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the notes that Fabric logs, under either name, on what it was told to do."""
    loggers = [logging.getLogger(name) for name in ("lightning.fabric", "lightning.pytorch")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
