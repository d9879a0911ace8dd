"""Weights by cell: masses equal across label and group (the published code builds them from the wrong class)."""

import numpy as np
import pytest

from steelyard.mitigation.samples.reweighing import cell_weights


def world(n=500, k=2, seed=0):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, k, n)
    chance = np.stack([0.1 + 0.7 * groups / k, 0.6 - 0.4 * groups / k], axis=1)
    return (rng.random((n, 2)) < chance).astype(np.uint8), groups


@pytest.mark.parametrize("k", [2, 3])
def test_every_cell_of_a_label_has_the_same_mass(k):
    targets, groups = world(k=k)
    weights = cell_weights(targets, groups, names=("a", "b"), k=k)
    for at, name in enumerate(("a", "b")):
        each = np.array([weights[name][group][target] for group, target in zip(groups, targets[:, at], strict=True)])
        masses = [each[(groups == g) & (targets[:, at] == y)].sum() for g in range(k) for y in (0, 1)]
        assert np.allclose(masses, len(groups) / (2 * k))
        assert each.mean() == pytest.approx(1.0)
        # So that the label no longer goes with the group, which it did.
        means = [np.average(targets[groups == g, at], weights=each[groups == g]) for g in range(k)]
        assert np.allclose(means, 0.5)
        assert np.ptp([targets[groups == g, at].mean() for g in range(k)]) > 0.1


def test_an_empty_cell_weighs_nothing_and_the_others_share():
    targets, groups = np.array([[1], [1], [0], [1]], dtype=np.uint8), np.array([0, 0, 0, 1])
    weights = cell_weights(targets, groups, names=("a",), k=2)["a"]
    assert weights == [[pytest.approx(4 / 3), pytest.approx(2 / 3)], [0.0, pytest.approx(4 / 3)]]
