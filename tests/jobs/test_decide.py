"""From scores to decisions: every rule against brute force, thresholds from validation rows alone."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.jobs.decisions import decide
from steelyard.tables import Joined, LabelTable

N, T = 160, 6


def joined(kind: str = "logits", *, seed: int = 0, splits: bool = True, **fields: Any) -> Joined:
    """Multi-label data with tied scores; label 4 has no validation positives, label 5 none at all."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((N, T)) < 0.3).astype(np.uint8)
    names = np.repeat(["val", "test"], [60, N - 60])
    truth[:, 5] = 0
    truth[names == "val", 4] = 0
    scores = np.round(rng.normal(size=(N, T)) + 1.2 * truth - 0.6, 1)
    if kind == "probabilities":
        scores = 1 / (1 + np.exp(-scores))
    if kind == "decisions":
        scores = (scores >= 0).astype(float)
    labels = LabelTable(
        ids=np.arange(N).astype(str),
        groups=rng.integers(2, size=N),
        group_names=("man", "woman"),
        targets=truth,
        target_names=tuple(f"o{t}" for t in range(T)),
        kind="multi",
        splits=names if splits else None,
    )
    return Joined(**{"labels": labels, "scores": scores, "kind": kind, "source": "scores.csv", **fields})


def single(scores: NDArray[np.float64], kind: Any = "logits") -> Joined:
    n, t = scores.shape
    labels = LabelTable(
        ids=np.arange(n).astype(str),
        groups=np.arange(n) % 2,
        group_names=("man", "woman"),
        targets=np.zeros(n, dtype=np.int64),
        target_names=tuple(f"c{i}" for i in range(t)),
        kind="single",
    )
    return Joined(labels=labels, scores=scores, kind=kind, source="scores.csv")


def best_f1(truth: NDArray[Any], scores: NDArray[Any]) -> float:
    """Every cut tried; of equals the highest."""
    best, found = -1.0, np.nan
    for cut in sorted(set(scores.tolist()), reverse=True):
        said = scores >= cut
        f1 = 2 * int((said & (truth == 1)).sum()) / (int(said.sum()) + int(truth.sum()))
        if f1 > best + 1e-12:
            best, found = f1, cut
    return float(found)


def as_many(truth: NDArray[Any], scores: NDArray[Any]) -> float:
    """The cut whose count of positives is nearest to the true one; of equals the smaller count."""
    best, found = np.inf, np.nan
    for cut in [np.inf, *sorted(set(scores.tolist()), reverse=True)]:
        miss = abs(int((scores >= cut).sum()) - int(truth.sum()))
        if miss < best:
            best, found = miss, cut
    return float(found)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(("rule", "search"), [("f1", best_f1), ("calibrated", as_many)])
@pytest.mark.parametrize("seed", range(4))
def test_fitted_thresholds_are_those_of_brute_force_on_validation_rows(
    kind: str, rule: str, search: Any, seed: int
) -> None:
    data = joined(kind, seed=seed)
    truth, val = data.labels.matrix(), data.labels.splits == "val"
    half = 0.0 if kind == "logits" else 0.5
    cuts = [search(truth[val, t], data.scores[val, t]) if truth[val, t].any() else half for t in range(T)]
    decided = decide(data, rule)
    assert np.array_equal(decided.matrix, (data.scores >= np.array(cuts)).astype(np.uint8))
    assert decided.without_threshold == ("o4", "o5")
    assert decided.codes is None
    assert "60 validation images" in decided.rule
    # The control: the test rows would have given other thresholds.
    test = ~val
    others = [search(truth[test, t], data.scores[test, t]) if truth[test, t].any() else half for t in range(T)]
    assert not np.array_equal(decided.matrix, (data.scores >= np.array(others)).astype(np.uint8))


@pytest.mark.parametrize("rule", ["f1", "calibrated"])
def test_the_scale_of_the_scores_does_not_matter_to_a_fitted_threshold(rule: str) -> None:
    by_logits, by_shares = decide(joined("logits"), rule), decide(joined("probabilities"), rule)
    assert np.array_equal(by_logits.matrix, by_shares.matrix)


def test_the_cut_at_one_half_is_inclusive_and_exact() -> None:
    edge = np.array([0.0, -0.0, -5e-324, -1e-17, 1e-17, 3.0])
    scores = np.zeros((N, T))
    scores[: len(edge), 0] = edge
    decided = decide(joined(scores=scores), "0.5")
    assert decided.matrix[: len(edge), 0].tolist() == [1, 1, 0, 0, 1, 1]
    shares = np.full((N, T), 0.5)
    shares[0, 0] = np.nextafter(0.5, 0)
    decided = decide(joined("probabilities", scores=shares), "0.5")
    assert decided.matrix.sum() == N * T - 1
    assert decided.rule == "probability of 0.5 or more"
    assert decided.without_threshold == ()


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_one_category_is_the_highest_score_and_the_first_of_equals(kind: str) -> None:
    scores = np.random.default_rng(3).integers(0, 3, (50, 4)) / 4
    decided = decide(single(scores, kind), "0.5")
    first = [max(range(4), key=lambda c, row=row: (row[c], -c)) for row in scores]
    assert decided.codes is not None
    assert decided.codes.tolist() == first
    assert np.array_equal(decided.native(), decided.codes)
    assert decided.matrix.sum(axis=1).tolist() == [1] * 50
    assert decided.rule == "the category with the highest score"


def test_decisions_pass_as_they_are() -> None:
    data = joined("decisions")
    assert np.array_equal(decide(data, "0.5").matrix, data.scores)
    one_hot = np.eye(3)[[2, 0, 1, 1]]
    decided = decide(single(one_hot, "decisions"), "0.5")
    assert decided.codes is not None
    assert decided.codes.tolist() == [2, 0, 1, 1]
    assert decided.rule == "decisions as given"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            joined(splits=False),
            "--threshold f1: is fitted on validation rows, and scores.csv has none; add predictions",
        ),
        (joined("decisions"), "--threshold f1: scores.csv holds decisions, there is no score to cut"),
        (single(np.eye(3)), "--threshold f1: cuts 0/1 labels; single-label data are decided by the top score"),
    ],
)
def test_a_threshold_that_cannot_be_fitted_is_refused(data: Joined, line: str) -> None:
    with pytest.raises(InputError) as error:
        decide(data, "f1")
    assert str(error.value).startswith(line)
