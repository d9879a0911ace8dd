"""A network as the rest of the package sees it: images in, logits, embedding and any tap out."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError, first_few

EMBEDDING = "embedding"
"""The tap between backbone and head."""


class Output(NamedTuple):
    """What a network says of `b` images.

    Attributes:
        logits: `[b, o]`, as the head gives them.
        embedding: `[b, d]`, what the head reads.
        taps: name as asked for → that layer's output, `[b, c, h, w]` or `[b, d]`.
    """

    logits: Tensor
    embedding: Tensor
    taps: dict[str, Tensor]


Edit = Callable[[Tensor], Tensor]


class Network(nn.Module):
    """A backbone and a linear head.

    Images come in pixel space, `[b, 3, h, w]` in [0, 1]; the network normalises them itself, so that what changes
    pixels (a mask, a blackout) means black by 0.

    Attributes:
        backbone: normalised images → embedding `[b, d]`.
        head: embedding → logits.
        aliases: short names of layers, such as `conv5` → `layer4`.
        edits: tap → what replaces its output (noise, erasure); empty in training.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Linear,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        aliases: Mapping[str, str],
    ) -> None:
        """Join them.

        Args:
            backbone: normalised images `[b, 3, h, w]` → embedding `[b, d]`.
            head: d → o.
            mean: of the three channels, in [0, 1], taken off.
            std: of the three channels, divided by.
            aliases: short name → name of a layer of the backbone.
        """
        super().__init__()
        self.backbone, self.head = backbone, head
        self.register_buffer("mean", torch.tensor(list(mean)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std)).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor
        self.aliases = dict(aliases)
        self.edits: dict[str, Edit] = {}
        self._frozen = False

    def forward(self, images: Tensor, taps: Sequence[str] = ()) -> Output:
        """Logits, embedding and taps of images.

        Args:
            images: `[b, 3, h, w]` in [0, 1].
            taps: layers by name or alias, or `embedding`.
        """
        seen: dict[str, Tensor] = {}
        handles = [self._watch(tap, seen) for tap in taps if tap != EMBEDDING]
        handles += [self._change(tap, edit) for tap, edit in self.edits.items() if tap != EMBEDDING]
        try:
            embedding = self.backbone((images - self.mean) / self.std)
        finally:
            for handle in handles:
                handle.remove()
        if EMBEDDING in self.edits:
            embedding = self.edits[EMBEDDING](embedding)
        if EMBEDDING in taps:
            seen[EMBEDDING] = embedding
        return Output(self.head(embedding), embedding, seen)

    def tap_names(self) -> tuple[str, ...]:
        """Every name that a tap may have: aliases, layers by their place in the backbone, and `embedding`."""
        layers = (name for name, _ in self.backbone.named_modules() if name)
        return (*self.aliases, EMBEDDING, *layers)

    def layer(self, tap: str) -> nn.Module:
        """The layer of this name or alias.

        Raises:
            InputError: there is none.
        """
        name = self.aliases.get(tap, tap)
        try:
            return self.backbone.get_submodule(name) if name else self._no_tap(tap)
        except AttributeError:
            return self._no_tap(tap)

    @torch.no_grad()
    def tap_shapes(self, taps: Sequence[str], size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
        """Shape of each tap, without the batch, for images of this height and width."""
        was = self.training
        self.eval()
        images = torch.zeros(1, 3, *size, device=self.mean.device)
        seen = self(images, taps=taps).taps
        self.train(was)
        return {tap: tuple(seen[tap].shape[1:]) for tap in taps}

    def freeze_backbone(self, *, frozen: bool) -> None:
        """Freeze (or thaw) the backbone, the running statistics of its BatchNorm included (trap W13)."""
        self._frozen = frozen
        self.backbone.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Network":
        """Training or evaluation mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        return self

    def _watch(self, tap: str, seen: dict[str, Tensor]) -> torch.utils.hooks.RemovableHandle:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[tap] = output

        return self.layer(tap).register_forward_hook(keep)

    def _change(self, tap: str, edit: Edit) -> torch.utils.hooks.RemovableHandle:
        def change(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return edit(output)

        return self.layer(tap).register_forward_hook(change)

    def _no_tap(self, tap: str) -> nn.Module:
        names = self.tap_names()
        raise InputError(f"tap {tap!r}: expected a layer of this network ({first_few(names, 12)}); name one of them")
