"""The public functions: known answers, planted traps, what is undefined, what is refused."""

import numpy as np
import pytest
import slow_oracles as slow

from steelyard import metrics
from steelyard.base.errors import InputError, UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.metrics.divergence import score_divergence_kernel

QUICK = {"rounds": 60}


def bare(name, *arrays, **options):
    return getattr(metrics, name)(*arrays, **options, interval=False)


def table_of(counts):
    """(group, target, decision): count → three arrays."""
    rows = np.repeat(np.array(list(counts)), list(counts.values()), axis=0)
    return rows[:, 1], rows[:, 0], rows[:, 2]


# True positive rates 30/40, 10/20, 9/10; false positive rates 5/20, 0/10, 1/2 in groups 3, 5, 8.
THREE = table_of(
    {(3, 1, 1): 30, (3, 1, 0): 10, (3, 0, 1): 5, (3, 0, 0): 15}
    | {(5, 1, 1): 10, (5, 1, 0): 10, (5, 0, 0): 10}
    | {(8, 1, 1): 9, (8, 1, 0): 1, (8, 0, 1): 1, (8, 0, 0): 1}
)
TWO = tuple(array[THREE[1] != 8] for array in THREE)


def test_group_rates_by_hand():
    for group, found, false in ((3, 0.75, 0.25), (5, 0.5, 0.0), (8, 0.9, 0.5)):
        assert bare("true_positive_rate", *THREE, group=group) == pytest.approx(found)
        assert bare("false_positive_rate", *THREE, group=group) == pytest.approx(false)


def test_opportunity_difference_takes_the_largest_group_as_reference():
    assert bare("opportunity_difference", *TWO) == pytest.approx(-0.25)
    assert bare("opportunity_difference", *TWO, absolute=True) == pytest.approx(0.25)
    assert bare("opportunity_difference", *TWO, reference=5) == pytest.approx(0.25)
    assert bare("opportunity_difference", *TWO, group=3) == pytest.approx(0.25)
    assert bare("opportunity_difference", *THREE, group=8) == pytest.approx(0.15)
    assert bare("opportunity_difference", *THREE, group=8, reference=5) == pytest.approx(0.4)
    assert bare("opportunity_range", *THREE) == pytest.approx(0.4)
    signed = metrics.opportunity_difference(*TWO, **QUICK)
    assert isinstance(signed, Estimate)
    assert signed.low < -0.25 < signed.high
    assert "group 5 minus group 3" in signed.scheme


def test_opportunity_is_undefined_not_zero_without_positives():
    """The public code counts the recall of an empty group as 0 (trap R5), a difference of 1 here."""
    target, groups, decided = [1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0]
    with pytest.raises(UndefinedError, match="a group has too few images with the label"):
        bare("opportunity_difference", target, groups, decided)
    with pytest.raises(UndefinedError, match="a group has too few"):
        bare("opportunity_range", target, groups, decided)


def test_divergence_sees_shift_and_scale():
    """Trap R1: with each group's own range b = 0.5a + 0.4 shows exactly 0."""
    a = np.random.default_rng(0).beta(2, 4, 40_000)
    b = 0.5 * a + 0.4
    scores, groups = np.concatenate([a, b] * 2), np.repeat([0, 1, 0, 1], len(a))
    target = np.repeat([0, 1], 2 * len(a))
    assert bare("score_divergence", target, groups, scores) == pytest.approx(7.03, abs=0.1)
    own = [np.histogram(part, bins=50)[0] for part in (a, b)]
    assert np.abs(own[0] - own[1]).sum() <= 4, "own ranges cannot see it (up to rounding at the edges)"


def test_divergence_of_equal_and_of_disjoint_scores():
    scores, groups, target = np.tile([0.01, 0.99], 8), np.repeat([0, 1], 8), np.tile([0, 0, 1, 1], 4)
    assert bare("score_divergence", target, groups, scores) == 0
    apart = np.where(groups == 1, 1.0, 0.0)
    assert bare("score_divergence", target, groups, apart) == pytest.approx(slow.divergence(target, groups, apart, 2))
    assert 25 < bare("score_divergence", target, groups, apart) < 27.7


def test_divergence_is_undefined_where_a_cell_is_empty():
    with pytest.raises(UndefinedError, match="with or without the label"):
        bare("score_divergence", [1, 1, 0, 1], [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    both = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=np.uint8)
    values = score_divergence_kernel(both, np.array([0, 1, 0, 1]), np.full((4, 2), 0.5), k=2)
    assert np.isnan(values).all()
    with pytest.raises(InputError, match=r"expected probabilities in \[0, 1\], found -1.5 in row 1"):
        bare("score_divergence", [0, 1], [0, 1], [0.5, -1.5])


# Group 0 has the label in 6 of 10, group 1 in 2 of 10; predicted in 8 of 10 and 1 of 10.
LABELS = np.r_[np.repeat([1, 0], [6, 4]), np.repeat([1, 0], [2, 8])][:, None]
PEOPLE = np.repeat([0, 1], 10)
PREDICTED = np.r_[np.repeat([1, 0], [8, 2]), np.repeat([1, 0], [1, 9])][:, None]


def test_directional_amplification_by_hand():
    assert bare("directional_amplification", LABELS, PEOPLE, PREDICTED) == pytest.approx((0.2 + 0.1) / 2)
    turned = {"train_targets": LABELS, "train_groups": 1 - PEOPLE}
    assert bare("directional_amplification", LABELS, PEOPLE, PREDICTED, **turned) == pytest.approx(-0.15)
    assert bare("directional_amplification", LABELS, PEOPLE, LABELS) == 0
    # Of the 8 images with the label 6 show group 0; 7 are said to.
    guessed = np.where(np.arange(20) == 10, 0, PEOPLE)
    back = bare("directional_amplification", LABELS, PEOPLE, guessed, direction="target_to_attribute")
    assert back == pytest.approx(1 / 8)


def test_directional_ties_count_zero_and_are_reported():
    """A second label, balanced in training, halves the mean whatever is predicted of it."""
    balanced = np.tile([1, 0], 10)[:, None]
    wide = np.hstack([LABELS, balanced])
    guess = np.hstack([PREDICTED, np.ones_like(balanced)])
    found = metrics.directional_amplification(wide, PEOPLE, guess, train_targets=wide, train_groups=PEOPLE, **QUICK)
    assert found.value == pytest.approx(0.15 / 2)
    assert "50.0% of the (group, label) pairs are exactly balanced" in found.note
    assert found.name == "directional_amplification_attribute_to_target"
    with pytest.raises(UndefinedError, match=r"every \(group, label\) pair of the training set is exactly balanced"):
        bare("directional_amplification", LABELS, PEOPLE, PREDICTED, train_targets=balanced, train_groups=PEOPLE)


def test_ties_are_exact_where_floats_are_not():
    """3 groups with the label in exactly a third each: P(a, t) − P(a)·P(t) in floats is not 0 everywhere."""
    sizes = np.array([3, 6, 21])
    groups = np.repeat(np.arange(3), sizes)
    target = np.concatenate([np.arange(size) < size // 3 for size in sizes]).astype(int)[:, None]
    floats = [(target[groups == g].sum() / 30) - (sizes[g] / 30) * (target.sum() / 30) for g in range(3)]
    assert any(value != 0 for value in floats)
    with pytest.raises(UndefinedError, match="exactly balanced"):
        bare("directional_amplification", target, groups, target)


def test_labels_never_seen_are_named_not_dropped():
    wide = np.hstack([LABELS, np.zeros_like(LABELS)])
    trained = {"train_targets": np.hstack([LABELS, LABELS]), "train_groups": PEOPLE}
    back = metrics.directional_amplification(wide, PEOPLE, PEOPLE, direction="target_to_attribute", **trained, **QUICK)
    assert "1 of 2 labels have no positives and are left out" in back.note
    assert "1 of 2 labels have no positives" in metrics.f1_macro(wide, wide, **QUICK).note
    scored = metrics.mean_average_precision(wide, wide.astype(float), **QUICK)
    assert scored.value == 1
    assert "1 of 2 labels have no positives" in scored.note
    legacy = metrics.mals_amplification(wide, PEOPLE, np.zeros_like(wide), **trained, **QUICK)
    assert legacy.value == 0
    assert "2 of 2 labels are never predicted and add 0" in legacy.note


def test_mals_by_hand():
    """Training shares of group 0: 6/8; predictions: 8/9. A label led by nobody adds nothing but counts in |O|."""
    assert bare("mals_amplification", LABELS, PEOPLE, PREDICTED) == pytest.approx(8 / 9 - 6 / 8)
    even = np.tile([1, 0], 10)[:, None]
    wide, guess = np.hstack([LABELS, even]), np.hstack([PREDICTED, even])
    assert bare("mals_amplification", wide, PEOPLE, guess) == pytest.approx((8 / 9 - 6 / 8) / 2)
    flipped = bare("mals_amplification", LABELS, PEOPLE, PREDICTED, predicted_groups=1 - PEOPLE)
    assert flipped == pytest.approx(1 / 9 - 6 / 8)


def test_categories_are_their_one_hot_labels():
    rng = np.random.default_rng(0)
    verbs, guessed, people = rng.integers(0, 4, 200), rng.integers(0, 4, 200), rng.integers(0, 2, 200)
    wide, wide_guess = np.eye(4, dtype=int)[verbs], np.eye(4, dtype=int)[guessed]
    for name in ("directional_amplification", "mals_amplification", "multi_attribute_amplification"):
        one = bare(name, verbs * 10, people, guessed * 10)
        assert one == pytest.approx(bare(name, wide, people, wide_guess))
    assert bare("f1_macro", verbs, guessed) == pytest.approx(bare("f1_macro", wide, wide_guess))
    scores = rng.random((200, 4))
    assert bare("mean_average_precision", verbs, scores) == bare("mean_average_precision", wide, scores)


def test_group_codes_may_be_any_integers():
    for name in ("directional_amplification", "mals_amplification"):
        coded = bare(name, LABELS, np.array([40, -7])[PEOPLE], PREDICTED)
        assert coded == pytest.approx(bare(name, LABELS, 1 - PEOPLE, PREDICTED))
    assert bare("group_share", LABELS[:, 0], np.array([40, -7])[PEOPLE], group=40) == pytest.approx(6 / 8)


def test_multi_attribute_statistics_and_support():
    rng = np.random.default_rng(2)
    truth, guess = rng.integers(0, 2, (300, 4)), rng.integers(0, 2, (300, 4))
    people = rng.integers(0, 3, 300)
    sets = slow.label_sets(truth, 3, 30)
    assert {len(labels) for labels in sets} == {1, 2, 3}
    wide, wide_guess = slow.set_table(truth, sets), slow.set_table(guess, sets)
    pairs = slow.directional_pairs(wide, people, wide_guess, 3, "attribute_to_target", (wide, people)).values()
    signed = np.array([sign * delta for sign, delta in pairs])
    expected = {
        "mean_absolute": np.mean([abs(delta) for _, delta in pairs]),
        "mean_signed": signed.mean(),
        "variance_signed": signed.var(),
    }
    for statistic, value in expected.items():
        found = bare("multi_attribute_amplification", truth, people, guess, statistic=statistic)
        assert found == pytest.approx(value)
    found = metrics.multi_attribute_amplification(truth, people, guess, **QUICK)
    assert f"over {len(sets)} label sets" in found.scheme
    with pytest.raises(UndefinedError, match="no label has 500 training images; lower min_support"):
        bare("multi_attribute_amplification", truth, people, guess, min_support=500)


def test_single_label_leakage_by_hand():
    """Rates 0.6 and 0.2: the attacker says group 0 at the label and group 1 without it."""
    assert bare("single_label_leakage", LABELS[:, 0], PEOPLE) == pytest.approx((0.6 + 0.8) / 2)
    assert bare("single_label_leakage", [1, 0, 1, 0], [0, 0, 1, 1]) == 0.5
    assert bare("single_label_leakage", [1, 1, 0, 0], [0, 0, 1, 1]) == 1


def test_quality_without_positives_or_hits():
    with pytest.raises(UndefinedError, match="no image has the label"):
        bare("average_precision", [0, 0], [0.1, 0.2])
    with pytest.raises(UndefinedError, match="no image has the label"):
        bare("f1", [0, 0], [0, 1])
    for name in ("f1_macro", "f1_micro"):
        with pytest.raises(UndefinedError, match="no label has a positive"):
            bare(name, [[0], [0]], [[0], [1]])
    assert bare("f1", [1, 0], [0, 1]) == 0
    assert bare("f1_macro", [[1, 1], [0, 0]], [[0, 1], [0, 0]]) == 0.5
    assert bare("average_precision", [1, 0, 1, 0], [0.5] * 4) == 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("f1", [0, 1, 1], [0, 1]), r"one row per image, found rows: targets 3, decisions 2"),
        (("f1", [0, 3], [0, 1]), r"targets: expected 0 and 1, found 3 at row 1"),
        (("f1", [[0, 1]], [0, 1]), r"targets: expected an array of 1 axes, found shape \(1, 2\)"),
        (("f1", ["a", "b"], [0, 1]), r"targets: expected numbers, found <U1"),
        (("f1", [], []), r"expected at least one image, found none"),
        (("f1_macro", [[0, 1]], [0]), r"expected all \[image, label\] or all \[image\]"),
        (("f1_macro", [[0, 1]], [[0]]), r"found columns: targets 2, decisions 1"),
        (("f1_macro", [[0, 1], [0, 2]], [[0, 1], [0, 1]]), r"found 2 at row 1, column 1"),
        (("balanced_accuracy", [0.5, 1], [0, 1]), r"classes: expected whole numbers"),
        (("mean_average_precision", [0, 7], [[0.1, 0.2], [0.3, 0.4]]), r"categories 0 to 1.* found 7 in row 1"),
        (("mean_average_precision", [[1], [0]], [[0.1, 0.2], [0.3, 0.4]]), r"found targets 1, scores 2"),
        (("average_precision", [0, 1], [0.1, np.inf]), r"scores: expected finite numbers, found inf in row 1"),
        (("opportunity_difference", [1, 1, 1], [0, 1, 2], [1, 1, 1]), r"opportunity_range compares all"),
    ],
)
def test_bad_arrays_are_refused_in_one_line(call, said):
    name, *arrays = call
    with pytest.raises(InputError, match=said) as caught:
        bare(name, *arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("directional_amplification", {"direction": "sideways"}, "found 'sideways'"),
        ("directional_amplification", {"train_targets": LABELS}, "expected both or neither"),
        ("mals_amplification", {"train_groups": PEOPLE}, "expected both or neither"),
        ("multi_attribute_amplification", {"train_groups": PEOPLE}, "expected both or neither"),
        ("multi_attribute_amplification", {"statistic": "median"}, "found 'median'"),
        ("multi_attribute_amplification", {"max_size": 0}, "expected at least 1, found 0"),
        ("directional_amplification", {"rounds": 1}, "an interval needs at least 2, found 1"),
        ("directional_amplification", {"level": 95}, "between 0 and 1, found 95"),
    ],
)
def test_bad_options_are_refused(name, options, said):
    with pytest.raises(InputError, match=said):
        getattr(metrics, name)(LABELS, PEOPLE, PREDICTED, **options)


def test_groups_that_do_not_exist():
    with pytest.raises(InputError, match=r"group: expected one of the groups \[3, 5, 8\], found 4"):
        bare("true_positive_rate", *THREE, group=4)
    with pytest.raises(InputError, match=r"reference: expected one of the groups"):
        bare("opportunity_difference", *TWO, reference=4)
    with pytest.raises(InputError, match=r"two different groups, found 3 twice"):
        bare("opportunity_difference", *TWO, group=3, reference=3)
    with pytest.raises(InputError, match=r"group: expected one of the groups \[0, 1\], found 2"):
        bare("group_share", LABELS[:, 0], PEOPLE, group=2)
    with pytest.raises(UndefinedError, match="expected two groups or more, found 1"):
        bare("single_label_leakage", [0, 1], [1, 1])


def test_estimates_say_what_they_are():
    found = metrics.f1_macro(LABELS, PREDICTED, rounds=300, level=0.9)
    assert (found.name, found.n, found.level, found.varied) == ("f1_macro", 20, 0.9, ("images",))
    assert found.low <= found.value <= found.high
    assert found.sd_images > 0
    assert "300 rounds" in found.scheme
    assert float(found) == bare("f1_macro", LABELS, PREDICTED)


def test_a_figure_that_noise_moves_is_marked_and_lies_within_its_interval():
    """The mean of |Δ| of 100 labels without any relation to the groups is noise, and resampling doubles it."""
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 2, (400, 100)), rng.integers(0, 2, (400, 100))
    people = rng.integers(0, 2, 400)
    noise = metrics.multi_attribute_amplification(truth, people, guess, max_size=1, **QUICK)
    assert noise.low < noise.value < noise.high
    assert "noise alone moves this measure" in noise.note
    assert "noise" not in metrics.f1_macro(truth, guess, **QUICK).note
