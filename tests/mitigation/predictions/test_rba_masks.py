"""Masks: scores so far below the others that they say "never" must not change what becomes of the rest."""

from dataclasses import replace

import numpy as np
import pytest
from rba_oracles import broken, multi_label, optimum, score, single_label
from scipy import sparse

from steelyard.base.errors import InputError
from steelyard.mitigation.predictions import calibrate, share_constraints
from steelyard.mitigation.predictions.programme import Core, solve
from steelyard.mitigation.predictions.shares import ShareConstraints

SUPPORT = 5
SIZES = (1e2, 1e3, 1e4, 1e6, 1e9, 1e30, 1e200)
ALL = slice(None)


def constrained(world):
    targets, groups = world.train
    return share_constraints(targets, groups, k=world.k, names=world.names, margin=world.margin, min_support=SUPPORT)


def solved(world):
    return calibrate(world.potentials, world.group_scores, constrained(world))


def with_masks(world, size, *places, groups=()):
    potentials = world.potentials.copy()
    for place in places:
        potentials[place] -= size
    scores = None if world.group_scores is None else world.group_scores.copy()
    for place in groups:
        scores[place] -= size
    return replace(world, potentials=potentials, group_scores=scores)


MULTI, SINGLE = multi_label(3, n=200, t=5, k=2), single_label(1, n=200, v=5, k=2)
MASKS = {
    "a label must be there": (MULTI, [(ALL, ALL, 0, 0)], []),
    "a label must be there in some images": (MULTI, [(slice(60), ALL, 0, 0)], []),
    "a label must not be there": (MULTI, [(ALL, ALL, 1, 1)], []),
    "a label is for one group": (MULTI, [(ALL, 1, 2, 1)], []),
    "the group is known": (MULTI, [], [(slice(80), 1), (slice(80, 120), 0)]),
    "both ways": (MULTI, [(slice(40), ALL, 3, 0), (slice(100, 170), 0, 4, 1)], [(slice(20, 90), 0)]),
    "categories": (SINGLE, [(slice(120), 0), (slice(50, None), 3, 1)], []),
}


@pytest.mark.parametrize("case", MASKS)
def test_masks_of_any_size_give_the_same(case):
    world, places, groups = MASKS[case]
    found = [solved(with_masks(world, size, *places, groups=groups)) for size in SIZES]
    sums = [score(world, each.after) for each in found]
    assert sums == pytest.approx([sums[0]] * len(SIZES), rel=1e-3)
    assert sums[0] < score(world, solved(world).before) - 1, "the control: the masks cost something"
    for size, each in zip(SIZES, found, strict=True):
        assert broken(world, each.after, SUPPORT) == {}
        assert not len(each.beyond)
        assert each.gap <= 0.001
        assert each.distance <= 0.001 * 5 * found[0].scale, size


def test_the_bound_holds_with_masks():
    """Against a programme of everything: what is reported as the distance is one."""
    for seed in range(4):
        world = multi_label(20 + seed, n=60, t=4, k=2)
        place = (slice(10, 40), ALL, seed % 4, seed % 2)
        plain = solved(with_masks(world, 50.0, place))
        best, bound = optimum(with_masks(world, 50.0, place), SUPPORT, baseline=plain.baseline, gap=1e-6)
        assert plain.dual_bound >= best - 1e-6 * plain.scale
        for size in (1e4, 1e9, 1e30):
            found = solved(with_masks(world, size, place))
            # No mask is broken, so sums of what is lost are those of small masks.
            assert not len(found.beyond)
            lost = plain.objective_before - best
            assert found.lost - found.distance <= lost + 1e-6 * found.scale
            assert found.lost >= plain.objective_before - bound - 1e-6 * found.scale


def test_a_few_images_on_another_scale_leave_the_others_alone():
    expected = score(MULTI, solved(MULTI).after)
    for factor in (1e6, 1e30, 1e200):
        potentials, scores = MULTI.potentials.copy(), MULTI.group_scores.copy()
        potentials[:3] *= factor
        scores[:3] *= factor
        found = solved(replace(MULTI, potentials=potentials, group_scores=scores))
        assert score(MULTI, found.after) == pytest.approx(expected, rel=1e-3)
        assert found.price == pytest.approx(solved(MULTI).price, rel=0.2)
        assert 0 < found.distance < 0.1 * found.lost


def test_scores_far_above_the_others_say_always():
    """What such a score is added to loses its digits; all others keep theirs."""
    potentials = MULTI.potentials.copy()
    potentials[:60, :, 0] = 0
    world = replace(MULTI, potentials=potentials)
    below = solved(with_masks(world, 1e30, (slice(60), ALL, 0, 0)))
    above = solved(with_masks(MULTI, -1e30, (slice(60), ALL, 0, 1)))
    assert np.array_equal(above.before.groups, below.before.groups)
    assert score(world, above.after) == pytest.approx(score(world, below.after), rel=1e-3)


def test_masks_that_no_assignment_keeps_are_named():
    """Half the images must be of one group, and all must have a label, of which one in ten may be of it."""
    rng = np.random.default_rng(0)
    targets, groups = rng.integers(0, 2, (100, 4)), np.repeat([0, 1], [90, 10])
    targets[:, 0] = 1
    constraints = share_constraints(targets, groups, k=2, names=list("abcd"), margin=0.05, min_support=1)
    potentials, scores = rng.normal(size=(40, 2, 4, 2)), rng.normal(size=(40, 2))
    for size in (1e9, 1e30):
        masked, known = potentials.copy(), scores.copy()
        masked[:, :, 0, 0] -= size
        known[:20, 0] -= size
        known[20:, 1] -= size
        found = calibrate(masked, known, constraints)
        assert not found.violations_after.any()
        # As few masks as can be: 14 images take the other group, and the 6 that are left are 15 % of all.
        assert len(found.beyond) == 14
        assert found.gap < 0.001


def test_scores_whose_sums_are_infinite_are_refused():
    potentials = MULTI.potentials.copy()
    potentials[7, 1, 2, 0] = -1.7e308
    with pytest.raises(InputError) as caught:
        calibrate(potentials, MULTI.group_scores, constrained(MULTI))
    found = "found -1.7e+308 at image 7, position (1, 2, 0)"
    assert str(caught.value) == (
        f"potentials: expected scores up to 1e+290, {found}; clip scores (a mask of -1e9 says as much)"
    )


def test_scores_that_do_not_tell_groups_apart_are_calibrated():
    """The cheapest change is then none at all, and measures nothing."""
    potentials = np.repeat(MULTI.potentials[:, :1], 2, axis=1)
    world = replace(MULTI, potentials=potentials, group_scores=np.zeros_like(MULTI.group_scores))
    found = solved(world)
    assert broken(world, found.after, SUPPORT) == {}
    assert found.gap < 0.001
    assert not len(found.beyond)


def test_choices_in_several_cells_are_whole():
    """Three images that would each take half of a pair of labels: counts are whole, choices are not by themselves."""
    k, pairs = 2, ((0, 1), (1, 2), (0, 2))
    limits = ShareConstraints(
        targets=np.arange(3),
        shares=np.full((3, 2), 0.5),
        support=np.full(3, 10),
        low=np.zeros((3, 2)),
        high=np.tile([0.5, 1.0], (3, 1)),
        margin=0.0,
        names=("a", "b", "c"),
    )
    image = np.repeat(np.arange(3), 2)
    cells = [label * k for pair in pairs for label in pair]
    core = Core(
        value=0.0,
        counts=np.array([0, 1] * 3),
        image=image,
        option=np.tile([0, 1], 3),
        choice_value=np.tile([0.0, 1.0], 3),
        choice_cells=sparse.csc_array((np.ones(6), (cells, np.repeat([1, 3, 5], 2))), shape=(6, 6)),
        **{f"flip_{name}": np.zeros(0, dtype=np.int64) for name in ("image", "label", "cell", "sign")},
        parent=np.zeros(0, dtype=np.int64),
        flip_value=np.zeros(0),
        complete=True,
    )
    found = solve(core, limits, scale=1.0, gap=0.0, seconds=10.0)
    assert found.taken.reshape(3, 2).sum(axis=1).tolist() == [1, 1, 1]
    assert found.taken[1::2].sum() == 1
    assert found.bound == pytest.approx(1.0)
