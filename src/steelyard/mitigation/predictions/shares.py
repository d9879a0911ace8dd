"""Corpus-level constraints: each label's share of each group stays near its share among the training images.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, section 4, https://arxiv.org/abs/1707.09457;
there for two groups, here for any number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, first_few
from steelyard.metrics.arrays import binary, integers, same_rows
from steelyard.metrics.mals import group_label_counts
from steelyard.mitigation.predictions.decoding import Decoded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING = 1e-9
"""Shares nearer than this to a limit are on it: 11 of 20 is within 0.5 ± 0.05 whatever the last bit says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareConstraints:
    """For each constrained label o and group g: low · ΣN ≤ N_g ≤ high · ΣN.

    N_g is how many images have label o and predicted group g, ΣN its sum over groups. A label that no image has
    meets its constraints.

    Attributes:
        targets: `[c]` columns (or categories) that are constrained, ascending.
        shares: `[c, k]` share of each group among the training images with the label, rows sum to 1.
        support: `[c]` training images with the label.
        low: `[c, k]` least share allowed, in [0, 1].
        high: `[c, k]` highest share allowed, in [0, 1].
        margin: what `low` and `high` were built with, for messages.
        names: `[c]` names of the constrained labels, for messages.

    Raises:
        InputError: shapes or values are not as above, or no shares meet `low` and `high` of a label.
    """

    targets: Ints
    shares: Floats
    support: Ints
    low: Floats
    high: Floats
    margin: float
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        c, k = self.shares.shape if self.shares.ndim == 2 else (-1, 0)
        if c < 1 or k < 2:
            raise InputError(
                f"shares: expected [labels, groups], 1 label and 2 groups at least, found shape {self.shares.shape}"
            )
        shapes = {"targets": (c,), "support": (c,), "low": (c, k), "high": (c, k)}
        for field, shape in shapes.items():
            if (found := getattr(self, field).shape) != shape:
                raise InputError(f"{field}: expected shape {shape}, as of shares, found {found}")
        if len(self.names) != c:
            raise InputError(f"names: expected {c}, one for each constrained label, found {len(self.names)}")
        if (np.diff(self.targets) <= 0).any() or self.targets[0] < 0:
            raise InputError("targets: expected ascending positions from 0, each once")
        self._check_limits()

    def _check_limits(self) -> None:
        for row, name in enumerate(self.names):
            where, shares = f"label {name!r}", self.shares[row]
            low, high = self.low[row], self.high[row]
            if self.support[row] < 1:
                raise InputError(f"{where}: expected training images with it, found none; leave it out")
            if not (np.abs(shares.sum() - 1) < 1e-6 and (shares >= 0).all()):
                raise InputError(f"{where}: expected shares of at least 0 that sum to 1, found {_listed(shares)}")
            if not ((low >= 0) & (low <= 1) & (high >= 0) & (high <= 1)).all():
                raise InputError(f"{where}: expected low and high in [0, 1], found {_listed(low)} and {_listed(high)}")
            if (low > high).any():
                group = int(np.argmax(low > high))
                found = f"low {low[group]:g} above high {high[group]:g} for group {group}"
                raise InputError(f"{where}: contradictory constraints, {found}; swap or widen them")
            if low.sum() > 1 + ROUNDING:
                found = f"the lows {_listed(low)} sum to {low.sum():.4g}, above 1"
                raise InputError(f"{where}: contradictory constraints, {found}; lower some")
            if high.sum() < 1 - ROUNDING:
                found = f"the highs {_listed(high)} sum to {high.sum():.4g}, below 1"
                raise InputError(f"{where}: contradictory constraints, {found}; raise some")

    @property
    def k(self) -> int:
        """Groups."""
        return int(self.shares.shape[1])

    def __len__(self) -> int:
        return len(self.targets)

    def within(self, row: int, totals: Ints) -> tuple[Ints, Ints]:
        """The least and the most images of each group, `[s, k]` each, that constraint `row` allows for `[s]` totals."""
        low = np.ceil((self.low[row] - ROUNDING) * totals[:, None]).astype(np.int64)
        high = np.floor((self.high[row] + ROUNDING) * totals[:, None]).astype(np.int64)
        return np.maximum(low, 0), np.minimum(high, totals[:, None])

    def holds(self, counts: Ints) -> NDArray[np.bool_]:
        """`[c, k]`, whether each constraint holds at the counts `[c, k]`."""
        totals = counts.sum(axis=1, keepdims=True)
        kept: NDArray[np.bool_] = (counts >= (self.low - ROUNDING) * totals) & (
            counts <= (self.high + ROUNDING) * totals
        )
        return kept


def share_constraints(
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int,
    names: Sequence[str],
    margin: float = 0.05,
    min_support: int = 100,
) -> ShareConstraints:
    """Constraints from the training labels: each group's share of a label within `margin` of its training share.

    Args:
        targets: training labels, `[n, t]` of 0 and 1, or `[n]` categories in 0 … t − 1.
        groups: `[n]` integers in 0 … k − 1.
        k: groups, at least 2.
        names: names of the t labels.
        margin: how far a share may be from its training share, in [0, 1); 0 asks for the very share, 0.05 is the
            paper's.
        min_support: labels with fewer training images are not constrained; at least 1. The paper constrains the
            objects of COCO that more than 100 training images have.

    Raises:
        InputError: shapes, values or options are not as above, or no label has the support.
    """
    codes = integers("groups", groups)
    names = tuple(names)
    if k < 2:
        raise InputError(f"k: expected 2 groups or more, found {k}")
    if not 0 <= margin < 1:
        raise InputError(f"margin: expected a share in [0, 1), found {margin}; pass e.g. margin=0.05")
    if isinstance(min_support, bool) or int(min_support) != min_support or min_support < 1:
        raise InputError(f"min_support: expected a whole number of at least 1, found {min_support}")
    table = _indicators(targets, len(names))
    same_rows(targets=table, groups=codes)
    outside = np.flatnonzero((codes < 0) | (codes >= k))
    if len(outside):
        raise InputError(f"groups: expected 0 to {k - 1}, found {codes[outside[0]]} in row {outside[0]}")
    counts = group_label_counts(table, codes, k).T
    support = counts.sum(axis=1).astype(np.int64)
    columns = np.flatnonzero(support >= min_support)
    if not len(columns):
        most = int(np.argmax(support))
        raise InputError(
            f"targets: expected a label with at least {min_support:,} training images (min_support), found at most"
            f" {support[most]:,} ({names[most]!r}); lower min_support or give more training rows"
        )
    shares = counts[columns] / support[columns, None]
    return ShareConstraints(
        targets=columns,
        shares=shares,
        support=support[columns],
        low=np.maximum(shares - margin, 0.0),
        high=np.minimum(shares + margin, 1.0),
        margin=float(margin),
        names=tuple(names[column] for column in columns),
    )


def predicted_counts(decoded: Decoded, constraints: ShareConstraints) -> Ints:
    """`[c, k]`: images of each predicted group that each constrained label is predicted for."""
    k = constraints.k
    if decoded.targets.ndim == 1:
        cells = decoded.targets.astype(np.int64) * k + decoded.groups
        size = max(int(constraints.targets[-1]) + 1, int(decoded.targets.max(initial=0)) + 1) * k
        return np.bincount(cells, minlength=size).reshape(-1, k)[constraints.targets]
    columns = decoded.targets[:, constraints.targets]
    return np.stack([columns[decoded.groups == g].sum(axis=0, dtype=np.int64) for g in range(k)], axis=1)


def violations(decoded: Decoded, constraints: ShareConstraints) -> Floats:
    """How far each constraint is exceeded.

    Args:
        decoded: predicted groups and labels of a corpus.
        constraints: what they are held to.

    Returns:
        `[c, k]` the distance of each group's share of a label from the shares allowed, in [0, 1]; 0 where the
        constraint holds.
    """
    return excess(predicted_counts(decoded, constraints), constraints)


def excess(counts: Ints, constraints: ShareConstraints) -> Floats:
    """`violations` of the counts `[c, k]`."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    beyond = np.maximum(shares - constraints.high, constraints.low - shares)
    return np.where(constraints.holds(counts), 0.0, np.maximum(beyond, 0.0))


def _indicators(targets: ArrayLike, t: int) -> NDArray[np.uint8]:
    if t < 1:
        raise InputError("names: expected a name for each label, found none")
    if np.ndim(targets) != 1:
        table = binary("targets", targets, 2)
        if table.shape[1] != t:
            raise InputError(f"targets: expected {t} columns, as many as names, found {table.shape[1]}")
        return table
    codes = integers("targets", targets)
    outside = np.flatnonzero((codes < 0) | (codes >= t))
    if len(outside):
        raise InputError(f"targets: expected categories 0 to {t - 1}, found {codes[outside[0]]} in row {outside[0]}")
    return np.equal(codes[:, None], np.arange(t)).astype(np.uint8)


def _listed(values: Floats) -> str:
    return first_few([f"{value:.4g}" for value in values], 6)
