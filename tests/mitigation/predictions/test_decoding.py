"""Decoding and violations against enumeration and loops; shares counted one row at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rba_oracles import World, broken, every_assignment, limits, multi_label, score, single_label

from steelyard.mitigation.predictions import Decoded, decode, predicted_counts, share_constraints, violations
from steelyard.mitigation.predictions.multi_label import MultiLabelCorpus
from steelyard.mitigation.predictions.single_label import SingleLabelCorpus

# Few values, so that equals occur.
numbers = st.integers(-3, 3).map(float)


def filled(draw, *shape):
    count = int(np.prod(shape))
    return np.array(draw(st.lists(numbers, min_size=count, max_size=count))).reshape(shape)


@st.composite
def corpora(draw):
    n, k, labels = draw(st.integers(1, 4)), draw(st.integers(2, 3)), draw(st.integers(1, 4))
    groups = np.array(draw(st.lists(st.integers(0, k - 1), min_size=8, max_size=8)))
    if draw(st.booleans()):
        values = draw(st.lists(st.integers(0, 1), min_size=8 * labels, max_size=8 * labels))
        train = np.array(values).reshape(8, labels), groups
        return World(train, filled(draw, n, k, labels, 2), filled(draw, n, k), k, labels, 0.05)
    targets = np.array(draw(st.lists(st.integers(0, labels - 1), min_size=8, max_size=8)))
    return World((targets, groups), filled(draw, n, labels, k), None, k, labels, 0.05)


@given(corpora())
def test_decoding_finds_the_best_of_all_assignments(world):
    decoded = decode(world.potentials, world.group_scores)
    for i, potentials in enumerate(world.potentials):
        group_scores = None if world.group_scores is None else world.group_scores[i]
        alone = World(world.train, world.potentials[i : i + 1], None, world.k, world.labels, 0.05)
        if group_scores is not None:
            alone = World(world.train, alone.potentials, group_scores[None], world.k, world.labels, 0.05)
        own = Decoded(decoded.groups[i : i + 1], decoded.targets[i : i + 1])
        assert score(alone, own) == every_assignment(potentials, group_scores)


@given(corpora(), st.data())
def test_violations_are_those_of_a_loop(world, data):
    if world.group_scores is not None and not world.train[0].any():
        return
    n = len(world.potentials)
    groups = np.array(data.draw(st.lists(st.integers(0, world.k - 1), min_size=n, max_size=n)))
    if world.group_scores is None:
        targets = np.array(data.draw(st.lists(st.integers(0, world.labels - 1), min_size=n, max_size=n)))
    else:
        bits = st.lists(st.integers(0, 1), min_size=n * world.labels, max_size=n * world.labels)
        targets = np.array(data.draw(bits), dtype=np.uint8).reshape(n, world.labels)
    constraints = share_constraints(*world.train, k=world.k, names=world.names, min_support=1)
    assert constraints.targets.tolist() == list(limits(world, 1))
    excess = violations(Decoded(groups, targets), constraints)
    expected = broken(world, Decoded(groups, targets), 1)
    found = {(int(constraints.targets[row]), int(g)): excess[row, g] for row, g in np.argwhere(excess > 0)}
    assert found == pytest.approx(expected)


@given(corpora(), st.data())
def test_prices_are_paid_by_every_score(world, data):
    if world.group_scores is not None and not world.train[0].any():
        return
    # So wide that even one image meets them.
    constraints = share_constraints(*world.train, k=world.k, names=world.names, margin=0.99, min_support=1)
    prices = filled(data.draw, len(constraints), world.k)
    paying = world.potentials.copy()
    for row, label in enumerate(constraints.targets):
        for group in range(world.k):
            if world.group_scores is None:
                paying[:, label, group] -= prices[row, group]
            else:
                paying[:, group, label, 1] -= prices[row, group]
    if world.group_scores is None:
        corpus, best = SingleLabelCorpus(world.potentials, constraints, world.groups), None
    else:
        corpus, best = MultiLabelCorpus(world.potentials, world.group_scores, constraints), world.group_scores
    found, assigned = corpus.infer(prices), corpus.assign(prices)
    value = sum(every_assignment(potentials, None if best is None else best[i]) for i, potentials in enumerate(paying))
    # A corpus counts from the best sum without prices.
    free = score(world, decode(world.potentials, world.group_scores))
    assert found.value + free == pytest.approx(value)
    counts = predicted_counts(assigned, constraints)
    assert np.array_equal(counts, found.counts)
    assert score(world, assigned) - (prices * counts).sum() == pytest.approx(value)


def test_labels_with_little_support_are_not_constrained():
    world = multi_label(0, n=5, t=8, k=2)
    targets, groups = world.train
    support = targets.sum(axis=0)
    middle = int(np.median(support)) + 1
    constraints = share_constraints(targets, groups, k=2, names=world.names, min_support=middle)
    assert constraints.targets.tolist() == np.flatnonzero(support >= middle).tolist()
    assert 0 < len(constraints) < 8
    assert constraints.names == tuple(world.names[i] for i in constraints.targets)
    assert constraints.support.tolist() == support[constraints.targets].tolist()


def test_a_share_on_the_limit_holds_whatever_its_last_bit():
    # 11 of 20 are 0.55, and 0.55 - 0.05 is above 0.5 in binary.
    train = np.repeat([0, 1], [10, 10])
    constraints = share_constraints(np.ones((20, 1)), train, k=2, names=["a"], margin=0.05, min_support=1)
    on, beyond = np.repeat([0, 1], [11, 9]), np.repeat([0, 1], [12, 8])
    assert not violations(Decoded(on, np.ones((20, 1), dtype=np.uint8)), constraints).any()
    assert violations(Decoded(beyond, np.ones((20, 1), dtype=np.uint8)), constraints) == pytest.approx(0.05)


def test_unconstrained_categories_take_part():
    world = single_label(5, n=30, v=4, k=2)
    targets, groups = world.train
    fewest = int(np.bincount(targets, minlength=4).min()) + 1
    constraints = share_constraints(targets, groups, k=2, names=world.names, min_support=fewest)
    assert len(constraints) < 4
    corpus = SingleLabelCorpus(world.potentials, constraints, world.groups)
    zero = np.zeros(constraints.low.shape)
    decoded = decode(world.potentials)
    assert np.array_equal(corpus.assign(zero).targets, decoded.targets)
    assert np.array_equal(corpus.assign(zero).groups, decoded.groups)
    outside = corpus.baseline().targets
    assert not np.isin(outside, constraints.targets).any()
