"""Figures of models and their differences: against a slow loop over resampled rows, planted truths, undefined cases."""

import json
from dataclasses import replace

import numpy as np
import pytest

from steelyard.base.errors import InputError, JoinError, UndefinedError
from steelyard.base.random import stream
from steelyard.jobs.augment.measures import measure_models
from steelyard.metrics import (
    average_precision,
    calibrated_threshold,
    directional_amplification,
    draw_weights,
    opportunity_difference,
    percentile_interval,
    score_divergence,
)
from steelyard.metrics.directional import direction_signs
from steelyard.reports.augment.figures import ALL, COMPARED, MEASURES, MeasuredModels
from steelyard.reports.augment.text import augment_csv
from steelyard.tables import LabelTable, PredictionTable

ATTRIBUTES = ("Blond_Hair", "Young", "Arched_Eyebrows", "Gray_Hair", "Eyeglasses")
TYPES = {
    "Blond_Hair": "gender-independent",
    "Young": "gender-dependent",
    "Arched_Eyebrows": "gender-dependent",
    "Gray_Hair": "gender-independent",
    "Eyeglasses": "gender-independent",
}
ROUNDS, SEED = 25, 2
SPLITS = ("train", "val", "test")


def labels(n=3000, attributes=ATTRIBUTES, seed=0) -> LabelTable:
    """Attributes that go with the group; a third of the images in each split."""
    rng = np.random.default_rng(seed)
    groups = (rng.random(n) < 0.6).astype(np.int64)
    lean = np.linspace(-1.5, 1.5, len(attributes))
    shares = 1 / (1 + np.exp(1.2 - lean * (groups[:, None] - 0.5)))
    return LabelTable(
        ids=np.array([f"{i:05d}.png" for i in range(n)]),
        groups=groups,
        group_names=("Male", "not Male"),
        targets=(rng.random(shares.shape) < shares).astype(np.uint8),
        target_names=tuple(attributes),
        kind="multi",
        splits=np.array(SPLITS)[np.arange(n) % 3],
        protected="Male",
        source="made-up labels",
    )


def predictions(table, lean, *, seed=1, noise=0.9, kind="logits") -> PredictionTable:
    """Scores that see the attribute, and by `lean` the group, in the direction in which it goes with the attribute."""
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(table.splits != "train")
    group, truth = table.groups[kept, None] - 0.5, table.matrix()[kept]
    way = np.sign(np.linspace(-1.5, 1.5, truth.shape[1]))
    scores = 2.2 * truth - 1.6 + lean * way * group + noise * rng.normal(size=truth.shape)
    if kind == "probabilities":
        scores = 1 / (1 + np.exp(-scores))
    return PredictionTable(
        ids=table.ids[kept],
        scores=scores,
        target_names=table.target_names,
        kind=kind,
        splits=table.splits[kept],
        source="made-up scores",
    )


def models(table, plain=1.4, other=0.3, **fields):
    return {"plain": predictions(table, plain, seed=1, **fields), "other": predictions(table, other, seed=2, **fields)}


def part(table, predicted, split):
    """Rows of one split: labels, and scores in their order."""
    rows = np.flatnonzero(table.splits == split)
    place = {name: i for i, name in enumerate(predicted.ids.tolist())}
    return rows, predicted.scores[[place[name] for name in table.ids[rows].tolist()]]


def attempt(measure, *args, **kwargs):
    try:
        return measure(*args, interval=False, **kwargs)
    except UndefinedError:
        return np.nan


def slow_round(table, predicted, images, rows):
    """`[6, t]` by the public functions, one attribute after the other, on the test images at `rows`."""
    train = np.flatnonzero(table.splits == "train")
    val, val_scores = part(table, predicted, "val")
    scores = predicted.scores[images][rows]
    truth, groups = (array[table.splits == "test"][rows] for array in (table.targets, table.groups))
    values = np.full((6, truth.shape[1]), np.nan)
    for t in range(truth.shape[1]):
        decided = (scores[:, t] >= calibrated_threshold(table.targets[val, t], val_scores[:, t])).astype(int)
        gap = attempt(opportunity_difference, truth[:, t], groups, decided, group=0, reference=1)
        shift = attempt(
            directional_amplification,
            truth[:, [t]],
            groups,
            decided[:, None],
            train_targets=table.targets[train][:, [t]],
            train_groups=table.groups[train],
        )
        values[0, t] = attempt(average_precision, truth[:, t], scores[:, t])
        values[1:5, t] = gap, abs(gap), shift, abs(shift)
        values[5, t] = attempt(score_divergence, truth[:, t], groups, 1 / (1 + np.exp(-scores[:, t])))
    return values


def known_mean(values):
    known = values[~np.isnan(values)]
    return known.mean() if len(known) else np.nan


def assert_close(found, value, ends, bounds):
    assert found.value == pytest.approx(value, abs=1e-9)
    assert [found.low, found.high] == pytest.approx(np.clip([ends.low, ends.high], *bounds).tolist(), abs=1e-9)


def test_agrees_with_a_loop_over_resampled_rows():
    table = labels(450, seed=SEED)
    ways = [direction_signs(table.targets[rows], table.groups[rows], 2) for rows in map(table.splits.__eq__, SPLITS)]
    assert (ways[0] != ways[2]).any()  # so that a direction from the test labels would show
    given = models(table)
    found = measure_models(table, given, types=TYPES, rounds=ROUNDS, seed=3)
    n = int((table.splits == "test").sum())
    drawn = draw_weights(n, ROUNDS, rng=stream(3, "bootstrap"))
    rounds = [np.arange(n), *(np.repeat(np.arange(n), drawn[:, r]) for r in range(ROUNDS))]
    slow = {}
    for name, predicted in given.items():
        place = {image: i for i, image in enumerate(predicted.ids.tolist())}
        images = np.array([place[image] for image in table.ids[table.splits == "test"].tolist()])
        slow[name] = np.stack([slow_round(table, predicted, images, rows) for rows in rounds])
    compared = 0
    for row in (*found.rows, *found.means):
        columns = [ATTRIBUTES.index(name) for name in row.attributes]
        for i, measure in enumerate(MEASURES):
            own = {name: np.array([known_mean(v[i, columns]) for v in values]) for name, values in slow.items()}
            least = -1.0 if MEASURES[measure].signed else 0.0
            top = np.inf if measure == "kl" else 1.0
            for name, values in own.items():
                ends = percentile_interval(values[1:], around=values[0])
                assert_close(row.figure(measure, name), values[0], ends, (least, top))
            gaps = own["other"] - own["plain"]
            ends = percentile_interval(gaps[1:], around=gaps[0])
            assert_close(row.difference(measure, "other"), gaps[0], ends, (least - top, top - least))
            compared += 1
    assert compared == 6 * (5 + 1 + 2)


def test_a_planted_difference_is_found_and_its_reverse():
    table = labels(3000)
    less = measure_models(table, models(table, 1.4, 0.2), rounds=100).overall
    more = measure_models(table, models(table, 0.2, 1.4), rounds=100).overall
    for measure in ("deo_absolute", "ba_absolute", "kl"):
        assert less.difference(measure, "other").high < 0
        assert more.difference(measure, "other").low > 0


def test_models_of_one_kind_seldom_seem_to_differ():
    """Of 60 differences that are 0 in truth, about 3 lie clear of it; 12 or more would be one in 100,000."""
    clear = 0
    for seed in range(15):
        table = labels(1500, seed=seed)
        given = {name: predictions(table, 0.8, seed=100 * seed + i) for i, name in enumerate(("plain", "other"))}
        overall = measure_models(table, given, rounds=60).overall
        gaps = [overall.difference(measure, "other") for measure in COMPARED]
        clear += sum(gap.low > 0 or gap.high < 0 for gap in gaps)
    assert clear < 12


def test_equal_models_differ_by_exactly_nothing():
    table = labels(600)
    plain = predictions(table, 1.0)
    found = measure_models(table, {"plain": plain, "other": replace(plain, source="copy")}, rounds=30)
    for row in (*found.rows, *found.means):
        for gaps in row.differences.values():
            assert (gaps["other"].value, gaps["other"].low, gaps["other"].high) == (0.0, 0.0, 0.0)


def test_paired_intervals_are_narrower_than_the_figures_suggest():
    table = labels(1500)
    plain = predictions(table, 1.0)
    moved = replace(plain, scores=plain.scores + np.random.default_rng(5).normal(0, 0.1, plain.scores.shape))
    row = measure_models(table, {"plain": plain, "other": moved}, rounds=100).overall
    for measure in COMPARED:
        gap, figure = row.difference(measure, "other"), row.figure(measure, "plain")
        assert gap.high - gap.low < 0.7 * (figure.high - figure.low)


def test_order_of_rows_and_columns_is_that_of_the_ids_and_names():
    table = labels(600)
    given = models(table)
    other, order, columns = given["other"], np.random.default_rng(0).permutation(400), [3, 1, 4, 0, 2]
    moved = replace(
        other,
        ids=other.ids[order],
        splits=other.splits[order],
        scores=other.scores[np.ix_(order, columns)],
        target_names=tuple(other.target_names[c] for c in columns),
    )
    assert measure_models(table, given, rounds=10) == measure_models(table, given | {"other": moved}, rounds=10)


def test_probabilities_and_logits_say_the_same():
    table = labels(600)
    logits, shares = (
        measure_models(table, models(table, kind=kind), rounds=10) for kind in ("logits", "probabilities")
    )
    for one, two in zip(logits.rows, shares.rows, strict=True):
        for measure in MEASURES:
            assert one.figure(measure, "plain").value == pytest.approx(two.figure(measure, "plain").value, abs=1e-9)


def crippled():
    """One attribute each: sound; no test positive of one group; no validation positive; balanced training; nobody."""
    table = labels(1200, ("sound", "one_sided", "uncut", "balanced", "absent"), seed=4)
    targets, train, val, test = table.targets.copy(), *(table.splits == name for name in ("train", "val", "test"))
    targets[test & (table.groups == 0), 1] = 0
    targets[val, 2] = 0
    for group in (0, 1):
        rows = np.flatnonzero(train & (table.groups == group))
        targets[rows, 3] = 0
        targets[rows[: len(rows) // 2 * 2 : 2], 3] = 1
    first = np.flatnonzero(train & (table.groups == 0))
    second = np.flatnonzero(train & (table.groups == 1))
    odd = np.concatenate([rows[-1:] for rows in (first, second) if len(rows) % 2])
    splits = table.splits.copy()
    splits[odd] = "val"
    targets[:, 4] = 0
    return replace(table, targets=targets, splits=splits)


def test_undefined_stays_undefined_with_the_reason():
    table = crippled()
    found = measure_models(table, models(table), types={"sound": "one", "uncut": "one", "absent": "two"}, rounds=40)
    rows = {row.name: row for row in found.rows}
    assert rows["sound"].undefined == {}
    assert set(rows["one_sided"].undefined) == {"deo", "deo_absolute", "kl"}
    assert rows["one_sided"].undefined["deo"] == "no test image of Male has it"
    assert set(rows["uncut"].undefined) == {"deo", "deo_absolute", "ba", "ba_absolute"}
    assert "no validation image has it" in rows["uncut"].undefined["ba"]
    assert set(rows["balanced"].undefined) == {"ba", "ba_absolute"}
    assert "exactly balanced" in rows["balanced"].undefined["ba"]
    assert set(rows["absent"].undefined) == set(MEASURES)
    assert rows["absent"].undefined["ap"] == "no test image has it"
    overall = found.overall
    assert overall.over["ap"] == ("sound", "one_sided", "uncut", "balanced")
    assert overall.over["deo_absolute"] == ("sound", "balanced")
    assert overall.over["ba"] == ("sound", "one_sided")
    assert overall.over["kl"] == ("sound", "uncut", "balanced")
    values = [rows[name].figure("deo_absolute", "other").value for name in overall.over["deo_absolute"]]
    assert overall.figure("deo_absolute", "other").value == pytest.approx(np.mean(values))
    assert found.row("two").undefined == dict.fromkeys(MEASURES, "undefined of every attribute")
    assert found.row("one").over["deo"] == ("sound",)
    for row in (*found.rows, *found.means):
        assert set(row.figures) | set(row.undefined) == set(MEASURES)
        assert not set(row.figures) & set(row.undefined)
    text, table_of_text = str(found), augment_csv(found)
    assert "over 2 of 5" in text
    assert "undefined: AP: no test image has it" in text
    assert "no test image of Male has it" in table_of_text
    assert "nan" not in (text + table_of_text + json.dumps(found.to_record(), allow_nan=False)).lower()


def test_a_handful_of_images_has_no_interval():
    table = labels(900)
    targets, test = table.targets.copy(), table.splits == "test"
    targets[np.flatnonzero(test & (table.groups == 0) & (targets[:, 0] == 1))[1:], 0] = 0
    row = measure_models(replace(table, targets=targets), models(table), rounds=200).rows[0]
    assert row.positives == {"Male": 1, "not Male": row.positives["not Male"]}
    assert row.undefined["deo"].startswith("too few images for an interval: undefined in ")
    assert "ap" in row.figures


def test_three_groups_have_a_range_and_no_sign():
    table = labels(900)
    groups = table.groups.copy()
    groups[::4] = 2
    table = replace(table, groups=groups, group_names=("a", "b", "c"))
    found = measure_models(table, models(table), rounds=20)
    assert set(found.overall.figures) == set(MEASURES) - {"deo"}
    assert found.gap.startswith("largest less smallest")


def test_means_by_type_and_histograms():
    table = labels(900)
    found = measure_models(table, models(table), types=TYPES, rounds=10)
    assert [row.name for row in found.means] == [ALL, "gender-independent", "gender-dependent"]
    assert found.means[2].attributes == ("Young", "Arched_Eyebrows")
    assert [row.type for row in found.rows] == [TYPES[name] for name in ATTRIBUTES]
    assert measure_models(table, models(table), rounds=10).means == found.means[:1]
    test = table.split("test")
    for item in found.histograms:
        t = ATTRIBUTES.index(item.attribute)
        for g, group in enumerate(found.groups):
            own = test.targets[test.groups == g, t]
            assert [sum(bins) for bins in item.counts[group]] == [int((own == 0).sum()), int((own == 1).sum())]
    assert len(found.histograms) == 2 * len(ATTRIBUTES)
    assert sum(found.images.values()) == len(test)


def test_record_gives_the_same_back():
    table = crippled()
    found = measure_models(table, models(table), types={"sound": "one"}, rounds=10)
    record = json.loads(json.dumps(found.to_record(), allow_nan=False))
    assert MeasuredModels.from_record(record) == found
    with pytest.raises(InputError, match="schema 1, found schema 7"):
        MeasuredModels.from_record({**record, "schema": 7})
    record["rows"][0]["figures"] = {"auc": {}}
    with pytest.raises(InputError, match=r"measures\.rows\[0\]\.figures: expected 'ap' or 'deo'.*found 'auc'"):
        MeasuredModels.from_record(record)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda t, m: (t, {"plain": m["plain"]}), InputError, "expected the plain model and another"),
        (lambda t, m: (t.split("test"), m), InputError, "expected images of the train split"),
        (lambda t, m: (replace(t, splits=None), m), InputError, "expected images of the train split"),
        (lambda t, m: (t, {**m, "other": replace(m["other"], kind="decisions")}), InputError, "found decisions"),
        (lambda t, m: (t, {**m, "other": cut(m["other"], 3)}), JoinError, "expected a prediction for each"),
        (lambda t, m: (t, {**m, "other": only(m["other"], "test")}), InputError, "scores of the val split, found none"),
    ],
)
def test_what_does_not_fit_is_said(change, error, match):
    table = labels(300)
    given = change(table, models(table))
    with pytest.raises(error, match=match) as caught:
        measure_models(*given, rounds=5)
    assert "\n" not in str(caught.value)


def test_one_round_is_refused():
    table = labels(300)
    with pytest.raises(InputError, match="at least 2, found 1"):
        measure_models(table, models(table), rounds=1)


def cut(table, count):
    return replace(table, ids=table.ids[count:], scores=table.scores[count:], splits=table.splits[count:])


def only(table, split):
    rows = table.splits == split
    return replace(table, ids=table.ids[rows], scores=table.scores[rows], splits=table.splits[rows])
