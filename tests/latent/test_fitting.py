"""Fitting planes: a planted plane is found, labels at random are told apart from it, rare classes are refused."""

import json

import numpy as np
import pytest
from latent_worlds import random_planes, unit
from sklearn.svm import LinearSVC

from steelyard.base.errors import InputError, UndefinedError
from steelyard.latent import Hyperplane, angles, fit_hyperplane, fit_hyperplanes, fit_hyperplanes_by_group


def planted(n=6000, d=24, *, noise=0.3, offset=0.5, of=None, seed=0):
    """Latents, and labels that a plane decides but for noise across it."""
    rng = np.random.default_rng(seed)
    plane = of or Hyperplane(unit(rng.normal(size=d)), offset, "planted")
    z = rng.normal(size=(n, d)).astype(np.float32)
    return z, (plane.score(z) + noise * rng.normal(size=n) > 0).astype(int), plane


def test_a_planted_plane_is_found():
    z, labels, plane = planted()
    found = fit_hyperplane(z, labels, seed=0, name="Hat")
    assert angles([found.plane, plane])[0, 1] < 5
    assert found.plane.normal @ plane.normal > 0, "with the attribute is above"
    assert found.plane.offset == pytest.approx(plane.offset, abs=0.05)
    assert np.linalg.norm(found.plane.normal) == pytest.approx(1, abs=1e-12)
    assert found.name == "Hat"
    # Its accuracy on so many new latents that chance hardly counts.
    fresh, told, _ = planted(n=200_000, of=plane, seed=7)
    assert found.accuracy.low < ((found.plane.score(fresh) > 0) == told).mean() < found.accuracy.high
    assert found.accuracy.n == sum(found.held_out) == 2000
    assert found.balanced_accuracy.low > 0.85
    assert found.counts[0] + found.counts[1] + found.accuracy.n == 6000
    assert found.majority == max(found.held_out) / 2000
    json.dumps(found.to_dict())


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_labels_at_random_are_at_chance(share):
    """The control. Intervals of 95 %: of 40 draws, two or so miss; seven or more would with a chance of 0.3 %."""
    missed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z, labels = rng.normal(size=(600, 12)), (rng.random(600) < share).astype(int)
        found = fit_hyperplane(z, labels, seed=seed, rounds=200)
        missed += not found.balanced_accuracy.low <= 0.5 <= found.balanced_accuracy.high
        if share == 0.5:
            assert found.accuracy.value < 0.62
    assert missed < 7


def test_it_is_the_solution_of_the_published_solver():
    z, labels, _ = planted(n=3000, noise=1.0)
    held = np.zeros(3000, dtype=bool)
    held[2000:] = True
    found = fit_hyperplane(z, labels, seed=0, held_out=held)
    published = LinearSVC(dual=True, max_iter=500_000, random_state=0).fit(z[:2000], labels[:2000])
    weights = published.coef_[0]
    assert found.plane.normal @ unit(weights) > 0.999
    assert found.plane.offset == pytest.approx(published.intercept_[0] / np.linalg.norm(weights), abs=0.01)
    assert found.accuracy.value == pytest.approx(published.score(z[2000:], labels[2000:]), abs=0.003)
    assert found.held_out == (int((labels[2000:] == 0).sum()), int(labels[2000:].sum()))


def test_the_seed_decides_what_is_held_out_and_nothing_else_does():
    z, labels, _ = planted(n=900)
    first, second = (fit_hyperplane(z, labels, seed=3, name="Hat") for _ in range(2))
    assert np.array_equal(first.plane.normal, second.plane.normal)
    assert first.to_dict() == second.to_dict()
    other = fit_hyperplane(z, labels, seed=4, name="Hat")
    assert not np.array_equal(first.plane.normal, other.plane.normal)
    assert first.held_out == other.held_out, "the same share of both classes"


def test_held_out_latents_do_not_touch_the_plane():
    z, labels, _ = planted(n=900)
    held = np.arange(900) % 3 == 0
    turned = labels.copy()
    turned[held] = 1 - turned[held]
    first, second = (fit_hyperplane(z, y, seed=0, held_out=held) for y in (labels, turned))
    assert np.array_equal(first.plane.normal, second.plane.normal)
    assert first.accuracy.value == pytest.approx(1 - second.accuracy.value)


def test_several_attributes_in_one_call():
    rng = np.random.default_rng(5)
    planes = random_planes(rng, 16, 3, apart=30, joint=20)
    z = rng.normal(size=(4000, 16))
    labels = np.stack([plane.score(z) > 0 for plane in planes], axis=1).astype(int)
    found = fit_hyperplanes(z, labels, ["a", "b", "c"], seed=1)
    assert list(found) == ["a", "b", "c"]
    for plane, fitted in zip(planes, found.values(), strict=True):
        assert angles([plane, fitted.plane])[0, 1] < 2
    alone = fit_hyperplane(z, labels[:, 1], seed=1, name="b")
    assert np.array_equal(alone.plane.normal, found["b"].plane.normal)
    table = angles([one.plane for one in found.values()])
    assert table == pytest.approx(angles(planes), abs=3)
    with pytest.raises(InputError, match="expected 3 different ones"):
        fit_hyperplanes(z, labels, ["a", "b", "a"], seed=1)


def test_a_plane_for_each_group():
    """In one group the attribute points along x, in the other along y: one plane for all cannot tell both."""
    rng = np.random.default_rng(6)
    z, groups = rng.normal(size=(6000, 10)), rng.integers(0, 2, 6000)
    labels = np.where(groups == 1, z[:, 1], z[:, 0]) > 0
    without, with_it = fit_hyperplanes_by_group(z, labels, groups, seed=0, name="Hat")
    assert angles([without.plane, Hyperplane(np.eye(10)[0], 0.0)])[0, 1] < 3
    assert angles([with_it.plane, Hyperplane(np.eye(10)[1], 0.0)])[0, 1] < 3
    assert (without.name, with_it.name) == ("Hat | 0", "Hat | 1")
    assert min(without.accuracy.low, with_it.accuracy.low) > 0.97
    assert fit_hyperplane(z, labels, seed=0).accuracy.high < 0.8, "the control"
    held = np.arange(6000) % 2 == 0
    assert (
        fit_hyperplanes_by_group(z, labels, groups, seed=0, held_out=held)[1].accuracy.n == (held & (groups == 1)).sum()
    )


@pytest.mark.parametrize(("positives", "which"), [(0, "with"), (1, "with"), (12, "with"), (300, "without")])
def test_a_class_that_is_nearly_absent_is_refused(positives, which):
    z = np.random.default_rng(0).normal(size=(300, 5))
    labels = (np.arange(300) < positives).astype(int)
    line = (
        rf"hyperplane 'Bald': expected 10 latents or more {which} the attribute to fit on, found \d of 200; label more"
    )
    with pytest.raises(UndefinedError, match=line):
        fit_hyperplane(z, labels, seed=0, name="Bald")
    if positives == 12:
        assert fit_hyperplane(z, labels, seed=0, min_class=8).counts == (192, 8)
    held = labels == 0
    if positives in (12, 300):
        with pytest.raises(UndefinedError, match="expected"):
            fit_hyperplane(z, labels, seed=0, held_out=held, min_class=1)


def test_a_class_that_is_not_held_out_is_refused():
    z = np.random.default_rng(0).normal(size=(300, 5))
    labels = (np.arange(300) < 100).astype(int)
    with pytest.raises(UndefinedError, match="expected 2 latents or more with the attribute held out, found 0 of 100"):
        fit_hyperplane(z, labels, seed=0, held_out=np.arange(300) >= 200)


def test_bad_input_is_refused_in_one_line():
    z, labels, _ = planted(n=300)
    with pytest.raises(InputError, match="one for each of 300 latents, found 299; join them by id"):
        fit_hyperplane(z, labels[1:], seed=0)
    with pytest.raises(InputError, match="labels: expected 0 and 1, found 2"):
        fit_hyperplane(z, labels + 1, seed=0)
    broken = z.copy()
    broken[7, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in row 7"):
        fit_hyperplane(broken, labels, seed=0)
    with pytest.raises(InputError, match=r"expected floats \[n, d\]"):
        fit_hyperplane(labels, labels, seed=0)
    with pytest.raises(InputError, match="held_out: expected a share between 0 and 1, or booleans, found 1"):
        fit_hyperplane(z, labels, seed=0, held_out=1.0)
    with pytest.raises(InputError, match="expected a share or 300 booleans"):
        fit_hyperplane(z, labels, seed=0, held_out=np.ones(3, dtype=bool))
    with pytest.raises(InputError, match="strength: expected a number above 0"):
        fit_hyperplane(z, labels, seed=0, strength=0.0)
    with pytest.raises(InputError, match="min_class: expected 1 or more"):
        fit_hyperplane(z, labels, seed=0, min_class=0)
    with pytest.raises(InputError, match="groups: expected 0 and 1"):
        fit_hyperplanes_by_group(z, labels, labels + 1, seed=0)
