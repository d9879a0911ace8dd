"""Directional predictability amplification: how much better groups tell predictions than truth, and the reverse.

DPA = (Ψ_M − Ψ_D) / (Ψ_M + Ψ_D), in (−1, 1), 0 where both are equally predictable; Ψ is the balanced accuracy of a
cross-fitted attacker, and the data side is corrupted at random to the model's own quality, so that errors alone do
not count.

Tokas et al.: Making Bias Amplification in Balanced Datasets Directional and Interpretable, 2024.
https://arxiv.org/abs/2412.11060
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.leakage.measures import LEVEL, Z
from steelyard.leakage.search import Attacked
from steelyard.metrics.bootstrap import draw_weights
from steelyard.metrics.counting import mean_defined

FOLDS = 5


def cell_predictability(
    known: NDArray[np.int64], asked: NDArray[np.uint8], folds: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """Credit of an attacker who knows the group and is asked for each label, cross-fitted by counts.

    With one categorical input the attacker of best balanced accuracy is a table: say 1 in the groups where the label
    is more frequent among its positives than among its negatives.

    Args:
        known: `[n]` groups in 0 … k − 1.
        asked: `[n, t]` 0/1 labels.
        folds: `[n]` fold of each row.
        k: number of groups.

    Returns:
        `[n, t]` credit, ½ where positives and negatives tie.
    """
    credit = np.empty(asked.shape)
    indicator = np.eye(k)[known]
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        present = indicator[inside].T @ asked[inside]  # [k, t]
        absent = indicator[inside].sum(axis=0)[:, None] - present
        # Integers, multiplied out: present / positives against absent / negatives.
        lean = present * absent.sum(axis=0) - absent * present.sum(axis=0)
        says = 0.5 + 0.5 * np.sign(lean)  # [k, t] in {0, ½, 1}
        said = says[known[outside]]
        credit[outside] = np.where(asked[outside] == 1, said, 1.0 - said)
    return credit


def label_predictability(
    credit: NDArray[np.float64], asked: NDArray[np.uint8], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Balanced accuracy of each label under row weights `[n, r]`, NaN where a class has no weight: `[t, r]`."""
    positives, negatives = asked.astype(np.float32), (1 - asked).astype(np.float32)
    counted = credit.astype(np.float32)
    hits = ((positives * counted).T @ weights, (negatives * counted).T @ weights)
    sizes = (positives.T @ weights, negatives.T @ weights)
    positive, negative = (hit / np.where(size > 0, size, np.nan) for hit, size in zip(hits, sizes, strict=True))
    return np.asarray(0.5 * (positive + negative), dtype=np.float64)


def attribute_to_target(
    groups: NDArray[np.int64],
    predicted: NDArray[np.uint8],
    corrupted: Sequence[NDArray[np.uint8]],
    *,
    k: int,
    seed: int,
    scheme: str,
    draws: int = 300,
) -> Estimate:
    """DPA from the protected attribute to the target, over the labels that have both classes on both sides.

    Args:
        groups: `[n]` true groups.
        predicted: `[n, t]` the model's decisions.
        corrupted: R × `[n, t]`, the true labels corrupted to the model's F1, one draw per round.
        k: number of groups.
        seed: seed of folds and bootstrap.
        scheme: how the corruption was made, in words.
        draws: bootstrap rounds over images.

    Raises:
        UndefinedError: no label has both positives and negatives, among the predictions and among the labels.
    """
    name = "directional_predictability_attribute_to_target"
    n = len(groups)
    weights = _weights(n, draws, seed)
    model: list[NDArray[np.float64]] = []
    data: list[NDArray[np.float64]] = []
    for r, truth in enumerate(corrupted):
        folds = stream(seed, "dpa folds", r).permutation(n) % FOLDS
        said, known = (
            label_predictability(cell_predictability(groups, asked, folds, k), asked, weights)
            for asked in (predicted, truth)
        )
        one_sided = np.isnan(said) | np.isnan(known)
        model.append(mean_defined(np.where(one_sided, np.nan, said), 0))
        data.append(mean_defined(np.where(one_sided, np.nan, known), 0))
    return _estimate(name, np.array(model), np.array(data), n, scheme)


def _weights(n: int, draws: int, seed: int) -> NDArray[np.float32]:
    """Every image once, then how often it counts in each bootstrap draw: `[n, 1 + draws]`."""
    drawn = draw_weights(n, draws, rng=stream(seed, "dpa"))
    return np.hstack([np.ones((n, 1), dtype=np.float32), drawn.astype(np.float32)])


def target_to_attribute(model: Attacked, data: Attacked, *, seed: int, scheme: str, draws: int = 300) -> Estimate:
    """DPA from the target to the protected attribute.

    Args:
        model: attackers who name the *predicted* group from the true labels.
        data: attackers who name the true group, corrupted at random to the model's accuracy, from the same labels.
        seed: seed of the bootstrap.
        scheme: how both were fitted, in words.
        draws: bootstrap rounds over images.
    """
    n = len(model.groups)
    weights = _weights(n, draws, seed)
    psi_model, psi_data = _weighted_balanced(model, weights), _weighted_balanced(data, weights)
    return _estimate("directional_predictability_target_to_attribute", psi_model, psi_data, n, scheme)


def _weighted_balanced(attacked: Attacked, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Balanced accuracy per round and bootstrap draw, `[R, r]`."""
    means = []
    for group in range(attacked.k):
        members = attacked.groups == group
        sizes = weights[members].sum(axis=0)
        means.append(attacked.credit[:, members] @ weights[members] / np.where(sizes > 0, sizes, np.nan))
    return np.asarray(np.mean(means, axis=0))


def _estimate(
    name: str, psi_model: NDArray[np.float64], psi_data: NDArray[np.float64], n: int, scheme: str
) -> Estimate:
    ratio = (psi_model - psi_data) / (psi_model + psi_data)  # [R, 1 + draws]
    if not np.isfinite(ratio[:, 0]).all():
        raise UndefinedError(f"{name}: no label has both positives and negatives, in labels and predictions alike")
    value = float(ratio[:, 0].mean())
    resampled = ratio[:, 1:].mean(axis=0)
    sd_images = float(resampled[np.isfinite(resampled)].std(ddof=1))
    spread = float(ratio[:, 0].std(ddof=1)) if len(ratio) > 1 else None
    half = Z * float(np.hypot(sd_images, (spread or 0.0) / np.sqrt(len(ratio))))
    return Estimate(
        name=name,
        value=value,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        level=LEVEL,
        n=n,
        unit="difference",
        of="decisions",
        scheme=scheme,
        varied=("images",) if spread is None else ("attacker", "images"),
        sd_attacker=spread,
        sd_images=sd_images,
    )
