"""A critic inside training: it learns to tell the group, and says how well it can.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489; the
form `confusion`: Tzeng, Hoffman, Darrell, Saenko, Simultaneous Deep Transfer Across Domains and Tasks, ICCV 2015,
https://arxiv.org/abs/1510.02192.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from steelyard.mitigation.objectives.options import require_count, require_number, require_rate
from steelyard.mitigation.objectives.passes import frozen, plain

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Against = Literal["reversal", "confusion"]
"""What the network minimises against a critic: minus the critic's loss, or its distance from not knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticOptions:
    """How critics learn.

    Attributes:
        learning_rate: of the critics' own Adam.
        weight_decay: of the same, added to the gradient.
        steps: of the critics per batch.
        count: critics at each place; the network works against the mean of them.
        restart_epochs: a critic starts afresh after this many epochs of stage `all`, so that the network cannot settle
            on fooling one; 0 for never. Of several critics at one place one starts at a time.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    steps: int = 1
    count: int = 1
    restart_epochs: int = 0

    def __post_init__(self) -> None:
        require_rate("critics.learning_rate", self.learning_rate)
        require_number("critics.weight_decay", self.weight_decay, 0.0)
        require_count("critics.steps", self.steps, 1)
        require_count("critics.count", self.count, 1)
        require_count("critics.restart_epochs", self.restart_epochs, 0)

    def start_of(self, number: int, epoch: int) -> int:
        """How often critic `number` of a place has been started afresh by an epoch of stage `all`."""
        if not self.restart_epochs:
            return 0
        return (epoch * self.count + number * self.restart_epochs) // (self.restart_epochs * self.count)


class Verdict(NamedTuple):
    """How well a critic does on a batch: scalars without gradients.

    Attributes:
        loss: mean cross-entropy in nats, each group counting alike; log k for a critic that knows nothing.
        accuracy: share of the batch, in [0, 1].
    """

    loss: Tensor
    accuracy: Tensor


class Critic:
    """One critic and its optimiser."""

    def __init__(
        self,
        fabric: "Fabric",
        make: Callable[[int], nn.Module],
        options: CriticOptions,
        weights: Tensor,
    ) -> None:
        """Make it.

        Args:
            fabric: of the engine.
            make: number of the start → a critic with fresh parameters, evidence → logits `[b, k]`.
            options: how it learns.
            weights: `[k]`, by which each group counts alike.
        """
        network = make(0)
        adam = torch.optim.Adam(
            network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        self._network, self._optimiser = fabric.setup(network, adam)
        self._fabric, self._make = fabric, make
        self._weights = weights.to(fabric.device)
        self._start = 0

    @property
    def network(self) -> nn.Module:
        """The critic itself."""
        return plain(self._network)

    def start(self, number: int) -> None:
        """Start afresh where this is another start than the last one; the optimiser forgets with it."""
        if number != self._start:
            self.network.load_state_dict(self._make(number).state_dict())
            self._optimiser.optimizer.state.clear()
            self._start = number

    def learn(self, evidence: Tensor, groups: Tensor) -> Verdict:
        """One step towards telling the groups; the verdict is from before it.

        Args:
            evidence: what it reads, without gradients.
            groups: `[b]`.
        """
        told = self._network(evidence)
        loss = self._loss(told, groups)
        self._optimiser.zero_grad()
        self._fabric.backward(loss)
        self._optimiser.step()
        return Verdict(loss.detach(), (told.argmax(1) == groups).float().mean())

    def against(self, evidence: Tensor, groups: Tensor, form: Against) -> Tensor:
        """What the network is to minimise: a scalar with gradients to the evidence and none to the critic.

        Args:
            evidence: what it reads, with gradients.
            groups: `[b]`.
            form: `reversal`: minus the critic's loss, without a lower bound; `confusion`: the divergence of its
                probabilities from 1/k each, KL(1/k ‖ p), 0 where it knows nothing.
        """
        # Around the wrapper of processes, which waits for gradients of every parameter.
        with frozen(self.network), self._fabric.autocast():
            told = self.network(evidence)
        if form == "reversal":
            return -self._loss(told, groups)
        apart = -functional.log_softmax(told.float(), dim=1).mean(1) - math.log(told.shape[1])
        return (self._weights[groups] * apart).mean()

    def state_dict(self) -> dict[str, Any]:
        """Parameters, optimiser and number of the start."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "start": self._start,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._start = int(state["start"])

    def _loss(self, told: Tensor, groups: Tensor) -> Tensor:
        losses = functional.cross_entropy(told.float(), groups, reduction="none")
        return (self._weights[groups] * losses).mean()


def drawn_seed() -> int:
    """A seed out of PyTorch's generator, which the engine has seeded for `setup`, alike in every process."""
    return int(torch.randint(2**31, ()))


def ramped(weight: float, ramp: float, fraction: float) -> float:
    """λ at one moment of a stage: rises as 2 / (1 + e^(−10 p)) − 1 over its first part, then stays.

    Ganin, Lempitsky, Unsupervised Domain Adaptation by Backpropagation, ICML 2015, https://arxiv.org/abs/1409.7495.

    Args:
        weight: λ at the end.
        ramp: share of the stage in which it rises, in [0, 1]; 0 for none.
        fraction: share of the stage that is done, in [0, 1).
    """
    if fraction >= ramp:
        return weight
    return weight * (2.0 / (1.0 + math.exp(-10.0 * fraction / ramp)) - 1.0)
