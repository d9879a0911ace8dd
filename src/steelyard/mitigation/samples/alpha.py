"""α-balanced subsets: the most images such that no group has a label more than α times as often as another.

Wang, Zhao, Yatskar, Chang, Ordonez, "Balanced Datasets Are Not Enough", ICCV 2019, section 4.2,
https://arxiv.org/abs/1811.08489. The authors delete images greedily; here the subset is the largest there is
(single-label), or within a proved and reported gap of it (multi-label).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, UndefinedError, first_few
from steelyard.mitigation.samples.balanced import Alpha, Balanced, attainable, decimal, exact_alpha
from steelyard.mitigation.samples.programme import Cells, formulate
from steelyard.mitigation.samples.search import Effort, Solution, solve
from steelyard.mitigation.samples.spread import spread

_SPREAD_SECONDS = 5.0


def balance(
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    alpha: Alpha,
    rng: np.random.Generator,
    balance_groups: bool = True,
    min_support: int = 0,
    time_limit: float = 20.0,
    gap: float = 0.005,
    target_names: Sequence[str] | None = None,
    group_names: Sequence[str] | None = None,
) -> Balanced:
    """The largest subset in which, for every label and every two groups, #(g, y) ≤ α · #(g′, y).

    A label that some group never has cannot stay at any α. Single-label tables have a closed form, and it
    balances the group totals too: each total is a sum over labels that all hold. Multi-label tables are
    solved as an integer programme over the distinct (labels, group) combinations; of the many subsets of the
    largest size one that thins out combinations of labels evenly is sought for up to five seconds more, and found on
    tables of some thousand images (see `spread`).

    Args:
        targets: multi-label: `[n, t]` of 0 and 1; single-label: `[n]` integers in 0 … t − 1.
        groups: `[n]` integers in 0 … k − 1, k ≥ 2, every group with at least one image.
        alpha: largest ratio allowed, a real number ≥ 1, taken as its decimal notation says (1.9 is 19/10).
        rng: draws which of several interchangeable images (same labels, same group) stay.
        balance_groups: hold the groups' totals within α, too.
        min_support: keep at least this many images of every label, over all groups together. Labels that
            cannot reach it even alone (their images and α allow fewer) are exempt, and named in the result.
        time_limit: seconds for the search; multi-label only. A search that the clock ends may keep a few images
            more on a faster machine, and a proof asked for on a large table can overrun it.
        gap: distance to the proved bound, as a fraction, that is good enough: within it, the last images are
            still sought, but only where that takes seconds. 0 spends all of `time_limit` on a proof.
        target_names: names for the t labels, for messages and the summary; default 0 … t − 1.
        group_names: names for the k groups; default 0 … k − 1.

    Raises:
        InputError: a malformed array or option.
        UndefinedError: no image can be kept, or no subset gives the labels named `min_support` images.

    Source: Wang et al. 2019, section 4.2, with ≤ for < as in the subsets that its authors released.
    """
    ratio = exact_alpha(alpha)
    _check_options(min_support, time_limit, gap)
    group, k = _check_groups(groups, group_names)
    labels, t = _check_targets(targets, len(group), target_names)
    names = tuple(map(str, target_names if target_names is not None else range(t)))
    before = _tally(labels, group, k, t)
    most = attainable(before, ratio)
    reaches = most.sum(0) >= min_support
    if labels.ndim == 1:
        cell_of = group * t + labels
        solution = Solution(take=most.ravel(), bound=int(most.sum()), status="optimal")
    else:
        cells, cell_of = _merge(labels, group, k)
        support = np.where(reaches, min_support, 0)
        solution = solve(
            cells,
            ratio,
            balance_groups=balance_groups,
            support=support,
            effort=Effort(time_limit=time_limit, gap=gap),
            names=names,
        )
        programme = formulate(cells, ratio, balance_groups=balance_groups, support=support)
        seconds = min(_SPREAD_SECONDS, time_limit)
        solution = replace(solution, take=spread(programme, solution.take, rng, time_limit=seconds))
    if not solution.take.any():
        raise UndefinedError(
            f"alpha = {decimal(ratio)}: no image can be kept, some group shares no label with the others;"
            " leave out that group, drop labels, or pass balance_groups=False"
        )
    kept = _draw(cell_of, solution.take, rng)
    result = Balanced(
        kept=kept,
        n=len(group),
        alpha=ratio,
        balance_groups=balance_groups,
        min_support=min_support,
        before=before,
        after=_tally(labels[kept], group[kept], k, t),
        groups_before=np.bincount(group, minlength=k),
        groups_after=np.bincount(group[kept], minlength=k),
        group_names=tuple(map(str, group_names if group_names is not None else range(k))),
        target_names=names,
        unsupported=tuple(names[label] for label in np.flatnonzero(~reaches & (before.sum(0) > 0))),
        bound=solution.bound,
        status=solution.status,
        method="closed form" if labels.ndim == 1 else "programme",
    )
    if broken := result.violations:
        raise AssertionError(f"the subset breaks alpha in columns {[entry.column for entry in broken]}")
    return result


def _check_options(min_support: int, time_limit: float, gap: float) -> None:
    if isinstance(min_support, bool) or int(min_support) != min_support or min_support < 0:
        raise InputError(f"min_support: expected a whole number of at least 0, found {min_support!r}")
    if not time_limit > 0:
        raise InputError(f"time_limit: expected seconds above 0, found {time_limit}")
    if not 0 <= gap < 1:
        raise InputError(f"gap: expected a fraction in [0, 1), found {gap}; pass e.g. gap=0.005")


def _check_groups(groups: ArrayLike, names: Sequence[str] | None) -> tuple[NDArray[np.int64], int]:
    group = _integers("groups", np.asarray(groups))
    if group.ndim != 1 or not len(group):
        raise InputError(f"groups: expected [n] integers, n at least 1, found shape {list(group.shape)}")
    if (negative := np.flatnonzero(group < 0)).size:
        raise InputError(f"groups: expected 0 … k − 1, found negative numbers in rows {first_few(negative)}")
    k = len(names) if names is not None else int(group.max()) + 1
    if int(group.max()) >= k:
        raise InputError(f"group_names: expected a name for group {int(group.max())}, found {k} names; name all")
    present = np.unique(group)
    if len(present) < 2:
        raise UndefinedError(
            f"groups: balancing needs images of at least 2 groups, all {len(group):,} rows are of one;"
            " check the protected attribute and the split"
        )
    if len(present) < k:
        absent = sorted(set(range(k)) - set(present.tolist()))
        listed = first_few(absent if names is None else [names[group] for group in absent])
        raise UndefinedError(f"groups: no image of group {listed}; number only the groups that occur")
    return group, k


def _check_targets(targets: ArrayLike, n: int, names: Sequence[str] | None) -> tuple[NDArray[np.int64], int]:
    labels = _integers("targets", np.asarray(targets))
    if labels.ndim not in (1, 2) or len(labels) != n or (labels.ndim == 2 and not labels.shape[1]):
        raise InputError(
            f"targets: expected [{n}, t] of 0 and 1 or [{n}] integers, a row for each row of groups,"
            f" found shape {list(labels.shape)}; pass both from the same table"
        )
    wrong = (labels < 0) | (labels > 1) if labels.ndim == 2 else labels < 0
    if wrong.any():
        rows = np.flatnonzero(wrong if labels.ndim == 1 else wrong.any(1))
        expected = "0 and 1" if labels.ndim == 2 else "0 … t − 1"
        raise InputError(
            f"targets: expected {expected}, found {labels[wrong][0]} in rows {first_few(rows)}; recode them"
        )
    found = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    if names is not None and (len(names) < found or (labels.ndim == 2 and len(names) != found)):
        raise InputError(f"target_names: expected {found} names, found {len(names)}; name every label once")
    return labels, found if names is None else len(names)


def _integers(what: str, values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind not in "biuf":
        raise InputError(f"{what}: expected integers, found {values.dtype}; encode the names as 0, 1, 2 …")
    whole = np.atleast_1d(np.isfinite(values) & (values == np.floor(values)))
    if not whole.all():
        rows = np.flatnonzero(~whole.all(axis=tuple(range(1, whole.ndim))))
        raise InputError(f"{what}: expected integers, found NaN or fractions in rows {first_few(rows)}")
    return values.astype(np.int64)


def _merge(labels: NDArray[np.int64], group: NDArray[np.int64], k: int) -> tuple[Cells, NDArray[np.int64]]:
    """The distinct (labels, group) combinations, and for each row the combination it is one of."""
    bits = np.packbits(labels.astype(np.uint8), axis=1)
    rows = np.ascontiguousarray(np.hstack([group.astype(">u4").view(np.uint8).reshape(-1, 4), bits]))
    keys = rows.view(f"V{rows.shape[1]}").ravel()
    _, first, cell_of, size = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    patterns = labels[first].astype(np.uint8)
    return Cells(patterns=patterns, group=group[first], size=size, k=k), cell_of


def _draw(cell_of: NDArray[np.int64], take: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of `take[c]` rows of every cell c, each such choice equally likely, ascending."""
    shuffled = rng.permutation(len(cell_of))
    order = shuffled[np.argsort(cell_of[shuffled], kind="stable")]
    size = np.bincount(cell_of, minlength=len(take))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    return np.sort(order[rank < np.repeat(take, size)])


def _tally(labels: NDArray[np.int64], group: NDArray[np.int64], k: int, t: int) -> NDArray[np.int64]:
    """`[k, t]` images per group and label, counted from the rows themselves."""
    if labels.ndim == 1:
        return np.bincount(group * t + labels, minlength=k * t).reshape(k, t)
    return np.stack([labels[group == one].sum(0) for one in range(k)])
