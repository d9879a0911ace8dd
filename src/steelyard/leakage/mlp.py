"""The published MLP attacker: what it is given, what it hands back, and the checks on both.

Wang, Zhao, Yatskar, Chang, Ordonez, Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
This module imports without PyTorch; the training itself is in `mlp_training`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.leakage.extras import require_torch

Precision = Literal["auto", "float32", "bfloat16"]
Evidence = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MLPSettings:
    """The network and how it is trained; the defaults are the paper's.

    Attributes:
        hidden: widths of the hidden layers; `()` is the paper's "1 layer", `(300,)` its "2 layer".
        learning_rate: of Adam.
        weight_decay: added to the gradient (the L2 form of Adam, as in the authors' code), not decoupled.
        batch_size: rows per step; the last batch of an epoch may be smaller.
        epochs: passes over the fitting rows.
        precision: of the matrix products; the parameters, the statistics and Adam are float32 throughout.
            `auto` takes bfloat16 where the processor has matrix units for it (AMX), float32 elsewhere.
    """

    hidden: tuple[int, ...] = (300, 300, 300)
    learning_rate: float = 5e-5
    weight_decay: float = 1e-5
    batch_size: int = 128
    epochs: int = 100
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise InputError(f"MLP attacker: hidden widths must be 1 or more, found {self.hidden}")
        if self.batch_size < 2:
            raise InputError(f"MLP attacker: batch_size must be 2 or more, found {self.batch_size}")
        if self.epochs < 1:
            raise InputError(f"MLP attacker: epochs must be 1 or more, found {self.epochs}")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise InputError(
                "MLP attacker: learning_rate must be above 0 and weight_decay not below 0, "
                f"found {self.learning_rate} and {self.weight_decay}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MLPRound:
    """One attacker to be trained: its rows and its seed.

    Evidence `x` is a dense float array `[n, d]`, a 0/1 matrix of bools or bytes `[n, d]`, or, where the call
    gives `categories`, integer codes `[n]` that stand for their one-hot rows.

    Attributes:
        fit_x: evidence of the rows that the network is trained on.
        fit_groups: `[n]` integers, their groups.
        validation_x: evidence of the rows that pick the epoch.
        validation_groups: `[n]` integers, their groups.
        score_x: evidence of the rows whose groups are to be told.
        seed: of the initialisation and of the order of the batches; a non-negative integer.
    """

    fit_x: Evidence
    fit_groups: NDArray[np.integer[Any]]
    validation_x: Evidence
    validation_groups: NDArray[np.integer[Any]]
    score_x: Evidence
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MLPFit:
    """What a trained attacker says, at its snapshot.

    Attributes:
        probabilities: `[n, k]` of the score rows; each row sums to 1.
        validation_probabilities: `[n, k]` of the validation rows.
        best_epoch: position, from 0, of the first epoch with the highest validation accuracy: the snapshot.
        validation_accuracy: `[epochs]` fractions in [0, 1], after each epoch. The best of them is optimistic,
            having been picked; on validation rows that are not balanced like the fitting rows it is biased too.
    """

    probabilities: NDArray[np.float64]
    validation_probabilities: NDArray[np.float64]
    best_epoch: int
    validation_accuracy: NDArray[np.float64]


def train_mlp(
    fit_x: Evidence,
    fit_groups: NDArray[np.integer[Any]],
    validation_x: Evidence,
    validation_groups: NDArray[np.integer[Any]],
    score_x: Evidence,
    *,
    groups: int,
    seed: int,
    settings: MLPSettings | None = None,
    categories: int | None = None,
) -> MLPFit:
    """Train one attacker; `train_mlps` says how, and is faster for several.

    Args:
        fit_x: see `MLPRound`, as for the next four.
        fit_groups: `[n]` integers in [0, groups).
        validation_x: evidence of the rows that pick the epoch.
        validation_groups: `[n]` integers in [0, groups).
        score_x: evidence of the rows whose groups are to be told.
        groups: how many groups there are, 2 or more.
        seed: a non-negative integer.
        settings: the network; the paper's without it.
        categories: how many categories there are, where the evidence is codes.

    Raises:
        InputError: rows that do not fit together, codes or groups out of range, values that are not finite.
        MissingExtraError: PyTorch is not installed.
    """
    one = MLPRound(
        fit_x=fit_x,
        fit_groups=fit_groups,
        validation_x=validation_x,
        validation_groups=validation_groups,
        score_x=score_x,
        seed=seed,
    )
    return train_mlps([one], groups=groups, settings=settings, categories=categories)[0]


def train_mlps(
    rounds: Sequence[MLPRound],
    *,
    groups: int,
    settings: MLPSettings | None = None,
    categories: int | None = None,
) -> list[MLPFit]:
    """Train an attacker per round: BatchNorm on the raw input, then linear layers to one output per group.

    Between the linear layers stand BatchNorm and LeakyReLU(0.01). Adam minimises the cross entropy; the snapshot
    with the best validation accuracy, the first of equals, is what scores. Rounds with the same numbers of fitting
    rows, of validation rows and of columns are trained together, which saves most of the time. What a round gives
    depends on its own rows and seed only, up to rounding. Equal calls give equal results on one machine, at one
    number of threads and one version of PyTorch. A last batch of a single row is left out: BatchNorm needs two.

    Args:
        rounds: the attackers to train, one or more; any sizes.
        groups: how many groups there are, 2 or more.
        settings: the network, the same for all; the paper's without it.
        categories: how many categories there are, where the evidence is codes `[n]`.

    Returns:
        One result per round, in their order.

    Raises:
        InputError: rows that do not fit together, codes or groups out of range, values that are not finite.
        MissingExtraError: PyTorch is not installed.
    """
    require_torch()
    from steelyard.leakage.mlp_training import train_together

    settings = settings or MLPSettings()
    if groups < 2:
        raise InputError(f"MLP attacker: needs 2 groups or more, found {groups}")
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, one in enumerate(rounds):
        columns = _check_round(one, number, groups, categories)
        alike.setdefault((len(one.fit_x), len(one.validation_x), columns), []).append(number)
    fits: dict[int, MLPFit] = {}
    for numbers in alike.values():
        for start in range(0, len(numbers), _TOGETHER):
            chunk = numbers[start : start + _TOGETHER]
            trained = train_together([rounds[i] for i in chunk], groups, settings, categories)
            fits.update(zip(chunk, trained, strict=True))
    return [fits[number] for number in range(len(rounds))]


_TOGETHER = 8
"""Rounds trained at once: more save no more time, and cost memory."""


def _check_round(one: MLPRound, number: int, groups: int, categories: int | None) -> int:
    """The round's number of columns, or an InputError that says what is wrong with it."""
    columns = [
        _check_evidence(x, f"MLP attacker, round {number}, {name}", categories)
        for name, x in (("fit_x", one.fit_x), ("validation_x", one.validation_x), ("score_x", one.score_x))
    ]
    if len(set(columns)) > 1:
        raise InputError(f"MLP attacker, round {number}: fit_x, validation_x and score_x have {columns} columns")
    for name, x, truth in (
        ("fit", one.fit_x, one.fit_groups),
        ("validation", one.validation_x, one.validation_groups),
    ):
        where = f"MLP attacker, round {number}, {name}_groups"
        if truth.shape != (len(x),):
            raise InputError(f"{where}: expected one group per row of {name}_x ({len(x)}), found {truth.shape}")
        if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= groups:
            raise InputError(f"{where}: expected integers from 0 to {groups - 1}")
    if len(one.fit_x) < 2:
        raise InputError(f"MLP attacker, round {number}, fit_x: expected 2 rows or more, found {len(one.fit_x)}")
    return columns[0]


def _check_evidence(x: Evidence, where: str, categories: int | None) -> int:
    """The number of columns that `x` stands for, or an InputError."""
    if len(x) == 0:
        raise InputError(f"{where}: no rows")
    if categories is not None:
        if x.ndim != 1 or not np.issubdtype(x.dtype, np.integer):
            raise InputError(f"{where}: expected integer codes [n], found {x.dtype} {list(x.shape)}")
        if x.min() < 0 or x.max() >= categories:
            raise InputError(f"{where}: codes must be from 0 to {categories - 1}, found {x.min()} to {x.max()}")
        return categories
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(f"{where}: expected a matrix [n, d], found shape {list(x.shape)}; for codes give categories")
    if np.issubdtype(x.dtype, np.floating) and not np.isfinite(x).all():
        raise InputError(f"{where}: row {int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])} is not finite")
    return int(x.shape[1])
