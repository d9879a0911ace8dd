"""The theorem of LEACE: no linear attacker is left anything, and no other affine eraser changes less."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from steelyard.base.errors import InputError, UndefinedError
from steelyard.mitigation.features.leace import LeaceFitter, fit_leace


def world(k, d=12, n=3000, seed=0, rank=None):
    """Features whose means and mixing differ by group; `rank` dimensions vary, mixed into d."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(k, n, p=rng.dirichlet(np.full(k, 5.0)))
    groups[:k] = np.arange(k)
    inner = d if rank is None else rank
    x = rng.normal(size=(n, inner)) @ rng.normal(size=(inner, inner)) + 1.5 * rng.normal(size=(k, inner))[groups]
    x = x @ (np.eye(d) if rank is None else rng.normal(size=(inner, d)))
    return x + 5 * rng.normal(size=d), groups


def mean_gap(x, groups):
    """Largest distance of a group's mean from the mean of all, in units of the largest deviation."""
    means = np.array([x[groups == g].mean(axis=0) for g in np.unique(groups)])
    return np.abs(means - x.mean(axis=0)).max() / x.std(axis=0).max()


def least_squares_gain(x, groups):
    """Share of the variance of the groups' indicators that a linear attacker explains on these very rows."""
    z = np.eye(groups.max() + 1)[groups]
    z -= z.mean(axis=0)
    x = x - x.mean(axis=0)
    x = x / max(np.abs(x).max(), 1e-300)
    rest = z - x @ np.linalg.lstsq(x, z, rcond=1e-10)[0]
    return 1 - (rest**2).sum() / (z**2).sum()


def logistic_loss(x, groups):
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9 * x.std(axis=0).max())
    attacker = LogisticRegression(C=1e3, solver="newton-cholesky", max_iter=500, tol=1e-8).fit(x, groups)
    return log_loss(groups, attacker.predict_proba(x))


def trivial_loss(groups):
    shares = np.bincount(groups) / len(groups)
    return -(shares * np.log(shares)).sum()


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("rank", [None, 7])
def test_after_erasure_a_linear_attacker_is_left_with_guessing(k, rank):
    x, groups = world(k, rank=rank)
    assert mean_gap(x, groups) > 0.1, "the control: before, the groups differ"
    assert least_squares_gain(x, groups) > 0.1
    assert logistic_loss(x, groups) < trivial_loss(groups) - 0.1
    eraser = fit_leace(x, groups, k)
    erased = eraser(x)
    assert mean_gap(erased, groups) < 1e-6
    assert least_squares_gain(erased, groups) == pytest.approx(0, abs=1e-9)
    assert logistic_loss(erased, groups) == pytest.approx(trivial_loss(groups), abs=1e-6)
    assert eraser.rank == (12 if rank is None else rank)
    assert eraser.into.shape[1] <= k - 1


def test_erasure_holds_nearly_on_new_rows():
    x, groups = world(3, n=20_000)
    eraser = fit_leace(x[:10_000], groups[:10_000], 3)
    new, g = x[10_000:], groups[10_000:]
    # About twice its mean under no difference at all: (k - 1) * d / n.
    assert least_squares_gain(eraser(new), g) < 4 * 12 / len(new)
    assert least_squares_gain(new, g) > 0.1


@pytest.mark.parametrize("k", [2, 4])
def test_no_other_eraser_changes_less_in_any_norm(k):
    x, groups = world(k, d=6)
    n, d = x.shape
    eraser = fit_leace(x, groups, k)
    centred = x - x.mean(axis=0)
    between = centred.T @ np.eye(k)[groups] / n
    basis = np.linalg.svd(between)[0][:, : k - 1]
    free = np.eye(d) - basis @ basis.T  # every affine eraser about the mean: the projection + A · free
    rng = np.random.default_rng(1)
    for trial in range(200):
        norm = np.eye(d) if trial == 0 else (lambda a: a @ a.T)(rng.normal(size=(d, d)))

        def cost(matrix, norm=norm):
            change = centred @ (matrix - np.eye(d)).T
            return np.einsum("ni,ij,nj->n", change, norm, change).mean()

        own = cost(eraser.projection)
        other = eraser.projection + 10 ** rng.uniform(-3, 0) * rng.normal(size=(d, d)) @ free
        assert np.abs(other @ between).max() < 1e-9, "it erases, too"
        assert cost(other) > own
        # The orthogonal projection, which needs no covariance, is one of them.
        assert cost(free) > own
        # And its place between both: the cost is a parabola with its minimum at ours.
        assert cost(0.5 * (free + eraser.projection)) > own


@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_projection_is_the_solution_of_the_constrained_least_squares(k, seed):
    """By Lagrange multipliers: P = I − C (Cᵀ Σ⁻¹ C)⁺ Cᵀ Σ⁻¹; and by the paper's own W⁺ P W."""
    x, groups = world(k, d=8, n=200, seed=seed)
    centred = x - x.mean(axis=0)
    covariance, between = centred.T @ centred / len(x), centred.T @ np.eye(k)[groups] / len(x)
    inverse = np.linalg.inv(covariance)
    lagrange = np.eye(8) - between @ np.linalg.pinv(between.T @ inverse @ between, rcond=1e-9) @ between.T @ inverse
    projection = fit_leace(x, groups, k).projection
    size = np.abs(lagrange).max()
    assert projection == pytest.approx(lagrange, abs=1e-6 * size)
    root = np.real(sqrtm(inverse))
    found = root @ between
    paper = np.eye(8) - np.linalg.inv(root) @ found @ np.linalg.pinv(found, rcond=1e-9) @ root
    assert projection == pytest.approx(paper, abs=1e-5 * size)
    assert projection @ projection == pytest.approx(projection, abs=1e-6 * size)


def test_batches_come_to_the_same_as_all_at_once():
    x, groups = world(3)
    x = x + 1e4
    fitter = LeaceFitter(12, 3)
    for start, end in [(0, 1), (1, 1), (1, 700), (700, 3000)]:
        fitter.update(x[start:end], groups[start:end])
    once, parts = fit_leace(x, groups, 3), fitter.eraser()
    assert parts.rows == 3000
    assert parts.mean == pytest.approx(once.mean)
    assert parts.projection == pytest.approx(once.projection, abs=1e-8)
    fitter.update(x[:100] * 2, groups[:100])
    assert parts.rows == 3000, "what was fitted stays as it was"


def test_features_without_trace_or_without_variance_stay_as_they_are():
    x = np.vstack([np.eye(4), np.eye(4)])
    eraser = fit_leace(x, np.repeat([0, 1], 4), 2)
    assert eraser.into.shape == (4, 0)
    assert np.array_equal(eraser(x), x)
    constant = np.full((6, 3), 2.5)
    eraser = fit_leace(constant, np.arange(6) % 2, 2)
    assert eraser.rank == 0
    assert np.array_equal(eraser(constant), constant)


def test_fewer_rows_than_columns():
    x, groups = world(2, d=50, n=30)
    erased = fit_leace(x, groups, 2)(x)
    assert mean_gap(erased, groups) < 1e-6
    assert mean_gap(x, groups) > 0.1


def test_type_is_kept():
    x, groups = world(2)
    erased = fit_leace(x, groups, 2)(x.astype(np.float32))
    assert erased.dtype == np.float32
    assert mean_gap(erased.astype(np.float64), groups) < 1e-5


def test_bad_input_is_refused_in_one_line():
    x, groups = world(2)
    with pytest.raises(UndefinedError, match=r"LEACE: group 2 has no rows among 3,000"):
        fit_leace(x, groups, 3)
    with pytest.raises(InputError, match=r"groups: expected 0 to 1, found 0 to 2"):
        fit_leace(x[:3], [0, 1, 2], 2)
    with pytest.raises(InputError, match=r"expected finite numbers"):
        fit_leace(np.full((2, 2), np.nan), [0, 1], 2)
    with pytest.raises(InputError, match=r"expected \[n, 12\] and \[n\], found \(3000, 12\) and \(5,\)"):
        fit_leace(x, groups[:5], 2)
    with pytest.raises(InputError, match="at least 2 groups"):
        fit_leace(x, groups, 1)
    with pytest.raises(InputError, match=r"features: expected \[n, 12\], as fitted on, found \(2, 3\)"):
        fit_leace(x, groups, 2)(np.zeros((2, 3)))


def test_few_rows_for_the_dimensions_leave_traces_on_others():
    """The share of other rows that the best of all linear attackers gets right, by the closed form for Gaussians."""
    shift = np.eye(512)[0] * 1.5

    def right(n):
        rng = np.random.default_rng(0)
        groups = rng.integers(0, 2, n)
        projection = fit_leace(rng.normal(size=(n, 512)) + (2 * groups[:, None] - 1) * shift, groups, 2).projection
        moved, spread = projection @ shift, projection @ projection.T
        return norm.cdf(np.sqrt(moved @ np.linalg.pinv(spread, rcond=1e-8) @ moved))

    assert norm.cdf(1.5) == pytest.approx(0.93, abs=0.005)
    assert right(400) == pytest.approx(0.80, abs=0.03)
    assert right(5_000) == pytest.approx(0.62, abs=0.03)
