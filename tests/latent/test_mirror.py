"""Mirroring: protected scores negate, kept ones stay, it undoes itself, and nothing nearer does the same."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latent_worlds import at_angle, least_squares, random_planes, scores_of, unit
from scipy.optimize import minimize

from steelyard.base.errors import InputError
from steelyard.latent import Hyperplane, angles, mirror, mirror_all, mirror_by_group, project

SEEDS = st.integers(0, 2**32 - 1)
PRECISION = {np.float32: 1e-5, np.float64: 1e-12}


@st.composite
def worlds(draw, most=6):
    """Latents, planes to flip and planes to keep: 2 to 512 dimensions, no more planes than dimensions."""
    d = draw(st.one_of(st.integers(2, 8), st.integers(9, 512)))
    rng = np.random.default_rng(draw(SEEDS))
    count = draw(st.integers(1, min(d, most)))
    planes = random_planes(rng, d, count)
    flips = draw(st.integers(1, count))
    z = rng.normal(size=(draw(st.integers(1, 9)), d)) * draw(st.sampled_from([1e-3, 1.0, 30.0]))
    return z, planes[:flips], planes[flips:]


def lengths(*points):
    """`[n, 1]`: the longest of each row's, or 1, the size of an offset."""
    return np.maximum(1, np.max([np.linalg.norm(p, axis=1) for p in points], axis=0))[:, None].astype(np.float64)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(worlds())
@settings(max_examples=150)
def test_flipped_scores_negate_and_kept_ones_stay(kind, world):
    z, flip, keep = world
    z = z.astype(kind)
    made = mirror(z, flip, keep)
    assert made.dtype == kind
    assert made.shape == z.shape
    before, after = scores_of(z.astype(np.float64), [*flip, *keep]), scores_of(made.astype(np.float64), [*flip, *keep])
    before[:, : len(flip)] *= -1
    assert (np.abs(after - before) / lengths(z, made)).max() < PRECISION[kind]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(worlds())
@settings(max_examples=100)
def test_twice_is_the_identity_for_any_set_of_flips(kind, world):
    z, flip, keep = world
    z = z.astype(kind)
    made = mirror(z, flip, keep)
    again = mirror(made, flip, keep)
    # What rounding to z′ takes away comes back as many times as z′ lies further out than its step is long.
    planes = np.array([plane.normal for plane in (*flip, *keep)])
    stretch = 2 / np.linalg.svd(planes)[1].min()
    assert (np.abs(again - z) / lengths(z, made)).max() < PRECISION[kind] * max(1, stretch / 10)


@given(worlds())
@settings(max_examples=150)
def test_it_is_the_general_least_squares_solution(world):
    z, flip, keep = world
    wanted = scores_of(z, [*flip, *keep])
    wanted[:, : len(flip)] *= -1
    expected, found = least_squares(z, [*flip, *keep], wanted), mirror(z, flip, keep)
    assert (np.linalg.norm(found - expected, axis=1) / lengths(expected)[:, 0]).max() < 1e-6
    wanted[:, : len(flip)] = 0
    expected, found = least_squares(z, [*flip, *keep], wanted), project(z, flip, keep)
    assert (np.linalg.norm(found - expected, axis=1) / lengths(expected)[:, 0]).max() < 1e-6


@given(st.integers(2, 512), st.floats(5.0, 90.0), SEEDS)
@settings(max_examples=60)
def test_it_is_the_formula_of_the_paper_for_one_flip_and_one_keep(d, degrees, seed):
    rng = np.random.default_rng(seed)
    first, across = np.linalg.qr(rng.normal(size=(d, 2)))[0].T
    angle = np.radians(degrees)
    a, t = Hyperplane(first, 0.4), Hyperplane(np.cos(angle) * first + np.sin(angle) * across, -0.7)
    z = rng.normal(size=(20, d))
    cosine = a.normal @ t.normal
    paper = z - 2 * a.score(z)[:, None] / (1 - cosine**2) * (a.normal - cosine * t.normal)
    assert mirror(z, [a], [t]) == pytest.approx(paper, abs=1e-9 * np.abs(paper).max())


@pytest.mark.parametrize(("d", "flips", "keeps"), [(2, 1, 0), (3, 1, 1), (6, 2, 1), (10, 1, 4), (12, 3, 3)])
def test_no_other_point_that_meets_the_constraints_is_nearer(d, flips, keeps):
    rng = np.random.default_rng(d)
    planes = random_planes(rng, d, flips + keeps, apart=20, joint=10)
    w, b = np.array([plane.normal for plane in planes]), np.array([plane.offset for plane in planes])
    for z in rng.normal(size=(3, d)):
        sign = np.where(np.arange(len(planes)) < flips, -1, 1)
        wanted = sign * (w @ z + b)
        found = minimize(
            lambda p, z=z: np.sum((p - z) ** 2),
            rng.normal(size=d),
            jac=lambda p, z=z: 2 * (p - z),
            constraints={"type": "eq", "fun": lambda p, wanted=wanted: w @ p + b - wanted, "jac": lambda _: w},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        ours = mirror(z[None], planes[:flips], planes[flips:])[0]
        assert found.success
        assert np.linalg.norm(w @ found.x + b - wanted) < 1e-7, "the optimiser meets the constraints, too"
        distance = np.linalg.norm(ours - z)
        assert distance <= np.linalg.norm(found.x - z) + 1e-7
        assert ours == pytest.approx(found.x, abs=1e-4 * max(1, distance))
        # And along every direction that the constraints leave free, it only gets further.
        free = np.linalg.svd(w)[2][len(w) :]
        for step in rng.normal(size=(100, len(free))) @ free:
            assert np.linalg.norm(ours + step - z) >= distance


def test_two_protected_attributes_where_iterating_at_random_went_astray():
    """A descent that stops when it moves slowly, from a random start, as the public two-attribute code does."""
    rng = np.random.default_rng(0)
    planes = random_planes(rng, 512, 3, apart=20, joint=20)
    z = rng.normal(size=(1, 512))
    wanted = scores_of(z, planes) * [-1, -1, 1]
    made = mirror(z, planes[:2], planes[2:])
    assert np.linalg.norm(made - least_squares(z, planes, wanted)) < 1e-10
    w = np.array([plane.normal for plane in planes])
    start = np.full((1, 512), rng.normal(512))  # one number for all dimensions, of the mean 512: as it stands there
    astray = start + np.linalg.lstsq(w, (wanted - scores_of(start, planes)).T, rcond=None)[0].T
    assert scores_of(astray, planes) == pytest.approx(wanted), "it meets the constraints as well"
    assert np.linalg.norm(astray - z) > 5 * np.linalg.norm(made - z)


def test_a_plain_mirror_and_the_plane_itself():
    rng = np.random.default_rng(1)
    plane = Hyperplane(unit(rng.normal(size=16)), 0.8)
    z = rng.normal(size=(40, 16))
    distance = plane.score(z)[:, None]
    assert mirror(z, [plane]) == pytest.approx(z - 2 * distance * plane.normal)
    assert project(z, [plane]) == pytest.approx((z + mirror(z, [plane])) / 2)
    assert plane.score(project(z, [plane])) == pytest.approx(np.zeros(40), abs=1e-12)


def test_every_combination_of_flips():
    rng = np.random.default_rng(2)
    planes = random_planes(rng, 24, 4)
    protected, target = planes[:3], planes[3:]
    z = rng.normal(size=(10, 24))
    before, seen = scores_of(z, planes), []
    for flipped, made in mirror_all(z, protected, target):
        names = [plane.name for plane in flipped]
        sign = [-1 if plane.name in names else 1 for plane in planes]
        assert scores_of(made, planes) == pytest.approx(before * sign)
        seen.append(tuple(names))
    expected = [c for n in (1, 2, 3) for c in itertools.combinations(["p0", "p1", "p2"], n)]
    assert seen == expected


@pytest.mark.parametrize("given", [True, False])
def test_a_target_with_a_plane_in_each_group(given):
    rng = np.random.default_rng(3)
    protected, without, with_it, kept = random_planes(rng, 20, 4)
    z = rng.normal(size=(60, 20))
    # Labels of the images, where they are given, do not always agree with the side of the plane.
    groups = rng.integers(0, 2, 60) if given else (protected.score(z) > 0).astype(int)
    made = mirror_by_group(z, protected, (without, with_it), groups if given else None, [kept])
    assert protected.score(made) == pytest.approx(-protected.score(z))
    assert kept.score(made) == pytest.approx(kept.score(z))
    own = np.where(groups == 1, with_it.score(z), without.score(z))
    assert np.where(groups == 1, without.score(made), with_it.score(made)) == pytest.approx(own)
    for i in range(0, 60, 7):
        planes = [protected, without if groups[i] else with_it, kept]
        wanted = np.array([[-protected.score(z[i : i + 1])[0], own[i], kept.score(z[i : i + 1])[0]]])
        assert made[i : i + 1] == pytest.approx(least_squares(z[i : i + 1], planes, wanted))
    same = mirror_by_group(z, protected, (without, without), groups, [kept])
    assert same == pytest.approx(mirror(z, [protected], [without, kept]))


@pytest.mark.parametrize("rows", [0, 1, 129, 5_000])
@pytest.mark.parametrize("order", ["C", "F", "strided", "read-only"])
def test_chunks_threads_and_layouts_make_no_difference(rows, order):
    rng = np.random.default_rng(rows)
    planes = random_planes(rng, 900, 3)
    z = rng.normal(size=(rows, 1_800)).astype(np.float32)
    z = z[:, ::2] if order == "strided" else z[:, :900].copy(order="F" if order == "F" else "C")
    if order == "read-only":
        z.flags.writeable = False
    before = z.copy()
    made = mirror(z, planes[:2], planes[2:])
    assert np.array_equal(z, before), "the latents stay as they were"
    assert made.flags.c_contiguous
    wanted = scores_of(z.astype(np.float64), planes) * [-1, -1, 1]
    expected = least_squares(z.astype(np.float64), planes, wanted)
    assert np.abs(made - expected).max(initial=0) < 2e-5


@pytest.mark.parametrize("degrees", [0.0, 1e-9, 0.5, 4.9])
def test_nearly_parallel_planes_are_refused(degrees):
    male, beard = at_angle(degrees)
    z = np.ones((3, 8))
    line = r"planes at least 5° apart, found 'Male' and 'Beard' at \S+°; their .* drop one, or lower smallest_angle$"
    opposite = Hyperplane(-beard.normal, 0.0, "Beard")
    for other in (beard, opposite):
        with pytest.raises(InputError, match=line):
            mirror(z, [male], [other])
        with pytest.raises(InputError, match=line):
            mirror(z, [male, other])
        with pytest.raises(InputError, match=line):
            project(z, [male], [other])
        with pytest.raises(InputError, match=line):
            list(mirror_all(z, [male, other]))
        with pytest.raises(InputError, match=line):
            mirror_by_group(z, male, (other, other))
    if degrees > 0.1:
        made = mirror(z, [male], [beard], smallest_angle=degrees)
        assert scores_of(made, [male, beard]) == pytest.approx(scores_of(z, [male, beard]) * [-1, 1])
    else:
        with pytest.raises(InputError, match="'Male' and 'Beard'"):
            mirror(z, [male], [Hyperplane(male.normal, 0.0, "Beard")], smallest_angle=0.0)


def test_the_control_planes_at_the_limit_are_not_refused():
    for degrees in (5.0, 175.0, 5.01, 90.0):
        male, beard = at_angle(degrees)
        rounded = Hyperplane(male.normal.astype(np.float32), 0.0)
        mirror(np.ones((3, 8)), [male], [beard])
        mirror(np.ones((3, 8)), [rounded], [Hyperplane(beard.normal.astype(np.float32), 0.0)])


@pytest.mark.parametrize("lean", [0.0, 0.09])
def test_three_planes_in_one_sheaf_are_refused_though_each_two_are_apart(lean):
    first, second, out = np.eye(9)[:3]
    tilt = np.radians(lean)
    third = np.cos(tilt) * unit(first + second) + np.sin(tilt) * out
    planes = [Hyperplane(n, 0.1, name) for n, name in ((first, "a"), (second, "b"), (third, "c"))]
    assert angles(planes)[np.triu_indices(3, 1)].min() > 44
    z = np.ones((2, 9))
    with pytest.raises(
        InputError, match=r"at least 0\.1° from what the others span, found 'c' at \S+° from 'a', 'b' t"
    ):
        mirror(z, planes[2:], planes[:2])
    mirror(z, planes[2:], planes[:1])
    if lean:
        made = mirror(z, planes[2:], planes[:2], smallest_angle=1.0)
        assert scores_of(made, planes) == pytest.approx(scores_of(z, planes) * [1, 1, -1], abs=1e-9)
    else:
        with pytest.raises(InputError, match="'c' at"):
            mirror(z, planes[2:], planes[:2], smallest_angle=0.0)


def test_bad_input_is_refused_in_one_line():
    male, beard = at_angle(60, d=3)
    z = np.ones((4, 3))
    with pytest.raises(InputError, match="planes to flip: expected at least one, found none"):
        mirror(z, [], [beard])
    with pytest.raises(InputError, match="planes to project onto: expected at least one"):
        project(z, [])
    with pytest.raises(InputError, match="expected 3 columns, as the plane 'Male' has, found 5"):
        mirror(np.ones((4, 5)), [male], [beard])
    with pytest.raises(InputError, match="expected 3 dimensions, as the first has, found 2 in number 2"):
        mirror(z, [male], [Hyperplane(np.eye(2)[0], 0.0)])
    with pytest.raises(InputError, match=r"no more planes than dimensions \(2\), found 3 planes"):
        mirror(np.ones((4, 2)), [Hyperplane(unit(np.array(n)), 0.0) for n in ([1, 0], [0, 1], [1, 1])])
    with pytest.raises(InputError, match=r"found float64 \[3\]"):
        mirror(np.ones(3), [male])
    with pytest.raises(InputError, match=r"found int64 \[4, 3\]"):
        mirror(np.ones((4, 3), dtype=int), [male])
    with pytest.raises(InputError, match="smallest_angle: expected degrees from 0 to 90, found 95"):
        mirror(z, [male], [beard], smallest_angle=95)
    with pytest.raises(InputError, match="groups: expected 0 or 1 for each of 4 latents"):
        mirror_by_group(z, male, (beard, beard), [0, 1, 2, 0])
    for wrong in (np.nan, np.inf):
        broken = np.ones((50_000, 3), dtype=np.float32)
        broken[40_321, 2] = wrong
        with pytest.raises(InputError, match="found NaN or infinity in row 40,321"):
            mirror(broken, [male], [beard])
        with pytest.raises(InputError, match="found NaN or infinity in row 40,321"):
            mirror_by_group(broken, male, (beard, beard))


def test_the_function_stays_the_function_whatever_was_imported_before():
    code = (
        "import steelyard.latent.mirroring, steelyard.latent.fitting, sys\n"
        "from steelyard.latent import Hyperplane, mirror\n"
        "import steelyard.latent as latent\n"
        "print(callable(mirror), callable(latent.mirror), callable(latent.project), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True", "False"]
