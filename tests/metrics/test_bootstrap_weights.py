"""The resampling: what is drawn, what an interval is, and that all rounds at once are the rounds one by one."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steelyard.base.errors import InputError, UndefinedError
from steelyard.base.random import stream
from steelyard.metrics import average_precision, f1
from steelyard.metrics.bootstrap import bootstrap_samples, draw_weights, percentile_interval
from steelyard.metrics.counting import running_sum, weighted_sums
from steelyard.metrics.directional import direction_signs
from steelyard.metrics.panel import label_panel

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bootstrap.py"


def drawn(n, rounds, **options):
    return draw_weights(n, rounds, rng=np.random.default_rng(0), **options)


def test_multinomial_weights_are_resamples():
    weights = drawn(50, 4000)
    assert weights.shape == (50, 4000)
    assert weights.dtype == np.uint8
    assert weights.flags.c_contiguous
    assert (weights.sum(axis=0) == 50).all()
    counts = np.bincount(weights.ravel(), minlength=7)[:7]
    expected = stats.binom.pmf(np.arange(7), 50, 1 / 50) * weights.size
    assert np.abs(counts / expected - 1)[:4].max() < 0.02


def test_poisson_weights_have_the_poisson_law_and_free_sums():
    weights = drawn(50, 4000, kind="poisson")
    counts = np.bincount(weights.ravel(), minlength=5)[:5]
    assert np.abs(counts / (stats.poisson.pmf(np.arange(5), 1) * weights.size) - 1)[:4].max() < 0.02
    assert len(np.unique(weights.sum(axis=0))) > 10


def test_strata_keep_their_size():
    strata = np.array([5, 9, 5, 5, 9, 7])
    weights = drawn(6, 300, strata=strata)
    for stratum, size in ((5, 3), (9, 2), (7, 1)):
        assert (weights[strata == stratum].sum(axis=0) == size).all()
    assert (drawn(6, 300)[strata == 5].sum(axis=0) != 3).any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0, "rounds": 5}, "n ≥ 1"),
        ({"n": 5, "rounds": 0}, "rounds ≥ 1"),
        ({"n": 5, "rounds": 5, "kind": "jackknife"}, "found 'jackknife'"),
        ({"n": 5, "rounds": 5, "strata": np.zeros(4, int)}, r"shape \(5,\), found \(4,\)"),
        ({"n": 5, "rounds": 5, "strata": np.zeros(5, int), "kind": "poisson"}, "multinomial"),
    ],
)
def test_impossible_draws_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        draw_weights(**options, rng=np.random.default_rng(0))


def test_blocks_draw_the_same_weights_as_one_call(monkeypatch):
    whole = drawn(40, 101)
    monkeypatch.setattr("steelyard.metrics.bootstrap._ENTRIES", 40 * 7)
    parts = bootstrap_samples(lambda w: w.T.astype(float), 40, rounds=101, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(parts, whole.T)


def test_an_interval_around_a_figure_keeps_its_width_and_moves_to_it():
    samples = np.random.default_rng(0).exponential(size=(999, 4)) + np.arange(4)
    figure = np.array([0.5, 2.5, 3.0, 9.0])
    plain, moved = percentile_interval(samples), percentile_interval(samples, around=figure)
    np.testing.assert_allclose(moved.high - moved.low, plain.high - plain.low)
    np.testing.assert_allclose(plain.low - moved.low, samples.mean(axis=0) - figure)
    np.testing.assert_allclose(moved.bias, samples.mean(axis=0) - figure)
    assert not plain.bias.any()


def test_percentile_interval_leaves_out_and_counts_undefined_rounds():
    samples = np.arange(300.0).reshape(100, 3)
    samples[:8, 1] = np.nan
    samples[:11, 2] = np.nan
    ends = percentile_interval(samples, 0.9)
    assert ends.undefined.tolist() == [0, 8, 11]
    np.testing.assert_allclose(ends.low[:2], [np.quantile(samples[:, 0], 0.05), np.quantile(samples[8:, 1], 0.05)])
    np.testing.assert_allclose(ends.high[:2], [np.quantile(samples[:, 0], 0.95), np.quantile(samples[8:, 1], 0.95)])
    np.testing.assert_allclose(ends.sd[:2], [samples[:, 0].std(ddof=1), samples[8:, 1].std(ddof=1)])
    assert np.isnan([ends.low[2], ends.high[2], ends.sd[2]]).all()


@pytest.mark.parametrize(("rounds", "level"), [(1, 0.9), (10, 0.0), (10, 1.0), (10, 95)])
def test_impossible_intervals_are_refused(rounds, level):
    with pytest.raises(InputError):
        percentile_interval(np.zeros(rounds), level)


@given(st.integers(1, 400), st.integers(1, 4), st.sampled_from([np.uint8, np.uint16, np.uint32]), st.integers(1, 256))
def test_running_sum_is_cumsum(m, rounds, kind, top):
    rng = np.random.default_rng(m)
    counts = rng.integers(0, top, (m, rounds)).astype(kind)
    before, expected = counts.copy(), np.cumsum(counts, axis=0, dtype=np.int64)
    rows = rng.integers(0, m, 7)
    np.testing.assert_array_equal(running_sum(counts), expected)
    np.testing.assert_array_equal(running_sum(counts, rows), expected[rows])
    np.testing.assert_array_equal(counts, before)


def test_running_sum_of_large_counts_is_wide():
    counts = np.full((100, 1), 2**31, dtype=np.uint32)
    assert running_sum(counts)[-1, 0] == 100 * 2**31


def test_weighted_sums_stay_exact_where_float32_would_not():
    """70,000 images at the largest weight pass 2**24; a single float32 product would round."""
    weights = np.full((70_000, 1), 255, dtype=np.uint8)
    weights[0] = 254
    columns = np.ones((70_000, 1), dtype=np.uint8)
    assert weighted_sums(columns, weights)[0, 0] == 70_000 * 255 - 1
    assert int(np.float32(70_000 * 255 - 1)) != 70_000 * 255 - 1


def test_the_panel_is_the_plain_loop_on_the_same_resamples():
    """The comparison of the benchmark, small, scikit-learn included; shifted by one round it fails."""
    spec = importlib.util.spec_from_file_location("bootstrap_benchmark", BENCHMARK)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    table = plain.simulated(1500, 3)
    targets, groups, scores, decisions = table
    signs = direction_signs(targets, groups, 2)
    weights = drawn(1500, 6)

    def panel(rounds):
        return label_panel(targets, groups, scores, decisions, k=2, probabilities=scores, signs=signs, weights=rounds)

    assert plain.largest_difference(panel(weights), table, weights, signs) < 1e-9
    assert plain.largest_difference(panel(weights[:, ::-1]), table, weights, signs) > 1e-3


def test_one_seed_gives_one_interval_and_the_same_resamples_to_all():
    rng = np.random.default_rng(0)
    target, scores = rng.integers(0, 2, 80), rng.random(80)
    first = average_precision(target, scores, rounds=200, seed=3)
    assert first == average_precision(target, scores, rounds=200, seed=3)
    assert first != average_precision(target, scores, rounds=200, seed=4)
    weights = draw_weights(80, 200, rng=stream(3, "bootstrap"))
    again = label_panel(
        target[:, None].astype(np.uint8),
        rng.integers(0, 2, 80),
        scores[:, None],
        target[:, None].astype(np.uint8),
        k=2,
        weights=weights,
    )
    ends = percentile_interval(again.average_precision, around=np.array([first.value]))
    assert (first.low, first.high) == (ends.low[0], ends.high[0])


def test_a_measure_that_few_resamples_can_hold_has_no_interval():
    target, decided = np.array([1] + [0] * 30), np.array([1] * 31)
    assert f1(target, decided, interval=False) == pytest.approx(2 / 32)
    with pytest.raises(UndefinedError, match=r"of 1,000 resamples leave it undefined"):
        f1(target, decided)
    rare = np.array([1] * 3 + [0] * 30)
    assert "resamples, which are left out" in f1(rare, np.ones(33)).note
