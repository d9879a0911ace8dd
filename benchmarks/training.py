"""A training step beside the plain float32 step of the same model; what an adversary adds; how long a run waits.

Rounds are interleaved: in each, every way makes one step on the same images, so that what else the machine does meets
all of them alike. A factor is the median over rounds of the quotient within a round, between its quartiles.
"""

import csv
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from steelyard.datasets.dataset import Dataset
from steelyard.datasets.image_table import ImageTable
from steelyard.datasets.scenes import Scenes, ScenesSettings
from steelyard.mitigation.objectives.adversarial import AdversarialObjective
from steelyard.mitigation.objectives.task import TaskObjective
from steelyard.models.catalog import ModelOptions, build_network
from steelyard.models.network import Network
from steelyard.models.small_maps import SmallMapConv2d
from steelyard.training.batches import Batches
from steelyard.training.engine import train
from steelyard.training.images import Cache, Images
from steelyard.training.launching import launch
from steelyard.training.objective import Batch, Objective, Progress, Task
from steelyard.training.options import TrainingOptions, precision_of
from steelyard.training.stages import make_optimiser, thaw
from steelyard.training.transforms import TransformOptions

if TYPE_CHECKING:
    from lightning.fabric import Fabric

STEPS = (("resnet50", 224, 16, 5), ("resnet18", 64, 32, 15), ("resnet18", 64, 64, 15), ("compact", 64, 64, 25))
"""Model, side of the images, batch, rounds."""
OPTIONS, WARM, TARGETS, IMAGES, PHOTOS = TrainingOptions(accelerator="cpu"), 2, 12, 2048, 512
MIDDLE = Progress(stage="all", epoch=0, step=0, fraction=0.5)

Step = Callable[[], object]
Times = Mapping[str, NDArray[np.float64]]


def drawn(size: int, images: int) -> tuple[Batch, Task]:
    """Noise with labels, and the task that it sets."""
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(images, TARGETS, generator=generator) > 0.7).float()
    rows = torch.arange(images)
    task = Task(
        kind="multi",
        target_names=tuple(f"y{number}" for number in range(TARGETS)),
        group_names=("a", "b"),
        positives=targets.sum(0),
        group_sizes=torch.tensor([images / 2, images / 2]),
        images=images,
    )
    # As the package's batches come: channels last.
    pixels = torch.rand(images, size, size, 3, generator=generator).permute(0, 3, 1, 2)
    return Batch(pixels, targets, rows % 2, rows), task


def usual_step(name: str, batch: Batch) -> Step:
    """The step as a first script would have it: float32, the default memory format, Adam as it comes."""
    network = network_of(name)
    for layer in network.modules():
        if isinstance(layer, SmallMapConv2d):
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]
    adam = torch.optim.Adam(network.parameters(), lr=1e-4)
    images = batch.images.contiguous()

    def step() -> None:
        adam.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(network(images).logits, batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()

    return step


def engine_step(fabric: "Fabric", name: str, objective: Objective, batch: Batch, task: Task) -> Step:
    """The step as the engine makes it."""
    bare = network_of(name).to(memory_format=torch.channels_last)
    height, width = batch.images.shape[2:]
    objective.setup(fabric, bare, task, (height, width))
    thaw(bare, "all")
    network = cast(Network, fabric.setup_module(bare))
    optimiser = cast(torch.optim.Optimizer, fabric.setup_optimizers(make_optimiser(bare, OPTIONS, 1e-4)))

    def step() -> None:
        optimiser.zero_grad()
        objective.step(network, batch, MIDDLE)
        optimiser.step()

    return step


def network_of(name: str) -> Network:
    return build_network(ModelOptions(name=name), outputs=TARGETS, seed=0)


def in_turn(steps: Mapping[str, Step], rounds: int) -> Times:
    """Seconds of each way in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(WARM + rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= WARM:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(those) for name, those in seconds.items()}


def spread(values: NDArray[np.float64], form: str) -> str:
    """The median between the quartiles."""
    low, middle, high = (format(value, form) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return f"{middle} ({low} … {high})"


def compare(fabric: "Fabric", name: str, size: int, images: int, rounds: int) -> None:
    """Print the steps of one model."""
    batch, task = drawn(size, images)
    steps = {
        "plain float32": usual_step(name, batch),
        "engine": engine_step(fabric, name, TaskObjective(), batch, task),
        "adversarial": engine_step(fabric, name, AdversarialObjective(), batch, task),
    }
    times = in_turn(steps, rounds)
    print(f"{name}, {size} px, batches of {images}, {rounds} rounds:")
    for way, seconds in times.items():
        print(f"  {way:13} {spread(seconds * 1e3, ',.0f')} ms a step, at best {seconds.min() * 1e3:,.0f}")
    plain, engine, adversarial = times.values()
    least = plain.min() / engine.min(), adversarial.min() / engine.min() - 1
    print(f"  engine over plain float32: {spread(plain / engine, '.2f')} times as fast, by the best {least[0]:.2f}")
    print(f"  adversary at conv5: {spread(adversarial / engine - 1, '+.0%')}, by the best {least[1]:+.0%}", flush=True)


def photographs(world: Scenes, folder: Path) -> ImageTable:
    """A folder of JPEG files with a table of labels."""
    table = world.labels("train")
    with (folder / "labels.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "group", *table.target_names])
        for row, name in enumerate(table.ids.tolist()):
            cv2.imwrite(str(folder / f"{row}.jpg"), world.image(name)[:, :, ::-1])
            lines.writerow([f"{row}.jpg", table.group_names[table.groups[row]], *table.targets[row].tolist()])
    return ImageTable(folder, protected="group")


def waiting(
    fabric: "Fabric", data: Dataset, model: str, transform: TransformOptions, cache: Cache, workers: int
) -> None:
    """Print what a run of five epochs says of itself, the first epoch, which fills the memory, included."""
    table = data.labels("train")
    task = Task(
        kind="multi",
        target_names=table.target_names,
        group_names=table.group_names,
        positives=torch.from_numpy(table.targets.sum(0).astype(np.float32)),
        group_sizes=torch.from_numpy(np.bincount(table.groups).astype(np.float32)),
        images=len(table),
    )
    images = Images(data, table, cache=cache)
    batches = Batches(images, transform, batch_size=32, train=True, seed=0, workers=workers)
    network = build_network(ModelOptions(name=model), outputs=len(table.target_names), seed=0)
    options = TrainingOptions(accelerator="cpu", epochs=5, monitor="last", checkpoint_minutes=None)
    with tempfile.TemporaryDirectory() as run:
        result = train(fabric, network, TaskObjective(), task, batches, None, options, Path(run), size=batches.size)
    batches.close()
    way = "kept in memory" if cache == "memory" else "decoded each time"
    print(
        f"{model}, {data.name}, {batches.size[0]} px, {way}, {workers} workers: {result.images_per_s:,.0f} images/s, "
        f"waiting {result.waited:.1%} of the time",
        flush=True,
    )


def measure(fabric: "Fabric") -> None:
    """All of it, in a process of the engine's."""
    print(f"precision of the engine: {precision_of(OPTIONS)}; threads: {torch.get_num_threads()}")
    for name, size, images, rounds in STEPS:
        compare(fabric, name, size, images, rounds)
    world = Scenes(ScenesSettings(size=64), train=IMAGES, val=0, test=0)
    large = Scenes(ScenesSettings(size=256), train=PHOTOS, val=0, test=0)
    with tempfile.TemporaryDirectory() as folder:
        photos = photographs(large, Path(folder))
        ways: tuple[tuple[Cache, int], ...] = (("none", 2), ("memory", 2))
        for cache, workers in ways:
            waiting(fabric, world, "compact", TransformOptions(shift=4), cache, workers)
            waiting(fabric, photos, "resnet18", TransformOptions(resize=72, crop=64), cache, workers)
            waiting(fabric, photos, "resnet18", TransformOptions(resize=104, crop=96), cache, workers)


def main() -> None:
    launch(OPTIONS, measure)


if __name__ == "__main__":
    main()
