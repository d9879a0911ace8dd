"""A progressive GAN at work: its networks and optimisers, and what a checkpoint of it holds."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.latent.progressive_options import Growth, ProgressiveOptions
from steelyard.models.initialising import seeded
from steelyard.models.progressive import ProgressiveCritic, ProgressiveGenerator
from steelyard.training.checkpoints import Index, name_of, read_checkpoint, restore_network, write_checkpoint
from steelyard.training.processes import not_finite

if TYPE_CHECKING:
    from lightning.fabric import Fabric

MODEL = "progressive generator"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands.

    Attributes:
        scale: at work.
        step: steps done at this scale.
    """

    scale: int = 0
    step: int = 0


class Players:
    """Generator, critic, the smoothed generator, and both optimisers; a new scale begins with new optimisers."""

    def __init__(self, fabric: "Fabric", options: ProgressiveOptions, *, labels: int = 0) -> None:
        """With first weights that the seed decides, the same in every process; the critic knows so many labels."""
        self._options = options
        with seeded(options.seed, "generator"):
            generator = ProgressiveGenerator(options.latent_dim, options.depths)
        with seeded(options.seed, "progressive critic"):
            critic = ProgressiveCritic(options.depths, labels=labels)
        self.generator = generator.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.critic = critic.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.begin_scale()

    def begin_scale(self) -> None:
        """Forget the optimisers' moments: they are of another problem."""
        rate, betas = self._options.rate, (0.0, self._options.beta2)
        for name, module in (("generator", self.generator), ("critic", self.critic)):
            self.optimisers[name] = torch.optim.Adam(module.parameters(), lr=rate, betas=betas, fused=True)

    def state_dict(self) -> dict[str, Any]:
        """All but the smoothed generator, which is a checkpoint's weights."""
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}
        return {
            "generator": _plain(self.generator),
            "critic": _plain(self.critic),
            "optimisers": optimisers,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `state_dict` gave it."""
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def require_finite(self, step: int) -> None:
        """See that all weights are finite numbers.

        Raises:
            InputError: one is not; names the first.
        """
        modules: tuple[tuple[str, nn.Module], ...] = (("generator", self.generator), ("critic", self.critic))
        named: Iterator[tuple[str, Tensor]] = chain.from_iterable(
            ((f"{kind} {name}", value) for name, value in module.named_parameters()) for kind, module in modules
        )
        for name, value in named:
            if not torch.isfinite(value).all():
                raise not_finite(step, f"weight {name!r}")


def identity(options: ProgressiveOptions, plan: tuple[Growth, ...], images: int, processes: int) -> dict[str, Any]:
    """What must not change between a run and its going on."""
    same = ("latent_dim", "depths", "batch_sizes", "rate", "beta2", "penalty", "penalty_every", "drift", "guide")
    named = {name: getattr(options, name) for name in (*same, "critic_steps", "half_life", "flip", "seed")}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}
    steps = [[growth.fade, growth.steps] for growth in plan]
    return {**plain, "steps of the scales": steps, "real images": images, "processes": processes}


def save(
    folder: Path, players: Players, position: Position, *, step: int, complete: bool, kept: int, same: Mapping[str, Any]
) -> Index:
    """Write a checkpoint: the smoothed generator as its weights, all else as its state.

    Raises:
        InputError: the disk is full or not writable; the checkpoint before stands.
    """
    index = Index(last=name_of(step), best=None, step=step, complete=complete, monitor="last", quality=None, loss=None)
    state = {"position": asdict(position), "kept": kept, "identity": dict(same), **players.state_dict()}
    write_checkpoint(folder, index, weights=players.average.state_dict(), model=MODEL, state=state)
    return index


def resume(folder: Path, players: Players, same: Mapping[str, Any]) -> tuple[Position, int]:
    """Put the players where the last checkpoint had them.

    Returns:
        Where the run stands, and the bytes of its log that belong to what was done.

    Raises:
        InputError: the checkpoint is damaged, of another model, or of other options.
    """
    checkpoint = read_checkpoint(folder, "last")
    state = checkpoint.state
    for name, expected in same.items():
        if (found := state.get("identity", {}).get(name)) != expected:
            raise InputError(
                f"{checkpoint.path}: {name}: expected {expected}, found {found}; resume with the options of the run"
            )
    restore_network(players.average, checkpoint, model=MODEL)
    players.load_state_dict(state)
    return Position(**state["position"]), int(state["kept"])


def _plain(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in module.state_dict().items()}
