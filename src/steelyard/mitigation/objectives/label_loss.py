"""The form of the labels' loss: labels that do not know of each other or the group, or a CRF of labels and group.

Zhao, Wang, Yatskar, Ordonez, Chang, Men Also Like Shopping, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.mitigation.objectives.groups import require_groups
from steelyard.mitigation.objectives.options import require_choice
from steelyard.mitigation.objectives.task_loss import Weighting, task_loss
from steelyard.models.crf import crf_for
from steelyard.training.objective import Batch, Task

Structure = Literal["independent", "crf"]
"""How targets are scored: `independent`: each for itself; `crf`: together with the group, which is predicted, too."""


class LabelLoss(Protocol):
    """One form of the labels' loss.

    Attributes:
        notes: what a reader must know of it, one line each.
    """

    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        """o, outputs of the head."""
        ...

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """What is minimised: a scalar, in nats per label.

        Args:
            logits: `[b, o]` output of the head.
            batch: its labels and groups.
        """
        ...

    def scores(self, logits: Tensor) -> Tensor:
        """`[b, t]`: the targets' logits."""
        ...


class IndependentLabels:
    """An output per target: cross-entropy, which may be weighted."""

    def __init__(self, task: Task, weighting: Weighting, device: torch.device | None = None) -> None:
        self.width = len(task.target_names)
        self._loss = task_loss(task, weighting, device)
        self.notes = self._loss.notes

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean over images and labels."""
        return self._loss(logits, batch.targets)

    def scores(self, logits: Tensor) -> Tensor:
        """The outputs themselves."""
        return logits.float()


class CRFLabels:
    """Minus the exact log-likelihood of targets and group.

    It is divided by the number of labels (t, or 1 for one label per image), so that rates and an adversary's λ mean
    what they mean with independent labels. It is a likelihood, in which rare labels have no weights.
    """

    def __init__(self, task: Task, weighting: Weighting) -> None:
        require_groups(task, "with structure crf", instead="structure independent")
        self._crf = crf_for(task.kind, len(task.target_names), len(task.group_names))
        self._labels = len(task.target_names) if task.kind == "multi" else 1
        self.width = self._crf.width
        told = "labels are not weighted: structure crf minimises a likelihood (weighting is for independent labels)"
        self.notes: tuple[str, ...] = () if weighting == "none" or task.kind == "single" else (told,)

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """Minus the mean of log p(y, g), per label."""
        return -self._crf.log_likelihood(logits, batch.targets, batch.groups).mean() / self._labels

    def scores(self, logits: Tensor) -> Tensor:
        """Logits of the targets' marginals; the images' groups are not looked at."""
        return self._crf.target_logits(logits)


def label_loss(structure: Structure, task: Task, weighting: Weighting, device: torch.device | None = None) -> LabelLoss:
    """The labels' loss of a task.

    Args:
        structure: its form.
        task: what is learned.
        weighting: of rare labels; of independent ones.
        device: where the loss is taken.

    Raises:
        InputError: a CRF of fewer than two groups, or of one without a training image.
    """
    if structure == "crf":
        return CRFLabels(task, weighting)
    return IndependentLabels(task, weighting, device)


def require_structure(structure: Structure, weighting: Weighting) -> None:
    """Check that there is this form, and that the weighting suits it.

    Raises:
        InputError: there is not, or weights other than the default were asked for that it does not have.
    """
    require_choice("structure", structure, get_args(Structure))
    if structure == "crf" and weighting not in ("root", "none"):
        raise InputError(
            f"objective: weighting: expected none with structure crf, a likelihood, found {weighting!r}; drop it"
        )
