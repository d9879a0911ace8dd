"""`train`: a network, an objective and data in; a run folder with its best and last checkpoints out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from steelyard.base.errors import InputError
from steelyard.models.network import Network
from steelyard.training.checkpoints import Index, read_index, tidy
from steelyard.training.display import Display, Silent
from steelyard.training.loop import Run, index_of
from steelyard.training.objective import Objective, Task
from steelyard.training.options import TrainingOptions
from steelyard.training.processes import of_all
from steelyard.training.sources import BatchSource

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What came of a run.

    Attributes:
        folder: the run folder; its best network: `read_checkpoint(folder, "best")`.
        index: its best and last checkpoints.
        images_per_s: training images per second in this session, all processes together; 0 where nothing was left
            to do.
        waited: share of the training time spent waiting for data, in [0, 1], of the process that waited longest.
        skipped: images left out because they could not be read, of training and validation, as their sources count.
    """

    folder: Path
    index: Index
    images_per_s: float = 0.0
    waited: float = 0.0
    skipped: int = 0


def train(
    fabric: "Fabric",
    network: Network,
    objective: Objective,
    task: Task,
    train_source: BatchSource,
    val_source: BatchSource | None,
    options: TrainingOptions,
    folder: Path,
    *,
    size: tuple[int, int],
    model: str = "",
    resume: bool = False,
    display: Display | None = None,
) -> TrainResult:
    """Train the network; it ends with the weights of the last step.

    Stage `head` trains the head alone, stage `critic` the objective's own networks alone, stage `all` everything.
    Stopped at any moment and resumed, it ends with the same weights as without a stop (on a CPU, bit by bit).

    Args:
        fabric: launched; see `launching.launch`.
        network: with its first weights, the same in every session; not wrapped.
        objective: not set up.
        task: what is learned.
        train_source: this process's training batches; as many in each process.
        val_source: this process's share of the validation images; None only with monitor `last`.
        options: of the engine.
        folder: the run folder.
        size: height and width of the images.
        model: its name, kept with the weights.
        resume: go on from the last checkpoint of the folder, from the beginning where there is none yet; nothing is
            done where the run is complete.
        display: shown to a person by the first process.

    Raises:
        InputError: the folder holds a run already (without `resume`) or another one (with it), a loss is not finite,
            the disk is full.
    """
    index, shown = read_index(folder), display if display and fabric.is_global_zero else Silent()
    if index is not None and not resume:
        raise InputError(
            f"{folder}: expected a new run folder, found a run of {index.step:,} steps; resume it, or name another"
        )
    options.require_monitored(validation=val_source is not None)
    _check_sources(fabric, train_source)
    if index is not None and index.complete:
        if fabric.is_global_zero:
            tidy(folder)
        shown.say(f"{folder}: already complete after {index.step:,} steps; nothing to do")
        return TrainResult(folder=folder, index=index)
    run = Run(
        fabric=fabric,
        network=network,
        objective=objective,
        task=task,
        train_source=train_source,
        val_source=val_source,
        options=options,
        folder=folder,
        model=model,
        display=shown,
    )
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), run.started(size, resume=index is not None):
        run.run()
    result = _result(run)
    shown.say(_last_words(result))
    return result


def _check_sources(fabric: "Fabric", train_source: BatchSource) -> None:
    """All processes must make the same number of steps, or they would wait for each other for ever."""
    if not len(train_source):
        raise InputError(
            "training images: expected at least one batch, found none; take more images or a smaller batch"
        )
    counts = of_all(fabric, torch.tensor(len(train_source))).tolist()
    if len(set(counts)) > 1:
        raise InputError(f"training batches: expected as many in each process, found {counts}; mend the source")


def _result(run: Run) -> TrainResult:
    speed, waited = run.meter.total()
    sources = [source for source in (run.train_source, run.val_source) if source is not None]
    figures = torch.tensor([waited, sum(source.skipped for source in sources)], dtype=torch.float32)
    told = of_all(run.fabric, figures)
    return TrainResult(
        folder=run.folder,
        index=index_of(run.options, run.standing, stages=len(run.plan)),
        images_per_s=speed,
        waited=float(told[:, 0].max()),
        skipped=int(told[:, 1].sum()),
    )


def _last_words(result: TrainResult) -> str:
    best = f"; best: {result.index.best}" if result.index.best else ""
    return (
        f"trained: {result.index.step:,} steps, {result.images_per_s:,.0f} images/s, {result.waited:.1%} of the time "
        f"waited for data, {result.skipped:,} images skipped{best}"
    )
