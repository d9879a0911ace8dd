"""Small networks and images with a planted group, and a plain loop that drives an objective."""

import numpy as np
import torch
from lightning.fabric import Fabric
from sklearn.linear_model import LogisticRegression
from torch import nn

from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Task

SIDE = 16
PATCH = slice(0, 5)
"""Rows and columns of the patch that tells the group; the labels stand elsewhere."""


class ToyBackbone(nn.Module):
    """Two convolutions (`body`, 8 × 4 × 4), then 24 features."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 4, stride=4), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1), nn.ReLU())
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(8 * (SIDE // 4) ** 2, 24), nn.ReLU())

    def forward(self, images):
        return self.last(self.body(images))


def toy_network(outputs, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, head = ToyBackbone(), nn.Linear(24, outputs)
        return Network(backbone, head, mean=[0.5] * 3, std=[0.25] * 3, aliases={"conv5": "body"})


def make_fabric():
    return Fabric(accelerator="cpu", devices=1)


def planted_images(targets, groups, rng):
    """Each label lights a square of the green channel; the group lights the corner of the red one."""
    n, t = targets.shape
    images = rng.uniform(0.3, 0.5, (n, 3, SIDE, SIDE))
    for j in range(t):
        row, column = divmod(j, 2)
        at = images[:, 1, 6 + 5 * row : 10 + 5 * row, 6 + 5 * column : 10 + 5 * column]
        at += 0.25 * targets[:, j, None, None] + rng.normal(0, 0.05, at.shape)
    images[:, 0, PATCH, PATCH] += 0.5 * groups[:, None, None] / max(1, groups.max())
    return images.clip(0, 1)


def planted_batch(n, *, seed, targets=3, groups=2):
    """Labels that do not depend on the group, and images that show both."""
    rng = np.random.default_rng(seed)
    y, g = rng.integers(0, 2, (n, targets)), rng.integers(0, groups, n)
    return batch_of(planted_images(y, g, rng), y, g)


def batch_of(images, targets, groups):
    multi = np.ndim(targets) == 2
    return Batch(
        images=torch.from_numpy(np.asarray(images)).float(),
        targets=torch.from_numpy(np.asarray(targets)).to(torch.float32 if multi else torch.int64),
        groups=torch.from_numpy(np.asarray(groups)).long(),
        rows=torch.arange(len(groups)),
    )


def rows_of(batch, rows):
    return Batch(
        images=batch.images[rows], targets=batch.targets[rows], groups=batch.groups[rows], rows=batch.rows[rows]
    )


def task_of(batch, groups=2, targets=None):
    """The task that these images pose."""
    multi = batch.targets.ndim == 2
    t = batch.targets.shape[1] if multi else targets
    positives = batch.targets.sum(0) if multi else torch.bincount(batch.targets, minlength=t).float()
    return Task(
        kind="multi" if multi else "single",
        target_names=tuple(f"label {j}" for j in range(t)),
        group_names=tuple("ABCD"[:groups]),
        positives=positives,
        group_sizes=torch.bincount(batch.groups, minlength=groups).float(),
        images=len(batch),
    )


def at(stage="all", *, epoch=0, step=0, fraction=0.5, accumulation=1):
    return Progress(stage=stage, epoch=epoch, step=step, fraction=fraction, accumulation=accumulation)


def started(objective, network, task, seed=0):
    """The objective after its setup, as the engine seeds it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective.setup(make_fabric(), network, task, (SIDE, SIDE))
    return objective


def drive(objective, network, batch, *, epochs, critic_epochs=0, batch_size=64, rate=3e-3, seed=0):
    """Train: the critics for some epochs, then everything."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    rng = np.random.default_rng(seed)
    for stage, count in (("critic", critic_epochs), ("all", epochs)):
        steps = count * (len(batch) // batch_size)
        for step in range(steps):
            if step % (len(batch) // batch_size) == 0:
                order = rng.permutation(len(batch))
            rows = order[(step * batch_size) % len(batch) :][:batch_size]
            network.train()
            optimiser.zero_grad()
            epoch = step * batch_size // len(batch)
            objective.step(network, rows_of(batch, rows), at(stage, epoch=epoch, step=step, fraction=step / steps))
            if stage == "all":
                optimiser.step()
    network.eval()


def attacked(seen, groups):
    """Accuracy of a fresh logistic attacker, fitted on one half and scored on the other."""
    x, half = seen.flatten(1).numpy(), len(groups) // 2
    x = (x - x[:half].mean(0)) / (x[:half].std(0) + 1e-3)
    fitted = LogisticRegression(max_iter=500, C=1.0).fit(x[:half], groups[:half].numpy())
    return float(fitted.score(x[half:], groups[half:].numpy()))


def right(scores, batch):
    """Share of labels that are told."""
    if batch.targets.ndim == 1:
        return float((scores.argmax(1) == batch.targets).float().mean())
    return float(((scores > 0) == (batch.targets > 0)).float().mean())
