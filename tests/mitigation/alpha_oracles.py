"""Slow, independent answers about α-balanced subsets: every subset tried, every constraint compared as written."""

from fractions import Fraction

import numpy as np


def obeys(targets, groups, alpha, *, balance_groups, k):
    """The definition, label by label and pair by pair, with fractions."""
    table = np.column_stack([targets, np.ones(len(targets))]) if balance_groups else targets
    for label in range(table.shape[1]):
        counts = [int(table[groups == group, label].sum()) for group in range(k)]
        if any(a > Fraction(alpha) * b for a in counts for b in counts):
            return False
    return True


def best_by_enumeration(targets, groups, alpha, *, balance_groups, k, support=None):
    """The size of the largest subset that obeys, trying all 2ⁿ; None where none meets `support` (per label)."""
    n = len(targets)
    subsets = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    table = np.column_stack([targets, np.ones(n, dtype=int)]) if balance_groups else targets
    ratio = Fraction(alpha)
    fits = np.ones(2**n, dtype=bool)
    for a in range(k):
        for b in range(k):
            over = subsets[:, groups == a] @ table[groups == a]
            under = subsets[:, groups == b] @ table[groups == b]
            fits &= (over * ratio.denominator <= under * ratio.numerator).all(1)
    if support is not None:
        fits &= (subsets @ targets >= support).all(1)
    return int(subsets[fits].sum(1).max()) if fits.any() else None


def reachable(targets, groups, alpha, *, k):
    """`[t]` the most images that each label can have in a subset balanced for that label alone."""
    best = []
    for label in range(targets.shape[1]):
        rows = targets[:, label] == 1
        alone = np.ones((int(rows.sum()), 1), dtype=int)
        best.append(best_by_enumeration(alone, groups[rows], alpha, balance_groups=False, k=k))
    return np.array(best)
