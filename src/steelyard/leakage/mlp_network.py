"""Several small MLPs of one shape, stacked, with the backward pass written out (needs PyTorch).

The network is that of Wang et al., Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
At 128 rows by 300 columns a plain training step spends its time on starting operations, not on arithmetic. Here
one operation serves all rounds, and all parameters lie in one buffer, so that Adam is one operation too.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SLOPE = 0.01
_EPSILON = 1e-5
_MOMENTUM = 0.1
_native = torch.ops.aten


class StackedMLP:
    """R networks of one shape, stacked: `[BatchNorm, (LeakyReLU,) Linear]` per layer, in this order.

    One BatchNorm over `[b, R * width]` and one batched product over `[R, b, width]` serve all networks. A linear layer
    that feeds a BatchNorm has no bias: the BatchNorm takes it away again, at every step, whatever it is.

    Attributes:
        parameters: `[p]`, all parameters of all networks; `gradient` is laid out alike.
        weights: per layer, `[R, inputs, outputs]`, a view of `parameters`.
        scales: per layer, the BatchNorm's factor, `[R * inputs]`, a view.
        shifts: per layer, the BatchNorm's offset, `[R * inputs]`, a view.
        bias: of the outputs, `[R, k]`, a view.
        running_means: per layer, `[R * inputs]`.
        running_variances: per layer, `[R * inputs]`.
    """

    def __init__(self, widths: Sequence[int], generators: Sequence[np.random.Generator], dtype: torch.dtype) -> None:
        """Draw the initial parameters of each network from its own generator, as PyTorch's layers do.

        Args:
            widths: columns of the input, of each hidden layer, and of the output.
            generators: one per network.
            dtype: of the matrix products.
        """
        self.rounds, self.dtype = len(generators), dtype
        pairs = list(itertools.pairwise(widths))
        sizes = [self.rounds * a * b for a, b in pairs] + 2 * [self.rounds * a for a, _ in pairs]
        sizes.append(self.rounds * widths[-1])
        self.parameters, self.gradient = torch.zeros(sum(sizes)), torch.zeros(sum(sizes))
        self._matrices = sum(sizes[: len(pairs)])
        self._low = torch.zeros(2, self._matrices, dtype=dtype)
        self.weights, self.scales, self.shifts, self.bias = self._views(self.parameters, pairs, sizes)
        _, self._d_scales, self._d_shifts, self._d_bias = self._views(self.gradient, pairs, sizes)
        self._low_weights = self._matrix_views(self._low[0], pairs)
        self._low_d_weights = self._matrix_views(self._low[1], pairs)
        self.running_means = [torch.zeros(self.rounds * a) for a, _ in pairs]
        self.running_variances = [torch.ones(self.rounds * a) for a, _ in pairs]
        for scale in self.scales:
            scale.fill_(1.0)
        for r, generator in enumerate(generators):
            for weight in self.weights:
                weight[r] = _uniform(generator, (weight.shape[1], weight.shape[2]), weight.shape[1])
            self.bias[r] = _uniform(generator, (widths[-1],), widths[-2])

    def _matrix_views(self, flat: Tensor, pairs: list[tuple[int, int]]) -> list[Tensor]:
        sizes = [self.rounds * a * b for a, b in pairs]
        parts = torch.split(flat[: sum(sizes)], sizes)
        return [part.view(self.rounds, a, b) for part, (a, b) in zip(parts, pairs, strict=True)]

    def _views(
        self, flat: Tensor, pairs: list[tuple[int, int]], sizes: list[int]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]:
        parts, layers = torch.split(flat, sizes), len(pairs)
        scales, shifts = list(parts[layers : 2 * layers]), list(parts[2 * layers : 3 * layers])
        return self._matrix_views(flat, pairs), scales, shifts, parts[-1].view(self.rounds, -1)

    def refresh(self) -> None:
        """Copy the weights to the type of the matrix products; due after each change of `parameters`."""
        self._low[0].copy_(self.parameters[: self._matrices])

    def _normalise(self, layer: int, x: Tensor, *, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """BatchNorm of `x` `[b, R * inputs]`, with the batch's mean and inverse deviation."""
        normalised, mean, inverse = _native.native_batch_norm.default(
            x,
            self.scales[layer],
            self.shifts[layer],
            self.running_means[layer],
            self.running_variances[layer],
            training,
            _MOMENTUM,
            _EPSILON,
        )
        return normalised, mean, inverse

    def _activate(self, layer: int, normalised: Tensor) -> Tensor:
        """What the linear layer multiplies, `[R, b, inputs]`, from the BatchNorm's `[b, R * inputs]`."""
        stacked = normalised.view(len(normalised), self.rounds, -1).transpose(0, 1)
        if layer == 0:
            return stacked.to(self.dtype).contiguous()
        active = torch.empty(stacked.shape, dtype=self.dtype)
        return _native.leaky_relu.out(stacked, _SLOPE, out=active)  # type: ignore[no-any-return]

    @staticmethod
    def _side_by_side(stacked: Tensor) -> Tensor:
        """`[R, b, width]` as `[b, R * width]`, what a BatchNorm takes."""
        return stacked.transpose(0, 1).flatten(1)

    def logits(self, x: Tensor) -> Tensor:
        """The outputs `[R, b, k]` for `x` `[b, R * d]`, by the running statistics; float32."""
        product = x
        for layer, weight in enumerate(self._low_weights):
            before = x if layer == 0 else self._side_by_side(product)
            normalised, _, _ = self._normalise(layer, before, training=False)
            product = torch.bmm(self._activate(layer, normalised), weight)
        return product.float() + self.bias[:, None]

    def set_gradient(self, x: Tensor, one_hot: Tensor) -> None:
        """Write the gradient of the mean cross entropy of each network on its batch into `gradient`.

        Moves the running statistics, as a training step does.

        Args:
            x: `[b, R * d]`, the input; float32, or the type of the matrix products.
            one_hot: `[b, R, k]`, the true groups; float32.
        """
        trail, product = [], x
        for layer, weight in enumerate(self._low_weights):
            before = x if layer == 0 else self._side_by_side(product)
            normalised, mean, inverse = self._normalise(layer, before, training=True)
            active = self._activate(layer, normalised)
            trail.append((before, mean, inverse, active))
            product = torch.bmm(active, weight)
        probabilities = torch.softmax(product.float() + self.bias[:, None], 2)
        slope = (probabilities - one_hot.transpose(0, 1)).div_(len(x))
        torch.sum(slope, 1, out=self._d_bias)
        slope = slope.to(self.dtype)
        for layer in reversed(range(len(trail))):
            before, mean, inverse, active = trail[layer]
            torch.bmm(active.transpose(1, 2), slope, out=self._low_d_weights[layer])
            slope = torch.bmm(slope, self._low_weights[layer].transpose(1, 2))
            slope = self._normalise_backward(layer, slope, before, mean, inverse, active)
        self.gradient[: self._matrices].copy_(self._low[1])

    def _normalise_backward(
        self, layer: int, slope: Tensor, before: Tensor, mean: Tensor, inverse: Tensor, active: Tensor
    ) -> Tensor:
        """Back through LeakyReLU and BatchNorm, `[R, b, inputs]` in and out; sets the BatchNorm's gradients."""
        if layer == 0:
            beside = self._side_by_side(slope).to(before.dtype)
        else:
            beside = torch.empty_like(before)
            spread = beside.view(len(before), self.rounds, -1).transpose(0, 1)
            _native.leaky_relu_backward.grad_input(slope, active, _SLOPE, True, grad_input=spread)
        wanted = [layer > 0, True, True]
        below, d_scale, d_shift = _native.native_batch_norm_backward.default(
            beside, before, self.scales[layer], None, None, mean, inverse, True, _EPSILON, wanted
        )
        self._d_scales[layer].copy_(d_scale)
        self._d_shifts[layer].copy_(d_shift)
        if layer == 0:
            return slope  # the input itself needs none
        return below.view(len(before), self.rounds, -1).transpose(0, 1).contiguous()  # type: ignore[no-any-return]

    def state(self, r: int) -> list[Tensor]:
        """Views of all that network `r` is made of, running statistics included, always in the same order."""
        wide = [*self.scales, *self.shifts, *self.running_means, *self.running_variances]
        return [*(w[r] for w in self.weights), self.bias[r], *(t.view(self.rounds, -1)[r] for t in wide)]


class Snapshots:
    """Of each network the state at its best validation accuracy so far; the first of equals stays."""

    def __init__(self, network: StackedMLP) -> None:
        self.network = network
        self.best = [-1.0] * network.rounds
        self.epochs = [-1] * network.rounds
        self._kept = [[part.clone() for part in network.state(r)] for r in range(network.rounds)]

    def offer(self, epoch: int, accuracy: NDArray[np.float64]) -> None:
        """Keep the networks whose `accuracy` `[R]` is above all before it."""
        for r, value in enumerate(accuracy.tolist()):
            if value > self.best[r]:
                self.best[r], self.epochs[r] = value, epoch
                self._copy(self.network.state(r), self._kept[r])

    def restore(self) -> None:
        """Set each network back to its best state."""
        for r in range(self.network.rounds):
            self._copy(self._kept[r], self.network.state(r))
        self.network.refresh()

    @staticmethod
    def _copy(source: list[Tensor], target: list[Tensor]) -> None:
        for old, new in zip(source, target, strict=True):
            new.copy_(old)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], inputs: int) -> Tensor:
    """PyTorch's default for linear layers: uniform within ±1/√inputs."""
    bound = inputs**-0.5
    return torch.from_numpy(generator.uniform(-bound, bound, shape).astype(np.float32))
