"""Is there any leakage at all? A refit permutation test: the whole search is repeated inside every permutation.

Classifier two-sample test: Lopez-Paz and Oquab, ICLR 2017, https://arxiv.org/abs/1610.06545; the Monte-Carlo p-value:
Phipson and Smyth 2010, https://arxiv.org/abs/1603.05766.
"""

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.leakage.evidence import Evidence
from steelyard.leakage.measures import LEVEL
from steelyard.leakage.plan import Part, Rows, balanced_rows
from steelyard.leakage.search import attack, balanced_mean, in_parallel

_ROUNDING = 1e-9


def p_value(observed: float, null: NDArray[np.float64], *, rng: np.random.Generator | None = None) -> float:
    """Share of permutations (the observed one among them) that score at least as high.

    Args:
        observed: the statistic on the data.
        null: `[B]` the statistic on permuted data.
        rng: breaks ties at random where given (then exactly uniform without leakage); else ties count against the
            finding, and the smallest possible value is 1 / (B + 1).
    """
    # Means of the same credits can differ by rounding, and must still tie.
    above = int(np.count_nonzero(null > observed + _ROUNDING))
    tied = int(np.count_nonzero(np.abs(null - observed) <= _ROUNDING)) + 1
    share = float(rng.random()) if rng is not None else 1.0
    return (above + share * tied) / (len(null) + 1)


def split_once(groups: NDArray[np.int64], fit: Rows, score: Rows | None, seed: int) -> Part:
    """The test's one split: fit rows and score rows where given, else two thirds and one third of `fit`."""
    rng = stream(seed, "permutation split")
    if score is None:
        scored = []
        for group in np.unique(groups[fit]):
            members = rng.permutation(fit[groups[fit] == group])
            scored.append(members[: max(1, len(members) // 3)])
        score = np.sort(np.concatenate(scored))
        fit = np.setdiff1d(fit, score, assume_unique=True)
    return Part(0, balanced_rows(groups, fit, rng), score)


def _statistic(
    evidence: Evidence, groups: NDArray[np.int64], part: Part, k: int, names: tuple[str, ...], seed: int
) -> float:
    credit, _, _ = attack(evidence, groups, part, k=k, names=names, seed=seed)
    return float(balanced_mean(credit, groups[part.score]))


def _permuted(groups: NDArray[np.int64], part: Part, seed: int, number: int) -> NDArray[np.int64]:
    """Groups shuffled within the fit rows and within the score rows, so that both keep their counts."""
    rng = stream(seed, "permutation", number)
    shuffled = groups.copy()
    for rows in (part.fit, part.score):
        shuffled[rows] = groups[rng.permutation(rows)]
    return shuffled


def permutation_test(
    evidence: Evidence,
    groups: NDArray[np.int64],
    fit: Rows,
    score: Rows | None,
    *,
    k: int,
    permutations: int = 99,
    names: tuple[str, ...] = (),
    seed: int = 0,
    workers: int = 1,
    ties: np.random.Generator | None = None,
) -> Estimate:
    """p-value of the hypothesis that the evidence says nothing of the group.

    Args:
        evidence: `[n]` rows.
        groups: `[n]` integers in 0 … k − 1.
        fit: rows to fit on (one group-balanced draw of them).
        score: rows to score; None splits `fit` in two thirds and one third.
        k: number of groups.
        permutations: how often the groups are shuffled and the whole search repeated; 1 or more.
        names: the attackers; empty for the default family.
        seed: seed of the split, the permutations and the fits.
        workers: processes.
        ties: breaks ties at random (for studies of the test itself).

    Returns:
        `leakage_p_value`; its interval is the Monte-Carlo error of the permutations.
    """
    from scipy.stats import beta

    part = split_once(groups, fit, score, seed)
    tasks = [(_statistic, (evidence, groups, part, k, names, seed))]
    for number in range(permutations):
        shuffled = _permuted(groups, part, seed, number)
        tasks.append((_statistic, (evidence, shuffled, part, k, names, seed)))
    observed, *null = in_parallel(tasks, workers)
    value = p_value(observed, np.array(null), rng=ties)
    above = round(value * (permutations + 1))
    tail = 0.5 * (1.0 - LEVEL)
    return Estimate(
        name="leakage_p_value",
        value=value,
        low=float(beta.ppf(tail, above, permutations + 2 - above)) if above else 0.0,
        high=float(beta.ppf(1.0 - tail, above + 1, max(permutations + 1 - above, 1e-9))),
        n=len(part.score),
        unit="probability",
        of=evidence.name,
        scheme=f"refit permutation test, {permutations} permutations, the search repeated in each; "
        f"one group-balanced fit on {len(part.fit):,} images, scored on {len(part.score):,}",
        varied=("permutations",),
        note=f"accuracy {observed:.4f} against a mean of {np.mean(null):.4f} over permutations"
        + (f"; the least that {permutations} permutations can give" if above <= 1 else ""),
    )
