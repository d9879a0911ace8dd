"""The task's loss: weighted binary cross-entropy for several labels, cross-entropy for one.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from steelyard.mitigation.objectives.options import require_choice
from steelyard.training.objective import Sampling, Task

Weighting = Literal["root", "published", "positives", "none"]
"""How a rare label is weighed; r is its negatives / positives in training.

- `root`: √r on the positive term. Moves the balance point from probability 1/2 to 1/(1 + √r), between 1/2 and the
  label's prevalence, which is where F1 has its best threshold: the best macro-F1 at a threshold of 1/2 of the four.
- `published`: r on the whole term, as the paper's code does: a rate per label; the balance point stays at 1/2.
- `positives`: r on the positive term: the balance point is the prevalence; many false positives.
- `none`: 1.
"""

LARGEST_WEIGHT = 1000.0
"""Ratios are kept within [1/1000, 1000], so that no label of a handful of images rules the loss (trap W6)."""


@dataclass(frozen=True, slots=True)
class TaskLoss:
    """The loss of one task.

    Attributes:
        kind: `multi` or `single`.
        weight: `[t]`, on the whole term of each label, or None for 1.
        positive_weight: `[t]`, on the positive term of each label, or None for 1.
        notes: what a reader must know of the weights, one line each.
    """

    kind: Literal["multi", "single"]
    weight: Tensor | None = None
    positive_weight: Tensor | None = None
    notes: tuple[str, ...] = ()

    def terms(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss by image and label, in nats: `[b, t]` for several labels, `[b, 1]` for one.

        Args:
            logits: `[b, t]`.
            targets: `[b, t]` of 0 and 1, or `[b]` classes.
        """
        # Cross-entropy in half precision loses small losses.
        logits = logits.float()
        if self.kind == "single":
            return functional.cross_entropy(logits, targets, reduction="none")[:, None]
        return functional.binary_cross_entropy_with_logits(
            logits, targets, weight=self.weight, pos_weight=self.positive_weight, reduction="none"
        )

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean of the terms over images and labels: a scalar."""
        return self.terms(logits, targets).mean()


def require_label_options(weighting: Weighting, sampling: Sampling) -> None:
    """Check the options that every objective has.

    Raises:
        InputError: names the one that there is not.
    """
    require_choice("weighting", weighting, get_args(Weighting))
    require_choice("sampling", sampling, get_args(Sampling))


def task_loss(task: Task, weighting: Weighting, device: torch.device | None = None) -> TaskLoss:
    """The loss of a task.

    Args:
        task: what is learned.
        weighting: of labels; one label per image is not weighted.
        device: where the loss is taken.

    Raises:
        InputError: no such weighting.
    """
    require_choice("weighting", weighting, get_args(Weighting))
    if task.kind == "single" or weighting == "none":
        return TaskLoss(task.kind)
    ratio, notes = _ratios(task)
    ratio = ratio.to(device)
    if weighting == "published":
        return TaskLoss(task.kind, weight=ratio, notes=notes)
    return TaskLoss(task.kind, positive_weight=ratio.sqrt() if weighting == "root" else ratio, notes=notes)


def _ratios(task: Task) -> tuple[Tensor, tuple[str, ...]]:
    """Negatives / positives of each label within bounds, `[t]`, and which labels the bounds have changed."""
    positives = task.positives.float()
    ratio = (task.images - positives) / positives.clamp(min=1.0)
    bounded = ratio.clamp(1.0 / LARGEST_WEIGHT, LARGEST_WEIGHT)
    # A label that never occurs has nothing to be weighed against.
    bounded = torch.where(positives > 0, bounded, torch.ones_like(bounded))
    notes = []
    for name, count, raw, kept in zip(
        task.target_names, positives.tolist(), ratio.tolist(), bounded.tolist(), strict=True
    ):
        if count == 0:
            notes.append(f"{name!r} has no positive training image: its weight is 1")
        elif raw != kept:
            notes.append(f"{name!r} has {count:,.0f} positives of {task.images:,}: its weight is held at {kept:g}")
    return bounded, tuple(notes)
