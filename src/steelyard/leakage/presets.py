"""The published protocol, kept for comparison with published numbers: its attacker, subset sizes, snapshot, folding.

Its known faults are kept too and marked in every estimate: accuracy is folded around one half before averaging
(trap W1), the snapshot is picked on a validation set that need not be balanced like the training set (W21), and the
attacker of a model is fitted on outputs for images that the model was trained on (W9).

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.leakage.measures import LEVEL, Z
from steelyard.leakage.mlp import MLPFit, MLPRound, MLPSettings, train_mlps
from steelyard.leakage.plan import Rows, balanced_rows
from steelyard.leakage.search import credit_of


@dataclass(frozen=True, slots=True)
class Preset:
    """A published protocol.

    Attributes:
        name: as in `--preset`.
        sizes: images of each group: train, val, test.
        settings: the attacker.
    """

    name: str
    sizes: dict[str, int]
    settings: MLPSettings


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
class ProtocolRuns:
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
    k: int,
    rounds: int,
    seed: int,
) -> ProtocolRuns:
    """Train and score the preset's attacker in every round.

    Args:
        preset: sizes and settings.
        evidence: gives a round's evidence for all rows: codes and their number, or a matrix and None.
        groups: `[n]` integers in 0 … k − 1.
        splits: rows of `train`, `val` and `test`.
        k: number of groups.
        rounds: redraws.
        seed: of draws and networks.

    Raises:
        InputError: a split is missing, or has no image of some group.
        MissingExtraError: PyTorch is not installed.
    """
    empty = [name for name in preset.sizes if not len(splits.get(name, ()))]
    if empty:
        raise InputError(
            f"--preset {preset.name}: needs train, val and test rows, and {empty[0]} has none; "
            "leave --preset out, or give a split column with all three"
        )
    for name in preset.sizes:
        absent = np.flatnonzero(np.bincount(groups[splits[name]], minlength=k) == 0)
        if len(absent):
            raise InputError(
                f"--preset {preset.name}: needs images of every group, and {name} has none of group number "
                f"{absent[0] + 1} of {k}; leave --preset out, or add some"
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
    fits: list[MLPFit] = train_mlps(tasks, groups=k, settings=preset.settings, categories=categories)
    accuracy = [credit_of(fit.probabilities, groups[rows.test]).mean() for fit, rows in zip(fits, drawn, strict=True)]
    scheme = (
        f"{preset.name}: MLP fitted on train, snapshot by validation accuracy, scored on test; group-balanced draws, "
        f"{rounds} rounds" + (f"; {note}" if note else "")
    )
    return ProtocolRuns(np.array(accuracy), len(drawn[0].test), scheme)


def check_two_groups(preset: Preset, k: int) -> None:
    """Folding around one half is defined for two groups.

    Raises:
        InputError: there are more.
    """
    if k > 2:
        raise InputError(
            f"--preset {preset.name}: the published protocol knows two groups, found {k}; leave --preset out"
        )


def raw_leakage(name: str, runs: ProtocolRuns, *, of: str) -> Estimate:
    """Mean of the raw accuracies (nothing folded), with the spread between rounds (ddof 1)."""
    spread = float(runs.accuracy.std(ddof=1)) if len(runs.accuracy) > 1 else 0.0
    return _over_rounds(name, runs.accuracy, spread, _sd_images(runs.accuracy, runs.n), runs, of, "fraction")


def folded_leakage(name: str, runs: ProtocolRuns, *, of: str) -> Estimate:
    """Mean of the folded accuracies, with the published spread (ddof 0) as `sd_attacker`."""
    sd_images = _sd_images(runs.folded, runs.n)
    return _folded(name, runs.folded, sd_images, runs, of, "fraction")


def folded_amplification(model: ProtocolRuns, data: ProtocolRuns) -> Estimate:
    """Folded model leakage less folded dataset leakage at the model's F1, on the same draws."""
    sd_images = math.hypot(_sd_images(model.folded, model.n), _sd_images(data.folded, data.n))
    return _folded("amplification", model.folded - data.folded, sd_images, model, "scores", "difference")


def _sd_images(accuracy: NDArray[np.float64], n: int) -> float:
    share = float(accuracy.mean())
    return math.sqrt(share * (1.0 - share) / n)


def _folded(
    name: str, values: NDArray[np.float64], sd_images: float, runs: ProtocolRuns, of: str, unit: str
) -> Estimate:
    # ddof 0, as published.
    estimate = _over_rounds(name, values, float(values.std()), sd_images, runs, of, unit)
    return replace(
        estimate,
        folded=True,
        scheme=f"{runs.scheme}; accuracy folded around one half",
        note="published protocol, kept for comparison: folded accuracy is above one half without any leakage",
    )


def _over_rounds(
    name: str,
    values: NDArray[np.float64],
    spread: float,
    sd_images: float,
    runs: ProtocolRuns,
    of: str,
    unit: str,
) -> Estimate:
    value = float(values.mean())
    half = Z * math.hypot(sd_images, spread / math.sqrt(len(values)))
    lowest = -1.0 if unit == "difference" else 0.0
    alone = len(values) == 1
    return Estimate(
        name=name,
        value=value,
        low=max(lowest, value - half),
        high=min(1.0, value + half),
        level=LEVEL,
        n=runs.n,
        unit=unit,
        of=of,
        scheme=runs.scheme,
        varied=("images",) if alone else ("attacker", "images"),
        sd_attacker=None if alone else spread,
        sd_images=sd_images,
    )
