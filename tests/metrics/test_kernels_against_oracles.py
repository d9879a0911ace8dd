"""Every kernel, on random tables with ties, empty cells and k > 2 groups: point values and weighted rounds."""

import numpy as np
import pytest
import slow_oracles as slow
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from steelyard.metrics import cooccurrence, decisions, directional, divergence, group_rates, mals, opportunity
from steelyard.metrics import multi_attribute as multi
from steelyard.metrics.bootstrap import draw_weights
from steelyard.metrics.precision import average_precision_kernel, mean_average_precision_kernel

DIRECTIONS = ("attribute_to_target", "target_to_attribute")


class Table:
    """A random table with its resamples; scores take few values, so that they tie."""

    def __init__(self, seed, n, t, k):
        rng = np.random.default_rng(seed)
        self.k, self.t = k, t
        self.targets = (rng.random((n, t)) < rng.uniform(0, 0.8, t)).astype(np.uint8)
        self.groups = rng.choice(k, n, p=rng.dirichlet(np.ones(k)))
        self.scores = rng.integers(0, 9, (n, t)) / 8
        self.decisions = (rng.random((n, t)) < 0.5).astype(np.uint8)
        self.guessed = rng.integers(0, k, n)
        self.train = ((rng.random((8, t)) < 0.5).astype(np.uint8), rng.integers(0, k, 8))
        self.weights = draw_weights(n, 3, rng=rng, kind="poisson" if seed % 2 else "multinomial")

    def rounds(self, *arrays):
        """The arrays as they are, then as resampled in each round."""
        yield arrays
        for column in self.weights.T:
            yield tuple(slow.repeated(array, column) for array in arrays)


tables = st.builds(Table, st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 3), st.integers(2, 4))
checked = settings(max_examples=150, deadline=None)


def same(kernel, weights, expected):
    """The kernel's point value and rounds are the oracle's, NaN for NaN."""
    expected = np.array(expected, dtype=float)
    np.testing.assert_allclose(kernel(None), expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(kernel(weights), expected[1:], rtol=0, atol=1e-12)


@checked
@given(tables)
def test_average_precision(table):
    expected = [
        [slow.average_precision(y[:, t], s[:, t]) for t in range(table.t)]
        for y, s in table.rounds(table.targets, table.scores)
    ]
    same(lambda w: average_precision_kernel(table.targets, table.scores, w), table.weights, expected)
    same(
        lambda w: mean_average_precision_kernel(table.targets, table.scores, w),
        table.weights,
        [slow.mean(row) for row in expected],
    )


@checked
@given(tables)
def test_f1(table):
    y, d = table.targets, table.decisions
    expected = [[slow.f1(a[:, t], b[:, t]) for t in range(table.t)] for a, b in table.rounds(y, d)]
    same(lambda w: decisions.f1_kernel(y, d, w), table.weights, expected)
    same(lambda w: decisions.f1_macro_kernel(y, d, w), table.weights, [slow.mean(row) for row in expected])
    pooled = [slow.f1(a.ravel(), b.ravel()) for a, b in table.rounds(y, d)]
    same(lambda w: decisions.f1_micro_kernel(y, d, w), table.weights, pooled)


@checked
@given(tables)
def test_balanced_accuracy(table):
    def oracle(classes, guessed):
        return slow.mean(
            [slow.share(*(hits[classes == c].sum() for hits in (guessed == c, classes == c))) for c in set(classes)]
        )

    expected = [oracle(g, p) for g, p in table.rounds(table.groups, table.guessed)]
    same(lambda w: decisions.balanced_accuracy_kernel(table.groups, table.guessed, w), table.weights, expected)


@checked
@given(tables)
def test_rates_and_opportunity(table):
    y, g, d, k = table.targets, table.groups, table.decisions, table.k
    for value, part in ((1, 0), (0, 1)):
        expected = [
            [[slow.rate(a[:, t], b, c[:, t], group, value) for t in range(table.t)] for group in range(k)]
            for a, b, c in table.rounds(y, g, d)
        ]
        same(lambda w, part=part: group_rates.group_rates_kernel(y, g, d, k, w)[part], table.weights, expected)
        if value == 1:
            rates = np.array(expected)
    same(
        lambda w: opportunity.opportunity_difference_kernel(y, g, d, k=k, group=1, reference=0, weights=w),
        table.weights,
        rates[:, 1] - rates[:, 0],
    )
    same(
        lambda w: opportunity.opportunity_range_kernel(y, g, d, k=k, weights=w),
        table.weights,
        rates.max(axis=1) - rates.min(axis=1),
    )


@checked
@given(tables, st.sampled_from(DIRECTIONS), st.booleans())
def test_directional_amplification(table, direction, trained):
    y, g, k = table.targets, table.groups, table.k
    p = table.decisions if direction == "attribute_to_target" else table.guessed
    signs = directional.direction_signs(*table.train, k) if trained else None
    rounds = [(a, b, c, table.train if trained else (a, b)) for a, b, c in table.rounds(y, g, p)]
    same(
        lambda w: directional.directional_kernel(y, g, p, k=k, direction=direction, signs=signs, weights=w),
        table.weights,
        [slow.directional(a, b, c, k, direction, train) if len(b) else slow.NAN for a, b, c, train in rounds],
    )

    def of_label(a, b, c, train, t):
        c = c[:, [t]] if c.ndim == 2 else c
        return slow.directional(a[:, [t]], b, c, k, direction, (train[0][:, [t]], train[1]))

    same(
        lambda w: directional.directional_kernel(
            y, g, p, k=k, direction=direction, signs=signs, per_label=True, weights=w
        ),
        table.weights,
        [[of_label(*row, t) if len(row[1]) else slow.NAN for t in range(table.t)] for row in rounds],
    )


@checked
@given(tables, st.booleans())
def test_mals_amplification(table, trained):
    train, k = table.train, table.k
    fixed = mals.group_label_counts(*train, k)
    same(
        lambda w: mals.mals_kernel(fixed, table.decisions, table.guessed, weights=w),
        table.weights,
        [slow.mals(*train, d, p, k) for d, p in table.rounds(table.decisions, table.guessed)],
    )


@checked
@given(tables, st.sampled_from(DIRECTIONS), st.integers(1, 3), st.integers(1, 5))
def test_multi_attribute_amplification(table, direction, max_size, min_support):
    y, g, k = table.targets, table.groups, table.k
    sets = multi.label_sets(y, max_size=max_size, min_support=min_support)
    assert list(sets) == slow.label_sets(y, max_size, min_support)
    p = table.decisions if direction == "attribute_to_target" else table.guessed
    expected = []
    for a, b, c in table.rounds(y, g, p):
        wide, guess = slow.set_table(a, sets), slow.set_table(c, sets) if c.ndim == 2 else c
        pairs = slow.directional_pairs(wide, b, guess, k, direction, (wide, b)).values() if len(b) and sets else []
        pairs = [(y_, delta) for y_, delta in pairs if not np.isnan(delta)]
        signed = np.array([y_ * delta for y_, delta in pairs])
        absolute = np.array([abs(delta) for _, delta in pairs])
        expected.append([absolute.mean(), signed.mean(), signed.var()] if pairs else [slow.NAN] * 3)
    same(
        lambda w: multi.multi_attribute_kernel(y, g, p, sets, k=k, direction=direction, weights=w),
        table.weights,
        expected,
    )


@checked
@given(tables)
def test_score_divergence(table):
    y, g, s, k = table.targets, table.groups, table.scores, table.k
    expected = [[slow.divergence(a[:, t], b, c[:, t], k) for t in range(table.t)] for a, b, c in table.rounds(y, g, s)]
    same(lambda w: divergence.score_divergence_kernel(y, g, s, k=k, weights=w), table.weights, expected)


@checked
@given(tables)
def test_shares_and_single_label_leakage(table):
    y, g, k = table.targets, table.groups, table.k
    rounds = list(table.rounds(y, g))
    same(
        lambda w: cooccurrence.single_label_leakage_kernel(y, g, k=k, weights=w),
        table.weights,
        [[slow.single_label_leakage(a[:, t], b, k) for t in range(table.t)] for a, b in rounds],
    )
    same(
        lambda w: cooccurrence.group_share_kernel(y, g, k=k, weights=w),
        table.weights,
        [
            [[slow.share(a[b == group, t].sum(), a[:, t].sum()) for t in range(table.t)] for group in range(k)]
            for a, b in rounds
        ],
    )


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(seed):
    rng = np.random.default_rng(seed)
    y, d = rng.integers(0, 2, (300, 4)), rng.integers(0, 2, (300, 4))
    scores = np.round(rng.random((300, 4)), 2)
    weights = draw_weights(300, 2, rng=rng)
    y8, d8 = y.astype(np.uint8), d.astype(np.uint8)
    ours = average_precision_kernel(y8, scores, weights)
    for r in range(2):
        reference = average_precision_score(y, scores, average=None, sample_weight=weights[:, r])
        np.testing.assert_allclose(ours[r], reference, atol=1e-12)
    assert decisions.f1_macro_kernel(y8, d8) == pytest.approx(f1_score(y, d, average="macro"))
    assert decisions.f1_micro_kernel(y8, d8) == pytest.approx(f1_score(y, d, average="micro"))
    classes, guessed = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    expected = balanced_accuracy_score(classes, guessed)
    assert decisions.balanced_accuracy_kernel(classes, guessed) == pytest.approx(expected)


def test_the_comparison_can_fail():
    """Average precision without merging ties is another number on the tables above."""
    table = Table(3, 25, 1, 2)
    order = np.argsort(-table.scores[:, 0], kind="stable")
    hits = np.cumsum(table.targets[order, 0])
    untied = (table.targets[order, 0] * hits / np.arange(1, 26)).sum() / hits[-1]
    with pytest.raises(AssertionError):
        same(
            lambda w: average_precision_kernel(table.targets, table.scores, w),
            table.weights,
            [[untied]] * 4,
        )
