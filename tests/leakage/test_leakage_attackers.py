"""Attackers learn what there is to learn, and nothing of the row that they are fitted on."""

import numpy as np
import pytest
from leakage_worlds import codes_evidence

from steelyard.base.errors import InputError
from steelyard.leakage.attackers import (
    STRENGTHS,
    TOL,
    Attacker,
    Boosting,
    Constant,
    Logistic,
    Stacked,
    Table,
    candidates,
)
from steelyard.leakage.encoding import left_out_counts
from steelyard.leakage.evidence import Evidence, label_evidence, score_evidence, with_labels
from steelyard.leakage.search import bits_of, credit_of, entrants


@pytest.mark.parametrize("k", [2, 3])
def test_the_table_is_the_majority_of_each_category(k: int) -> None:
    rng = np.random.default_rng(k)
    codes, groups = rng.integers(7, size=200), rng.integers(k, size=200)
    shares = Table().fit(codes_evidence(codes, 8), groups, k=k, seed=0).predict_proba(codes_evidence(np.arange(8), 8))
    for category in range(8):
        counts = [sum(1 for c, g in zip(codes, groups, strict=True) if (c, g) == (category, j)) for j in range(k)]
        expected = [(count + 1) / (sum(counts) + k) for count in counts]
        assert shares[category] == pytest.approx(expected)
    assert shares[7] == pytest.approx([1 / k] * k)  # never seen


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("strength", STRENGTHS)
def test_merged_rows_give_the_same_logistic_regression(k: int, strength: float) -> None:
    rng = np.random.default_rng(k)
    codes = rng.integers(6, size=400)
    groups = (rng.random(400) > 0.15 * codes).astype(np.int64) + (rng.random(400) < 0.3) * (k - 2)
    hot = np.eye(6, dtype=np.float32)[codes]
    asked = np.arange(6)
    merged = Logistic(strength).fit(codes_evidence(codes, 6), groups, k=k, seed=0)
    raw = Logistic(strength).fit(Evidence(name="raw", linear=hot), groups, k=k, seed=0)
    told = merged.predict_proba(codes_evidence(asked, 6))
    assert told == pytest.approx(raw.predict_proba(Evidence(name="raw", linear=np.eye(6, dtype=np.float32))), abs=TOL)
    other = Logistic(strength * 10).fit(codes_evidence(codes, 6), groups, k=k, seed=0)
    assert np.abs(told - other.predict_proba(codes_evidence(asked, 6))).max() > 10 * TOL


def test_left_out_counts_leave_out_the_fold() -> None:
    rng = np.random.default_rng(0)
    codes, groups = rng.integers(4, size=60), rng.integers(3, size=60)
    fold = np.random.default_rng(5).permutation(60) % 5
    counts = left_out_counts(codes_evidence(codes, 4), groups, 3, 5)
    for i in range(60):
        others = [j for j in range(60) if fold[j] != fold[i] and codes[j] == codes[i]]
        assert counts[i].tolist() == [sum(1 for j in others if groups[j] == g) for g in range(3)]


def unique_categories(n: int) -> tuple[Evidence, np.ndarray]:
    """Every row its own category, beside scores of pure noise: nothing to learn, everything to memorise."""
    rng = np.random.default_rng(1)
    groups = np.arange(n) % 2
    noise = rng.normal(size=(n, 3)).astype(np.float32)
    return Evidence(name="both", codes=np.arange(n), categories=2 * n, linear=noise, trees=noise), groups


@pytest.mark.parametrize("attacker", [Stacked(0.003), Boosting()])
def test_unique_categories_say_nothing(attacker: Attacker) -> None:
    """An encoding that knew its own row would fit them perfectly, and be sure of itself on rows never seen."""
    evidence, groups = unique_categories(400)
    fitted = attacker.fit(evidence, groups, k=2, seed=0)
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(400, 3)).astype(np.float32)
    fresh = Evidence(name="both", codes=np.arange(400, 800), categories=800, linear=noise, trees=noise)
    assert bits_of(fitted.predict_proba(fresh), groups).mean() < 1.1
    # The control: the row's own count lets the same attackers memorise.
    own = np.log(np.eye(2, dtype=np.float32)[groups] + 1)
    knowing = Evidence(name="own", linear=own, trees=own)
    told = (Logistic() if isinstance(attacker, Stacked) else attacker).fit(knowing, groups, k=2, seed=0)
    assert credit_of(told.predict_proba(knowing), groups).mean() == 1.0


@pytest.mark.parametrize("attacker", [Stacked(0.03), Boosting()])
def test_scores_that_tell_the_category_do_not_tell_the_row(attacker: Attacker) -> None:
    """With one row left out, the two groups of a category would see different counts: 1.8 bits by boosting here."""
    rng = np.random.default_rng(1)
    n, t = 3000, 15
    share = rng.uniform(0.1, 0.9, t)
    codes = rng.integers(t, size=n)
    groups = (rng.random(n) > share[codes]).astype(np.int64)
    logits = 8 * np.eye(t)[codes] + rng.normal(size=(n, t))
    decisions = np.eye(t, dtype=np.uint8)[logits.argmax(axis=1)]
    both = with_labels(label_evidence(codes, "single", t), score_evidence(logits, "logits", "single", decisions))
    fit, rest = np.arange(0, n, 2), np.arange(1, n, 2)
    loss = {
        name: bits_of(one.fit(shown, groups[fit], k=2, seed=0).predict_proba(asked), groups[rest]).mean()
        for name, one, shown, asked in (
            ("labels", Table(), both.labels_part().take(fit), both.labels_part().take(rest)),
            ("both", attacker, both.take(fit), both.take(rest)),
        )
    }
    assert loss["both"] < loss["labels"] + 0.06


def test_scores_add_to_labels_for_the_stacked_attackers() -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(5, size=2000)
    groups = (rng.random(2000) > np.linspace(0.2, 0.8, 5)[codes]).astype(np.int64)
    for labels in (label_evidence(codes, "single", 5), label_evidence(np.eye(5, dtype=np.uint8)[codes], "multi", 5)):
        plus = (groups + rng.normal(size=2000))[:, None].astype(np.float32)
        both = with_labels(labels, Evidence(name="scores", linear=plus, trees=plus))
        fit, rest = np.arange(1000), np.arange(1000, 2000)
        alone = Logistic().fit(labels.take(fit), groups[fit], k=2, seed=0).predict_proba(labels.take(rest))
        without = credit_of(alone, groups[rest]).mean()
        for attacker in (Stacked(0.3), Boosting()):
            told = attacker.fit(both.take(fit), groups[fit], k=2, seed=0).predict_proba(both.take(rest))
            assert told.sum(axis=1) == pytest.approx(1.0)
            assert credit_of(told, groups[rest]).mean() > without + 0.03


def test_a_group_missing_from_the_fit_rows_has_no_probability() -> None:
    codes, groups = np.arange(40) % 4, np.arange(40) % 2
    evidence = codes_evidence(codes, 4)
    dense = Evidence(name="x", linear=np.eye(4, dtype=np.float32)[codes], trees=np.eye(4, dtype=np.float32)[codes])
    for attacker, shown in ((Logistic(), evidence), (Logistic(), dense), (Boosting(), dense)):
        shares = attacker.fit(shown, groups, k=3, seed=0).predict_proba(shown)
        assert shares.shape == (40, 3)
        assert not shares[:, 2].any()
    assert Constant().fit(dense, groups, k=3, seed=0).predict_proba(dense) == pytest.approx(np.full((40, 3), 1 / 3))


def names_of(attackers: list[Attacker]) -> list[str]:
    return [type(attacker).__name__ for attacker in attackers]


def test_who_competes() -> None:
    codes = codes_evidence(np.arange(4), 4)
    many = label_evidence(np.eye(4, dtype=np.uint8), "multi", 4)
    scores = score_evidence(np.eye(4), "logits", "single", np.eye(4, dtype=np.uint8))
    both = with_labels(codes, scores)
    three = ["Logistic"] * 3
    assert names_of(candidates(codes, ())) == [*three, "Table"]
    assert names_of(candidates(many, ())) == [*three, "Boosting"]
    assert names_of(candidates(scores, ())) == [*three, "Boosting"]
    assert names_of(candidates(both, ())) == ["Stacked"] * 3 + ["Boosting"]
    assert names_of(candidates(codes, ("table", "boosting"))) == ["Table", "Boosting"]
    assert names_of(candidates(scores, ("table", "boosting"))) == ["Boosting"]
    assert names_of(candidates(many, ("table",))) == three  # nothing to look up
    shown = [(type(attacker).__name__, labels_only) for attacker, labels_only in entrants(both, ())]
    assert shown == [("Logistic", True)] * 3 + [("Table", True)] + [("Stacked", False)] * 3 + [("Boosting", False)]


def test_bad_attackers() -> None:
    codes = codes_evidence(np.arange(4), 4)
    with pytest.raises(InputError) as caught:
        candidates(codes, ("logistic", "forest"))
    assert str(caught.value) == "--attackers: there is no 'forest'; choose from table, logistic, boosting, mlp"
    with pytest.raises(InputError) as caught:
        Table().fit(label_evidence(np.eye(4, dtype=np.uint8), "multi", 4), np.arange(4) % 2, k=2, seed=0)
    assert str(caught.value) == (
        "the table attacker needs one-hot evidence, and labels are not; name other attackers: "
        "--attackers logistic,boosting"
    )
