"""The paper's MLP attacker: trained in stacked rounds, beside the plain loop, at the same estimate."""

import csv
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from steelyard.leakage.mlp import MLPRound, MLPSettings, train_mlps
from steelyard.leakage.mlp_training import matrix_dtype

ROUNDS, EPOCHS, REPEATS = 5, 10, 3
VERBS, OBJECTS = 211, 79
Draw = Callable[[int], tuple[MLPRound, NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of evidence: how to draw a round with the groups of its score rows, and what can be known."""

    name: str
    draw: Draw
    categories: int | None
    truth: str


def planted_verbs() -> Case:
    """As many images and categories as imSitu; the shares of the groups are skewed per category."""
    rng = np.random.default_rng(11)
    verbs, share = rng.dirichlet(np.full(VERBS, 4.0)), rng.beta(2.2, 2.2, VERBS)
    by_group = np.stack([verbs * (1 - share), verbs * share])
    by_group /= by_group.sum(1, keepdims=True)
    bayes = by_group.max(0).sum() / 2

    def draw(seed: int) -> tuple[MLPRound, NDArray[np.int64]]:
        own = np.random.default_rng([11, seed])
        parts = [(n, [own.choice(VERBS, n, p=p) for p in by_group]) for n in (7300, 3000, 3000)]
        return _round([(np.concatenate(codes), np.repeat([0, 1], n)) for n, codes in parts], seed)

    return Case("planted verbs", draw, VERBS, f"{100 * bayes:.2f} (Bayes)")


def real_verbs(labels: Path) -> Case:
    """ImSitu's own labels, balanced as the paper does."""
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    _, verb = np.unique([row["verb"] for row in rows], return_inverse=True)
    _, group = np.unique([row["gender"] for row in rows], return_inverse=True)
    split = np.array([row["split"] for row in rows])

    def draw(seed: int) -> tuple[MLPRound, NDArray[np.int64]]:
        own, parts = np.random.default_rng([12, seed]), []
        for name, n in (("train", 7300), ("val", 3000), ("test", 3000)):
            each = [np.flatnonzero((split == name) & (group == g)) for g in (0, 1)]
            kept = np.concatenate([own.choice(rows_of, n, replace=False) for rows_of in each])
            parts.append((verb[kept], group[kept]))
        return _round(parts, seed)

    return Case("imSitu verbs", draw, VERBS, "68.26 ± 0.31 (published)")


def planted_logits() -> Case:
    """As many images and columns as COCO: correlated logits, shifted between the groups."""
    rng = np.random.default_rng(13)
    mixing = rng.normal(size=(OBJECTS, OBJECTS)) / np.sqrt(OBJECTS)
    distance = 2 * norm.ppf(0.70)
    direction = rng.normal(size=OBJECTS)
    shift = distance * direction / np.linalg.norm(direction)

    def draw(seed: int) -> tuple[MLPRound, NDArray[np.int64]]:
        own, parts = np.random.default_rng([13, seed]), []
        for n in (3000, 1500, 1500):
            groups = np.repeat([0, 1], n)
            parts.append(((own.normal(size=(2 * n, OBJECTS)) + groups[:, None] * shift) @ mixing - 4.0, groups))
        return _round(parts, seed)

    return Case("planted logits", draw, None, "70.00 (Bayes)")


def _round(parts: list[tuple[NDArray, NDArray]], seed: int) -> tuple[MLPRound, NDArray[np.int64]]:
    (fit_x, fit_groups), (validation_x, validation_groups), (score_x, score_groups) = parts
    one = MLPRound(
        fit_x=fit_x,
        fit_groups=fit_groups,
        validation_x=validation_x,
        validation_groups=validation_groups,
        score_x=score_x,
        seed=seed,
    )
    return one, score_groups


def plain_loop(one: MLPRound, truth: NDArray[np.int64], categories: int | None, epochs: int) -> float:
    """The usual way: modules, data loaders, loss and accuracy read out at every step; the test accuracy."""
    settings = MLPSettings()

    def tensor(x: NDArray) -> torch.Tensor:
        return torch.tensor(x if categories is None else np.eye(categories)[x], dtype=torch.float32)

    def loader(x: NDArray, y: NDArray, *, shuffle: bool) -> DataLoader:
        return DataLoader(TensorDataset(tensor(x), torch.tensor(y)), settings.batch_size, shuffle=shuffle)

    fit = loader(one.fit_x, one.fit_groups, shuffle=True)
    validation = loader(one.validation_x, one.validation_groups, shuffle=False)
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise([fit.dataset[0][0].numel(), *settings.hidden, 2]):
        layers += [nn.BatchNorm1d(inputs), nn.LeakyReLU(0.01), nn.Linear(inputs, outputs)]
    network = nn.Sequential(layers[0], *layers[2:])
    adam = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best, kept = -1.0, {}
    for _ in range(epochs):
        _plain_pass(network, fit, adam)
        accuracy = _plain_pass(network, validation, None)
        if accuracy > best:
            best, kept = accuracy, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return _plain_pass(network, loader(one.score_x, truth, shuffle=False), None)


def _plain_pass(network: nn.Module, batches: DataLoader, adam: torch.optim.Adam | None) -> float:
    network.train(adam is not None)
    losses, right, rows = [], 0, 0
    with torch.set_grad_enabled(adam is not None):
        for x, y in batches:
            told = network(x)
            loss = nn.functional.cross_entropy(told, y)
            if adam is not None:
                adam.zero_grad()
                loss.backward()
                adam.step()
            losses.append(loss.item())
            right += int((told.argmax(1) == y).sum().item())
            rows += len(y)
    return right / rows


def stacked(case: Case, seeds: range, settings: MLPSettings) -> tuple[list[float], float]:
    """Test accuracies of the rounds trained together, and seconds per attacker."""
    drawn = [case.draw(seed) for seed in seeds]
    start = time.perf_counter()
    fits = train_mlps([one for one, _ in drawn], groups=2, settings=settings, categories=case.categories)
    seconds = (time.perf_counter() - start) / len(drawn)
    right = [fit.probabilities.argmax(1) == truth for fit, (_, truth) in zip(fits, drawn, strict=True)]
    return [float(told.mean()) for told in right], seconds


def report(case: Case) -> None:
    """Time both on this evidence, the best of `REPEATS` each, and print a line for each way."""
    settings = MLPSettings(epochs=EPOCHS)
    plain, seconds = [], []
    for seed in range(REPEATS):
        one, truth = case.draw(seed)
        start = time.perf_counter()
        plain.append(plain_loop(one, truth, case.categories, EPOCHS))
        seconds.append(time.perf_counter() - start)
    print(f"{case.name}: truth {case.truth}; {EPOCHS} epochs")
    _line("plain loop", plain, min(seconds), min(seconds))
    for name, seeds, chosen in (
        (f"{ROUNDS} rounds together", range(ROUNDS), settings),
        (f"{ROUNDS} rounds together, float32", range(ROUNDS), replace(settings, precision="float32")),
        ("1 round alone", range(1), settings),
    ):
        runs = [stacked(case, seeds, chosen) for _ in range(REPEATS)]
        _line(name, runs[0][0], min(took for _, took in runs), min(seconds))


def _line(name: str, accuracies: list[float], seconds: float, base: float) -> None:
    mean, spread = 100 * np.mean(accuracies), 100 * np.std(accuracies)
    print(
        f"  {name:<28}{seconds / EPOCHS * 100:7.1f} s per attacker of 100 epochs {base / seconds:6.1f} ×"
        f"   leakage {mean:.2f} ± {spread:.2f} ({len(accuracies)})",
        flush=True,
    )


def main() -> None:
    print(f"Attacker of the paper; matrices in {matrix_dtype('auto')}, {torch.get_num_threads()} threads")
    data = os.environ.get("STEELYARD_DATA")
    verbs = real_verbs(Path(data) / "imsitu" / "labels.csv") if data else planted_verbs()
    for case in (verbs, planted_logits()):
        report(case)
    accuracies, seconds = stacked(verbs, range(ROUNDS), MLPSettings())
    mean, spread = 100 * np.mean(accuracies), 100 * np.std(accuracies)
    print(
        f"{verbs.name}, all {MLPSettings().epochs} epochs: {seconds:.1f} s per attacker, "
        f"leakage {mean:.2f} ± {spread:.2f} ({ROUNDS}), truth {verbs.truth}"
    )


if __name__ == "__main__":
    main()
