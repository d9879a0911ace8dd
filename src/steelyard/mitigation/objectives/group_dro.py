"""`group-dro`: minimise the loss of the worst group.

Sagawa, Koh, Hashimoto, Liang, Distributionally Robust Neural Networks for Group Shifts, ICLR 2020,
https://arxiv.org/abs/1911.08731 (algorithm 1; the adjustment for small groups is its section 3.3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.mitigation.objectives.groups import require_groups
from steelyard.mitigation.objectives.label_objective import LabelObjective
from steelyard.mitigation.objectives.options import require_choice, require_number
from steelyard.mitigation.objectives.task_loss import Weighting, require_label_options, task_loss
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
        require_label_options(self.weighting, self.sampling)


class GroupDROObjective(LabelObjective[GroupDROOptions]):
    """Weights q over the cells rise where the loss is high; the network minimises the weighted loss.

    A batch without a cell says nothing of its loss. Each cell's loss therefore counts in the batches that hold the
    cell, and there divided by their share π of all batches so far: over many batches, rare and frequent cells count
    the same. The price is larger steps at rare cells, about q / π; a limit to the gradient (`clip`) bounds them.
    """

    def __init__(self, options: GroupDROOptions | None = None) -> None:
        super().__init__(options or GroupDROOptions())

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Give every cell the same weight.

        Raises:
            InputError: a group has no training image.
        """
        require_groups(task, "group-dro")
        super().setup(fabric, network, task, size)
        groups, labels = len(task.group_names), len(task.target_names)
        self._labels, self._task_loss = labels, task_loss(task, self.options.weighting, fabric.device)
        cells = groups
        if self.options.by == "group-and-label":
            cells = groups * labels * (2 if task.kind == "multi" else 1)
        # Apple's devices have no float64.
        wide = torch.float32 if fabric.device.type == "mps" else torch.float64
        self._log_weights = torch.full((cells,), -log(cells), dtype=wide, device=fabric.device)
        self._held = torch.zeros_like(self._log_weights)
        self._batches = 0
        # By group only: options refuse it otherwise.
        adjustment = self.options.adjustment / task.group_sizes.to(self._log_weights).sqrt()
        self._adjustment = adjustment if self.options.adjustment else torch.zeros_like(self._log_weights)

    @property
    def weights(self) -> Tensor:
        """`[cells]`, q, sums to 1; after `setup`."""
        return self._log_weights.exp().float()

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """q_c ← q_c exp(η L_c / π_c) / Σ; minimise Σ_c q_c L_c / π_c, over the cells c in the batch.

        L_c is the mean loss of the cell in the batch, π_c the share of batches so far that held it. With several
        processes all their batches count as one, so that q and π are the same everywhere.
        """
        terms = self._task_loss.terms(network(batch.images).logits, batch.targets)
        sums, counts = self._by_cell(terms, batch)
        total, count = self._all(torch.stack([sums.detach(), counts]))
        worst = total / count.clamp(min=1.0)
        scale = self._seen(count > 0)
        # In logarithms, for the weights of easy cells leave the range of any float.
        self._log_weights = self._log_weights + self.options.rate * scale * (worst + self._adjustment)
        self._log_weights = self._log_weights - self._log_weights.logsumexp(0)
        share = self._log_weights.exp() * scale / count.clamp(min=1.0)
        # Gradients are averaged over processes, the sums are to be added.
        loss = (share.float() * sums).sum() * self._fabric.world_size
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": terms.detach().mean(), "worst": worst.max()}

    def state_dict(self) -> dict[str, Any]:
        """The logarithms of q, and in how many batches of how many each cell was."""
        return {"log_weights": self._log_weights, "held": self._held, "batches": self._batches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from these weights."""
        self._log_weights, self._held = (state[name].to(self._log_weights) for name in ("log_weights", "held"))
        self._batches = int(state["batches"])

    def _seen(self, present: Tensor) -> Tensor:
        """Count a batch; 1 / π `[cells]`, 0 for a cell that it does not hold."""
        self._held = self._held + present
        self._batches += 1
        return present * self._batches / self._held.clamp(min=1.0)

    def _by_cell(self, terms: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum of the losses and their number, each `[cells]`, from terms `[b, t]` (or `[b, 1]`)."""
        if self.options.by == "group":
            terms, cells = terms.mean(1), batch.groups
        elif self._task_loss.kind == "single":
            terms, cells = terms[:, 0], batch.groups * self._labels + batch.targets
        else:
            label = torch.arange(self._labels, device=terms.device)
            cells = ((batch.groups[:, None] * self._labels + label) * 2 + batch.targets.long()).flatten()
            terms = terms.flatten()
        none = torch.zeros(len(self._held), dtype=terms.dtype, device=terms.device)
        sums, counts = none.index_add(0, cells, terms), none.index_add(0, cells, torch.ones_like(terms))
        return sums, counts.detach()

    def _all(self, values: Tensor) -> Tensor:
        """Summed over the processes."""
        total = self._fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total
