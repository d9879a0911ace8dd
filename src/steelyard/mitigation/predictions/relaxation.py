"""Lagrangian relaxation of the share constraints: prices on labels by group, found by subgradient steps.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, section 4.2, https://arxiv.org/abs/1707.09457.
Their code lowers only the currently predicted scores, steps along raw counts and returns the last iterate. Here every
score bears its price, so that each round maximises the Lagrangian and its value is an upper bound; a step goes along
the label's shares, and its length is η/√t.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.mitigation.predictions.corpus import Corpus
from steelyard.mitigation.predictions.shares import ShareConstraints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One step of the relaxation.

    Attributes:
        objective: sum of the scores of the iterate, which may break constraints.
        dual: value of the Lagrangian, an upper bound on the sum of every assignment that meets the constraints.
        violated: labels of which some constraint is broken.
    """

    objective: float
    dual: float
    violated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """What the steps found.

    Attributes:
        prices: `[c, k]` at the lowest bound.
        bound: the lowest bound.
        feasible_prices: `[c, k]` of the best iterate that meets every constraint, or None.
        rounds: each step; the first is at prices of 0.
    """

    prices: Floats
    bound: float
    feasible_prices: Floats | None
    rounds: tuple[Round, ...]


def relax(corpus: Corpus, *, rounds: int, step: float) -> Relaxed:
    """Lower the bound by subgradient steps; stops early where the unconstrained optimum meets the constraints.

    Args:
        corpus: scores and constraints.
        rounds: inferences, at least 1.
        step: η, in the corpus' unit of score.
    """
    limits = corpus.constraints
    above, below = np.zeros_like(limits.low), np.zeros_like(limits.low)
    best, best_prices, feasible_prices, highest = np.inf, above, None, -np.inf
    record = []
    for t in range(1, rounds + 1):
        prices = _prices(above, below, limits)
        found = corpus.infer(prices)
        broken = int((~limits.holds(found.counts)).any(axis=1).sum())
        objective = found.value + float((prices * found.counts).sum())
        record.append(Round(objective=objective, dual=found.value, violated=broken))
        if found.value < best:
            best, best_prices = found.value, prices
        if not broken and objective > highest:
            highest, feasible_prices = objective, prices
        if not broken and t == 1:
            break
        totals = np.maximum(found.counts.sum(axis=1, keepdims=True), 1)
        shares = found.counts / totals
        present = found.counts.any(axis=1, keepdims=True)
        length = step * corpus.unit / np.sqrt(t)
        above = np.maximum(above + length * np.where(present, shares - limits.high, 0.0), 0.0)
        below = np.maximum(below + length * np.where(present, limits.low - shares, 0.0), 0.0)
    return Relaxed(prices=best_prices, bound=float(best), feasible_prices=feasible_prices, rounds=tuple(record))


def _prices(above: Floats, below: Floats, limits: ShareConstraints) -> Floats:
    """`[c, k]` what one more image of a group with a label costs.

    N_g − high_g · ΣN ≤ 0 has multiplier `above`, low_g · ΣN − N_g ≤ 0 has `below`.
    """
    shared = (limits.low * below - limits.high * above).sum(axis=1, keepdims=True)
    prices: Floats = above - below + shared
    return prices
