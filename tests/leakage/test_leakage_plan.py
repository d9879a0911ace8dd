"""Plans keep fitting and scoring apart, balanced, and alike on both sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.base.errors import InputError, UndefinedError
from steelyard.leakage.evidence import label_evidence
from steelyard.leakage.plan import balanced_rows, check_group_sizes, crossfit, holdout, inner_split
from steelyard.leakage.search import run


def counts_of(groups: np.ndarray, rows: np.ndarray) -> list[int]:
    return np.bincount(groups[rows], minlength=int(groups.max()) + 1).tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(10, 30), min_size=2, max_size=4), st.integers(2, 5), st.integers(1, 3), st.integers(0, 99))
def test_crossfit(sizes: list[int], folds: int, rounds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = rng.permutation(len(groups))
    plan = crossfit(groups, rows, folds=folds, rounds=rounds, seed=seed, scheme="s")
    assert plan.scored.tolist() == sorted(rows.tolist())
    assert len(plan.parts) == folds * rounds
    for number in range(rounds):
        parts = [part for part in plan.parts if part.round == number]
        assert np.sort(np.concatenate([part.score for part in parts])).tolist() == plan.scored.tolist()
        for group, size in enumerate(sizes):  # folds hold the same share of every group
            assert {counts_of(groups, part.score)[group] - size // folds for part in parts} <= {0, 1}
    for part in plan.parts:
        assert len(set(part.fit.tolist()) & set(part.score.tolist())) == 0
        assert len(set(part.fit.tolist())) == len(part.fit)
        balance = counts_of(groups, part.fit)
        assert len(set(balance)) == 1
        assert balance[0] == min(np.array(counts_of(groups, rows)) - counts_of(groups, part.score))


def test_rounds_differ_and_seeds_repeat() -> None:
    groups = np.arange(100) % 2
    one, two = (crossfit(groups, np.arange(100), folds=5, rounds=2, seed=3, scheme="") for _ in range(2))
    assert all((a.fit == b.fit).all() and (a.score == b.score).all() for a, b in zip(one.parts, two.parts, strict=True))
    assert one.parts[0].score.tolist() != one.parts[5].score.tolist()
    other = crossfit(groups, np.arange(100), folds=5, rounds=2, seed=4, scheme="")
    assert one.parts[0].score.tolist() != other.parts[0].score.tolist()


def test_holdout() -> None:
    groups = np.array([0] * 30 + [1] * 20 + [0] * 5 + [1] * 10)
    plan = holdout(groups, np.arange(50), np.arange(64, 49, -1), rounds=3, seed=0, scheme="s")
    assert plan.scored.tolist() == list(range(50, 65))
    fits = [part.fit for part in plan.parts]
    for fit in fits:
        assert counts_of(groups, fit) == [20, 20]
        assert set(fit.tolist()) <= set(range(50))
    assert fits[0].tolist() != fits[1].tolist()  # redrawn
    assert balanced_rows(groups, np.arange(50), np.random.default_rng(0), most=7).shape == (14,)


def test_both_sides_are_fitted_on_as_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from steelyard.leakage import search

    rng = np.random.default_rng(0)
    groups, codes = rng.integers(2, size=120), rng.integers(3, size=120)
    seen: dict[str, list[list[int]]] = {"labels": [], "decisions": []}
    attack = search.attack

    def spy(evidence: object, groups: object, part: object, **options: object) -> object:
        seen[evidence.name].append(part.fit.tolist())  # type: ignore[attr-defined]
        return attack(evidence, groups, part, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(search, "attack", spy)
    plan = crossfit(groups, np.arange(120), folds=4, rounds=2, seed=0, scheme="s")
    draws = [label_evidence(codes, "single", 3), label_evidence(rng.permutation(codes), "single", 3, name="decisions")]
    run([lambda _: draws[0], lambda _: draws[1]], groups, plan, k=2, names=("table",))
    assert seen["labels"] == seen["decisions"]
    assert len(seen["labels"]) == 8


@pytest.mark.parametrize("k", [2, 3])
def test_inner_split(k: int) -> None:
    groups = np.repeat(np.arange(k), 25)
    rows = np.flatnonzero(np.arange(25 * k) % 5)
    fit, validation = inner_split(groups, rows, np.random.default_rng(0))
    assert sorted([*fit, *validation]) == rows.tolist()
    assert counts_of(groups, validation) == [4] * k
    assert counts_of(groups, fit) == [16] * k


def test_a_group_too_small() -> None:
    groups = np.array([0] * 30 + [1] * 9 + [2] * 12)
    with pytest.raises(InputError) as caught:
        check_group_sizes(groups, np.arange(51), ("adult", "child", "elder"), "the test rows of faces.csv")
    assert str(caught.value) == (
        "group 'child' has 9 images in the test rows of faces.csv, at least 10 are needed to split; "
        "add images of that group, leave it out of the table, or use fewer folds"
    )
    check_group_sizes(groups, np.arange(51), ("adult", "child", "elder"), "here", least=9)
    with pytest.raises(InputError, match="group 'elder' has 0 images"):
        check_group_sizes(groups, np.arange(39), ("adult", "child", "elder"), "here", least=9)


def test_a_group_missing_from_the_scored_rows() -> None:
    groups = np.array([0, 1] * 20 + [0] * 10)
    plan = holdout(groups, np.arange(40), np.arange(40, 50), rounds=1, seed=0, scheme="fit, score")
    with pytest.raises(UndefinedError) as caught:
        run([lambda _: label_evidence(groups, "single", 2)], groups, plan, k=2)
    assert str(caught.value) == "leakage needs every group among the scored images (fit, score)"
