"""What a Balanced says of itself, and that its checks can fail."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from steelyard.mitigation.samples import balance, exact_alpha, search, violations
from steelyard.mitigation.samples.programme import Cells, formulate


@pytest.fixture
def found():
    # hat: 6 men, 2 women; ring: 0 men, 3 women (one of them with a hat); nothing: 4 men, 2 women.
    targets = np.array([[1, 0]] * 6 + [[0, 0]] * 4 + [[1, 0]] + [[1, 1]] + [[0, 1]] * 2 + [[0, 0]] * 2)
    groups = np.array([0] * 10 + [1] * 6)
    return balance(
        targets,
        groups,
        alpha=2,
        rng=np.random.default_rng(3),
        target_names=["hat", "ring"],
        group_names=["man", "woman"],
    )


def test_the_report_counts_what_was_kept(found):
    assert found.before.tolist() == [[6, 0], [2, 3]]
    assert found.after.tolist() == [[2, 0], [1, 0]]
    assert found.groups_before.tolist() == [10, 6]
    assert found.groups_after.tolist() == [6, 3]
    assert len(found) == found.bound == 9
    assert found.vanished == found.one_sided == ("ring",)
    assert found.largest_ratio == 2
    assert found.violations == []
    assert found.per_label()[0] == {
        "label": "hat",
        "before": {"man": 6, "woman": 2},
        "after": {"man": 2, "woman": 1},
    }


def test_the_summary_in_words(found):
    assert found.summary().splitlines() == [
        "kept 9 of 16 images (56.2%) at alpha = 2",
        "constraints: labels and group totals, all hold (counted in integers); largest ratio left 2",
        "programme: optimal; at most 9 possible, remaining gap 0.000%",
        "absent from some group, so dropped: 1 (ring)",
        "",
        "               man  woman",
        "all images  10 → 6  6 → 3",
        "ring         0 → 0  3 → 0",
        "hat          6 → 2  2 → 1",
    ]


def test_a_tampered_result_is_caught(found):
    after = found.after.copy()
    after[0, 0] += 1
    broken = replace(found, after=after)
    assert [(entry.column, entry.over, entry.under) for entry in broken.violations] == [(0, 0, 1)]
    assert "BROKEN" in broken.summary()
    totals = replace(found, groups_after=np.array([7, 3]))
    assert [entry.column for entry in totals.violations] == [2]
    assert replace(totals, balance_groups=False).violations == []


def test_the_checker_is_inclusive_and_exact():
    huge = 10**15
    edge = np.array([[3 * huge, 2, 0], [2 * huge, 3, 0]])
    assert violations(edge, Fraction(3, 2)) == []
    over = edge + np.array([[1, 0, 0], [0, 0, 1]])
    assert [entry.column for entry in violations(over, Fraction(3, 2))] == [0, 2]


@pytest.mark.parametrize(
    ("alpha", "exact"),
    [
        (1, Fraction(1)),
        (1.9, Fraction(19, 10)),
        (np.float32(1.9), Fraction(19, 10)),
        (np.int64(2), Fraction(2)),
        (10**400, Fraction(10**400)),
        (Fraction(4, 3), Fraction(4, 3)),
    ],
)
def test_alpha_as_a_fraction(alpha, exact):
    assert exact_alpha(alpha) == exact


def test_interchangeable_images_are_drawn_evenly_and_by_the_generator():
    groups = np.repeat([0, 1], [8, 2])
    labels = np.zeros(10, dtype=int)
    rng = np.random.default_rng(5)
    times = np.zeros(10)
    for _ in range(2000):
        times[balance(labels, groups, alpha=1, rng=rng).kept] += 1
    assert (times[8:] == 2000).all()
    assert np.abs(times[:8] - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)
    same = [balance(labels, groups, alpha=1, rng=np.random.default_rng(9)).kept.tolist() for _ in range(2)]
    assert same[0] == same[1]


def test_repair_makes_any_answer_of_the_solver_exact():
    rng = np.random.default_rng(0)
    patterns = (rng.random((40, 5)) < 0.4).astype(np.uint8)
    group, size = rng.integers(0, 2, 40), rng.integers(1, 9, 40)
    cells = Cells(patterns=patterns, group=group, size=size, k=2)
    programme = formulate(cells, Fraction(11, 10), balance_groups=True, support=np.zeros(5, dtype=int))
    answer = programme.upper + 1
    assert not programme.holds(answer)
    mended = search._repair(programme, answer, rng.random(40))
    assert programme.holds(mended)
    assert 0 < mended.sum() < programme.upper.sum()
    assert (mended <= programme.upper).all()
    demanding = replace(programme, support=programme.counts(programme.upper).sum(0))
    assert search._repair(demanding, answer, rng.random(40)) is None
