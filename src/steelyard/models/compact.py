"""A small convolutional network for small images (32 to 96 pixels) on processors without an accelerator."""

from itertools import pairwise

from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.models.backbone import Backbone
from steelyard.models.options import ModelOptions

_GROWTH = (1, 3, 6, 8, 12)
_POOLED = (True, True, True, False, True)
_STAGES = {f"conv{number}": f"conv{number}" for number in range(1, 6)}
_MEAN, _STD = 0.5, 0.25
_SMALLEST = 2 ** sum(_POOLED)


class Compact(nn.Module):
    """Five blocks `conv1` … `conv5`, then the maximum over the last map: `[b, 3, h, w]` → `[b, 12 · width]`.

    Most of the time goes to memory at full resolution, so the first block is narrow and pools before it normalises:
    that leaves a quarter of the map to BatchNorm and ReLU. A first convolution of stride 2 is faster still, but small
    objects are then lost. At 64 pixels the maps have sides of 32, 16, 8, 8 and 4.

    Attributes:
        width: d, of the embedding.
    """

    def __init__(self, width: int) -> None:
        """A network.

        Args:
            width: channels of the first block.
        """
        super().__init__()
        widths = [3, *(width * factor for factor in _GROWTH)]
        blocks = [_block(*pair, pooled=pooled) for pair, pooled in zip(pairwise(widths), _POOLED, strict=True)]
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = blocks
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.width = widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """The embedding of normalised images.

        Raises:
            InputError: they are smaller than 16 pixels, so that no map is left.
        """
        if min(images.shape[2:]) < _SMALLEST:
            found = f"{images.shape[2]} × {images.shape[3]}"
            raise InputError(
                f"model compact: expected images of {_SMALLEST} × {_SMALLEST} pixels or more, found {found}; raise "
                "data.resize and data.crop, or take another network"
            )
        x = images
        for block in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            x = block(x)
        embedding: Tensor = self.pool(x).flatten(1)
        return embedding


def compact(options: ModelOptions) -> Backbone:
    """The network of these options, its parameters drawn from torch's generator."""
    module, mean, std = Compact(options.width), (_MEAN,) * 3, (_STD,) * 3
    dropout = options.dropout or 0.0
    return Backbone(module=module, width=module.width, mean=mean, std=std, aliases=_STAGES, dropout=dropout)


def _block(inputs: int, outputs: int, *, pooled: bool) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    pool = [nn.MaxPool2d(2)] if pooled else []
    return nn.Sequential(convolution, *pool, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
