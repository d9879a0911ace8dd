"""What a catalogue entry makes: a backbone, and what a network must know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A backbone that ends in its embedding.

    Attributes:
        module: normalised images `[b, 3, h, w]` → `[b, d]`.
        width: d.
        mean: of the three channels, in [0, 1], that its inputs are normalised by.
        std: of the three channels.
        dropout: share of the embedding that is dropped before the head in training, by the network.
        aliases: short name → name of a layer; `conv1` … `conv5` halve the map each.
        heads: what files in its own format call the linear layer after the embedding.
        pretrained: name of weights (`imagenet` for the usual ones) → state dict in its own format; None if it has none.
    """

    module: nn.Module
    width: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    dropout: float = 0.0
    aliases: Mapping[str, str] = field(default_factory=dict)
    heads: tuple[str, ...] = ()
    pretrained: Callable[[str], Mapping[str, Tensor]] | None = None
