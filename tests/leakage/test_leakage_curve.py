"""`--levels` in every form, and the levels that follow from it."""

import numpy as np
import pytest

from steelyard.base.errors import InputError
from steelyard.leakage.curve import LOWEST_LEVEL, Levels, parse_levels

FORM = "--levels: expected a number of levels, F1 values or none, found {}; for example --levels 12,0.401"
RANGE = "--levels: {} is neither a number of levels (2 or more) nor an F1 in (0, 1]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Levels()),
        ("0", Levels()),
        (" None ", Levels()),
        ("12", Levels(12)),
        ("2", Levels(2)),
        ("0.2,0.401", Levels(0, (0.2, 0.401))),
        ("12,0.401", Levels(12, (0.401,))),
        ("0.401, 12", Levels(12, (0.401,))),
        ("1", Levels(0, (1.0,))),
        ("1e1", Levels(10)),
    ],
)
def test_forms(text: str, expected: Levels) -> None:
    assert parse_levels(text) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", FORM.format("''")),
        ("many", FORM.format("'many'")),
        ("12,", FORM.format("''")),
        ("none,0.4", FORM.format("'none'")),
        ("-0.2", RANGE.format("-0.2")),
        ("1.5", RANGE.format("1.5")),
        ("2.5", RANGE.format("2.5")),
        ("12, nan", RANGE.format("nan")),
        ("inf", RANGE.format("inf")),
        ("12,6", "--levels: two numbers of levels, 12 and 6; give one"),
    ],
)
def test_bad_forms(text: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_levels(text)
    assert str(caught.value) == line


def test_the_grid_runs_from_the_floor_or_a_tenth_to_one() -> None:
    assert Levels(4).at(0.01, None) == pytest.approx((0.1, 0.4, 0.7, 1.0))
    assert LOWEST_LEVEL == 0.1
    assert Levels(3).at(0.4, None) == pytest.approx((0.4, 0.7, 1.0))
    assert Levels().at(0.4, 0.6) == ()


def test_the_models_own_f1_is_among_the_levels() -> None:
    assert Levels(4).at(0.1, 0.45) == pytest.approx((0.1, 0.45, 0.7, 1.0))  # in place of the nearest inner one
    assert Levels(4).at(0.1, 0.99) == pytest.approx((0.1, 0.4, 0.99, 1.0))  # the ends stay
    assert Levels(2).at(0.1, 0.5) == pytest.approx((0.1, 0.5, 1.0))
    assert Levels(4).at(0.1, 1.0) == pytest.approx((0.1, 0.4, 0.7, 1.0))
    assert Levels(0, (0.3,)).at(0.1, 0.5) == (0.3, 0.5)
    assert Levels(4).at(0.01, 0.05) == pytest.approx((0.05, 0.1, 0.4, 0.7, 1.0))  # above the floor
    assert 0.2 not in Levels(4).at(0.25, 0.2)  # below it: no such labels exist
    assert len(Levels(12, (0.401,)).at(0.005, 0.38)) == 13


def test_levels_asked_for_stay_even_below_the_floor() -> None:
    """Whoever asks is told why there is none, by name."""
    assert Levels(3, (0.2,)).at(0.4, None) == pytest.approx((0.2, 0.4, 0.7, 1.0))
    assert np.all(np.diff(Levels(6, (0.5, 0.2)).at(0.1, 0.33)) > 0)
