"""Thresholds for each group against every threshold that exists."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.base.errors import InputError
from steelyard.metrics.thresholds import f1_optimal_thresholds
from steelyard.mitigation.predictions.thresholds import StandIn, fit_group_thresholds

RULES = ("f1", "opportunity", "parity")
tables = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.integers(-3, 3), st.integers(-3, 3)),
    min_size=1,
    max_size=30,
)


def rate(scores, cut):
    return Fraction(int((scores >= cut).sum()), len(scores))


def f1(target, scores, cut):
    chosen = scores >= cut
    return Fraction(2 * int((target & chosen).sum()), int(chosen.sum() + target.sum()))


def oracle(rule, target, group, scores, code):
    """Every threshold in turn, in exact fractions: (cut, its merit), or None where the cell has no support."""
    own = group == code
    pooled = max(set(scores), key=lambda s: (f1(target, scores, s), s))
    if rule == "f1":
        if not target[own].any():
            return None
        return max(set(scores[own]), key=lambda s: (f1(target[own], scores[own], s), s))
    counted = target == 1 if rule == "opportunity" else np.full(len(target), True)
    if not (own & counted).any():
        return None
    wanted, mine = rate(scores[counted], pooled), scores[own & counted]
    return min({*mine, np.nextafter(mine.max(), np.inf)}, key=lambda s: (abs(rate(mine, s) - wanted), -s))


@given(tables, st.sampled_from(RULES))
def test_every_cell_has_the_best_threshold_there_is(rows, rule):
    array = np.array(rows)
    groups, targets, scores = array[:, 0], array[:, 1:3], array[:, 3:].astype(float)
    fitted = fit_group_thresholds(targets, groups, scores, rule=rule, k=3, fallback=0.25)
    missing = {(s.group, s.label): s for s in fitted.stand_ins}
    for label in (0, 1):
        target, values = targets[:, label], scores[:, label]
        for code in range(3):
            support = int((groups == code).sum() if rule == "parity" else target[groups == code].sum())
            if not target.any():
                assert fitted.cuts[code, label] == 0.25
                assert missing[code, label] == StandIn(code, label, support, "fallback")
                continue
            best = oracle(rule, target, groups, values, code)
            if best is None:
                assert missing[code, label] == StandIn(code, label, 0, "pooled")
                best = f1_optimal_thresholds(target[:, None].astype(np.uint8), values[:, None])[0]
            else:
                assert (code, label) not in missing
            assert fitted.cuts[code, label] == best


def world(n=6000, seed=0):
    """The second group's scores lie lower, so that one threshold for all misses its positives."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 2, n)
    targets = (rng.random((n, 3)) < 0.3).astype(np.uint8)
    return targets, groups, targets * 2.0 + rng.normal(size=(n, 3)) - 1.5 * groups[:, None]


def gaps(targets, groups, decided, rule):
    counted = targets == 1 if rule == "opportunity" else np.ones_like(targets, dtype=bool)
    rates = [(decided * counted)[groups == g].sum(axis=0) / counted[groups == g].sum(axis=0) for g in np.unique(groups)]
    return np.abs(rates[0] - rates[1])


@pytest.mark.parametrize("rule", ["opportunity", "parity"])
def test_rates_become_equal_on_new_rows(rule):
    targets, groups, scores = world()
    fitted = fit_group_thresholds(targets[:3000], groups[:3000], scores[:3000], rule=rule)
    new = slice(3000, None)
    one_for_all = (scores[new] >= fitted.pooled).astype(np.uint8)
    own = fitted.decide(scores[new], groups[new])
    assert gaps(targets[new], groups[new], one_for_all, rule).min() > 0.15, "the control: there is a gap to close"
    assert gaps(targets[new], groups[new], own, rule).max() < 0.07
    there = fitted.decide(scores[:3000], groups[:3000])
    assert gaps(targets[:3000], groups[:3000], there, rule).max() < 0.003, "as near as rates can come"
    assert fitted.stand_ins == ()
    assert (fitted.cuts[0] > fitted.cuts[1]).all()


def test_f1_within_groups_is_at_least_that_of_one_threshold():
    targets, groups, scores = world()
    fitted = fit_group_thresholds(targets, groups, scores, rule="f1")
    own, pooled = fitted.decide(scores, groups), scores >= fitted.pooled
    for g in (0, 1):
        rows = groups == g
        for label in range(3):
            truth = targets[rows, label]
            better, plain = (
                2 * (truth & d[rows, label]).sum() / (truth.sum() + d[rows, label].sum())
                for d in (own, pooled.astype(np.uint8))
            )
            assert better >= plain


def test_decisions_use_each_images_own_group():
    targets, groups, scores = world(400)
    fitted = fit_group_thresholds(targets, groups, scores)
    decided = fitted.decide(scores, groups)
    assert decided.dtype == np.uint8
    slow = [[int(scores[i, j] >= fitted.cuts[groups[i], j]) for j in range(3)] for i in range(400)]
    assert np.array_equal(decided, slow)
    assert not np.array_equal(fitted.decide(scores, 1 - groups), decided)


def test_thin_cells_take_the_pooled_threshold():
    targets, groups, scores = world(400)
    targets[(groups == 1) & (np.cumsum(targets[:, 0] * groups) > 2), 0] = 0
    fitted = fit_group_thresholds(targets, groups, scores, min_support=5)
    assert fitted.stand_ins == (StandIn(1, 0, 2, "pooled"),)
    assert fitted.cuts[1, 0] == fitted.pooled[0]
    assert fit_group_thresholds(targets, groups, scores, min_support=2).stand_ins == ()


def test_bad_input_is_refused_in_one_line():
    targets, groups, scores = world(50)
    fitted = fit_group_thresholds(targets, groups, scores)
    with pytest.raises(InputError, match=r"groups: expected 0 to 1, found 2 in row 0"):
        fitted.decide(scores[:1], [2])
    with pytest.raises(InputError, match=r"scores: expected 3 columns, as fitted on, found 2"):
        fitted.decide(scores[:, :2], groups)
    with pytest.raises(InputError, match=r"rule: expected one of f1, opportunity, parity, found 'x'"):
        fit_group_thresholds(targets, groups, scores, rule="x")
    with pytest.raises(InputError, match="min_support: expected at least 1"):
        fit_group_thresholds(targets, groups, scores, min_support=0)
    with pytest.raises(InputError, match="same labels"):
        fit_group_thresholds(targets, groups, scores[:, :2])
