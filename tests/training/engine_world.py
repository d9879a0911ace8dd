"""A world small enough for the engine's tests: images of coloured noise, a tiny network, two objectives.

Nothing of the package beyond the contracts, so that the engine is tested alone; a plain module, so that other
processes can import it.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from steelyard.base.random import stream
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Task

TARGETS = 3
SIZE = (8, 8)


class FakeSource:
    """Batches of `n` images; each process takes every `processes`-th row."""

    def __init__(self, n, *, batch=8, training, seed=0, process=0, processes=1, hook=None, single=False):
        random = stream(seed, "world")
        self.n, self.batch, self.training, self.hook, self.single = n, batch, training, hook, single
        self.process, self.processes = process, processes
        self.groups = torch.from_numpy(random.integers(0, 2, n))
        if single:
            self.targets = torch.from_numpy(random.integers(0, TARGETS, n))
            flags = F.one_hot(self.targets, TARGETS).float()
        else:
            self.targets = flags = torch.from_numpy(random.integers(0, 2, (n, TARGETS))).float()
        colour = 0.35 + 0.3 * flags[:, :, None, None]
        noise = torch.from_numpy(random.normal(0, 0.1, (n, 3, *SIZE))).float()
        self.images = (colour + noise).clamp(0, 1)
        self.waited_s, self.decoded, self.skipped = 0.0, 0, 0

    def __len__(self):
        if self.training:
            return self.n // (self.batch * self.processes)
        return -(-len(range(self.process, self.n, self.processes)) // self.batch)

    def rows(self, epoch):
        if not self.training:
            return np.arange(self.process, self.n, self.processes)
        order = stream(3, "order", epoch).permutation(self.n)[: len(self) * self.batch * self.processes]
        return order[self.process :: self.processes]

    def epoch(self, epoch, *, start=0):
        torch.rand(1)  # as a loader does: making batches must not shift the dropout
        parts = np.array_split(self.rows(epoch), np.arange(self.batch, len(self.rows(epoch)), self.batch))
        for number, rows in enumerate(parts):
            if number < start or not len(rows):
                continue
            if self.hook:
                self.hook(epoch, number)
            rows = torch.from_numpy(rows.astype(np.int64))
            self.decoded += len(rows)
            yield Batch(images=self.images[rows], targets=self.targets[rows], groups=self.groups[rows], rows=rows)


def tiny_network(*, dropout=0.2, outputs=TARGETS, width=6, normed=True):
    torch_state = torch.get_rng_state()
    torch.manual_seed(11)
    backbone = nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2, bias=False),  # BatchNorm undoes a bias: its gradient is rounding
        nn.BatchNorm2d(width) if normed else nn.Identity(),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    network = Network(backbone, nn.Linear(width, outputs), mean=[0.5] * 3, std=[0.25] * 3, aliases={})
    torch.set_rng_state(torch_state)
    return network


def task_of(source):
    return Task(
        kind="single" if source.single else "multi",
        target_names=tuple("abc"),
        group_names=("g", "h"),
        positives=torch.ones(TARGETS),
        group_sizes=torch.bincount(source.groups).float(),
        images=source.n,
    )


class Plain:
    """The task alone."""

    sampling = "natural"
    critic_epochs = 0

    def __init__(self):
        self.seen = []

    def outputs(self, task):
        return len(task.target_names)

    def setup(self, fabric, network, task, size):
        self.fabric, self.kind = fabric, task.kind

    def loss(self, logits, targets):
        if self.kind == "single":
            return F.cross_entropy(logits, targets)
        return F.binary_cross_entropy_with_logits(logits, targets)

    def step(self, network, batch, progress):
        self.seen.append(progress)
        loss = self.loss(network(batch.images).logits, batch.targets)
        self.fabric.backward(loss / progress.accumulation)
        return {"task": loss.detach()}

    def evaluate(self, network, batch):
        return network(batch.images).logits

    def ready(self, progress):
        return True

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Joint(Plain):
    """A head with two outputs more than targets, whose scores are made of all of them."""

    structured = True

    def outputs(self, task):
        return len(task.target_names) + 2

    def output(self, network, batch):
        return network(batch.images).logits

    def scores(self, output):
        return output[:, :TARGETS] + output[:, TARGETS:].sum(1, keepdim=True)


class WithCritic(Plain):
    """The task, less what a critic with BatchNorm, dropout and an optimiser of its own reads from the embedding."""

    critic_epochs = 1

    def setup(self, fabric, network, task, size):
        super().setup(fabric, network, task, size)
        width = network.tap_shapes(["embedding"], size)["embedding"][0]
        critic = nn.Sequential(nn.Linear(width, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.3), nn.Linear(5, 2))
        optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2, fused=True)
        self.critic, self.optimiser = fabric.setup(critic, optimiser)

    def step(self, network, batch, progress):
        self.seen.append(progress)
        with torch.no_grad():
            embedding = network(batch.images, taps=("embedding",)).taps["embedding"]
        self.critic.requires_grad_(True)
        self.optimiser.zero_grad()
        told = F.cross_entropy(self.critic(embedding), batch.groups)
        self.fabric.backward(told)
        self.optimiser.step()
        losses = {"critic": told.detach()}
        if progress.stage != "critic":
            out = network(batch.images, taps=("embedding",))
            self.critic.requires_grad_(False)
            task = self.loss(out.logits, batch.targets)
            hidden = F.cross_entropy(self.critic(out.taps["embedding"]), batch.groups)
            self.fabric.backward((task - 0.1 * hidden) / progress.accumulation)
            losses["task"] = task.detach()
        return losses

    def state_dict(self):
        return {"critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state):
        self.critic.load_state_dict(state["critic"])
        self.optimiser.load_state_dict(state["optimiser"])
