"""Trains a progressive GAN: scale after scale, critic and generator in turn, with checkpoints to go on from.

Karras et al., https://arxiv.org/abs/1710.10196. The loop is its own, on the engine's parts (checkpoints, log, display,
launching): an `Objective` is given batches with labels, epochs and a validation, none of which there is here, and its
network is one that stays, where these two grow. Gradients are averaged here and not by a wrapper of the module: the
penalty is a gradient of a gradient, and several passes come before one step.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.latent.pixels import to_uint8
from steelyard.latent.progressive_file import save_generator
from steelyard.latent.progressive_guide import Guide, guidance
from steelyard.latent.progressive_images import GrowingImages
from steelyard.latent.progressive_log import GrowthLog
from steelyard.latent.progressive_loss import average_gradients, drift, follow, gradient_penalty, keep_of
from steelyard.latent.progressive_options import Growth, ProgressiveOptions, plan_growth
from steelyard.latent.progressive_samples import as_grid, grid_latents, sphere_latents, write_png
from steelyard.latent.progressive_state import Players, Position, identity, resume, save
from steelyard.models.progressive import side_of
from steelyard.training.checkpoints import Index, read_index
from steelyard.training.display import Display, Silent
from steelyard.training.logs import LossWindow

if TYPE_CHECKING:
    from lightning.fabric import Fabric

WEIGHTS = "generator.safetensors"
"""The smoothed generator as of the last checkpoint, in the run's folder."""


def train_progressive(
    fabric: "Fabric",
    real: GrowingImages,
    options: ProgressiveOptions,
    folder: Path,
    *,
    trained_on: str = "",
    go_on: bool = False,
    display: Display | None = None,
) -> Index:
    """Train a progressive GAN; its smoothed generator lies in `generator.safetensors` of the folder.

    Stopped at any moment and resumed, it ends with the same weights as without a stop (on a CPU, bit by bit).

    Args:
        fabric: launched; see `launching.launch` with `options.engine()`.
        real: the images, all of them in each process.
        options: shape, schedule, losses.
        folder: of the run.
        trained_on: which images, in words, for the generator's file.
        go_on: resume from the last checkpoint, from the beginning where there is none; nothing is done where the run
            is complete.
        display: shown to a person by the first process.

    Raises:
        InputError: the folder holds a run already (without `go_on`) or another one (with it), a loss or weight is not
            finite, the disk is full.
    """
    index, shown = read_index(folder), display if display and fabric.is_global_zero else Silent()
    if index is not None and not go_on:
        raise InputError(
            f"{folder}: expected a new run folder, found a run of {index.step:,} steps; resume it, or name another"
        )
    if index is not None and index.complete:
        shown.say(f"{folder}: already complete after {index.step:,} steps; nothing to do")
        return index
    run = _Run(fabric=fabric, real=real, options=options, folder=folder, trained_on=trained_on, display=shown)
    return run.run(go_on=index is not None)


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run at work."""

    fabric: "Fabric"
    real: GrowingImages
    options: ProgressiveOptions
    folder: Path
    trained_on: str
    display: Display
    plan: tuple[Growth, ...] = field(init=False)
    guide: Guide | None = field(init=False)
    players: Players = field(init=False)
    position: Position = field(init=False, default=Position())
    _log: GrowthLog = field(init=False)
    _window: LossWindow = field(init=False)
    _same: dict[str, Any] = field(init=False)
    _saved: tuple[int, float] = field(init=False)
    """Step and time of the last checkpoint."""
    _since: tuple[int, float] = field(init=False)
    """Images and time of the last line of the log."""

    def __post_init__(self) -> None:
        self.plan = plan_growth(self.options, self.fabric.world_size)
        self.guide = Guide.of(self.real.labels, latent_dim=self.options.latent_dim) if self.options.guide else None
        self.players = Players(self.fabric, self.options, labels=self.guide.labels if self.guide else 0)
        self._window = LossWindow(self.fabric)
        self._same = identity(self.options, self.plan, len(self.real), self.fabric.world_size)

    @property
    def growth(self) -> Growth:
        """The scale at work."""
        return self.plan[self.position.scale]

    @property
    def step(self) -> int:
        """Steps of all scales that are done."""
        return self.growth.steps_before + self.position.step

    @property
    def images(self) -> int:
        """Real images shown so far."""
        return self.growth.images_before + self.position.step * self.growth.images

    def run(self, *, go_on: bool) -> Index:
        """Train from where it stands to the end."""
        kept = 0
        if go_on:
            self.position, kept = resume(self.folder, self.players, self._same)
            self.display.say(f"{self.folder}: going on after {self.step:,} steps")
        self._saved, self._since = (self.step, monotonic()), (self.images, monotonic())
        self._log = GrowthLog(self.folder if self.fabric.is_global_zero else None, keep=kept, step=self.step)
        try:
            while True:
                self._scale()
                last = self.position.scale + 1 == len(self.plan)
                if last:
                    index = self._save(complete=True)
                    self.display.say(f"trained: {index.step:,} steps; the generator: {self.folder / WEIGHTS}")
                    return index
                self.position = Position(self.position.scale + 1)
                self.players.begin_scale()
                self._save()
        finally:
            self._log.close()

    def _scale(self) -> None:
        """The rest of one scale."""
        growth = self.growth
        self.display.begin(f"{side_of(growth.scale)} px", growth.steps, done=self.position.step)
        while self.position.step < growth.steps:
            alpha = growth.alpha(self.position.step)
            self._window.add(self.step, self._both(alpha))
            self.position = Position(growth.scale, self.position.step + 1)
            self.display.advance(growth.images)
            ends = (done := self.position.step) == growth.steps
            if done in (growth.fade, growth.steps) or self.step % self.options.grid_steps == 0:
                self._grid(alpha)
            if ends or self.step % self.options.log_steps == 0:
                self._write(alpha)
            if not ends and self._late():
                self._save()

    def _both(self, alpha: float) -> dict[str, Tensor]:
        """One step of the generator, after those of the critic; the losses, by name."""
        losses: dict[str, Tensor] = {}
        for number in range(self.options.critic_steps):
            losses = self._critic_step(alpha, number)
        losses |= self._generator_step(alpha)
        keep = keep_of(self.growth.images, self.options.half_life)
        follow(self.players.average, self.players.generator, keep)
        return losses

    def _critic_step(self, alpha: float, number: int) -> dict[str, Tensor]:
        options, critic = self.options, self.players.critic
        see = partial(critic, scale=self.growth.scale, alpha=alpha)
        real = self._real(alpha, number)
        with self.fabric.autocast():
            with torch.no_grad():
                fake = self._fake(alpha, "critic", number)
            (of_real, logits), of_fake = critic.judge(real, scale=self.growth.scale, alpha=alpha), see(fake)
        losses = {"distance": of_real.mean() - of_fake.mean(), "drift": drift(of_real)}
        loss = options.drift * losses["drift"] - losses["distance"]
        if self.guide is not None:
            losses["labels"] = guidance(logits, self._labels(number))
            loss = loss + options.guide * losses["labels"]
        loss.backward()
        if options.penalty and (self.step * options.critic_steps + number) % options.penalty_every == 0:
            mix = torch.from_numpy(self._stream("mix", number).random(len(real), dtype="float32"))
            losses["penalty"] = gradient_penalty(see, real, fake, mix.to(self.fabric.device))
            (options.penalty * options.penalty_every * losses["penalty"]).backward()
        self._update("critic", critic)
        return losses

    def _generator_step(self, alpha: float) -> dict[str, Tensor]:
        critic = self.players.critic.requires_grad_(False)
        with self.fabric.autocast():
            latents = self._latents("generator", 0)
            fake = self.players.generator(latents, scale=self.growth.scale, alpha=alpha)
            values, logits = critic.judge(fake, scale=self.growth.scale, alpha=alpha)
        loss = -values.mean()
        losses = {"generator": loss}
        if self.guide is not None:
            losses["shown"] = guidance(logits, self.guide.wanted(latents))
            loss = loss + self.options.guide * losses["shown"]
        loss.backward()
        critic.requires_grad_(True)
        self._update("generator", self.players.generator)
        return losses

    def _update(self, name: str, module: nn.Module) -> None:
        if self.fabric.world_size > 1:
            reduce = partial(self.fabric.all_reduce, reduce_op="mean")
            average_gradients(list(module.parameters()), lambda flat: cast(Tensor, reduce(flat)))
        self.players.optimisers[name].step()
        self.players.optimisers[name].zero_grad()

    def _real(self, alpha: float, number: int) -> Tensor:
        """The next real images, this process's share of them."""
        first, count = self._span(number)
        real = self.real.batch(side_of(self.growth.scale), alpha, first=first, count=count)
        return real.to(self.fabric.device).contiguous(memory_format=torch.channels_last)

    def _labels(self, number: int) -> Tensor:
        """Their labels."""
        first, count = self._span(number)
        return self.real.labels_of(first=first, count=count).to(self.fabric.device)

    def _span(self, number: int) -> tuple[int, int]:
        """Which images of the endless row this process sees next: the first, and how many."""
        count = self.options.batch_sizes[self.growth.scale]
        return self.images + (number * self.fabric.world_size + self.fabric.global_rank) * count, count

    def _latents(self, *names: str | int) -> Tensor:
        count = self.options.batch_sizes[self.growth.scale]
        return torch.from_numpy(sphere_latents(count, self.options.latent_dim, self._stream(*names))).to(
            self.fabric.device
        )

    def _fake(self, alpha: float, *names: str | int) -> Tensor:
        return cast(Tensor, self.players.generator(self._latents(*names), scale=self.growth.scale, alpha=alpha))

    def _stream(self, *names: str | int) -> Any:
        return stream(self.options.seed, *names, self.step, self.fabric.global_rank)

    @torch.no_grad()
    def _grid(self, alpha: float) -> None:
        """What the smoothed generator makes of the same latents each time."""
        if not self.fabric.is_global_zero:
            return
        scale, side, rows = self.growth.scale, side_of(self.growth.scale), self.options.grid
        latents = grid_latents(rows * rows, self.options.latent_dim, self.options.seed).to(self.fabric.device)
        images = to_uint8(self.players.average(latents, scale=scale, alpha=alpha))
        grid = as_grid(images, rows, side=side_of(len(self.plan) - 1))
        write_png(self.folder / "samples" / f"step-{self.step:08d}-{side}px.png", grid)
        self._log.picture("samples", grid, self.step)

    def _write(self, alpha: float) -> None:
        """A line of the log."""
        now, losses = monotonic(), self._window.means()
        images, began = self._since
        speed = (self.images - images) / max(now - began, 1e-9)
        self._since = self.images, now
        left = (self.growth.steps - self.position.step) * self.growth.images / max(speed, 1e-9)
        record: dict[str, Any] = {"step": self.step, "images": self.images, "size": side_of(self.growth.scale)}
        self._log.write(record | {"alpha": round(alpha, 6), "images_per_s": round(speed, 1), "losses": losses})
        said = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.display.note(f"{said}; {left / 60:,.0f} min left at this size")
        if self.position.step == self.growth.steps:
            self.display.say(f"{side_of(self.growth.scale)} px done: {said}; {self.images:,} images")

    def _late(self) -> bool:
        """Whether the next checkpoint is due; by the clock of the first process."""
        steps, minutes = self.options.checkpoint_steps, self.options.checkpoint_minutes
        if steps is not None and self.step - self._saved[0] >= steps:
            return True
        if minutes is None or self.step % self.options.log_steps:
            return False
        return bool(self.fabric.broadcast(monotonic() - self._saved[1] >= minutes * 60))

    def _save(self, *, complete: bool = False) -> Index:
        """A checkpoint, by the first process, and the generator as it is now.

        Raises:
            InputError: a weight is not finite, or the disk is full; the checkpoint before stands.
        """
        if self._window:
            self._write(self.growth.alpha(max(0, self.position.step - 1)))
        self.players.require_finite(self.step)
        index: Index | None = None
        if self.fabric.is_global_zero:
            kept, step = self._log.kept(), self.step
            index = save(
                self.folder, self.players, self.position, step=step, complete=complete, kept=kept, same=self._same
            )
            scale, alpha = self.position.scale, self.growth.alpha(self.position.step)
            average, named = self.players.average, self.trained_on
            save_generator(self.folder / WEIGHTS, average, scale=scale, alpha=alpha, trained_on=named, steps=step)
        self._saved = self.step, monotonic()
        return cast(Index, self.fabric.broadcast(index))
