"""`adversarial`: critics read the group out of taps; the network learns the task and to leave them nothing.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.mitigation.objectives.critic import Against, Critic, CriticOptions, Verdict, drawn_seed, ramped
from steelyard.mitigation.objectives.groups import group_weights, require_groups
from steelyard.mitigation.objectives.label_loss import Structure, require_structure
from steelyard.mitigation.objectives.label_objective import LabelObjective
from steelyard.mitigation.objectives.options import require_choice, require_count, require_number
from steelyard.mitigation.objectives.passes import output_of
from steelyard.mitigation.objectives.task_loss import Weighting, require_label_options
from steelyard.models.critics import critic_for
from steelyard.models.network import Network, Output
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric

CriticKind = Literal["auto", "conv5", "conv4", "vector"]
LOGITS = "logits"
"""The tap after the head: the targets' logits, with a CRF those of their marginals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """Where critics read.

    Attributes:
        tap: a layer by name or alias, `embedding`, or `logits`.
        critic: its form: `conv5`, `conv4` or `vector`; `auto` takes what suits the tap's shape.
        weight: of this place among the others, 0 or more.
    """

    tap: str
    critic: CriticKind = "auto"
    weight: float = 1.0

    def __post_init__(self) -> None:
        require_choice("critic", self.critic, get_args(CriticKind))
        require_number("taps.weight", self.weight, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialOptions:
    """What the critics read and how the network works against them.

    Attributes:
        tap: the one place where a critic reads; without it and without `taps`, `conv5`.
        critic: its form, with `tap`.
        taps: several places, in place of `tap`.
        weight: λ, of all critics against the task.
        against: `reversal`: the network minimises minus the critics' loss, the paper's; `confusion`: the divergence of
            the critics' probabilities from 1/k, which has a lower bound.
        ramp: share of stage `all` in which λ rises from 0; 0 for a constant λ.
        critic_epochs: in which only the critics learn, before stage `all`.
        critics: how they learn.
        structure: of the labels' loss, as for `task`: `independent` or `crf`.
        weighting: of rare labels, as for `task`.
        sampling: `balanced` for equally many images of each group in a batch; with `natural` the critics' losses are
            weighted by the groups' inverse sizes instead.
    """

    tap: str | None = None
    critic: CriticKind = "auto"
    taps: tuple[Tap, ...] = ()
    weight: float = 1.0
    against: Against = "reversal"
    ramp: float = 0.3
    critic_epochs: int = 1
    critics: CriticOptions = field(default_factory=CriticOptions)
    structure: Structure = "independent"
    weighting: Weighting = "root"
    sampling: Sampling = "balanced"

    def __post_init__(self) -> None:
        require_choice("critic", self.critic, get_args(CriticKind))
        require_number("weight", self.weight, 0.0)
        require_choice("against", self.against, get_args(Against))
        require_number("ramp", self.ramp, 0.0, 1.0)
        require_count("critic_epochs", self.critic_epochs, 0)
        require_label_options(self.weighting, self.sampling)
        require_structure(self.structure, self.weighting)
        if self.taps and (self.tap is not None or self.critic != "auto"):
            raise InputError("objective: taps: expected either tap and critic or taps, found both; drop one of them")
        names = [place.tap for place in self.taps]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"objective: taps: expected each tap once, found {', '.join(twice)} again; "
                "for several critics at one place set critics.count"
            )

    def places(self) -> tuple[Tap, ...]:
        """Where critics read, one or more."""
        return self.taps or (Tap(tap=self.tap or "conv5", critic=self.critic),)


class AdversarialObjective(LabelObjective[AdversarialOptions]):
    """Train critics and the network in turn, from one forward pass of the network per batch.

    Attributes:
        critics: place → its critics; after `setup`.
    """

    def __init__(self, options: AdversarialOptions | None = None) -> None:
        super().__init__(options or AdversarialOptions())
        self.critic_epochs = self.options.critic_epochs
        self.structure = self.options.structure
        self.critics: dict[Tap, list[Critic]] = {}
        self._seed = 0

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Make the critics.

        Raises:
            InputError: the network has no such tap, the form of a critic does not suit it, or a group has no training
                image.
        """
        require_groups(task, "adversarial")
        self._seed = drawn_seed()
        super().setup(fabric, network, task, size)
        places = self.options.places()
        self._layers = tuple(place.tap for place in places if place.tap != LOGITS)
        shapes = {LOGITS: (len(task.target_names),), **network.tap_shapes(self._layers, size)}
        weights = group_weights(task, self.sampling)
        self.critics = {
            place: [
                Critic(
                    fabric,
                    partial(self._make, place, shapes[place.tap], len(task.group_names), number),
                    self.options.critics,
                    weights,
                )
                for number in range(self.options.critics.count)
            ]
            for place in places
        }

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """One batch.

        1. z, h = f(x): logits and taps.
        2. Critics, `steps` times: minimise L_c(c(h), g), h held fixed.
        3. Network, critics held fixed: minimise L(z, y) − λ L_c(c(h), g), or L(z, y) + λ KL(1/k ‖ c(h)).

        In stage `head` only L(z, y) counts, in stage `critic` only 2. is done.
        """
        if progress.stage == "head":
            task = self._loss(network(batch.images).logits, batch)
            self._fabric.backward(task / progress.accumulation)
            return {"loss": task.detach(), "task": task.detach()}
        if progress.stage == "critic":
            return self._learn(output_of(self._fabric, network, batch.images, self._layers), batch)
        self._restart(progress.epoch)
        seen = network(batch.images, taps=self._layers)
        told = self._learn(seen, batch)
        task = self._loss(seen.logits, batch)
        weight = ramped(self.options.weight, self.options.ramp, progress.fraction)
        loss = task + weight * self._against(seen, batch)
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": task.detach(), **told, "weight": task.new_tensor(weight)}

    def ready(self, progress: Progress) -> bool:
        """Once λ has risen."""
        return progress.stage != "all" or progress.fraction >= self.options.ramp

    def state_dict(self) -> dict[str, Any]:
        """The critics by tap, and the seed of those to come."""
        critics = {place.tap: [critic.state_dict() for critic in those] for place, those in self.critics.items()}
        return {"seed": self._seed, "critics": critics}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._seed = int(state["seed"])
        for place, critics in self.critics.items():
            for critic, kept in zip(critics, state["critics"][place.tap], strict=True):
                critic.load_state_dict(kept)

    def _learn(self, seen: Output, batch: Batch) -> dict[str, Tensor]:
        """Step 2; what the critics said at their last step, a mean over places and by place where there are more."""
        verdicts: dict[str, Verdict] = {}
        for place, critics in self.critics.items():
            evidence = self._evidence(seen, place).detach()
            for _ in range(self.options.critics.steps):
                last = [critic.learn(evidence, batch.groups) for critic in critics]
            verdicts[place.tap] = Verdict(*(torch.stack(one).mean() for one in zip(*last, strict=True)))
        losses, accuracies = zip(*verdicts.values(), strict=True)
        told = {"critic": torch.stack(losses).mean(), "critic_accuracy": torch.stack(accuracies).mean()}
        if len(verdicts) > 1:
            told |= {f"critic_accuracy/{tap}": verdict.accuracy for tap, verdict in verdicts.items()}
        return told

    def _against(self, seen: Output, batch: Batch) -> Tensor:
        """What step 3 adds to the task's loss, per λ."""
        parts = [
            place.weight
            * critic.against(self._evidence(seen, place), batch.groups, self.options.against)
            / len(critics)
            for place, critics in self.critics.items()
            for critic in critics
        ]
        return torch.stack(parts).sum()

    def _evidence(self, seen: Output, place: Tap) -> Tensor:
        return self.scores(seen.logits) if place.tap == LOGITS else seen.taps[place.tap]

    def _restart(self, epoch: int) -> None:
        """Start critics afresh whose time it is."""
        for critics in self.critics.values():
            for number, critic in enumerate(critics):
                critic.start(self.options.critics.start_of(number, epoch))

    def _make(self, place: Tap, shape: tuple[int, ...], groups: int, number: int, start: int) -> nn.Module:
        """Critic `number` of a place at one of its starts."""
        seed = int(stream(self._seed, place.tap, number, start).integers(2**31))
        return critic_for(shape, groups, place.critic, seed=seed)
