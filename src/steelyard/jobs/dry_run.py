"""Dry run: everything of a training run built, one batch made and passed through; nothing trained, nothing written."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from steelyard.base.errors import first_few
from steelyard.datasets.dataset import Dataset
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_folder import require_no_run
from steelyard.jobs.run_parts import RunData, make_network, make_objective, open_data, require_splits
from steelyard.jobs.training_config import TrainingConfig
from steelyard.models.network import EMBEDDING
from steelyard.training.evaluation import to_device
from steelyard.training.launching import launch
from steelyard.training.options import precision_of
from steelyard.training.stages import plan_stages

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a training run would be.

    Attributes:
        lines: name and what there is to say of it.
    """

    lines: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.lines) + 2
        return "\n".join(f"{name:<{width}}{said}" for name, said in self.lines)


def dry_run(
    config: TrainingConfig, *, dataset: Dataset | None = None, resume: bool = False, progress: Progress = silent
) -> DryRun:
    """Build everything that training would, in one process.

    Args:
        config: of the run.
        dataset: opened already; None opens what the configuration names.
        resume: whether the folder may hold the run already.
        progress: told of each stage.

    Raises:
        InputError: as training would raise it.
    """
    if not resume:
        require_no_run(Path(config.out))
    # Without workers, so that no image is decoded but those of the first batch.
    alone = replace(config, data=replace(config.data, workers=0))
    data = open_data(alone, dataset=dataset, progress=progress)
    require_splits(data)
    progress("building network and objective, making one batch")
    return launch(replace(config.training, devices=1, nodes=1), _build, data)


def _build(fabric: "Fabric", data: RunData) -> DryRun:
    config, task = data.config, data.task
    objective = make_objective(config)
    network = make_network(config, task, objective)
    batches = data.training(objective.sampling, fabric)
    fabric.to_device(network)
    with torch.random.fork_rng(devices=[]):
        objective.setup(fabric, network, task, batches.size)
    batch = to_device(next(iter(batches.epoch(0))), fabric.device)
    network.eval()
    with torch.no_grad():
        scores = objective.evaluate(network, batch)
    taps = network.tap_shapes((*network.aliases, EMBEDDING), batches.size)
    images = ", ".join(f"{len(part):,} {split}" for split, part in data.parts.items())
    groups = ", ".join(f"{int(n):,} {name}" for n, name in zip(task.group_sizes, task.group_names, strict=True))
    plan = plan_stages(config.training, objective.critic_epochs)
    stages = ", ".join(f"{stage.name} up to {stage.epochs}" for stage in plan)
    numbers = sum(parameter.numel() for parameter in network.parameters())
    lines = [
        ("images", f"{images}; in training {groups}"),
        ("targets", f"{len(task.target_names)} ({'any number' if task.kind == 'multi' else 'one'} in an image)"),
        ("network", f"{config.model.name}, {numbers:,} parameters"),
        ("taps", "; ".join(f"{tap} {_shape(shape)}" for tap, shape in taps.items())),
        ("objective", f"{config.objective_name}, {objective.sampling} batches"),
        ("a batch", f"images {_shape(batch.images.shape)}, scores {_shape(scores.shape)}"),
        ("epochs", f"{stages}; {len(batches):,} batches each on each of {config.training.devices} processes"),
        ("precision", f"{precision_of(config.training)} on {fabric.device}"),
        ("out", f"{config.out} (nothing was written)"),
    ]
    if notes := getattr(objective, "notes", ()):
        lines.append(("notes", first_few(notes)))
    return DryRun(tuple(lines))


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
