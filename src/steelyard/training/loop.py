"""The one training loop, for every objective: stages, epochs, steps, checkpoints, and going on after any stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import torch

from steelyard.base.errors import InputError
from steelyard.models.network import Network
from steelyard.training.checkpoints import Index, name_of, write_checkpoint
from steelyard.training.display import Display
from steelyard.training.evaluation import evaluate, to_device, validate
from steelyard.training.logs import LossWindow, Meter, RunLog
from steelyard.training.objective import Batch, Objective, Progress, Task
from steelyard.training.options import TrainingOptions
from steelyard.training.processes import equalise, require_finite
from steelyard.training.resuming import Start, identity, resume_run, run_state, seed_torch
from steelyard.training.sources import BatchSource
from steelyard.training.stages import StagePlan, freeze, make_optimiser, plan_stages, share_of_rate, thaw
from steelyard.training.standing import Standing, Validation

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from lightning.fabric.wrappers import _FabricModule

Optimizer = torch.optim.Optimizer


@dataclass(slots=True, kw_only=True)
class Run:
    """A training run at work.

    Attributes:
        network: bare; each stage wraps it anew, for only what learns is kept equal between processes.
        display: silent in processes other than the first.
        plan: the stages.
        standing: where it stands.
        meter: speed and waiting.
    """

    fabric: "Fabric"
    network: Network
    objective: Objective
    task: Task
    train_source: BatchSource
    val_source: BatchSource | None
    options: TrainingOptions
    folder: Path
    model: str
    display: Display
    plan: tuple[StagePlan, ...] = field(init=False)
    standing: Standing = field(init=False, default=Standing())
    meter: Meter = field(init=False)
    _window: LossWindow = field(init=False)
    _log: RunLog = field(init=False)
    _identity: dict[str, Any] = field(init=False)
    _optimiser: dict[str, Any] | None = field(init=False, default=None)
    _saved: tuple[int, float] = field(init=False)
    """Step and time of the last checkpoint."""

    def __post_init__(self) -> None:
        self.plan = plan_stages(self.options, self.objective.critic_epochs)
        self.meter = Meter(self.train_source, self.fabric.world_size)
        self._window = LossWindow(self.fabric)
        self._identity = identity(self.fabric, self.objective, self.train_source, self.plan, self.options)

    @contextmanager
    def started(self, size: tuple[int, int], *, resume: bool) -> Iterator[None]:
        """Set everything up, from the last checkpoint where there is one; the log is open within."""
        self.fabric.to_device(self.network)
        self.network.to(memory_format=torch.channels_last)
        seed_torch(self.options, "setup")
        self.objective.setup(self.fabric, self.network, self.task, size)
        seed_torch(self.options, "steps", self.fabric.global_rank)
        start = Start()
        if resume:
            start = resume_run(
                self.fabric, self.folder, self.network, self.objective, model=self.model, identity=self._identity
            )
            self.display.say(f"{self.folder}: going on after {start.standing.position.step:,} steps")
        self.standing, self._optimiser = start.standing, start.optimiser
        step = start.standing.position.step
        self._saved = step, monotonic()
        self._log = RunLog(self.folder if self.fabric.is_global_zero else None, keep=start.kept, step=step)
        try:
            yield
        finally:
            self._log.close()

    def run(self) -> None:
        """Train from where it stands to the end, within `started`."""
        while (number := self.standing.position.stage) < len(self.plan):
            stage = self.plan[number]
            thaw(self.network, stage.name)
            network = cast(Network, self.fabric.setup_module(self.network))
            optimiser: Optimizer | None = None
            if stage.name == "critic":
                freeze(network)
            else:
                made = make_optimiser(self.network, self.options, stage.rate)
                if self._optimiser is not None:
                    made.load_state_dict(self._optimiser)
                optimiser = cast(Optimizer, self.fabric.setup_optimizers(made))
            self._optimiser = None
            while self.standing.position.stage == number:
                self._epoch(stage, network, optimiser)
                self._end_epoch(stage, network, optimiser)

    def _epoch(self, stage: StagePlan, network: Network, optimiser: Optimizer | None) -> None:
        batches, at = len(self.train_source), self.standing.position
        self.display.begin(f"{stage.name} {at.epoch + 1}/{stage.epochs}", batches, done=at.batch)
        late = False
        self.meter.run()
        for batch in _quietly(self.train_source.epoch(stage.before + at.epoch, start=at.batch)):
            closes = self._step(stage, network, optimiser, to_device(batch, self.fabric.device))
            at = replace(self.standing.position, batch=at.batch + 1, step=at.step + 1)
            self.standing = replace(self.standing, position=at)
            self.meter.add(len(batch))
            self.display.advance(len(batch) * self.fabric.world_size)
            if at.step % self.options.log_steps == 0 and at.batch < batches:
                self._write(stage)
                late = late or self._late()
            if closes and at.batch < batches and (late or self._many_steps()):
                self._save(stage, optimiser)
                late = False
        self.meter.stop()
        if at.batch != batches:
            raise InputError(
                f"epoch {at.epoch} of stage {stage.name}: expected {batches:,} batches, found {at.batch:,}; "
                "the source must yield as many as it says"
            )

    def _step(self, stage: StagePlan, network: Network, optimiser: Optimizer | None, batch: Batch) -> bool:
        """One batch; True where the optimiser has made its step, and no gradient is pending."""
        at, batches = self.standing.position, len(self.train_source)
        first = at.batch - at.batch % self.options.accumulation
        group = min(self.options.accumulation, batches - first)
        closes = at.batch + 1 == first + group
        progress = self._progress(stage, at.batch, group)
        if optimiser is not None and at.batch == first:
            optimiser.zero_grad()
        with self.fabric.no_backward_sync(cast("_FabricModule", network), enabled=optimiser is None or not closes):
            losses = self.objective.step(network, batch, progress)
        self._window.add(at.step, losses)
        if optimiser is not None and closes:
            if self.options.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
            for parameters in optimiser.param_groups:
                parameters["lr"] = self._rate(stage, first)
            optimiser.step()
        return closes

    def _end_epoch(self, stage: StagePlan, network: Network, optimiser: Optimizer | None) -> None:
        equalise(self.fabric, self.network, self.objective)
        validation = self._validate(stage, network)
        at, last_stage = self.standing.position, stage is self.plan[-1]
        ready = not last_stage or self.objective.ready(self._progress(stage, at.batch, 1))
        self._write(stage, validation)
        self.standing = self.standing.after_epoch(
            self.options, validation, last_stage=last_stage, ready=ready, epochs=stage.epochs
        )
        same_stage = self.standing.position.stage == at.stage
        self._save(stage, optimiser if same_stage else None)

    def _validate(self, stage: StagePlan, network: Network) -> Validation | None:
        if self.val_source is None or stage.name == "critic":
            return None
        at = self.standing.position
        self.display.begin(f"{stage.name} {at.epoch + 1}/{stage.epochs} validation", len(self.val_source))

        def told(batch: Batch) -> None:
            self.display.advance(len(batch) * self.fabric.world_size)

        scores = evaluate(self.fabric, network, self.objective, self.val_source, told=told)
        return validate(self.task, scores)

    def _write(self, stage: StagePlan, validation: Validation | None = None) -> None:
        """A line of the log; at the end of an epoch the display keeps it, too."""
        at, losses = self.standing.position, self._window.means()
        speed, waited = self.meter.rates()
        record: dict[str, Any] = {"step": at.step, "stage": stage.name, "epoch": at.epoch}
        record |= {"rate": self._rate(stage, at.batch - 1), "images_per_s": round(speed, 1), "wait": round(waited, 4)}
        record["losses"] = losses
        if validation is not None:
            record["val"] = {"quality": validation.quality, "loss": validation.loss}
        self._log.write(record)
        note = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        if at.batch < len(self.train_source):
            self.display.note(note)
            return
        measure = "mean average precision" if self.task.kind == "multi" else "accuracy"
        seen = f"; validation: {measure} {validation.quality:.3f}, loss {validation.loss:.3f}" if validation else ""
        self.display.say(f"{stage.name} {at.epoch + 1}/{stage.epochs}: {note}{seen}; {speed:,.0f} images/s")

    def _save(self, stage: StagePlan, optimiser: Optimizer | None) -> None:
        """A checkpoint; all processes take part, the first writes.

        Raises:
            InputError: a weight or the objective's state is not finite, as a gradient leaves it that was not, though
                every loss was; the checkpoint before it stands.
        """
        if self._window:
            self._write(stage)
        standing = self.standing
        require_finite(self.fabric, self.network, self.objective, step=standing.position.step)
        state = run_state(
            self.fabric, self.objective, optimiser, standing, kept=self._log.kept(), identity=self._identity
        )
        if self.fabric.is_global_zero:
            index = index_of(self.options, standing, stages=len(self.plan))
            weights = self.network.state_dict()
            write_checkpoint(self.folder, index, weights=weights, model=self.model, state=state)
        self._saved = standing.position.step, monotonic()

    def _progress(self, stage: StagePlan, batch: int, group: int) -> Progress:
        at = self.standing.position
        fraction = self._done(stage, batch)
        return Progress(stage=stage.name, epoch=at.epoch, step=at.step, fraction=fraction, accumulation=group)

    def _done(self, stage: StagePlan, batch: int) -> float:
        """Share of the stage that is done before a batch of this epoch."""
        batches = len(self.train_source)
        return (self.standing.position.epoch * batches + batch) / (stage.epochs * batches)

    def _rate(self, stage: StagePlan, batch: int) -> float:
        return stage.rate * share_of_rate(self.options, self._done(stage, batch))

    def _many_steps(self) -> bool:
        every = self.options.checkpoint_steps
        return every is not None and self.standing.position.step - self._saved[0] >= every

    def _late(self) -> bool:
        """Whether the last checkpoint is too long ago, by the clock of the first process."""
        minutes = self.options.checkpoint_minutes
        if minutes is None:
            return False
        return bool(self.fabric.broadcast(monotonic() - self._saved[1] >= minutes * 60))


def _quietly(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, made without a trace in PyTorch's own generator.

    Loaders draw from it when they begin, and after a stop they begin in the middle of an epoch.
    """
    while True:
        state = torch.get_rng_state()
        batch = next(batches, None)
        torch.set_rng_state(state)
        if batch is None:
            return
        yield batch


def index_of(options: TrainingOptions, standing: Standing, *, stages: int) -> Index:
    """What `index.json` says when the run stands here."""
    at, best = standing.position, standing.best
    return Index(
        last=name_of(at.step),
        best=None if standing.best_step is None else name_of(standing.best_step),
        step=at.step,
        complete=at.stage == stages,
        monitor=options.monitor,
        quality=None if best is None else best.quality,
        loss=None if best is None else best.loss,
    )
