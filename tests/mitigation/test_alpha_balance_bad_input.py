"""Every refusal of `balance` is one line that says what was expected and found."""

from fractions import Fraction

import numpy as np
import pytest

from steelyard.base.errors import InputError, UndefinedError
from steelyard.mitigation.samples import balance

LABELS = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
GROUPS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("change", "error", "line"),
    [
        ({"alpha": 0.5}, InputError, r"alpha: expected a finite real number of at least 1, found 0\.5"),
        ({"alpha": float("nan")}, InputError, r"alpha: .* found nan"),
        ({"alpha": float("inf")}, InputError, r"alpha: .* found inf"),
        ({"alpha": Fraction(9, 10)}, InputError, r"alpha: .* at least 1"),
        ({"alpha": "2"}, InputError, r"alpha: .* found '2'"),
        ({"alpha": True}, InputError, r"alpha: .* found True"),
        ({"groups": [1, 1, 1, 1]}, UndefinedError, r"at least 2 groups, all 4 rows are of one"),
        ({"groups": [0, 0, 2, 2]}, UndefinedError, r"no image of group 1"),
        ({"group_names": ["a", "b", "c"]}, UndefinedError, r"no image of group c"),
        ({"group_names": ["a"]}, InputError, r"group_names: expected a name for group 1, found 1"),
        ({"groups": [0, 0, -1, 1]}, InputError, r"groups: .* negative numbers in rows 2"),
        ({"groups": [0, 0, np.nan, 1]}, InputError, r"groups: .* NaN or fractions in rows 2"),
        ({"groups": ["a", "a", "b", "b"]}, InputError, r"groups: expected integers, found <U1"),
        ({"groups": []}, InputError, r"groups: .* found shape \[0\]"),
        ({"groups": [[0], [1]]}, InputError, r"groups: .* found shape \[2, 1\]"),
        ({"targets": LABELS[:3]}, InputError, r"targets: .* found shape \[3, 2\]"),
        ({"targets": LABELS[:, :0]}, InputError, r"targets: .* found shape \[4, 0\]"),
        ({"targets": 3}, InputError, r"targets: .* found shape \[\]"),
        ({"targets": LABELS * 2}, InputError, r"targets: expected 0 and 1, found 2 in rows 0, 1, 2"),
        ({"targets": LABELS * [[1, np.nan]]}, InputError, r"targets: .* rows 0, 1, 2 and 1 more"),
        ({"targets": LABELS + np.inf}, InputError, r"targets: .* NaN or fractions"),
        ({"targets": [0, -1, 0, 0]}, InputError, r"targets: expected 0 … t − 1, found -1 in rows 1"),
        ({"target_names": ["a"]}, InputError, r"target_names: expected 2 names, found 1"),
        ({"min_support": -1}, InputError, r"min_support: .* found -1"),
        ({"min_support": 1.5}, InputError, r"min_support: .* found 1\.5"),
        ({"time_limit": 0}, InputError, r"time_limit: expected seconds above 0, found 0"),
        ({"gap": 1}, InputError, r"gap: expected a fraction in \[0, 1\), found 1"),
        ({"gap": float("nan")}, InputError, r"gap: .* found nan"),
        ({"targets": [0, 0, 1, 1]}, UndefinedError, r"alpha = 2: no image can be kept"),
        ({"targets": [[1], [1], [0], [0]], "groups": [0, 0, 0, 1]}, None, ""),
    ],
)
def test_one_line_per_refusal(change, error, line):
    options = {"targets": LABELS, "groups": GROUPS, "alpha": 2, **change}
    targets, groups = options.pop("targets"), options.pop("groups")
    if error is None:
        assert len(balance(targets, groups, rng=np.random.default_rng(0), **options)) == 2
        return
    with pytest.raises(error, match=line) as caught:
        balance(targets, groups, rng=np.random.default_rng(0), **options)
    assert "\n" not in str(caught.value)


def test_floats_and_booleans_that_are_whole_are_taken():
    expected = balance(LABELS, GROUPS, alpha=2, rng=np.random.default_rng(0)).kept
    for kind in (float, bool, np.uint8):
        kept = balance(LABELS.astype(kind), GROUPS.astype(float), alpha=2, rng=np.random.default_rng(0)).kept
        np.testing.assert_array_equal(kept, expected)


def test_labels_that_cannot_be_supported_together_are_named():
    # Label b needs the images that carry label a in group 0 alone.
    targets = np.array([[1, 1], [1, 1], [1, 0], [0, 1], [0, 1], [1, 0]])
    groups = np.array([0, 0, 1, 1, 1, 1])
    options = {"alpha": 1, "rng": np.random.default_rng(0), "target_names": ["a", "b"]}
    assert len(balance(targets, groups, min_support=2, balance_groups=False, **options)) > 0
    with pytest.raises(UndefinedError, match=r"min_support: no subset .* gives every label 4 images, .* misses"):
        balance(targets, groups, min_support=4, **options)
