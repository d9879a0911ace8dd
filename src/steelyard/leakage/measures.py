"""Leakage, amplification and information as estimates, with the attackers' spread apart from the images' sampling.

A value is the mean over rounds of group-balanced accuracy (or bits). Its interval joins two variances: between rounds
(the attacker: seed, subset, corruption draw), divided by the rounds, and over images (stratified by group). The fit's
own training images are held fixed.

Wang et al., ICCV 2019, https://arxiv.org/abs/1811.08489; usable information: Xu et al., ICLR 2020,
https://arxiv.org/abs/2002.10689.
"""

import math

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate, Varied
from steelyard.leakage.search import Attacked, balanced_mean

LEVEL = 0.95
_Z = 1.959963984540054  # standard normal quantile of LEVEL


def leakage(name: str, attacked: Attacked, *, of: str) -> Estimate:
    """Share of images whose group the attacker names, groups counting equally; a fraction, chance is 1/k."""
    rounds = balanced_mean(attacked.credit, attacked.groups)
    shares = np.array([attacked.credit[:, attacked.groups == g].mean() for g in range(attacked.k)], dtype=np.float64)
    sizes = np.bincount(attacked.groups, minlength=attacked.k)
    # The variance of 0/1 outcomes, also where shared ties make the credits themselves vary less.
    sampling = float(np.sum(shares * (1.0 - shares) / sizes)) / attacked.k**2
    return _estimate(name, rounds, sampling, attacked, of, "fraction", (0.0, 1.0))


def difference(name: str, minuend: Attacked, subtrahend: Attacked, *, of: str, scheme: str) -> Estimate:
    """Leakage of one kind of evidence less that of another, on the same images in the same rounds."""
    rounds = balanced_mean(minuend.credit, minuend.groups) - balanced_mean(subtrahend.credit, subtrahend.groups)
    sampling = _sampling_variance((minuend.credit - subtrahend.credit).mean(axis=0), minuend)
    return _estimate(name, rounds, sampling, minuend, of, "difference", (-1.0, 1.0), scheme)


def usable_information(name: str, attacked: Attacked, *, of: str) -> Estimate:
    """log2 k less the cross-fitted log loss, in bits: what attackers of the family can use; 0 is none."""
    rounds = math.log2(attacked.k) - balanced_mean(attacked.bits, attacked.groups)
    sampling = _sampling_variance(attacked.bits.mean(axis=0), attacked)
    return _estimate(name, rounds, sampling, attacked, of, "bits", (-math.inf, math.inf))


def conditional_leakage(labels: Attacked, together: Attacked, *, of: str) -> Estimate:
    """Bits about the group that predictions add beyond the true labels: H(G|Y) − H(G|Y, Ŷ)."""
    gain = labels.bits - together.bits
    rounds = balanced_mean(gain, labels.groups)
    sampling = _sampling_variance(gain.mean(axis=0), labels)
    return _estimate("conditional_leakage", rounds, sampling, labels, of, "bits", (-math.inf, math.inf))


def _sampling_variance(values: NDArray[np.float64], attacked: Attacked) -> float:
    """Variance of the group-balanced mean of `[m]` values over samples of images."""
    total = 0.0
    for group in range(attacked.k):
        members = values[attacked.groups == group]
        total += float(members.var(ddof=1)) / len(members) if len(members) > 1 else 0.0
    return total / attacked.k**2


def _estimate(
    name: str,
    rounds: NDArray[np.float64],
    sampling: float,
    attacked: Attacked,
    of: str,
    unit: str,
    bounds: tuple[float, float],
    scheme: str = "",
) -> Estimate:
    value = float(rounds.mean())
    spread = float(rounds.std(ddof=1)) if len(rounds) > 1 else None
    half = _Z * math.sqrt(sampling + (spread or 0.0) ** 2 / len(rounds))
    varied: tuple[Varied, ...] = ("images",) if spread is None else ("attacker", "images")
    return Estimate(
        name=name,
        value=value,
        low=max(bounds[0], value - half),
        high=min(bounds[1], value + half),
        level=LEVEL,
        n=len(attacked.groups),
        unit=unit,
        of=of,
        scheme=scheme or attacked.scheme,
        varied=varied,
        sd_attacker=spread,
        sd_images=math.sqrt(sampling),
        note=f"attackers chosen: {_counts(attacked)}",
    )


def _counts(attacked: Attacked) -> str:
    return ", ".join(f"{name} {count}" for name, count in attacked.chosen.most_common())
