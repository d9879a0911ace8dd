"""Encodings: what a row's labels say of its group, learnt without the row, for attackers that use it as a column.

On rows that a model is fitted on, such a column must not know the row's own group. Leaving out the row alone is not
enough: within a category the rows of two groups would then see different counts, from which a model that can tell the
categories apart reads the group back. So a whole random fold is left out, whose rows see the same counts.
"""

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.leakage.evidence import Evidence

FOLDS = 5


def cell_counts(evidence: Evidence, groups: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Images per category and group, `[category, k]`.

    Raises:
        InputError: the evidence has no categories.
    """
    if evidence.codes is None:
        raise InputError(
            f"the table attacker needs one-hot evidence, and {evidence.name} are not; "
            "name other attackers: --attackers logistic,boosting"
        )
    cells = np.bincount(evidence.codes * k + groups, minlength=evidence.categories * k)
    return cells.reshape(evidence.categories, k).astype(np.float64)


def row_folds(n: int, seed: int) -> NDArray[np.int64]:
    """A random fold for each of `n` rows, folds of equal size as nearly as may be."""
    return np.random.default_rng(seed).permutation(n) % FOLDS


def left_out_counts(evidence: Evidence, groups: NDArray[np.int64], k: int, seed: int) -> NDArray[np.float64]:
    """Images of each group in each row's category, the row's own fold left out, `[n, k]`."""
    counts = cell_counts(evidence, groups, k)
    found = np.empty((len(groups), k))
    fold = row_folds(len(groups), seed)
    for f in range(FOLDS):
        rows = np.flatnonzero(fold == f)
        own = evidence.take(rows)
        found[rows] = (counts - cell_counts(own, groups[rows], k))[own.codes]
    return found


def centred_log(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of each row with mean 0 over groups, `[n, k]`."""
    known = np.log(np.clip(shares, 1e-6, 1.0))
    return np.asarray(known - known.mean(axis=1, keepdims=True))


def smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts `[…, k]` as shares with add-one smoothing."""
    return np.asarray((counts + 1.0) / (counts + 1.0).sum(axis=-1, keepdims=True))
