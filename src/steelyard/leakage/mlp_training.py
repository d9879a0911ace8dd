"""Trains the published MLP attackers of several rounds at once (needs PyTorch; `mlp` is its front).

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.random import stream
from steelyard.leakage.mlp import Evidence, MLPFit, MLPRound, MLPSettings, Precision
from steelyard.leakage.mlp_network import Snapshots, StackedMLP

_EVALUATION_ROWS = 1024


def matrix_dtype(precision: Precision) -> torch.dtype:
    """The type of the matrix products: as asked, or by what the processor is built for.

    Without matrix units bfloat16 is the slower of the two, so `auto` takes it only where AMX is reported.
    """
    if precision == "auto":
        # Newer than the oldest PyTorch allowed.
        ask: Callable[[], Mapping[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        return torch.bfloat16 if ask().get("amx_bf16") else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


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
        for batch in torch.split(order, settings.batch_size):
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
    x = fit.index_select(0, rows).view(len(batch), -1)
    if x.dtype == torch.uint8:
        x = x.to(network.dtype)  # 0 and 1 are exact in either type
    network.refresh()
    network.set_gradient(x, truth.index_select(0, rows).view(*batch.shape, -1))
    adam.step()


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
        answers.append(torch.softmax(network.logits(batch.flatten(1)).double(), 2).numpy())
    stacked = np.concatenate(answers, axis=1)
    return [stacked[r, : len(matrix)] for r, matrix in enumerate(matrices)]
