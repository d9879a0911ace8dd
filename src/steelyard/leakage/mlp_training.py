"""Trains several small MLPs of one shape at once, with a backward pass written out (the leakage part's only PyTorch).

The network is that of Wang et al., Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
At 128 rows by 300 columns the plain loop spends its time on starting operations, not on arithmetic. Here the rounds
are stacked, so that one operation serves all of them; all parameters lie in one buffer, so that Adam is one
operation; and nothing is recorded per step.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.random import stream
from steelyard.leakage.mlp import Evidence, MLPFit, MLPRound, MLPSettings, Precision

_SLOPE = 0.01
_EPSILON = 1e-5
_MOMENTUM = 0.1
_EVALUATION_ROWS = 1024
_native = torch.ops.aten


def matrix_dtype(precision: Precision) -> torch.dtype:
    """The type of the matrix products: as asked, or by what the processor is built for.

    Without matrix units bfloat16 is the slower of the two, so `auto` takes it only where AMX is reported.
    """
    if precision == "auto":
        ask = getattr(torch.cpu, "get_capabilities", dict)  # newer than the oldest PyTorch allowed
        return torch.bfloat16 if ask().get("amx_bf16", False) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


class StackedMLP:
    """R networks of one shape, stacked: `[BatchNorm, (LeakyReLU,) Linear]` per layer, in this order.

    Activations are `[b, R, width]`, so that one BatchNorm over `[b, R * width]` serves all networks. A linear layer
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
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
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
        parts = flat[: sum(sizes)].split(sizes)
        return [part.view(self.rounds, a, b) for part, (a, b) in zip(parts, pairs, strict=True)]

    def _views(
        self, flat: Tensor, pairs: list[tuple[int, int]], sizes: list[int]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]:
        parts, layers = flat.split(sizes), len(pairs)
        scales, shifts = list(parts[layers : 2 * layers]), list(parts[2 * layers : 3 * layers])
        return self._matrix_views(flat, pairs), scales, shifts, parts[-1].view(self.rounds, -1)

    def _times(self, x: Tensor, weight: Tensor) -> Tensor:
        """`x` `[b, R, inputs]` by `weight` `[R, inputs, outputs]`, contiguous `[b, R, outputs]`."""
        product = torch.empty(len(x), self.rounds, weight.shape[2], dtype=self.dtype)
        torch.bmm(x.transpose(0, 1), weight, out=product.transpose(0, 1))
        return product

    def refresh(self) -> None:
        """Copy the weights to the type of the matrix products; due after each change of `parameters`."""
        self._low[0].copy_(self.parameters[: self._matrices])

    def _normalise(self, layer: int, x: Tensor, *, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """BatchNorm of `x` `[b, R * inputs]`, with the batch's mean and inverse deviation."""
        normalised, mean, inverse = _native.native_batch_norm(
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

    def logits(self, x: Tensor) -> Tensor:
        """The outputs `[b, R, k]` for `x` `[b, R, d]`, by the running statistics; float32."""
        for layer, weight in enumerate(self._low_weights):
            x, _, _ = self._normalise(layer, x.flatten(1), training=False)
            if layer > 0:
                torch.nn.functional.leaky_relu_(x, _SLOPE)
            x = self._times(x.to(self.dtype).view(len(x), self.rounds, -1), weight)
        return x.float() + self.bias

    def set_gradient(self, x: Tensor, one_hot: Tensor) -> None:
        """Write the gradient of the mean cross entropy of each network on its batch into `gradient`.

        Moves the running statistics, as a training step does.

        Args:
            x: `[b, R, d]`, the input; float32, or the type of the matrix products.
            one_hot: `[b, R, k]`, the true groups; float32.
        """
        rows, trail = len(x), []
        for layer, weight in enumerate(self._low_weights):
            before = x.flatten(1)
            y, mean, inverse = self._normalise(layer, before, training=True)
            if layer > 0:
                torch.nn.functional.leaky_relu_(y, _SLOPE)
            after = y.to(self.dtype).view(rows, self.rounds, -1)
            trail.append((before, mean, inverse, after))
            x = self._times(after, weight)
        slope = torch.softmax(x.float() + self.bias, 2).sub_(one_hot).div_(rows)
        torch.sum(slope, 0, out=self._d_bias)
        slope = slope.to(self.dtype)
        for layer in reversed(range(len(trail))):
            before, mean, inverse, after = trail[layer]
            torch.bmm(after.permute(1, 2, 0), slope.transpose(0, 1), out=self._low_d_weights[layer])
            slope = self._times(slope, self._low_weights[layer].transpose(1, 2))
            if layer > 0:
                slope = _native.leaky_relu_backward(slope, after, _SLOPE, True)
            d_before, d_scale, d_shift = _native.native_batch_norm_backward(
                slope.flatten(1).to(before.dtype),
                before,
                self.scales[layer],
                None,
                None,
                mean,
                inverse,
                True,
                _EPSILON,
                [layer > 0, True, True],
            )
            self._d_scales[layer].copy_(d_scale)
            self._d_shifts[layer].copy_(d_shift)
            if layer > 0:
                slope = d_before.view(rows, self.rounds, -1)
        self.gradient[: self._matrices].copy_(self._low[1])

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


def train_together(
    rounds: Sequence[MLPRound], groups: int, settings: MLPSettings, categories: int | None
) -> list[MLPFit]:
    """Train the attackers of rounds that have equal numbers of fitting rows, validation rows and columns.

    Args:
        rounds: checked, one or more.
        groups: how many groups there are.
        settings: the network.
        categories: as for `train_mlps`.
    """
    dtype = matrix_dtype(settings.precision)
    fit = torch.cat([_matrix(one.fit_x, categories) for one in rounds])
    truth = torch.eye(groups)[torch.cat([_integers(one.fit_groups) for one in rounds])]
    validation_groups = np.stack([one.validation_groups for one in rounds])
    network = StackedMLP(
        [fit.shape[1], *settings.hidden, groups],
        [stream(one.seed, "mlp", "initial") for one in rounds],
        dtype,
    )
    orders = [stream(one.seed, "mlp", "batches") for one in rounds]
    network.parameters.grad = network.gradient
    adam = torch.optim.Adam(
        [network.parameters], lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    snapshots, accuracies = Snapshots(network), []
    for epoch in range(settings.epochs):
        order = _epoch_order(orders, len(rounds[0].fit_x))
        for batch in order.split(settings.batch_size):
            if len(batch) > 1:
                _step(network, adam, fit, truth, batch)
        told = _probabilities(network, [one.validation_x for one in rounds], categories)
        accuracies.append((np.stack(told).argmax(2) == validation_groups).mean(1))
        snapshots.offer(epoch, accuracies[-1])
    snapshots.restore()
    validation = _probabilities(network, [one.validation_x for one in rounds], categories)
    scores = _probabilities(network, [one.score_x for one in rounds], categories)
    return [
        MLPFit(
            probabilities=scores[r],
            validation_probabilities=validation[r],
            best_epoch=snapshots.epochs[r],
            validation_accuracy=np.array([accuracy[r] for accuracy in accuracies]),
        )
        for r in range(len(rounds))
    ]


def _step(network: StackedMLP, adam: torch.optim.Adam, fit: Tensor, truth: Tensor, batch: Tensor) -> None:
    """One step of all networks on the rows `batch` `[b, R]` of the stacked data."""
    rows = batch.flatten()
    x = fit.index_select(0, rows).view(*batch.shape, -1)
    if x.dtype == torch.uint8:
        x = x.to(network.dtype)  # 0 and 1 are exact in either type
    network.refresh()
    network.set_gradient(x, truth.index_select(0, rows).view(*batch.shape, -1))
    adam.step()


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], inputs: int) -> Tensor:
    """PyTorch's default for linear layers: uniform within ±1/√inputs."""
    bound = inputs**-0.5
    return torch.from_numpy(generator.uniform(-bound, bound, shape).astype(np.float32))


def _epoch_order(generators: Sequence[np.random.Generator], n: int) -> Tensor:
    """A fresh order of each round's `n` rows, `[n, R]`, as positions in the stacked data."""
    orders = [generator.permutation(n) + r * n for r, generator in enumerate(generators)]
    return torch.from_numpy(np.stack(orders, axis=1))


def _integers(values: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))


def _matrix(x: Evidence, categories: int | None) -> Tensor:
    """The evidence as a matrix: uint8 where it is 0/1, float32 else."""
    if categories is not None:
        matrix = torch.zeros(len(x), categories, dtype=torch.uint8)
        return matrix.scatter_(1, _integers(x)[:, None], 1)
    keep = np.uint8 if x.dtype in (np.bool_, np.uint8) else np.float32
    return torch.from_numpy(np.ascontiguousarray(x, dtype=keep))


def _probabilities(
    network: StackedMLP, evidence: Sequence[Evidence], categories: int | None
) -> list[NDArray[np.float64]]:
    """Each network's probabilities `[n, k]` on its own evidence; the numbers of rows may differ."""
    network.refresh()
    if categories is not None:  # a code has one answer, so it is asked for once
        codes = np.arange(categories)
        table = _dense_probabilities(network, [_matrix(codes, categories)] * network.rounds)
        return [answers[x] for answers, x in zip(table, evidence, strict=True)]
    return _dense_probabilities(network, [_matrix(x, None) for x in evidence])


def _dense_probabilities(network: StackedMLP, matrices: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    longest = max(len(matrix) for matrix in matrices)
    answers = []
    for start in range(0, longest, _EVALUATION_ROWS):
        parts = [matrix[start : start + _EVALUATION_ROWS] for matrix in matrices]
        batch = torch.zeros(max(map(len, parts)), network.rounds, matrices[0].shape[1])
        for r, part in enumerate(parts):
            batch[: len(part), r] = part
        answers.append(torch.softmax(network.logits(batch).double(), 2).numpy())
    stacked = np.concatenate(answers)
    return [stacked[: len(matrix), r] for r, matrix in enumerate(matrices)]
