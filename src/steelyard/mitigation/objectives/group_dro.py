"""`group-dro`: minimise the loss of the worst group.

Sagawa, Koh, Hashimoto, Liang, Distributionally Robust Neural Networks for Group Shifts, ICLR 2020,
https://arxiv.org/abs/1911.08731 (algorithm 1; the adjustment for small groups is its section 3.3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.mitigation.objectives.groups import require_groups
from steelyard.mitigation.objectives.options import require_choice, require_number
from steelyard.mitigation.objectives.passes import output_of
from steelyard.mitigation.objectives.task_loss import TaskLoss, Weighting, task_loss
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric

By = Literal["group", "group-and-label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDROOptions:
    """Whose worst loss counts, and how fast the weights follow it.

    Attributes:
        by: `group`: the k groups. `group-and-label`: the paper's cells, group × class for one label per image; for
            several labels each label's term has cells of its own, group × label × present or absent.
        rate: η of the weights' exponentiated gradient, 0 or more; 0 keeps the weights equal.
        adjustment: C, adds C / √(images of the group) to each group's loss; with `by="group"` only.
        weighting: of rare labels, as for `task`.
        sampling: `balanced` for equally many images of each group in a batch, or `natural`.
    """

    by: By = "group"
    rate: float = 0.01
    adjustment: float = 0.0
    weighting: Weighting = "root"
    sampling: Sampling = "balanced"

    def __post_init__(self) -> None:
        require_choice("by", self.by, get_args(By))
        require_number("rate", self.rate, 0.0)
        require_number("adjustment", self.adjustment, 0.0)
        if self.adjustment and self.by != "group":
            raise InputError(
                f"objective: adjustment: expected 0 with by={self.by!r}, found {self.adjustment:g}; "
                "only the sizes of groups are known, so take by='group' or drop it"
            )
        require_choice("weighting", self.weighting, get_args(Weighting))
        require_choice("sampling", self.sampling, get_args(Sampling))


class GroupDROObjective:
    """Weights q over the cells rise where the loss is high; the network minimises the weighted loss.

    Attributes:
        options: as given.
        sampling: how batches are drawn.
        critic_epochs: 0.
        notes: which labels have a bounded weight; after `setup`.
        weights: `[cells]`, q, sums to 1; after `setup`.
    """

    def __init__(self, options: GroupDROOptions | None = None) -> None:
        self.options = options or GroupDROOptions()
        self.sampling: Sampling = self.options.sampling
        self.critic_epochs = 0
        self.notes: tuple[str, ...] = ()

    def outputs(self, task: Task) -> int:
        """One logit per target."""
        return len(task.target_names)

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Give every cell the same weight.

        Raises:
            InputError: a group has no training image.
        """
        require_groups(task, "group-dro")
        self._fabric = fabric
        self._loss: TaskLoss = task_loss(task, self.options.weighting, fabric.device)
        self.notes = self._loss.notes
        groups, labels = len(task.group_names), len(task.target_names)
        self._labels = labels
        cells = groups
        if self.options.by == "group-and-label":
            cells = groups * labels * (2 if task.kind == "multi" else 1)
        self.weights = torch.full((cells,), 1.0 / cells, device=fabric.device)
        # By group only: options refuse it otherwise.
        adjustment = self.options.adjustment / task.group_sizes.float().sqrt()
        self._adjustment = adjustment.to(fabric.device) if self.options.adjustment else torch.zeros_like(self.weights)

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """q_c ← q_c exp(η L_c) / Σ; minimise Σ_c q_c L_c, L_c the mean loss of cell c in the batch.

        With several processes L_c is the mean over the batches of all, so that q is the same everywhere.
        """
        terms = self._loss.terms(network(batch.images).logits, batch.targets)
        sums, counts = self._by_cell(terms, batch)
        there = self._all(torch.stack([sums.detach(), counts]))
        worst = there[0] / there[1].clamp(min=1.0)
        self.weights = self.weights * torch.exp(self.options.rate * (worst + self._adjustment))
        self.weights = self.weights / self.weights.sum()
        # Gradients are averaged over processes, the sums are to be added.
        loss = (self.weights * sums / there[1].clamp(min=1.0)).sum() * self._fabric.world_size
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": terms.detach().mean(), "worst": worst.max()}

    def evaluate(self, network: Network, batch: Batch) -> Tensor:
        """`[b, t]` logits."""
        return output_of(self._fabric, network, batch.images).logits.float()

    def ready(self, progress: Progress) -> bool:
        """From the first epoch on."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """The weights q."""
        return {"weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from these weights."""
        self.weights = state["weights"].to(self._fabric.device)

    def _by_cell(self, terms: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum of the losses and their number, each `[cells]`, from terms `[b, t]` (or `[b, 1]`)."""
        if self.options.by == "group":
            terms, cells = terms.mean(1), batch.groups
        elif self._loss.kind == "single":
            terms, cells = terms[:, 0], batch.groups * self._labels + batch.targets
        else:
            label = torch.arange(self._labels, device=terms.device)
            cells = ((batch.groups[:, None] * self._labels + label) * 2 + batch.targets.long()).flatten()
            terms = terms.flatten()
        sums = torch.zeros_like(self.weights).index_add(0, cells, terms)
        counts = torch.zeros_like(self.weights).index_add(0, cells, torch.ones_like(terms))
        return sums, counts.detach()

    def _all(self, values: Tensor) -> Tensor:
        """Summed over the processes."""
        total = self._fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total
