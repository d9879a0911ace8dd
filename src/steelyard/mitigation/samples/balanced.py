"""What an α-balanced subset kept, and the exact test that it is one.

Wang, Zhao, Yatskar, Chang, Ordonez, "Balanced Datasets Are Not Enough", ICCV 2019, section 4.2,
https://arxiv.org/abs/1811.08489. The paper writes strict inequalities, but its released subsets meet
inclusive ones; the test here is inclusive, and in integers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, first_few

Status = Literal["optimal", "within gap", "time limit"]
Method = Literal["closed form", "programme"]
Alpha = float | Fraction


class Violation(NamedTuple):
    """A column of a count table where the largest group exceeds α times the smallest."""

    column: int
    over: int
    under: int


def exact_alpha(alpha: Alpha) -> Fraction:
    """`alpha` as the fraction that its decimal notation says: 1.9 is 19/10, not the nearest binary number.

    Raises:
        InputError: alpha is not a finite real number of at least 1.
    """
    real = isinstance(alpha, (Rational, float, np.floating)) and not isinstance(alpha, bool)
    if not real or not 1 <= alpha < math.inf:
        raise InputError(f"alpha: expected a finite real number of at least 1, found {alpha!r}; pass e.g. 2")
    return Fraction(str(alpha))


def violations(counts: NDArray[np.integer], alpha: Fraction) -> list[Violation]:
    """The columns of `counts` in which some group has more than `alpha` times another's count.

    Args:
        counts: `[k, c]` images per group and label (or any other column).
        alpha: the largest ratio allowed, inclusive; compared in Python integers, so never rounded.

    Returns:
        One entry per violated column, its largest and its smallest group; empty where all hold.
    """
    over, under = counts.argmax(0), counts.argmin(0)
    return [
        Violation(column, int(over[column]), int(under[column]))
        for column in range(counts.shape[1])
        if int(counts[over[column], column]) * alpha.denominator > int(counts[under[column], column]) * alpha.numerator
    ]


def attainable(counts: NDArray[np.int64], alpha: Fraction) -> NDArray[np.int64]:
    """`[k, t]` images per group and label that α lets a label keep when the other labels do not matter.

    The smallest group keeps all, the others at most ⌊α · smallest⌋. Exact, whatever the size of α.
    """
    allowed = [least * alpha.numerator // alpha.denominator for least in counts.min(0).tolist()]
    ceiling = np.array([min(most, top) for most, top in zip(allowed, counts.max(0).tolist(), strict=True)])
    return np.minimum(counts, ceiling.astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """An α-balanced subset of `n` images in k groups with t labels.

    Attributes:
        kept: `[m]` positions of the kept rows, ascending.
        n: rows that there were.
        alpha: the largest ratio allowed between two groups, for every label.
        balance_groups: whether the group totals, too, were held within `alpha`.
        min_support: images asked for per label, over all groups together; 0 for none.
        before: `[k, t]` images per group and label in the whole table.
        after: `[k, t]` the same in the subset.
        groups_before: `[k]` images per group in the whole table.
        groups_after: `[k]` the same in the subset.
        group_names: the k groups.
        target_names: the t labels.
        unsupported: labels that cannot have `min_support` images, even in a subset chosen for them alone.
        bound: images that no subset under the same constraints can exceed (proved).
        status: `optimal` (proved), `within gap` (stopped near enough to the bound) or `time limit`.
        method: `closed form` (single-label) or `programme` (multi-label).
    """

    kept: NDArray[np.int64]
    n: int
    alpha: Fraction
    balance_groups: bool
    min_support: int
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    groups_before: NDArray[np.int64]
    groups_after: NDArray[np.int64]
    group_names: tuple[str, ...]
    target_names: tuple[str, ...]
    unsupported: tuple[str, ...]
    bound: int
    status: Status
    method: Method

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def gap(self) -> float:
        """How much more the proved bound allows, as a fraction of what was kept; 0 where optimal."""
        return (self.bound - len(self.kept)) / len(self.kept)

    @property
    def vanished(self) -> tuple[str, ...]:
        """Labels that occurred before and have no image left."""
        return self._named((self.before.sum(0) > 0) & (self.after.sum(0) == 0))

    @property
    def one_sided(self) -> tuple[str, ...]:
        """Labels that some group never had, so that no α lets them stay."""
        return self._named((self.before.sum(0) > 0) & (self.before.min(0) == 0))

    @property
    def violations(self) -> list[Violation]:
        """What breaks α in the subset, counted anew; the last column (t) stands for the group totals."""
        columns = [self.after, self.groups_after[:, None]] if self.balance_groups else [self.after]
        return violations(np.hstack(columns), self.alpha)

    @property
    def largest_ratio(self) -> Fraction:
        """The largest ratio between two groups over all labels left; at least 1, at most `alpha`."""
        present = self.after[:, self.after.min(0) > 0]
        pairs = zip(present.max(0).tolist(), present.min(0).tolist(), strict=True)
        return max((Fraction(most, least) for most, least in pairs), default=Fraction(1))

    def per_label(self) -> list[dict[str, Any]]:
        """One record per label: its name, and per group the images before and after."""
        return [
            {
                "label": name,
                "before": dict(zip(self.group_names, self.before[:, label].tolist(), strict=True)),
                "after": dict(zip(self.group_names, self.after[:, label].tolist(), strict=True)),
            }
            for label, name in enumerate(self.target_names)
        ]

    def summary(self, *, labels: int = 10) -> str:
        """What was kept, in words: totals, groups, the gap, and the labels that lose the most.

        Args:
            labels: how many labels to list, those with the largest share of lost images first.
        """
        share = len(self.kept) / self.n
        ruled = "labels and group totals" if self.balance_groups else "labels"
        lines = [
            f"kept {len(self.kept):,} of {self.n:,} images ({share:.1%}) at alpha = {decimal(self.alpha)}",
            f"constraints: {ruled}, {'all hold' if not self.violations else 'BROKEN'} (counted in integers);"
            f" largest ratio left {float(self.largest_ratio):.4g}",
            f"{self.method}: {self.status}; at most {self.bound:,} possible, remaining gap {self.gap:.3%}",
            *self._notes(),
            "",
            *self._table(self._most_reduced(labels)),
        ]
        return "\n".join(lines)

    def _named(self, mask: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(self.target_names[label] for label in np.flatnonzero(mask))

    def _notes(self) -> list[str]:
        notes = []
        if self.one_sided:
            notes.append(f"absent from some group, so dropped: {_listed(self.one_sided)}")
        if others := [name for name in self.vanished if name not in self.one_sided]:
            notes.append(f"also without images now: {_listed(others)}")
        if self.unsupported:
            notes.append(f"cannot reach {self.min_support:,} images at this alpha: {_listed(self.unsupported)}")
        return notes

    def _most_reduced(self, count: int) -> list[int]:
        before, after = self.before.sum(0), self.after.sum(0)
        lost = np.divide(before - after, before, out=np.zeros(len(before)), where=before > 0)
        order = np.lexsort((-before, -lost))
        return [int(label) for label in order[:count] if before[label] > after[label]]

    def _table(self, shown: Sequence[int]) -> list[str]:
        rows = [("", *self.group_names), ("all images", *_arrows(self.groups_before, self.groups_after))]
        rows += [(self.target_names[label], *_arrows(self.before[:, label], self.after[:, label])) for label in shown]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def _arrows(before: NDArray[np.int64], after: NDArray[np.int64]) -> list[str]:
    return [f"{old:,} → {new:,}" for old, new in zip(before.tolist(), after.tolist(), strict=True)]


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} ({first_few(names, 6)})"


def decimal(alpha: Fraction) -> str:
    """`alpha` for a message: 2, 1.9, 1.33333."""
    return str(alpha.numerator) if alpha.denominator == 1 else f"{float(alpha):.6g}"
