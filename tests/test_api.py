"""The Python API as the README uses it: data frames or paths in, a report or an Estimate out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import steelyard as sy

N = 400
QUICK: dict[str, Any] = {
    "rounds": 2,
    "folds": 3,
    "permutations": 3,
    "bootstrap": 30,
    "levels": 3,
    "attackers": ["logistic"],
    "workers": 1,
}


def tables(seed: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels with a split, and logits for its test rows."""
    rng = np.random.default_rng(seed)
    gender = rng.choice(["man", "woman"], N)
    verb = np.where(rng.random(N) < 0.5, np.where(gender == "man", "run", "cook"), rng.choice(["read", "swim"], N))
    labels = pd.DataFrame({"image": [f"{i}.jpg" for i in range(N)], "gender": gender, "verb": verb})
    labels["split"] = np.repeat(["train", "test"], [N // 2, N - N // 2])
    names = ["cook", "read", "run", "swim"]
    scores = rng.normal(size=(N, 4)) + 2 * (verb[:, None] == np.array(names))
    predictions = pd.DataFrame(scores, columns=names)
    predictions.insert(0, "image", labels["image"])
    predictions["seen"] = gender
    return labels, predictions[labels["split"] == "test"]


@pytest.fixture(scope="module")
def report() -> sy.AuditReport:
    labels, predictions = tables()
    return sy.audit(
        labels,
        predictions,
        protected="gender",
        target="verb",
        kind="logits",
        predicted_protected="seen",
        **QUICK,
    )


def test_an_audit_of_data_frames_prints_and_writes_itself(report: sy.AuditReport, tmp_path: Path) -> None:
    text = str(report)
    assert text.startswith(("The labels", "It is not settled"))
    assert all(len(line) <= 80 for line in text.splitlines())
    report.to_html(tmp_path / "report.html")
    assert '"gender"' in text
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    report.to_json(tmp_path / "report.json")
    assert sy.AuditReport.from_json(tmp_path / "report.json").to_dict() == report.to_dict()
    assert report.data["sources"] == ["pandas data frame", "pandas data frame"]
    assert report.provenance["command"] == "steelyard.audit"
    assert report.provenance["fingerprints"] == []


def test_figures_are_estimates_found_by_name(report: sy.AuditReport) -> None:
    leak = report.estimate("dataset_leakage")
    assert isinstance(leak, sy.Estimate)
    assert leak.low <= float(leak) <= leak.high
    assert report.estimate("multi_attribute_amplification_signed") is None
    with pytest.raises(sy.SteelyardError, match="found 'amplifcation'"):
        report.estimate("amplifcation")
    decided, scored = report.estimate("leakage_p_value", "decisions"), report.estimate("leakage_p_value", "scores")
    assert decided is not None
    assert scored is not None


def test_every_kind_of_table_gives_the_same_report(report: sy.AuditReport, tmp_path: Path) -> None:
    labels, predictions = tables()
    labels.to_csv(tmp_path / "labels.csv", index=False)
    predictions.to_parquet(tmp_path / "scores.parquet")
    given = {
        "polars": (pl.from_pandas(labels), pl.from_pandas(predictions)),
        "pyarrow": (pa.Table.from_pandas(labels), pa.Table.from_pandas(predictions)),
        "paths": (tmp_path / "labels.csv", str(tmp_path / "scores.parquet")),
        "index": (labels.set_index("image"), predictions.set_index("image")),
    }
    for left, right in given.values():
        other = sy.audit(
            left, right, protected="gender", target="verb", kind="logits", predicted_protected="seen", **QUICK
        )
        assert other.estimates == report.estimates
        assert other.per_label == report.per_label
    assert [item["name"] for item in other.provenance["fingerprints"]] == []
    from_files = sy.audit(given["paths"][0], protected="gender", target="verb", **QUICK | {"levels": "none"})
    assert [item["name"] for item in from_files.provenance["fingerprints"]] == ["labels.csv"]


def test_labels_alone_in_many_columns() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (N, 4)), columns=list("abcd"))
    frame["group"] = rng.choice(["x", "y", "z"], N)
    report = sy.audit(frame, protected="group", targets=["a", "c"], **QUICK)
    assert [row.label for row in report.per_label] == ["a", "c"]
    assert report.chance == pytest.approx(1 / 3)
    assert report.data["ignored"] == ["b", "d"]
    assert report.data["counts"] == {"all": frame["group"].value_counts().sort_index().to_dict()}


def test_errors_are_raised_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    labels, predictions = tables()
    with pytest.raises(sy.SteelyardError, match="pandas data frame: kind: expected logits, probabilities or decisions"):
        sy.audit(labels, predictions, protected="gender", target="verb")
    with pytest.raises(sy.SteelyardError, match="--channel replace"):
        sy.audit(labels.assign(cat=[0, 1] * (N // 2)), protected="gender", targets="cat", channel="replace")
    assert capsys.readouterr() == ("", "")


def test_balance_returns_the_kept_rows_and_the_account(tmp_path: Path) -> None:
    labels, _ = tables()
    table, kept = sy.balance(labels, protected="gender", target="verb", alpha=1, split="train", out=tmp_path / "k.csv")
    assert isinstance(table, sy.tables.LabelTable)
    counts = pd.crosstab(table.targets, table.groups)
    assert (counts[0] == counts[1]).all()
    assert len(kept) == len(table) == len(pd.read_csv(tmp_path / "k.csv"))
    train = labels[labels["split"] == "train"]
    before = pd.crosstab(train["verb"], train["gender"])
    assert len(kept) == 2 * before.min(axis=1).sum()  # the closed form
    assert "kept" in kept.summary()


def test_directional_amplification_takes_plain_arrays_in_both_directions() -> None:
    rng = np.random.default_rng(4)
    groups = rng.integers(2, size=300)
    targets = (rng.random((300, 3)) < 0.3 + 0.3 * groups[:, None] * np.array([1, 0, -1])).astype(int)
    predictions = (rng.random((300, 3)) < 0.3 + 0.5 * groups[:, None] * np.array([1, 0, -1])).astype(int)
    seen = np.where(rng.random(300) < 0.9, groups, 1 - groups)
    forward = sy.metrics.directional_amplification(targets, groups, predictions)
    assert isinstance(forward, sy.Estimate)
    assert forward.name == "directional_amplification_attribute_to_target"
    assert forward.low <= forward.value <= forward.high
    backward = sy.metrics.directional_amplification(targets, groups, seen, direction="target_to_attribute")
    assert isinstance(backward, sy.Estimate)
    assert backward.name == "directional_amplification_target_to_attribute"
    bare = sy.metrics.directional_amplification(targets, groups, predictions, interval=False)
    assert type(bare) is float
    assert bare == forward.value

    def shares(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.array([labels[groups == g].mean(axis=0) for g in (0, 1)])

    joint = np.array([(targets * (groups == g)[:, None]).mean(axis=0) for g in (0, 1)])
    apart = np.array([(groups == g).mean() * targets.mean(axis=0) for g in (0, 1)])
    by_hand = (np.sign(joint - apart) * (shares(predictions) - shares(targets))).mean()
    assert bare == pytest.approx(by_hand, abs=1e-12)
    train = sy.metrics.directional_amplification(
        targets, groups, predictions, train_targets=1 - targets, train_groups=groups, interval=False
    )
    assert train == pytest.approx(-bare, abs=1e-12)  # the training labels lean the other way


def test_every_public_name_is_there() -> None:
    assert set(sy.__all__) <= set(dir(sy))
    for name in sy.__all__:
        assert getattr(sy, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        _ = sy.adit
