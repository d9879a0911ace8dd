"""Leakage, amplification and information as estimates, with the attackers' spread apart from the images' sampling.

A value is the mean over rounds of group-balanced accuracy (or bits). Its interval joins two variances: between rounds
(the attacker: seed, subset, corruption draw), divided by the rounds, and over images (stratified by group). All rounds
share their images, so what a fit owes to its sample does not average out over rounds. Where the same evidence of an
image is judged one way in one round and another way in the next, that dependence shows: the variance within images
counts twice among the images' (images sway the fits that score others, and are scored by fits that others sway). Over
simulations without a leak, and with weak and strong ones, this keeps the intervals at their level; without it, those of
unsteady attackers cover 90 to 93 %. A single round cannot show it, and its cross-fitted intervals cover 84 to 91 %.

Wang et al., ICCV 2019, https://arxiv.org/abs/1811.08489; usable information: Xu et al., ICLR 2020,
https://arxiv.org/abs/2002.10689.
"""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate, Varied
from steelyard.leakage.search import Attacked, balanced_mean

LEVEL = 0.95
Z = 1.959963984540054  # standard normal quantile of LEVEL
_ONE_ROUND = "one round only: what the fits owe to their sample is not seen, so the interval is too narrow"
_BELOW_CHANCE = (
    "below chance; cross-fitting reads so where labels were balanced by selection (what one fold has more of, the "
    "others have less of): there, read it as no leakage"
)


def leakage(name: str, attacked: Attacked, *, of: str) -> Estimate:
    """Share of images whose group the attacker names, groups counting equally; a fraction, chance is 1/k."""
    credit = attacked.credit
    rounds = balanced_mean(credit, attacked.groups)
    sampling = _sampling_variance(credit.mean(axis=0), attacked) + _fit_variance(credit, attacked)
    # A tie is a coin: sharing its credit takes the coin out of the value, not out of what one more image would say.
    sampling += _variance_of_mean((credit * (1.0 - credit)).mean(axis=0), attacked)
    estimate = _noted(_estimate(name, rounds, sampling, attacked, of, "fraction", (0.0, 1.0)), _chosen(attacked.chosen))
    return _noted(estimate, _BELOW_CHANCE) if estimate.high < 1.0 / attacked.k else estimate


def difference(name: str, minuend: Attacked, subtrahend: Attacked, *, of: str, scheme: str) -> Estimate:
    """Leakage of one kind of evidence less that of another, on the same images in the same rounds.

    The subtrahend may be corrupted anew in every round; how unsteady the fits are is seen on the minuend.
    """
    values = minuend.credit - subtrahend.credit
    bounds = (-1.0, 1.0)
    estimate = paired_mean(
        name, values, minuend.credit, minuend, of=of, unit="difference", bounds=bounds, scheme=scheme
    )
    return _noted(estimate, _chosen(minuend.chosen))


def usable_information(name: str, attacked: Attacked, *, of: str) -> Estimate:
    """log2 k less the cross-fitted log loss, in bits: what attackers of the family can use; 0 is none."""
    rounds = math.log2(attacked.k) - balanced_mean(attacked.bits, attacked.groups)
    sampling = _sampling_variance(attacked.bits.mean(axis=0), attacked) + _fit_variance(attacked.bits, attacked)
    estimate = _estimate(name, rounds, sampling, attacked, of, "bits", (-math.inf, math.inf))
    return _noted(estimate, _chosen(attacked.informed))


def conditional_leakage(labels: Attacked, together: Attacked, *, of: str) -> Estimate:
    """Bits about the group that predictions add beyond the true labels: H(G|Y) − H(G|Y, Ŷ)."""
    gain = labels.bits - together.bits
    bounds = (-math.inf, math.inf)
    estimate = paired_mean("conditional_leakage", gain, gain, labels, of=of, unit="bits", bounds=bounds)
    return _noted(estimate, _chosen(together.informed))


def paired_mean(
    name: str,
    values: NDArray[np.float64],
    unsteady: NDArray[np.float64],
    attacked: Attacked,
    *,
    of: str,
    unit: str,
    bounds: tuple[float, float],
    scheme: str = "",
) -> Estimate:
    """The group-balanced mean of values that were differenced image by image and round by round.

    Args:
        name: of the estimate.
        values: `[R, m]`, one of each scored image in each round.
        unsteady: `[R, m]`, what of them is due to evidence that stays the same from round to round, on which it shows
            how unsteady the fits are.
        attacked: whose images, groups and scheme these are.
        of: the evidence.
        unit: of the values.
        bounds: the ends of the interval are kept within.
        scheme: in place of the attack's own.
    """
    rounds = balanced_mean(values, attacked.groups)
    sampling = _sampling_variance(values.mean(axis=0), attacked) + _fit_variance(unsteady, attacked)
    return _estimate(name, rounds, sampling, attacked, of, unit, bounds, scheme)


def _noted(estimate: Estimate, note: str) -> Estimate:
    return replace(estimate, note="; ".join(part for part in (estimate.note, note) if part))


def _sampling_variance(values: NDArray[np.float64], attacked: Attacked) -> float:
    """Variance of the group-balanced mean of `[m]` values over samples of images."""
    spread = np.zeros(len(values))
    for group in range(attacked.k):
        members = attacked.groups == group
        spread[members] = values[members].var(ddof=1) if members.sum() > 1 else 0.0
    return _variance_of_mean(spread, attacked)


def _fit_variance(values: NDArray[np.float64], attacked: Attacked) -> float:
    """What the images' sampling adds by way of the fits, seen in `[R, m]` values that change between rounds."""
    if attacked.redrawn or len(values) < 2:
        return 0.0
    return 2.0 * _variance_of_mean(values.var(axis=0, ddof=1), attacked)


def _variance_of_mean(variances: NDArray[np.float64], attacked: Attacked) -> float:
    """Variance of the group-balanced mean of values whose own variances are `[m]`."""
    sizes = np.bincount(attacked.groups, minlength=attacked.k)
    sums = np.bincount(attacked.groups, weights=variances, minlength=attacked.k)
    return float(np.sum(sums / sizes**2)) / attacked.k**2


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
    half = Z * math.sqrt(sampling + (spread or 0.0) ** 2 / len(rounds))
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
        note="" if len(rounds) > 1 else _ONE_ROUND,
    )


def _chosen(counts: Counter[str]) -> str:
    return "attackers chosen: " + ", ".join(f"{name} {count}" for name, count in counts.most_common())
