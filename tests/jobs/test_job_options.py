"""Options are checked before anything is read, in the words of the command."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steelyard.base.errors import InputError
from steelyard.jobs.audit import Sources
from steelyard.jobs.audit_options import AuditOptions, check_options
from steelyard.jobs.balance import BalanceOptions, run_balance


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"rounds": 0}, "--rounds: expected 1 or more, found 0"),
        ({"folds": 1}, "--folds: expected 2 or more, found 1"),
        ({"permutations": -1}, "--permutations: expected 0 or more, found -1"),
        ({"bootstrap": 1}, "--bootstrap: expected 2 or more, found 1"),
        ({"min_support": 0}, "--min-support: expected 1 or more, found 0"),
        ({"seed": -1}, "--seed: expected 0 or more, found -1"),
        ({"workers": 0}, "--workers: expected 1 or more, found 0"),
        ({"threshold": "best"}, "--threshold: expected one of 0.5, f1, calibrated, found 'best'"),
        ({"levels": "some"}, "--levels: expected a number of levels, F1 values or none, found 'some'; for example"),
        ({"levels": "inf"}, "--levels: inf is neither a number of levels (2 or more) nor an F1 in (0, 1]"),
        ({"levels": "nan"}, "--levels: nan is neither a number of levels (2 or more) nor an F1 in (0, 1]"),
        ({"channel": "noise"}, "--channel: there is no 'noise'; choose from flip, replace, prevalence"),
        ({"attackers": ("logistic", "x")}, "--attackers: there is no 'x'; choose from table, logistic, boosting, mlp"),
        ({"preset": "x"}, "--preset: there is no 'x'; choose from wang2019-coco, wang2019-imsitu"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as error:
        AuditOptions(**options)
    assert str(error.value).startswith(line)


def test_a_curve_is_the_default_but_not_with_a_preset() -> None:
    assert AuditOptions().curve_levels.count == 12
    assert AuditOptions().wants_curve
    assert not AuditOptions(preset="wang2019-coco").wants_curve
    assert AuditOptions(preset="wang2019-coco", levels="3").wants_curve
    assert not AuditOptions(levels="none").wants_curve
    both = AuditOptions(levels="4,0.401").curve_levels
    assert (both.count, both.exact) == (4, (0.401,))


def test_options_that_suit_the_tables_pass() -> None:
    check_options(AuditOptions(channel="replace", attackers=("table",)), "single", None)
    check_options(AuditOptions(channel="replace", attackers=("table",)), "single", "decisions")
    check_options(AuditOptions(attackers=("table", "logistic")), "single", "logits")
    check_options(AuditOptions(threshold="f1"), "multi", "probabilities")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"alpha": 0.99}, "alpha: expected a finite real number of at least 1, found 0.99; pass e.g. 2"),
        ({"alpha": float("nan")}, "alpha: expected a finite real number of at least 1, found nan; pass e.g. 2"),
        ({"alpha": 2, "min_support": -1}, "--min-support: expected 0 or more, found -1"),
        ({"alpha": 2, "time_limit": 0.0}, "--time-limit: expected seconds above 0, found 0.0"),
        ({"alpha": 2, "seed": -1}, "--seed: expected 0 or more, found -1"),
    ],
)
def test_options_of_balance_are_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as error:
        BalanceOptions(**options)
    assert str(error.value) == line


@pytest.mark.parametrize("split", ["train", "Train"])
def test_balance_takes_the_rows_of_a_split_and_fractions_for_alpha(split: str) -> None:
    frame = pd.DataFrame(
        {
            "id": range(12),
            "split": ["train"] * 8 + ["dev"] * 4,
            "sex": ["m", "m", "m", "m", "m", "m", "f", "f"] + ["m", "f"] * 2,
            "verb": ["run"] * 12,
        }
    )
    options = BalanceOptions(alpha=Fraction(3, 2), split=split)  # type: ignore[arg-type]
    table, kept = run_balance(frame, protected="sex", options=options, target="verb")
    assert (len(table), len(kept)) == (5, 5)  # 3 men to 2 women
    val, _ = run_balance(frame, protected="sex", options=BalanceOptions(alpha=1, split="valid"), target="verb")
    assert val.ids.tolist() == ["8", "9", "10", "11"]


def test_sources_without_predictions_refuse_what_speaks_of_them() -> None:
    with pytest.raises(InputError) as error:
        Sources(labels="labels.csv", protected="sex", kind="logits")
    assert str(error.value) == "--kind logits: speaks of predictions, and there are none; add --predictions FILE"
    given = Sources(labels=Path("labels.csv"), protected="sex", predictions="scores.csv", kind="logits")
    assert given.files() == [Path("labels.csv"), Path("scores.csv")]
    assert Sources(labels=pd.DataFrame(), protected="sex").files() == []
