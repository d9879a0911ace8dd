"""How long, how fast and on what a network is trained."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from steelyard.base.errors import InputError

Monitor = Literal["quality", "loss", "last"]
Optimiser = Literal["adam", "adamw"]
Schedule = Literal["constant", "cosine", "onecycle"]
Precision = Literal["auto", "bf16-mixed", "32-true"]
Accelerator = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """The engine's options; an epoch is one pass over the training images.

    Attributes:
        head_epochs: epochs, at most, in which only the head learns; 0 for none.
        epochs: epochs, at most, in which all layers learn; 0 for none.
        patience: epochs without improvement after which a stage ends; None trains all its epochs.
        monitor: what improves: `quality` (mean average precision of multi-label, accuracy of single-label targets),
            `loss` (of the validation images), or `last`: the last epoch counts as the best.
        rate: learning rate of stage `all`.
        head_rate: learning rate of stage `head`.
        optimiser: `adam` (its weight decay is an L2 penalty) or `adamw` (decoupled).
        weight_decay: on every parameter.
        schedule: of the learning rate, within each stage: `constant`, `cosine` (falls to 0) or `onecycle` (rises and
            falls as a cosine; Smith and Topin, https://arxiv.org/abs/1708.07120).
        warmup: share of a stage in which the rate climbs from a 25th to the whole.
        accumulation: batches that make one step of the optimiser.
        clip: largest norm of the gradient; None for no limit.
        precision: `auto` takes `bf16-mixed` where the device has instructions for it.
        accelerator: `auto` takes CUDA where there is a device.
        devices: processes on each node, each with a device of its own.
        nodes: machines.
        seed: of dropout and of the objective's own networks.
        checkpoint_minutes: a checkpoint within an epoch after so many minutes, looked at every `log_steps` batches;
            None for none. Each epoch ends with one.
        checkpoint_steps: a checkpoint within an epoch after so many batches; None for none.
        log_steps: batches between two lines of the log.
    """

    head_epochs: int = 0
    epochs: int = 10
    patience: int | None = None
    monitor: Monitor = "quality"
    rate: float = 1e-4
    head_rate: float = 1e-3
    optimiser: Optimiser = "adam"
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup: float = 0.0
    accumulation: int = 1
    clip: float | None = None
    precision: Precision = "auto"
    accelerator: Accelerator = "auto"
    devices: int = 1
    nodes: int = 1
    seed: int = 0
    checkpoint_minutes: float | None = 10.0
    checkpoint_steps: int | None = None
    log_steps: int = 50

    def __post_init__(self) -> None:
        for name in ("head_epochs", "epochs", "seed"):
            _check(name, getattr(self, name), "0 or more", getattr(self, name) >= 0)
        for name in ("accumulation", "devices", "nodes", "log_steps"):
            _check(name, getattr(self, name), "1 or more", getattr(self, name) >= 1)
        for name in ("patience", "checkpoint_steps"):
            value = getattr(self, name)
            _check(name, value, "1 or more, or none", value is None or value >= 1)
        for name in ("rate", "head_rate"):
            _check(name, getattr(self, name), "a positive number", _positive(getattr(self, name)))
        for name in ("clip", "checkpoint_minutes"):
            value = getattr(self, name)
            _check(name, value, "a positive number, or none", value is None or _positive(value))
        _check("weight_decay", self.weight_decay, "0 or more", 0 <= self.weight_decay < math.inf)
        _check("warmup", self.warmup, "a share from 0 to below 1", 0 <= self.warmup < 1)
        for name, kind in _CHOICES.items():
            _check(
                name, getattr(self, name), f"one of {', '.join(get_args(kind))}", getattr(self, name) in get_args(kind)
            )
        _check("epochs", self.epochs, "1 or more where head_epochs is 0", self.epochs + self.head_epochs > 0)
        _check(
            "warmup", self.warmup, "more than 0 with schedule onecycle", self.schedule != "onecycle" or self.warmup > 0
        )
        plateau = self.patience is None or self.monitor != "last"
        _check("monitor", self.monitor, "quality or loss where patience is given", plateau)

    def require_monitored(self, *, validation: bool) -> None:
        """See that there is something to monitor.

        Args:
            validation: whether there are validation images.

        Raises:
            InputError: there are none, and `monitor` asks for them.
        """
        _check("monitor", self.monitor, "last without validation images", validation or self.monitor == "last")


_CHOICES: Mapping[str, object] = {
    "monitor": Monitor,
    "optimiser": Optimiser,
    "schedule": Schedule,
    "precision": Precision,
    "accelerator": Accelerator,
}


def accelerator_of(options: TrainingOptions) -> Literal["cpu", "cuda"]:
    """Where training runs.

    Raises:
        InputError: CUDA is asked for and there is none, or it has fewer devices.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.accelerator == "cpu" or (options.accelerator == "auto" and not there):
        return "cpu"
    if options.devices > there:
        raise InputError(
            f"option devices: expected at most {there}, the CUDA devices of this machine, found {options.devices}; "
            "lower it, or take accelerator cpu"
        )
    return "cuda"


def precision_of(options: TrainingOptions) -> Literal["bf16-mixed", "32-true"]:
    """The precision as asked for, or by what the device is built for."""
    if options.precision != "auto":
        return options.precision
    if accelerator_of(options) == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Newer than the oldest PyTorch allowed.
        ask: Callable[[], Mapping[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        capabilities = ask()
        fast = bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    return "bf16-mixed" if fast else "32-true"


def _positive(value: float) -> bool:
    return 0 < value < math.inf


def _check(name: str, value: object, expected: str, right: bool) -> None:
    if not right:
        raise InputError(f"option {name}: expected {expected}, found {value}; change it")
