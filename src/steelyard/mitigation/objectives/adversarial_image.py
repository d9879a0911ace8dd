"""`adversarial-image`: a mask hides pixels that tell the group from the network that learns the task.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from steelyard.base.random import stream
from steelyard.mitigation.objectives.critic import Against, Critic, CriticOptions, Verdict, drawn_seed, ramped
from steelyard.mitigation.objectives.groups import group_weights, require_groups
from steelyard.mitigation.objectives.label_loss import Structure, require_structure
from steelyard.mitigation.objectives.label_objective import LabelObjective
from steelyard.mitigation.objectives.options import require_choice, require_count, require_number, require_rate
from steelyard.mitigation.objectives.passes import evaluating, output_of, plain
from steelyard.mitigation.objectives.task_loss import Weighting, require_label_options
from steelyard.models.critics import critic_for
from steelyard.models.mask_unet import MaskUNet
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Progress, Sampling, Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric

ImageCriticKind = Literal["auto", "image", "image-compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskOptions:
    """The mask network and how it learns.

    Attributes:
        width: channels at full resolution.
        levels: how often the image is halved.
        scale: side, in pixels, of what the mask decides on at once; 2 is four times as fast as 1.
        learning_rate: of the mask's own Adam.
    """

    width: int = 16
    levels: int = 4
    scale: int = 1
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        require_count("mask.width", self.width, 1)
        require_count("mask.levels", self.levels, 1)
        require_count("mask.scale", self.scale, 1)
        require_rate("mask.learning_rate", self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialImageOptions:
    """How much is hidden, from which critic.

    Attributes:
        weight: λ, of the critic against the task.
        keep: β, of the distance between image and masked image.
        against: `reversal` (the paper's) or `confusion`, as for `adversarial`.
        critic: `image` (ResNet-18), `image-compact`, or `auto`, by the images' size.
        ramp: share of stage `all` in which λ rises from 0; 0 for a constant λ.
        critic_epochs: in which only the critics learn, before stage `all`.
        critics: how they learn.
        mask: the mask network and how it learns.
        structure: of the labels' loss, as for `task`: `independent` or `crf`.
        weighting: of rare labels, as for `task`.
        sampling: `balanced` for equally many images of each group in a batch; with `natural` the critics' losses are
            weighted by the groups' inverse sizes instead.
    """

    weight: float = 5.0
    keep: float = 0.1
    against: Against = "reversal"
    critic: ImageCriticKind = "auto"
    ramp: float = 0.3
    critic_epochs: int = 1
    critics: CriticOptions = field(default_factory=CriticOptions)
    mask: MaskOptions = field(default_factory=MaskOptions)
    structure: Structure = "independent"
    weighting: Weighting = "root"
    sampling: Sampling = "balanced"

    def __post_init__(self) -> None:
        require_number("weight", self.weight, 0.0)
        require_number("keep", self.keep, 0.0)
        require_choice("against", self.against, get_args(Against))
        require_choice("critic", self.critic, get_args(ImageCriticKind))
        require_number("ramp", self.ramp, 0.0, 1.0)
        require_count("critic_epochs", self.critic_epochs, 0)
        require_label_options(self.weighting, self.sampling)
        require_structure(self.structure, self.weighting)


class AdversarialImageObjective(LabelObjective[AdversarialImageOptions]):
    """The network sees X̂ = M(X)·X, in training and ever after; M = 0 is black.

    Attributes:
        critics: one, or as many as `critics.count` says; after `setup`.
    """

    def __init__(self, options: AdversarialImageOptions | None = None) -> None:
        super().__init__(options or AdversarialImageOptions())
        self.critic_epochs = self.options.critic_epochs
        self.structure = self.options.structure
        self.critics: list[Critic] = []
        self._seed = 0

    def setup(self, fabric: "Fabric", network: Network, task: Task, size: tuple[int, int]) -> None:
        """Make the mask and the critics.

        Raises:
            InputError: a group has no training image, or the critic's form does not suit images.
        """
        require_groups(task, "adversarial-image")
        self._seed = drawn_seed()
        super().setup(fabric, network, task, size)
        wanted = self.options.mask
        mask = MaskUNet(wanted.width, wanted.levels, scale=wanted.scale, seed=self._seed)
        adam = torch.optim.Adam(mask.parameters(), lr=wanted.learning_rate, fused=True)
        self._mask, self._mask_optimiser = fabric.setup(mask, adam)
        weights, groups = group_weights(task, self.sampling), len(task.group_names)

        def made(number: int) -> Critic:
            return Critic(fabric, lambda start: self._make(size, groups, number, start), self.options.critics, weights)

        self.critics = [made(number) for number in range(self.options.critics.count)]

    def step(self, network: Network, batch: Batch, progress: Progress) -> Mapping[str, Tensor]:
        """One batch.

        1. X̂ = M(X)·X.
        2. Critic, `steps` times: minimise L_c(c(X̂), g), X̂ held fixed.
        3. Network p and mask M, critic held fixed: minimise β·mean|X − X̂| + L(p(X̂), Y) − λ L_c(c(X̂), g), the mean
           over all pixels and channels, so that β means the same at any size; or + λ KL(1/k ‖ c(X̂)).

        In stage `head` nothing is done about the critic, in stage `critic` only 2.
        """
        if progress.stage == "critic":
            return self._learn(batch.images * self.masks(network, batch.images), batch)
        against = progress.stage == "all"
        masked = batch.images * self._mask(batch.images)
        if against:
            self._restart(progress.epoch)
        told = self._learn(masked.detach(), batch) if against else {}
        task = self._loss(network(masked).logits, batch)
        hidden = (batch.images - masked).abs().mean()
        loss = self.options.keep * hidden + task
        if against:
            weight = ramped(self.options.weight, self.options.ramp, progress.fraction)
            parts = [critic.against(masked, batch.groups, self.options.against) for critic in self.critics]
            loss = loss + weight * torch.stack(parts).mean()
            told["weight"] = task.new_tensor(weight)
        self._mask_optimiser.zero_grad()
        self._fabric.backward(loss / progress.accumulation)
        # Adam does not mind that this gradient, too, is divided by `accumulation`.
        self._mask_optimiser.step()
        return {"loss": loss.detach(), "task": task.detach(), "hidden": hidden.detach(), **told}

    def masks(self, network: Network, images: Tensor) -> Tensor:
        """`[b, 1, h, w]` in [0, 1]: how much of each pixel is let through, in evaluation mode.

        Args:
            network: not asked; the mask is a network of its own.
            images: `[b, 3, h, w]` in [0, 1].
        """
        mask = plain(self._mask)
        with evaluating(mask), self._fabric.autocast():
            made: Tensor = mask(images)
        return made

    def output(self, network: Network, batch: Batch) -> Tensor:
        """`[b, o]`: what the head says of the masked images."""
        masked = batch.images * self.masks(network, batch.images)
        return output_of(self._fabric, network, masked).logits.float()

    def ready(self, progress: Progress) -> bool:
        """Once λ has risen."""
        return progress.stage != "all" or progress.fraction >= self.options.ramp

    def state_dict(self) -> dict[str, Any]:
        """The mask and the critics, and the seed of critics to come."""
        return {
            "seed": self._seed,
            "mask": plain(self._mask).state_dict(),
            "mask_optimiser": self._mask_optimiser.state_dict(),
            "critics": [critic.state_dict() for critic in self.critics],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._seed = int(state["seed"])
        plain(self._mask).load_state_dict(state["mask"])
        self._mask_optimiser.load_state_dict(state["mask_optimiser"])
        for critic, kept in zip(self.critics, state["critics"], strict=True):
            critic.load_state_dict(kept)

    def _learn(self, masked: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Step 2; what the critics said at their last step."""
        for _ in range(self.options.critics.steps):
            last = [critic.learn(masked, batch.groups) for critic in self.critics]
        verdict = Verdict(*(torch.stack(one).mean() for one in zip(*last, strict=True)))
        return {"critic": verdict.loss, "critic_accuracy": verdict.accuracy}

    def _restart(self, epoch: int) -> None:
        """Start critics afresh whose time it is."""
        for number, critic in enumerate(self.critics):
            critic.start(self.options.critics.start_of(number, epoch))

    def _make(self, size: tuple[int, int], groups: int, number: int, start: int) -> nn.Module:
        """Critic `number` at one of its starts."""
        seed = int(stream(self._seed, "image", number, start).integers(2**31))
        return critic_for((3, *size), groups, self.options.critic, seed=seed)
