"""Images decoded per balanced batch; images per second from memory, a thread and processes; the share of waiting."""

import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from steelyard.datasets.dataset import Dataset, Selection, by_split
from steelyard.datasets.image_table import ImageTable
from steelyard.datasets.scenes import Scenes, ScenesSettings
from steelyard.tables.label_table import LabelTable, Split
from steelyard.training.batches import Batches
from steelyard.training.images import Cache, Images
from steelyard.training.transforms import TransformOptions

BATCH, ROWS, FILES, WORKERS, TIMES = 32, 8000, 256, 2, 3
SMALL, LARGE = TransformOptions(shift=4), TransformOptions(resize=256, crop=224)


WAYS: tuple[tuple[Cache, int], ...] = (("none", 0), ("none", WORKERS), ("memory", 0), ("memory", WORKERS))


class Blank:
    """Images of one black pixel, counted as they are decoded."""

    name = source = "blank"

    def __init__(self, table: LabelTable) -> None:
        self.table, self.decoded = table, 0

    def labels(self, split: Split | None = None) -> LabelTable:
        """All rows."""
        return self.table

    def selections(self) -> tuple[Selection, ...]:
        """Every image counts."""
        return by_split(self.table)

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """One black pixel."""
        self.decoded += 1
        return np.zeros((1, 1, 3), dtype=np.uint8)


def skewed(share: float) -> LabelTable:
    """Rows of which this share is in the smaller group."""
    groups = (np.arange(ROWS) < share * ROWS).astype(np.int64)
    return LabelTable(
        ids=np.arange(ROWS).astype(np.str_),
        groups=groups,
        group_names=("larger", "smaller"),
        targets=np.zeros((ROWS, 1), dtype=np.uint8),
        target_names=("y",),
        kind="multi",
    )


def published(groups: NDArray[np.int64], rng: np.random.Generator) -> tuple[int, int]:
    """Decoded images and batches of an epoch: 2.5 batches are loaded, half a batch of each group kept of them."""
    loaded, batches = int(2.5 * BATCH), 0
    order = rng.permutation(len(groups))
    for start in range(0, len(order) - loaded + 1, loaded):
        counts = np.bincount(groups[order[start : start + loaded]], minlength=2)
        batches += int(counts.min() >= BATCH // 2)  # else the batch is dropped
    return len(order) // loaded * loaded, batches


def decoding() -> None:
    """Print decoded images per batch, ours beside the published."""
    for share in (0.5, 0.3, 0.2, 0.1):
        blank = Blank(skewed(share))
        images = Images(blank, blank.table, cache="none")
        batches = Batches(images, TransformOptions(crop=1), batch_size=BATCH, train=True, seed=0, sampling="balanced")
        seen = [batch.groups.bincount().tolist() for batch in batches.epoch(0)]
        assert all(counts == [BATCH // 2, BATCH // 2] for counts in seen)
        decoded, kept = published(blank.table.groups, np.random.default_rng(0))
        ours, dropped = blank.decoded / len(seen) / BATCH, decoded // int(2.5 * BATCH) - kept
        theirs = f"{decoded / kept / BATCH:.2f}" if kept else "no batch at all"
        print(
            f"smaller group {share:4.0%}: images decoded per image of a balanced batch: {ours:.2f}, published {theirs} "
            f"({dropped} of {kept + dropped} batches dropped)"
        )


def photographs(folder: Path) -> ImageTable:
    """JPEG files of 640 by 480 pixels, smooth with some grain, as photographs are."""
    rng = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "group", "y"])
        for number in range(FILES):
            coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            grain = rng.integers(0, 20, (480, 640, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"{number}.jpg"), cv2.resize(coarse, (640, 480)) // 2 + grain)
            lines.writerow([f"{number}.jpg", "ab"[number % 2], number % 3 % 2])
    return ImageTable(folder, protected="group")


def source(dataset: Dataset, transform: TransformOptions, cache: Cache, workers: int) -> Batches:
    images = Images(dataset, dataset.labels("train"), cache=cache)
    return Batches(images, transform, batch_size=BATCH, train=True, seed=0, workers=workers)


def per_second(batches: Batches, epoch: int) -> float:
    """Images of an epoch by its seconds; nothing is done with them."""
    start = time.perf_counter()
    images = sum(len(batch) for batch in batches.epoch(epoch))
    return images / (time.perf_counter() - start)


def speeds(name: str, dataset: Dataset, transform: TransformOptions) -> None:
    """Print images per second by each way, the best of a few epochs."""
    for cache, workers in WAYS:
        batches = source(dataset, transform, cache, workers)
        first = per_second(batches, 0)
        later = max(per_second(batches, epoch) for epoch in range(1, 1 + TIMES))
        way = "kept in memory" if cache == "memory" else "decoded each time"
        print(f"{name}: {way}, {workers} workers: {first:7,.0f} images/s in the first epoch, {later:7,.0f} later")
        batches.close()


def step_of(width: int) -> Callable[[torch.Tensor], None]:
    """A stand-in for a training step: a small network forward and backward."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, width), (width, 2 * width), (2 * width, 4 * width), (4 * width, 4 * width)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 1))
    network = network.to(memory_format=torch.channels_last)

    def step(images: torch.Tensor) -> None:
        network.zero_grad()
        network(images).mean().backward()

    return step


def waiting(name: str, dataset: Dataset, transform: TransformOptions, width: int, epochs: int) -> None:
    """Print the share of its time that a training process waits for batches."""
    step = step_of(width)
    for cache, workers in WAYS:
        batches = source(dataset, transform, cache, workers)
        start, images = time.perf_counter(), 0
        for epoch in range(epochs):
            for batch in batches.epoch(epoch):
                step(batch.images)
                images += len(batch)
        seconds = time.perf_counter() - start
        way = "kept in memory" if cache == "memory" else "decoded each time"
        print(
            f"{name}: {way}, {workers} workers: {images / seconds:6,.0f} images/s trained, "
            f"waiting {batches.waited_s / seconds:5.1%} of {seconds:.0f} s ({epochs} epochs)",
            flush=True,
        )
        batches.close()


def main() -> None:
    decoding()
    world = Scenes(ScenesSettings(size=64), train=1024, val=0, test=0)
    with tempfile.TemporaryDirectory() as folder:
        photos = photographs(Path(folder))
        speeds("Scenes, 64 px", world, SMALL)
        speeds("640 × 480 JPEG, 224 px", photos, LARGE)
        waiting("Scenes, 64 px", world, SMALL, width=32, epochs=5)
        waiting("640 × 480 JPEG, 224 px", photos, LARGE, width=8, epochs=5)


if __name__ == "__main__":
    main()
