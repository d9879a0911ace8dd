"""The mask of the adversary at the image: which pixels the model may see, in [0, 1], as a U-Net.

The mask: Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019,
https://arxiv.org/abs/1811.08489. U-Net: Ronneberger, Fischer, Brox, MICCAI 2015, https://arxiv.org/abs/1505.04597.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from steelyard.base.errors import InputError
from steelyard.models.initialising import seeded


class MaskUNet(nn.Module):
    """Images `[b, 3, h, w]` in [0, 1] of any height and width → mask `[b, 1, h, w]` in [0, 1].

    It starts near 1 everywhere, so that the masked image starts as the image. Multiply images by it before the network
    normalises them: 0 then is black (trap W14).

    Attributes:
        levels: how often the image is halved; sides that the halvings do not divide are padded by their edge.
        scale: side, in pixels of the image, of what the mask decides on at once; between them it is interpolated.
    """

    def __init__(self, width: int = 16, levels: int = 4, start: float = 0.98, *, scale: int = 1, seed: int) -> None:
        """A mask network.

        Args:
            width: channels at full resolution, doubled at each level; 64 is the U-Net of the paper.
            levels: how often the image is halved, 1 or more.
            start: mean of the mask before training, in (0, 1).
            scale: 1 for a mask as fine as the image; at 2 it costs a quarter.
            seed: decides the parameters.

        Raises:
            InputError: a number outside its range.
        """
        super().__init__()
        if width < 1 or levels < 1:
            raise InputError(f"mask: expected width and levels of 1 or more, found {width} and {levels}; raise them")
        if scale < 1:
            raise InputError(f"mask: expected a scale of 1 or more, found {scale}; raise it")
        if not 0.0 < start < 1.0:
            raise InputError(f"mask: expected a start between 0 and 1, found {start:g}; change it")
        self.levels, self.scale = levels, scale
        widths = [width * 2**level for level in range(levels + 1)]
        with seeded(seed, "mask"):
            self.stem = _block(3, width)
            self.down = nn.ModuleList(_block(widths[i], widths[i + 1]) for i in range(levels))
            self.up = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in range(levels))
            self.join = nn.ModuleList(_block(2 * widths[i], widths[i]) for i in range(levels))
            self.last = nn.Conv2d(width, 1, 1)
            # Small, so that the start is the bias's, but not 0: the layers below must have a gradient from the first.
            nn.init.normal_(self.last.weight, std=0.1 / width**0.5)
            nn.init.constant_(self.last.bias, torch.logit(torch.tensor(start)).item())  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """The mask of each image."""
        height, width = images.shape[-2:]
        step = self.scale * 2**self.levels
        below, right = -height % step, -width % step
        padded = functional.pad(images, (0, right, 0, below), mode="replicate") if below or right else images
        coarse = functional.avg_pool2d(padded, self.scale) if self.scale > 1 else padded
        x = self.stem(coarse - 0.5)
        passed = []
        for down in self.down:
            passed.append(x)
            x = down(functional.max_pool2d(x, 2))
        for level in reversed(range(self.levels)):
            x = self.join[level](torch.cat([passed[level], self.up[level](x)], dim=1))
        # In float32 also under autocast: near 1, bfloat16 has steps of 1/256.
        said = self.last(x).float()
        if self.scale > 1:
            said = functional.interpolate(said, scale_factor=self.scale, mode="bilinear")
        return torch.sigmoid(said)[..., :height, :width]


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
