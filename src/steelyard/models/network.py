"""A network as the rest of the package sees it: images in, logits, embedding and any tap out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steelyard.base.errors import InputError, first_few
from steelyard.tables.messages import closest

EMBEDDING = "embedding"
"""The tap between backbone and head."""


class Output(NamedTuple):
    """What a network says of `b` images.

    Attributes:
        logits: `[b, o]`, as the head gives them.
        embedding: `[b, d]`, what the head reads, before dropout.
        taps: name as asked for → that layer's output, `[b, c, h, w]` or `[b, d]`.
    """

    logits: Tensor
    embedding: Tensor
    taps: dict[str, Tensor]


Edit = Callable[[Tensor], Tensor]


class Network(nn.Module):
    """A backbone, a hidden layer if one is asked for, and a linear head; in training with dropout before the head.

    Images come in pixel space, `[b, 3, h, w]` in [0, 1]; the network normalises them itself, so that what changes
    pixels (a mask, a blackout) means black by 0.

    Attributes:
        backbone: normalised images → what the hidden layer reads, or, without one, the embedding `[b, d]`.
        hidden: between backbone and embedding; learns with the head. The identity where there is none.
        dropout: of the embedding; not the backbone's, so that a head learns with it though the backbone is frozen.
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
        dropout: float = 0.0,
        hidden: nn.Module | None = None,
    ) -> None:
        """Join them.

        Args:
            backbone: normalised images `[b, 3, h, w]` → `[b, w]`, the embedding where there is no hidden layer.
            head: d → o.
            mean: of the three channels, in [0, 1], taken off.
            std: of the three channels, divided by.
            aliases: short name → name of a layer of the backbone.
            dropout: share of the embedding that the head does not see in training, in [0, 1).
            hidden: w → d.
        """
        super().__init__()
        self.backbone, self.dropout, self.head = backbone, nn.Dropout(dropout), head
        self.hidden = hidden or nn.Identity()
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

        Raises:
            InputError: no such layer, one that runs twice or never, or one whose output is not a tensor.
        """
        seen: dict[str, Tensor] = {}
        with ExitStack() as hooks:
            # Edits first: a tap shows what the layers after it read.
            for tap, edit in self.edits.items():
                if tap != EMBEDDING:
                    hooks.callback(self._change(tap, edit).remove)
            for tap in taps:
                if tap != EMBEDDING:
                    hooks.callback(self._watch(tap, seen).remove)
            embedding = self.hidden(self.backbone((images - self.mean) / self.std))
        if EMBEDDING in self.edits:
            embedding = self.edits[EMBEDDING](embedding)
        if EMBEDDING in taps:
            seen[EMBEDDING] = embedding
        if silent := [tap for tap in taps if tap not in seen]:
            raise InputError(f"tap {silent[0]!r}: expected a layer that runs, found one that does not; name another")
        with torch.autocast(embedding.device.type, enabled=False):
            # In half precision logits have so few digits that images tie, and rankings and attackers see the ties.
            logits = self.head(self.dropout(embedding.to(self.head.weight.dtype)))
        return Output(logits, embedding, seen)

    def tap_names(self) -> tuple[str, ...]:
        """Every name that a tap may have: aliases, layers by their place in the backbone, and `embedding`."""
        layers = (name for name, _ in self.backbone.named_modules() if name)
        return tuple(dict.fromkeys((*self.aliases, EMBEDDING, *layers)))

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
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            seen = self(torch.zeros(1, 3, *size, device=self.mean.device), taps=taps).taps
        finally:
            for module, mode in modes:
                module.training = mode
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

    def _watch(self, tap: str, seen: dict[str, Tensor]) -> RemovableHandle:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            _require_tensor(tap, output)
            if tap in seen:
                raise _runs_twice(tap)
            seen[tap] = output
            # The next layer may work in place (ReLU); it gets a copy, and the tap stays what it was.
            return output.clone()

        return self.layer(tap).register_forward_hook(keep)

    def _change(self, tap: str, edit: Edit) -> RemovableHandle:
        runs = 0

        def change(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            nonlocal runs
            runs += 1
            _require_tensor(tap, output)
            if runs > 1:
                raise _runs_twice(tap)
            return edit(output)

        return self.layer(tap).register_forward_hook(change)

    def _no_tap(self, tap: str) -> nn.Module:
        names = self.tap_names()
        known, near = first_few(names, 12), closest(tap, names)
        raise InputError(f"tap {tap!r}: expected a layer of this network ({known}), found none{near}; name one of them")


def _require_tensor(tap: str, output: object) -> None:
    if not isinstance(output, Tensor):
        found = type(output).__name__
        raise InputError(f"tap {tap!r}: expected a layer that gives a tensor, found a {found}; name another")


def _runs_twice(tap: str) -> InputError:
    return InputError(f"tap {tap!r}: expected a layer that runs once for an image, found more runs; name the one after")
