"""How a progressive GAN is trained: its shape, its schedule of growth, its losses, and where the work is done.

Karras et al., https://arxiv.org/abs/1710.10196.
"""

import math
from dataclasses import dataclass

from steelyard.base.errors import InputError
from steelyard.training.options import Accelerator, Precision, TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressiveOptions:
    """Options of a progressive GAN and its training; images are those shown to the critic, all processes together.

    Attributes:
        latent_dim: width of z.
        depths: channels of each scale, from 4 pixels on; the last scale's side is 4 · 2^(scales − 1) pixels.
        stable_images: images at each scale after it was faded in.
        fade_images: images while each scale after the first is faded in; 0 for none.
        batch_sizes: images of a batch of each process, by scale.
        rate: learning rate of both networks.
        beta2: of Adam; its beta1 is 0.
        penalty: weight of the gradient penalty.
        penalty_every: the penalty is computed in each so-manieth step and multiplied by as much; 1 for each step.
        drift: weight of the squared values of real images.
        guide: weight of the guide: attributes come to lie on the two sides of hyperplanes in z, as the labels of the
            images have them; 0 for a generator that is told of no labels.
        critic_steps: steps of the critic before each step of the generator.
        half_life: images after which the smoothed generator has forgotten half of what it was.
        flip: show half of the images mirrored left to right.
        grid: rows and columns of the grids of samples.
        grid_steps: steps between two grids; one is made at the end of each fade and of each scale, too.
        log_steps: steps between two lines of the log.
        checkpoint_minutes: minutes between two checkpoints, looked at every `log_steps`; None for none.
        checkpoint_steps: steps between two checkpoints; None for none. Each scale ends with one.
        precision: `auto` takes `bf16-mixed` where the device has instructions for it; the penalty is in float32.
        accelerator: `auto` takes CUDA where there is a device.
        devices: processes on each node, each with a device of its own.
        nodes: machines.
        seed: of everything random.
    """

    latent_dim: int = 64
    depths: tuple[int, ...] = (128, 128, 96, 64, 32)
    stable_images: tuple[int, ...] = (40_000, 80_000, 120_000, 120_000, 120_000)
    fade_images: tuple[int, ...] = (0, 40_000, 60_000, 60_000, 60_000)
    batch_sizes: tuple[int, ...] = (32, 32, 32, 16, 16)
    rate: float = 1e-3
    beta2: float = 0.99
    penalty: float = 10.0
    penalty_every: int = 1
    drift: float = 1e-3
    guide: float = 0.0
    critic_steps: int = 1
    half_life: float = 10_000.0
    flip: bool = False
    grid: int = 8
    grid_steps: int = 1000
    log_steps: int = 50
    checkpoint_minutes: float | None = 5.0
    checkpoint_steps: int | None = None
    precision: Precision = "auto"
    accelerator: Accelerator = "auto"
    devices: int = 1
    nodes: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            InputError: names the option, what was expected and found.
        """
        for name in ("latent_dim", "penalty_every", "critic_steps", "grid", "grid_steps", "log_steps"):
            _check(name, getattr(self, name), "1 or more", getattr(self, name) >= 1)
        _check("depths", self.depths, "one scale or more, of 1 channel or more", min(self.depths, default=0) >= 1)
        for name, low in {"stable_images": 1, "fade_images": 0, "batch_sizes": 2}.items():
            value = getattr(self, name)
            _check(name, value, f"one number for each of {len(self.depths)} scales", len(value) == len(self.depths))
            _check(name, value, f"{low} or more at each scale", min(value) >= low)
        _check("fade_images", self.fade_images, "0 at the first scale", self.fade_images[0] == 0)
        for name in ("rate", "half_life"):
            _check(name, getattr(self, name), "a positive number", 0 < getattr(self, name) < math.inf)
        for name in ("penalty", "drift", "guide"):
            _check(name, getattr(self, name), "0 or more", 0 <= getattr(self, name) < math.inf)
        _check("beta2", self.beta2, "a number from 0 to below 1", 0 <= self.beta2 < 1)
        self.engine()

    def engine(self) -> TrainingOptions:
        """What the launching of processes and the choice of precision look at.

        Raises:
            InputError: an option that the engine knows, too, is not what it must be.
        """
        return TrainingOptions(
            monitor="last",
            precision=self.precision,
            accelerator=self.accelerator,
            devices=self.devices,
            nodes=self.nodes,
            seed=self.seed,
            checkpoint_minutes=self.checkpoint_minutes,
            checkpoint_steps=self.checkpoint_steps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One scale of the schedule; a step is one of the generator, with those of the critic before it.

    Attributes:
        scale: from 0 on.
        images: of a step, all processes and all steps of the critic together.
        fade: steps while it is faded in.
        steps: of the scale, the fade included.
        steps_before: of the scales before.
        images_before: of the scales before.
    """

    scale: int
    images: int
    fade: int
    steps: int
    steps_before: int
    images_before: int

    def alpha(self, step: int) -> float:
        """Weight of the scale before at a step of this scale: from near 1 down to 0."""
        return max(0.0, 1 - (step + 0.5) / self.fade) if self.fade else 0.0


def plan_growth(options: ProgressiveOptions, processes: int) -> tuple[Growth, ...]:
    """The schedule in steps: numbers of images, rounded up to whole steps of all processes."""
    plan: list[Growth] = []
    for scale, size in enumerate(options.batch_sizes):
        images = size * processes * options.critic_steps
        fade, stable = (math.ceil(wanted[scale] / images) for wanted in (options.fade_images, options.stable_images))
        plan.append(
            Growth(
                scale=scale,
                images=images,
                fade=fade,
                steps=fade + stable,
                steps_before=sum(growth.steps for growth in plan),
                images_before=sum(growth.steps * growth.images for growth in plan),
            )
        )
    return tuple(plan)


def _check(name: str, value: object, expected: str, right: bool) -> None:
    if not right:
        raise InputError(f"option {name}: expected {expected}, found {value}; change it")
