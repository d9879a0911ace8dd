"""`reweighed`: learn the labels with weights by label, group and presence, so that no group goes with a label.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469 (their weighted baseline; `mitigation.samples.reweighing` makes the weights).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from steelyard.base.errors import InputError
from steelyard.mitigation.objectives.label_objective import LabelObjective
from steelyard.mitigation.objectives.task_loss import Weighting
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class ReweighedOptions:
    """What each image's term of each label counts.

    Attributes:
        weights: label → a pair for each group: the weight of its images without and with the label.
    """

    weights: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def weighting(self) -> Weighting:
        """No other weight."""
        return "none"

    @property
    def sampling(self) -> Sampling:
        """Images as they come."""
        return "natural"


class ReweighedObjective(LabelObjective[ReweighedOptions]):
    """Minimise the weighted cross-entropy of every label."""

    def __init__(self, options: ReweighedOptions | None = None) -> None:
        super().__init__(options or ReweighedOptions())

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Put the weights into one tensor.

        Raises:
            InputError: single-label targets, or a label or group without weights.
        """
        super().setup(fabric, network, task, size)
        self._weights = _weights(self.options, task).to(fabric.device)

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """Minimise the mean of w(label, group, present) · L(f(x), y)."""
        loss = self.loss(network(batch.images).logits, batch)
        self._fabric.backward(loss / progress.accumulation)
        return {"loss": loss.detach(), "task": loss.detach()}

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """A scalar: `[b, t]` logits against the batch's labels, weighted."""
        label = torch.arange(logits.shape[1], device=logits.device)
        weight = self._weights[label, batch.groups[:, None], batch.targets.long()]
        return functional.binary_cross_entropy_with_logits(logits.float(), batch.targets, weight=weight)


def _weights(options: ReweighedOptions, task: Task) -> Tensor:
    """`[t, k, 2]`."""
    if task.kind == "single":
        raise InputError("objective reweighed: expected labels of 0 and 1, found one label per image; choose task")
    k = len(task.group_names)
    for name in task.target_names:
        given = options.weights.get(name)
        if given is None or len(given) != k or any(len(pair) != 2 or min(pair) < 0 for pair in given):
            found = "none" if given is None else str(given)
            raise InputError(
                f"objective: weights: expected a pair of numbers of 0 or more for each of {k} groups, for {name!r}, "
                f"found {found}; give them"
            )
    return torch.tensor([options.weights[name] for name in task.target_names], dtype=torch.float32)
