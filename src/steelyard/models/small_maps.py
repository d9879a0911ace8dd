"""Convolutions on small maps as products of matrices.

On a processor the libraries' convolutions are made for large maps; at the end of a ResNet that reads images of 64
pixels, maps are of 4 × 4 and 2 × 2, and most of a training step goes into them. There it is faster to lay out what each
place of the map reads and multiply once.
"""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST = 16
"""Places of an output map up to which the product is faster."""


class SmallMapConv2d(nn.Conv2d):
    """`nn.Conv2d` with the same parameters and values; on a processor, small maps go through one product."""

    def forward(self, input: Tensor) -> Tensor:
        """The convolved map `[b, o, h, w]` of a map `[b, c, h, w]`."""
        if input.device.type != "cpu" or input.dim() != 4 or not self._small(input.shape[2], input.shape[3]):
            return super().forward(input)
        # Channels last: with parameters in the same format the view of the weight below copies nothing.
        (down, right), (rows, columns) = self._padding(), self.kernel_size
        padded = functional.pad(input.permute(0, 2, 3, 1), (0, 0, right, right, down, down))
        height, width = self._sides(input.shape[2], input.shape[3])
        read = [
            padded[:, row : row + (height - 1) * self.stride[0] + 1 : self.stride[0]][
                :, :, column : column + (width - 1) * self.stride[1] + 1 : self.stride[1]
            ]
            for row, column in product(range(rows), range(columns))
        ]
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1)
        made = functional.linear(torch.cat(read, dim=3), weight, self.bias)
        return made.permute(0, 3, 1, 2)

    def _small(self, height: int, width: int) -> bool:
        sides = self._sides(height, width)
        return min(sides) > 0 and sides[0] * sides[1] <= LARGEST

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output map."""
        down, right = self._padding()
        return (
            (height + 2 * down - self.kernel_size[0]) // self.stride[0] + 1,
            (width + 2 * right - self.kernel_size[1]) // self.stride[1] + 1,
        )

    def _padding(self) -> tuple[int, int]:
        assert not isinstance(self.padding, str)
        return self.padding[0], self.padding[1]


def speed_small_maps(module: nn.Module) -> None:
    """Let the module's usual convolutions take the faster way wherever their maps turn out to be small."""
    for layer in module.modules():
        if type(layer) is nn.Conv2d and _usual(layer):
            # A change of class keeps parameters, names and hooks as they are.
            layer.__class__ = SmallMapConv2d


def _usual(layer: nn.Conv2d) -> bool:
    numbers = not isinstance(layer.padding, str)
    return numbers and layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
