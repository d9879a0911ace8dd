"""Which network, as a configuration says it (without PyTorch)."""

import difflib
from dataclasses import dataclass

from steelyard.base.errors import InputError

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "efficientnet_lite0", "compact")
"""The networks by name; `timm:NAME` is one of timm."""
TIMM = "timm:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """A network without its outputs.

    Attributes:
        name: one of `NAMES`, or `timm:NAME`.
        weights: what it starts from: None or `none` (drawn at random), `imagenet`, the name of weights that torchvision
            has (`IMAGENET1K_V2`), or a file (.pth, .pt, .safetensors).
        width: channels of the first block of `compact`, 1 or more; the other networks have their own.
        dropout: share of the embedding that training drops before the head, in [0, 1); None is the network's own.
        hidden: width of a layer with ReLU between backbone and head, which then is the embedding; None for none.
    """

    name: str = "resnet18"
    weights: str | None = None
    width: int = 16
    dropout: float | None = None
    hidden: int | None = None

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            InputError: an unknown name, or a number outside its range.
        """
        if self.name not in NAMES and not (self.name.startswith(TIMM) and self.name != TIMM):
            near = difflib.get_close_matches(self.name.casefold(), NAMES, n=2)
            hint = f" (close: {', '.join(near)})" if near else ""
            known = ", ".join(NAMES)
            raise InputError(f"model.name: expected {known} or timm:NAME, found {self.name!r}{hint}; choose one")
        if self.width < 1:
            raise InputError(f"model.width: expected 1 or more channels, found {self.width}; raise it")
        if self.dropout is not None and not 0.0 <= self.dropout < 1.0:
            raise InputError(f"model.dropout: expected a share from 0 to below 1, found {self.dropout:g}; change it")
        if self.hidden is not None and self.hidden < 1:
            raise InputError(f"model.hidden: expected 1 unit or more, or none, found {self.hidden}; change it")

    def describe(self) -> dict[str, str]:
        """What a file of this network's weights says of it."""
        name = f"{self.name} {self.width}" if self.name == "compact" else self.name
        return {"model": name if self.hidden is None else f"{name} hidden {self.hidden}"}
