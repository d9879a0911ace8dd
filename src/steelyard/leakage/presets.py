"""The published protocol, kept for comparison with published numbers: its attacker, subset sizes, snapshot, folding.

Its known faults are kept too and marked in every estimate: accuracy is folded around one half before averaging
(trap W1), the snapshot is picked on a validation set that need not be balanced like the training set (W21), and the
attacker of a model is fitted on outputs for images that the model was trained on (W9).

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.leakage.measures import LEVEL
from steelyard.leakage.mlp import MLPFit, MLPRound, MLPSettings, train_mlps
from steelyard.leakage.plan import Rows, balanced_rows
from steelyard.leakage.search import credit_of

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Preset:
    """A published protocol.

    Attributes:
        name: as in `--preset`.
        sizes: images of each group: train, val, test.
        settings: the attacker.
        rounds: redraws.
    """

    name: str
    sizes: dict[str, int]
    settings: MLPSettings
    rounds: int = 5


PRESETS = {
    # The public imSitu code has one hidden layer more than the paper says; the paper's network is kept.
    preset.name: preset
    for preset in (
        Preset("wang2019-coco", {"train": 3000, "val": 1500, "test": 1500}, MLPSettings()),
        Preset("wang2019-imsitu", {"train": 7300, "val": 3000, "test": 3000}, MLPSettings()),
    )
}


def preset_named(name: str) -> Preset:
    """The preset of this name.

    Raises:
        InputError: there is none.
    """
    if name not in PRESETS:
        raise InputError(f"--preset: there is no {name!r}; choose from {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The group-balanced rows of one round, per split."""

    train: Rows
    val: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class FoldedRuns:
    """What the protocol gave.

    Attributes:
        accuracy: `[R]` raw accuracy of each round.
        n: test images in a round.
        scheme: the protocol in words.
    """

    accuracy: NDArray[np.float64]
    n: int
    scheme: str

    @property
    def folded(self) -> NDArray[np.float64]:
        """0.5 + |accuracy − 0.5| per round, as published."""
        return np.asarray(0.5 + np.abs(self.accuracy - 0.5))


def draw_rounds(
    preset: Preset, groups: NDArray[np.int64], splits: dict[str, Rows], *, rounds: int, seed: int
) -> tuple[list[Drawn], str]:
    """Group-balanced draws for every round, and a note where a group is smaller than the published size (W2)."""
    notes = []
    for name, size in preset.sizes.items():
        smallest = int(np.bincount(groups[splits[name]]).min())
        if smallest < size:
            notes.append(f"{name}: {smallest:,} images of each group in place of {size:,}")
    drawn = []
    for r in range(rounds):
        rows = {
            name: balanced_rows(groups, splits[name], stream(seed, "preset", name, r), most=size)
            for name, size in preset.sizes.items()
        }
        drawn.append(Drawn(**rows))
    return drawn, "; ".join(notes)


def run_preset(
    preset: Preset,
    evidence: Callable[[int], tuple[NDArray[Any], int | None]],
    groups: NDArray[np.int64],
    splits: dict[str, Rows],
    *,
    rounds: int,
    seed: int,
) -> FoldedRuns:
    """Train and score the preset's attacker in every round.

    Args:
        preset: sizes and settings.
        evidence: gives a round's evidence for all rows: codes and their number, or a matrix and None.
        groups: `[n]`, two groups.
        splits: rows of `train`, `val` and `test`.
        rounds: redraws.
        seed: of draws and networks.

    Raises:
        InputError: a split is missing, or there are more than two groups (folding is defined for two).
        MissingExtraError: PyTorch is not installed.
    """
    if groups.max() > 1:
        raise InputError(
            f"--preset {preset.name}: the published protocol knows two groups, found {groups.max() + 1}; "
            "leave --preset out"
        )
    empty = [name for name in preset.sizes if not len(splits.get(name, ()))]
    if empty:
        raise InputError(
            f"--preset {preset.name}: needs train, val and test rows, and {empty[0]} has none; "
            "leave --preset out, or give a split column with all three"
        )
    drawn, note = draw_rounds(preset, groups, splits, rounds=rounds, seed=seed)
    tasks, categories = [], None
    for r, rows in enumerate(drawn):
        shown, categories = evidence(r)
        tasks.append(
            MLPRound(
                fit_x=shown[rows.train],
                fit_groups=groups[rows.train],
                validation_x=shown[rows.val],
                validation_groups=groups[rows.val],
                score_x=shown[rows.test],
                seed=seed + r,
            )
        )
    fits: list[MLPFit] = train_mlps(tasks, groups=2, settings=preset.settings, categories=categories)
    accuracy = [credit_of(fit.probabilities, groups[rows.test]).mean() for fit, rows in zip(fits, drawn, strict=True)]
    scheme = (
        f"{preset.name}: MLP fitted on train, snapshot by validation accuracy, scored on test; group-balanced draws, "
        f"{rounds} rounds, accuracy folded around one half" + (f"; {note}" if note else "")
    )
    return FoldedRuns(np.array(accuracy), len(drawn[0].test), scheme)


def folded_leakage(name: str, runs: FoldedRuns, *, of: str) -> Estimate:
    """Mean of the folded accuracies, with the published spread (ddof 0) as `sd_attacker`."""
    value = float(runs.folded.mean())
    sd_images = math.sqrt(value * (1.0 - value) / runs.n)
    return _folded(name, runs.folded, sd_images, runs, of, "fraction")


def folded_amplification(model: FoldedRuns, data: FoldedRuns) -> Estimate:
    """Folded model leakage less folded dataset leakage at the model's F1, on the same draws."""
    gaps = model.folded - data.folded
    spread = [float(runs.folded.mean()) for runs in (model, data)]
    sd_images = math.sqrt(sum(share * (1.0 - share) / model.n for share in spread))
    return _folded("amplification", gaps, sd_images, model, "scores", "difference")


def _folded(name: str, values: NDArray[np.float64], sd_images: float, runs: FoldedRuns, of: str, unit: str) -> Estimate:
    value, spread = float(values.mean()), float(values.std())
    half = _Z * math.hypot(sd_images, spread / math.sqrt(len(values)))
    return Estimate(
        name=name,
        value=value,
        low=value - half,
        high=value + half,
        level=LEVEL,
        n=runs.n,
        unit=unit,
        of=of,
        scheme=runs.scheme,
        varied=("attacker", "images"),
        sd_attacker=spread,
        sd_images=sd_images,
        folded=True,
        note="published protocol, kept for comparison: folded accuracy is above one half without any leakage",
    )
