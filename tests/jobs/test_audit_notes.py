"""Notes on tables that were read without fault, yet are not what they were taken for."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import steelyard as sy

QUICK: dict[str, Any] = {
    "rounds": 1,
    "folds": 2,
    "permutations": 0,
    "bootstrap": 20,
    "levels": "none",
    "attackers": "logistic",
    "workers": 1,
}


def tables(n: int = 300) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels of two kinds of place and three flags, and logits for them."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, (n, 3))
    labels = pd.DataFrame(truth, columns=["a", "b", "c"])
    labels.insert(0, "image", [f"{i}.jpg" for i in range(n)])
    labels["place"] = rng.choice(["shore", "wood"], n)
    scores = pd.DataFrame(rng.normal(size=(n, 3)) + 3 * truth - 1.5, columns=["a", "b", "c"])
    scores.insert(0, "image", labels["image"])
    return labels, scores


def notes(labels: pd.DataFrame, scores: pd.DataFrame, kind: str = "logits", **more: Any) -> str:
    return " ".join(sy.audit(labels, scores, protected="place", kind=kind, **QUICK, **more).notes)


def test_ordinary_tables_have_no_note_but_the_missing_training_rows() -> None:
    assert notes(*tables()) == (
        "There are no training rows: amplification takes its direction from the audited labels."
    )


def test_a_join_by_row_is_said() -> None:
    labels, scores = (table.drop(columns="image") for table in tables())
    assert "joined by the order (or names) of their rows" in notes(labels, scores)


def test_probabilities_called_logits_are_pointed_out() -> None:
    labels, scores = tables()
    scores[["a", "b", "c"]] = 1 / (1 + np.exp(-scores[["a", "b", "c"]]))
    assert "pass the kind “probabilities”" in notes(labels, scores)
    assert "[0, 1]" not in notes(labels, scores, "probabilities")


def test_labels_passed_as_decisions_are_pointed_out() -> None:
    labels, _ = tables()
    assert "or the labels once more?" in notes(labels, labels[["image", "a", "b", "c"]], "decisions")


def test_probabilities_of_one_category_that_do_not_add_up_are_pointed_out() -> None:
    labels, scores = tables()
    labels["verb"] = np.array(["a", "b", "c"])[np.arange(len(labels)) % 3]
    share = np.exp(scores[["a", "b", "c"]])
    scores[["a", "b", "c"]] = share.div(share.sum(axis=1), axis=0)
    assert "add up" not in notes(labels[["image", "place", "verb"]], scores, "probabilities", target="verb")
    scores["a"] /= 2
    assert "do not add up to 1" in notes(labels[["image", "place", "verb"]], scores, "probabilities", target="verb")


def test_an_audit_of_another_split_than_test_and_small_groups_are_said() -> None:
    labels, scores = tables()
    labels["split"] = ["val"] * 200 + ["test"] * 60 + ["train"] * 40
    labels.loc[:199, "place"] = ["wood"] * 20 + ["shore"] * 180
    found = notes(labels, scores[:200])
    assert "The audited images are the val split" in found
    assert "fewer than 30 audited images, of which little can be said: wood" in found


def test_one_file_for_both_is_refused(tmp_path: Path) -> None:
    labels, _ = tables()
    path = tmp_path / "both.csv"
    labels.to_csv(path, index=False)
    with pytest.raises(sy.SteelyardError, match=r"is the file of the labels too.*a file of its own") as caught:
        sy.audit(path, str(path), protected="place", kind="decisions")
    assert "\n" not in str(caught.value)


def test_the_ids_of_the_predictions_may_bear_another_name_and_paths_stay_out_of_the_report(tmp_path: Path) -> None:
    labels, scores = tables()
    scores = scores.rename(columns={"image": "file"})
    names = [tmp_path / "labels.csv", tmp_path / "scores.csv"]
    for table, path in zip((labels, scores), names, strict=True):
        table.to_csv(path, index=False)
    with pytest.raises(sy.SteelyardError, match="--predictions-id"):
        sy.audit(*names, protected="place", kind="logits", **QUICK)
    report = sy.audit(*names, protected="place", kind="logits", predictions_id="file", **QUICK)
    assert report.data["sources"] == ["labels.csv", "scores.csv"]
    assert str(tmp_path) not in str(report.to_dict())


def test_percentages_are_told_from_logits_and_rounding_is_forgiven() -> None:
    labels, scores = tables()
    flags = ["a", "b", "c"]
    shares = 1 / (1 + np.exp(-scores[flags]))
    with pytest.raises(sy.SteelyardError, match="divide by 100 if these are percentages"):
        notes(labels, scores.assign(**(100 * shares)), "probabilities")
    above = shares.copy()
    above.iloc[0, 0] = 1.0000001
    assert "training rows" in notes(labels, scores.assign(**above), "probabilities")


def test_groups_of_a_metric_may_be_names() -> None:
    labels, scores = tables()
    truth, said = labels[["a", "b", "c"]].to_numpy(), (scores[["a", "b", "c"]].to_numpy() >= 0).astype(int)
    named = sy.metrics.directional_amplification(truth, labels["place"].to_numpy(), said, interval=False)
    coded = (labels["place"] == "wood").to_numpy().astype(int)
    assert named == sy.metrics.directional_amplification(truth, coded, said, interval=False)
