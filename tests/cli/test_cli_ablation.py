"""`steelyard leakage ablation`: seven attackers on the same scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_samples import call

pytest.importorskip("torch", reason="the ablation needs the train extra")

pytestmark = pytest.mark.torch


def run(desk: Path, out: Path, scores: Path, more: str) -> pd.DataFrame:
    labels = f"--labels {desk}/labels.csv --protected sex --target verb"
    call(f"leakage ablation {labels} --predictions {scores} --kind logits --rounds 2 --out {out} --quiet {more}")
    return pd.read_csv(out)


def test_each_attacker_of_the_papers_table_has_a_row(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = run(desk, tmp_path / "rows.csv", desk / "verbs_all.csv", "--epochs 2")
    assert list(table["attacker"]) == ["1 layer", "2 layer", "2 layer"] + ["4 layer"] * 4
    assert list(table["fraction"]) == [1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert list(table["hidden"].fillna("").astype(str)) == ["", "100", "300"] + ["300-300-300"] * 4
    assert table["published_coco"].iloc[2] == "71.03 ± 0.52"
    assert table["leakage"].between(0, 1).all()
    assert (table["low"] <= table["leakage"]).all()
    assert (table["leakage"] <= table["high"]).all()
    labels = pd.read_csv(desk / "labels.csv")
    smallest = labels[labels["split"] == "train"]["sex"].value_counts().min()
    for scheme, fraction in zip(table["scheme"], table["fraction"], strict=True):
        assert scheme.startswith("as published: fitted on the model's output for its own training images")
        assert scheme.endswith(f"fitted on {round(fraction * smallest)} images of each group")
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("attacker")
    assert sum("4 layer" in line for line in out.splitlines()) == 4


def test_more_training_finds_the_lean_of_the_scores(desk: Path, tmp_path: Path) -> None:
    """The control: the attackers are trained at all."""
    scores = pd.read_csv(desk / "verbs_all.csv", dtype={"image": str})
    labels = pd.read_csv(desk / "labels.csv", dtype={"image": str})
    scores["cook"] += 4.0 * (labels["sex"] == "woman")
    scores.to_csv(tmp_path / "leaning.csv", index=False)
    table = run(desk, tmp_path / "rows.csv", tmp_path / "leaning.csv", "--epochs 60")
    assert table["leakage"].iloc[3] > 0.7  # 4 layers, all the data


def test_one_split_is_divided_and_it_is_said(desk: Path, tmp_path: Path) -> None:
    table = run(desk, tmp_path / "rows.csv", desk / "verbs_test.csv", "--epochs 1 --preset wang2019-imsitu")
    assert all(
        s.startswith("predictions do not cover train, val and test: their images divided") for s in table["scheme"]
    )
    labels = pd.read_csv(desk / "labels.csv")
    sizes = labels[labels["split"] == "test"]["sex"].value_counts()
    quarter = min(n - 3 * n // 4 for n in sizes)
    assert np.unique(table["n"]).tolist() == [2 * quarter]
