"""The stages of a training run: which parameters learn, for how long, at what rate.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489:
the head first, then the critic alone, then all layers.
"""

import math
from dataclasses import dataclass

import torch

from steelyard.models.network import Network
from steelyard.training.objective import Stage
from steelyard.training.options import TrainingOptions

_FIRST = 1 / 25
"""Share of the rate at which a warm-up begins."""
_LAST = 1e-4
"""Share of the rate at which `onecycle` ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage.

    Attributes:
        name: `head`, `critic` or `all`.
        epochs: at most.
        before: epochs planned in the stages before: no two stages see the same order of images.
        rate: learning rate; 0 in stage `critic`.
    """

    name: Stage
    epochs: int
    before: int
    rate: float


def plan_stages(options: TrainingOptions, critic_epochs: int) -> tuple[StagePlan, ...]:
    """The stages in their order; the critic's comes before `all` only."""
    wanted: list[tuple[Stage, int, float]] = [
        ("head", options.head_epochs, options.head_rate),
        ("critic", critic_epochs if options.epochs else 0, 0.0),
        ("all", options.epochs, options.rate),
    ]
    plan: list[StagePlan] = []
    for name, epochs, rate in wanted:
        if epochs:
            plan.append(StagePlan(name=name, epochs=epochs, before=sum(one.epochs for one in plan), rate=rate))
    return tuple(plan)


def thaw(network: Network, stage: Stage) -> None:
    """Let the parameters learn that this stage trains, and set the modes that go with it."""
    network.requires_grad_(True)
    network.freeze_backbone(frozen=stage == "head")
    network.train()


def freeze(network: Network) -> None:
    """Let nothing of the network learn, the running statistics of its BatchNorm included."""
    network.requires_grad_(False)
    network.eval()


def make_optimiser(network: Network, options: TrainingOptions, rate: float) -> torch.optim.Optimizer:
    """A fused optimiser of the parameters that learn."""
    kind = torch.optim.Adam if options.optimiser == "adam" else torch.optim.AdamW
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return kind(learning, lr=rate, weight_decay=options.weight_decay, fused=True)


def share_of_rate(options: TrainingOptions, done: float) -> float:
    """What the learning rate is multiplied by when this share of a stage, in [0, 1), is done.

    It depends on nothing else, so that resuming needs no state of a schedule.
    """
    if done < options.warmup:
        climbed = done / options.warmup
        if options.schedule == "onecycle":
            climbed = (1 - math.cos(math.pi * climbed)) / 2
        return _FIRST + (1 - _FIRST) * climbed
    if options.schedule == "constant":
        return 1.0
    floor = _LAST if options.schedule == "onecycle" else 0.0
    left = (1 + math.cos(math.pi * (done - options.warmup) / (1 - options.warmup))) / 2
    return floor + (1 - floor) * left
