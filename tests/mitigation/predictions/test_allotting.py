"""Counts of labels by group against all counts there are."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.base.errors import InputError
from steelyard.mitigation.predictions.allotting import best_counts, feasible_totals, nearest_counts
from steelyard.mitigation.predictions.shares import ShareConstraints


def constraints_of(counts, margin):
    counts = np.array(counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return ShareConstraints(
        targets=np.arange(len(counts)),
        shares=shares,
        support=counts.sum(axis=1),
        low=np.maximum(shares - margin, 0),
        high=np.minimum(shares + margin, 1),
        margin=margin,
        names=tuple(map(str, range(len(counts)))),
    )


trained = st.lists(st.integers(1, 9), min_size=2, max_size=3)
margins = st.sampled_from([0.0, 0.05, 0.2])


@given(st.data(), trained, margins)
def test_best_counts_of_a_label(data, counts, margin):
    constraints = constraints_of([counts], margin)
    # Few values, so that equals occur.
    gains = [np.sort(np.array(data.draw(st.lists(st.integers(-3, 3), max_size=9)), dtype=float))[::-1] for _ in counts]
    sums = [
        sum(gain[:count].sum() for gain, count in zip(gains, chosen, strict=True))
        for chosen in itertools.product(*(range(len(gain) + 1) for gain in gains))
        if constraints.holds(np.array([chosen])).all()
    ]
    found = best_counts(gains, constraints, 0)
    assert constraints.holds(found[None]).all()
    assert sum(gain[:count].sum() for gain, count in zip(gains, found, strict=True)) == max(sums)


@given(st.data(), st.lists(st.tuples(*[st.integers(1, 9)] * 2), min_size=1, max_size=2), margins, st.booleans())
def test_nearest_counts_of_a_corpus(data, table, margin, some_free):
    constraints = constraints_of(table, margin)
    cells = constraints.low.size + some_free
    counts = np.array(data.draw(st.lists(st.integers(0, 2), min_size=cells, max_size=cells)))
    n = int(counts.sum())
    every = np.indices((n + 1,) * cells).reshape(cells, -1).T
    every = every[every.sum(axis=1) == n]
    fits = np.ones(len(every), dtype=bool)
    for row, (low, high) in enumerate(zip(constraints.low, constraints.high, strict=True)):
        own = every[:, 2 * row : 2 * row + 2]
        total = own.sum(axis=1, keepdims=True)
        fits &= ((own >= low * total - 1e-6) & (own <= high * total + 1e-6)).all(axis=1)
    distances = np.abs(every[fits] - counts).sum(axis=1)
    if not len(distances):
        with pytest.raises(InputError, match="no assignment"):
            feasible_totals(constraints, n, ("a", "b"))
        return
    totals = None if some_free else feasible_totals(constraints, n, ("a", "b"))
    found = nearest_counts(counts, constraints, totals)
    assert found.sum() == n
    assert constraints.holds(found[: constraints.low.size].reshape(-1, 2)).all()
    assert np.abs(found - counts).sum() == distances.min()


def test_totals_are_found_where_no_label_can_have_all():
    # At no margin the labels take multiples of 3 and of 5: 8 is one of each, 7 is none.
    constraints = constraints_of([(1, 2), (2, 3)], 0.0)
    assert feasible_totals(constraints, 8, ("a", "b")).tolist() == [3, 5]
    with pytest.raises(InputError, match=r"'0' \(a 0.3333, b 0.6667\) takes 0, 3, 6; '1' \(a 0.4, b 0.6\) takes 0, 5;"):
        feasible_totals(constraints, 7, ("a", "b"))
