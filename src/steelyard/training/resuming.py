"""What a run must remember to go on as if it had never stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.models.network import Network
from steelyard.training.checkpoints import read_checkpoint, restore_network
from steelyard.training.objective import Objective
from steelyard.training.options import TrainingOptions
from steelyard.training.processes import of_all
from steelyard.training.sources import BatchSource
from steelyard.training.stages import StagePlan
from steelyard.training.standing import Standing

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """From where training goes on.

    Attributes:
        standing: of the run.
        optimiser: state of the network's optimiser; None at the beginning of a stage.
        kept: bytes of the log that belong to what was done before.
    """

    standing: Standing = field(default_factory=Standing)
    optimiser: dict[str, Any] | None = None
    kept: int = 0


def seed_torch(options: TrainingOptions, *names: str | int) -> None:
    """Seed PyTorch's own generators, which dropout and initial weights draw from."""
    torch.manual_seed(int(stream(options.seed, "training", *names).integers(2**63)))


def identity(
    fabric: "Fabric", objective: Objective, source: BatchSource, plan: Sequence[StagePlan], options: TrainingOptions
) -> dict[str, Any]:
    """What must not change between a run and its going on."""
    return {
        "objective": type(objective).__name__,
        "processes": fabric.world_size,
        "batches of an epoch": len(source),
        "stages": ", ".join(f"{stage.epochs} {stage.name}" for stage in plan),
        "accumulation": options.accumulation,
        "optimiser": options.optimiser,
    }


def run_state(
    fabric: "Fabric",
    objective: Objective,
    optimiser: torch.optim.Optimizer | None,
    standing: Standing,
    *,
    kept: int,
    identity: Mapping[str, Any],
) -> dict[str, Any]:
    """The state of a checkpoint; every process must ask for it."""
    return {
        "format": 1,
        "identity": dict(identity),
        "standing": standing.to_dict(),
        "kept": kept,
        "random": {name: of_all(fabric, state) for name, state in _random_states(fabric).items()},
        "optimiser": None if optimiser is None else optimiser.state_dict(),
        "objective": objective.state_dict(),
    }


def resume_run(
    fabric: "Fabric",
    run: Path,
    network: Network,
    objective: Objective,
    *,
    model: str,
    identity: Mapping[str, Any],
) -> Start:
    """Put network, objective and random state where the last checkpoint had them.

    Raises:
        InputError: it is damaged, or of another model, objective or plan.
    """
    checkpoint = read_checkpoint(run, "last")
    state = checkpoint.state
    for name, expected in identity.items():
        if (found := state.get("identity", {}).get(name)) != expected:
            raise InputError(
                f"{checkpoint.path}: {name}: expected {expected}, found {found}; resume with the options of the run"
            )
    restore_network(network, checkpoint, model=model)
    objective.load_state_dict(state["objective"])
    for name, states in state["random"].items():
        mine = states[fabric.global_rank].clone()  # PyTorch reads a state from the start of its memory
        if name == "cuda" and fabric.device.type == "cuda":
            torch.cuda.set_rng_state(mine, fabric.device)
        elif name == "cpu":
            torch.set_rng_state(mine)
    return Start(standing=Standing.from_dict(state["standing"]), optimiser=state["optimiser"], kept=int(state["kept"]))


def _random_states(fabric: "Fabric") -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if fabric.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(fabric.device)
    return states
