"""The comparison of models: nothing where nothing differs, planted differences, its own truth, runs, and files."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import steelyard as sy
from steelyard.base.errors import InputError
from steelyard.jobs.audit_labels import corruption_for, crossfit_plan
from steelyard.jobs.audit_model import ModelSide
from steelyard.jobs.compare import CompareOptions
from steelyard.jobs.compare_quality import quality_figures
from steelyard.jobs.decisions import decide
from steelyard.reports.comparison import Comparison
from steelyard.tables import Joined, LabelTable, read_labels, read_predictions, write_labels, write_predictions

NAMES = [f"o{i}" for i in range(5)]
QUICK: dict[str, Any] = {"rounds": 2, "folds": 3, "bootstrap": 60, "attackers": "logistic", "workers": 1}
LOGITS: dict[str, Any] = {"protected": "sex", "kind": "logits", **QUICK}
SPLITS = {"train": 120, "val": 80, "test": 400}


def world(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Labels that lean a little to a group, an honest model's logits, and the groups."""
    rng = np.random.default_rng(seed)
    n = sum(SPLITS.values())
    groups = rng.integers(2, size=n)
    truth = (rng.random((n, 5)) < 0.35 + 0.1 * groups[:, None] * np.array([1, 0, 0, 0, -1])).astype(int)
    frame = pd.DataFrame(truth, columns=NAMES)
    frame.insert(0, "image", [f"{i:04}.jpg" for i in range(n)])
    frame["sex"] = np.array(["man", "woman"])[groups]
    frame["split"] = np.repeat(list(SPLITS), list(SPLITS.values()))
    return frame, 2.5 * (truth - 0.5) + rng.normal(size=(n, 5)), groups


def scores(frame: pd.DataFrame, values: np.ndarray, splits: tuple[str, ...] = ("test",)) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=NAMES)
    table.insert(0, "image", frame["image"])
    return table[frame["split"].isin(splits)]


def leaky(values: np.ndarray, groups: np.ndarray, strength: float) -> np.ndarray:
    return np.asarray(values + strength * (groups[:, None] - 0.5) * np.array([1, -1, 1, -1, 1]))


@pytest.fixture(scope="module")
def three() -> Comparison:
    frame, honest, groups = world()
    models = {"a": honest, "twin": honest.copy(), "b": leaky(honest, groups, 1.2), "c": leaky(honest, groups, 0.5)}
    return sy.compare(frame, {name: scores(frame, values) for name, values in models.items()}, **LOGITS)


def test_a_model_and_its_twin_do_not_differ(three: Comparison) -> None:
    assert [figure.measure for figure in three.figures] == [
        "model_leakage",
        "model_leakage_decisions",
        "amplification",
        "amplification_decisions",
        "conditional_leakage",
        "f1_macro",
        "opportunity_difference_absolute",
        "directional_amplification_attribute_to_target",
        "mean_average_precision",
    ]
    for figure in three.figures:
        gap = figure.differences["twin"]
        assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0), figure.measure
        assert replace(figure.models["twin"], of="") == replace(figure.models["a"], of="")
        assert figure.differences["b"].low < figure.differences["b"].high  # the control


def test_a_planted_leak_is_found_and_its_size_shows(three: Comparison) -> None:
    for measure in ("model_leakage", "amplification", "conditional_leakage", "model_leakage_decisions"):
        gaps = {name: three.difference(measure, name) for name in ("b", "c")}
        assert gaps["b"] is not None
        assert gaps["c"] is not None
        assert gaps["b"].low > 0
        assert gaps["b"].value > gaps["c"].value
    for measure in ("f1_macro", "mean_average_precision"):
        gap = three.difference(measure, "b")
        assert gap is not None
        assert gap.high < 0


def test_share_removed_only_where_there_is_something_to_remove(three: Comparison) -> None:
    reasons = {item.name: item.reason for item in three.omitted}
    assert "not above 0" in reasons["amplification: share removed"]
    assert not any(figure.removed for figure in three.figures)
    frame, honest, groups = world()
    tables = {"b": leaky(honest, groups, 1.2), "c": leaky(honest, groups, 0.5), "a": honest}
    turned = sy.compare(frame, {name: scores(frame, values) for name, values in tables.items()}, **LOGITS)
    figure = turned.figure("amplification")
    assert figure is not None
    less, all_of_it = figure.removed["c"], figure.removed["a"]
    assert 0 < less.low < less.value < less.high < all_of_it.value
    assert less.value == pytest.approx(1 - figure.models["c"].value / figure.models["b"].value)
    assert all_of_it.low < 1 < all_of_it.high
    gap, back = turned.difference("amplification", "a"), three.difference("amplification", "b")
    assert gap is not None
    assert back is not None
    assert (gap.value, gap.low, gap.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_each_models_figures_are_those_of_its_audit(three: Comparison) -> None:
    frame, honest, groups = world()
    report = sy.audit(frame, scores(frame, leaky(honest, groups, 1.2)), levels="none", permutations=0, **LOGITS)
    for figure in three.figures:
        own, audited = figure.models["b"], report.estimate(figure.measure)
        assert audited is not None
        assert (own.value, own.low, own.high) == pytest.approx((audited.value, audited.low, audited.high), abs=1e-12)


def test_the_order_of_rows_and_columns_does_not_matter(three: Comparison) -> None:
    frame, honest, groups = world()
    rng = np.random.default_rng(1)
    models = {"a": honest, "twin": honest.copy(), "b": leaky(honest, groups, 1.2), "c": leaky(honest, groups, 0.5)}
    shuffled = {
        name: scores(frame, values).sample(frac=1, random_state=rng)[["image", *NAMES[::-1]]]
        for name, values in models.items()
    }
    assert sy.compare(frame, shuffled, **LOGITS).figures == three.figures
    two = {name: shuffled[name] for name in "ab"}
    other = sy.compare(frame.sample(frac=1, random_state=rng), two, **LOGITS)
    for figure, same in zip(other.figures, three.figures, strict=True):
        assert figure.models["b"].n == same.models["b"].n
        if figure.measure in ("f1_macro", "mean_average_precision", "opportunity_difference_absolute"):
            assert figure.models["b"].value == pytest.approx(same.models["b"].value)
        # Folds are drawn in the order of the labels: a shuffle is another draw of them.
        assert same.differences["b"].low < figure.differences["b"].value < same.differences["b"].high


def test_json_csv_page_and_text(three: Comparison, tmp_path: Path) -> None:
    three.write(tmp_path)
    assert Comparison.from_json(tmp_path / "comparison.json").to_dict() == three.to_dict()
    with (tmp_path / "comparison.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * len(three.figures)
    leak = next(row for row in rows if (row["measure"], row["model"]) == ("model_leakage", "b"))
    gap = three.difference("model_leakage", "b")
    assert gap is not None
    assert float(leak["difference_low"]) == gap.low
    assert next(row for row in rows if row["model"] == "a")["difference"] == ""
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert page.count('<svg role="img"') == len(three.figures)
    assert "http:" not in page
    assert "https:" not in page
    text = str(three)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "Amplification, on scores, share removed: the base's own figure" in " ".join(text.split())
    record = json.loads((tmp_path / "comparison.json").read_text())
    assert Comparison.from_dict(record).figures == three.figures
    for damage in ({"schema": 2}, {"figures": 3}, {"omitted": [{"name": 1}]}):
        with pytest.raises(InputError, match=r"comparison: "):
            Comparison.from_dict({**record, **damage})


def test_decisions_among_scores_are_compared_as_decisions(tmp_path: Path) -> None:
    frame, honest, groups = world()
    labels = read_labels(frame, protected="sex")
    given = read_predictions(scores(frame, honest), labels=labels, kind="logits")
    write_predictions(tmp_path / "a.parquet", given)
    decided = scores(frame, (leaky(honest, groups, 1.2) >= 0).astype(int))
    write_predictions(tmp_path / "b.parquet", read_predictions(decided, labels=labels, kind="decisions"))
    paths = {name: tmp_path / f"{name}.parquet" for name in "ab"}
    found = sy.compare(frame, paths, protected="sex", **QUICK)
    measures = {figure.measure for figure in found.figures}
    assert {"model_leakage", "amplification", "mean_average_precision"} & measures == set()
    assert {"model_leakage_decisions", "amplification_decisions", "conditional_leakage"} <= measures
    omitted = {item.name: item.reason for item in found.omitted}
    assert "needs scores" in omitted["model_leakage"]


def test_one_of_many_categories_three_groups_and_no_splits() -> None:
    rng = np.random.default_rng(3)
    n = 600
    groups, verbs = rng.integers(3, size=n), rng.integers(4, size=n)
    frame = pd.DataFrame({"id": np.arange(n), "place": np.array(["x", "y", "z"])[groups]})
    frame["verb"] = np.array(list("abcd"))[verbs]
    honest = rng.normal(size=(n, 4)) + 2 * np.eye(4)[verbs]
    hopeless = -honest
    tables = {}
    for name, values in {"a": honest, "b": honest + 1.5 * np.eye(4)[groups], "c": hopeless}.items():
        tables[name] = pd.DataFrame(values, columns=list("abcd")).assign(id=np.arange(n))
    found = sy.compare(frame, tables, protected="place", target="verb", kind="logits", **QUICK)
    gap = found.difference("model_leakage", "b")
    assert gap is not None
    assert gap.low > 0
    assert found.figure("opportunity_range") is not None
    amplified = found.figure("amplification")
    assert amplified is not None
    assert set(amplified.models) == {"a", "b"}  # no labels are as bad as c
    assert any(item.name == "amplification" and item.reason.startswith("c: ") for item in found.omitted)
    assert any("no training rows" in note for note in found.notes)


def run_folder(
    folder: Path, labels: LabelTable, values: np.ndarray, *, kept: np.ndarray | None = None, **changes: Any
) -> Path:
    """What a run leaves of its tables."""
    rows = np.arange(len(labels)) if kept is None else np.flatnonzero(kept)
    table = labels.take(rows)
    folder.mkdir(parents=True)
    write_labels(folder / "labels.parquet", table)
    frame = pd.DataFrame(values[rows], columns=NAMES).assign(image=table.ids, split=table.splits)
    predictions = read_predictions(frame, labels=table, kind="logits", id_column="image")
    write_predictions(folder / "predictions.parquet", predictions)
    columns = {"protected": "sex", "target_column": "", "id_column": "image"}
    record = {"labels": columns, "task": {"kind": "multi", "target_names": NAMES}}
    (folder / "provenance.json").write_text(json.dumps({**record, **changes}))
    return folder


def test_runs_know_their_own_tables_and_may_have_fewer_training_rows(tmp_path: Path) -> None:
    frame, honest, groups = world()
    labels = read_labels(frame, protected="sex")
    kept = np.arange(len(frame)) % 2 == 0
    kept |= frame["split"].to_numpy() != "train"
    back = np.arange(len(labels))[::-1]
    runs = {
        "plain": run_folder(tmp_path / "plain", labels, honest),
        "half": run_folder(tmp_path / "half", labels.take(back), leaky(honest, groups, 1.2)[back], kept=kept[back]),
    }
    found = sy.compare(None, runs, **QUICK)
    tables = {"plain": scores(frame, honest), "half": scores(frame, leaky(honest, groups, 1.2))}
    from_tables = sy.compare(frame, tables, **LOGITS)
    assert found.figures == from_tables.figures
    mixed = sy.compare(frame, runs, protected="sex", **QUICK)  # their predictions beside a table of labels
    assert mixed.figures == found.figures
    fitted = sy.compare(None, runs, threshold="f1", **{**QUICK, "rounds": 1, "folds": 2})
    assert fitted.data["threshold"] == "a threshold per label fitted on 80 validation images (highest F1)"
    other = run_folder(tmp_path / "other", labels, honest, kept=np.arange(len(frame)) < 550)
    with pytest.raises(InputError, match=r"other: test images: expected the test images of 'plain', found 50 images"):
        sy.compare(None, {"plain": runs["plain"], "other": other}, **QUICK)
    changed = replace(labels, groups=np.where(np.arange(len(labels)) > 590, 1 - labels.groups, labels.groups))
    strange = run_folder(tmp_path / "strange", changed, honest)
    with pytest.raises(InputError, match=r"strange: labels: expected groups and labels .* found others of 9 images"):
        sy.compare(None, {"plain": runs["plain"], "strange": strange}, **QUICK)
    broken = run_folder(tmp_path / "broken", labels, honest, task={})
    with pytest.raises(InputError, match=r"provenance.json: expected the run's columns"):
        sy.compare(None, {"plain": runs["plain"], "broken": broken}, **QUICK)


def sides_of(seed: int, n: int = 300) -> dict[str, ModelSide]:
    """Two models that err in the same places: F1 of 1 − q / 2 for each label, q = 0.4 and 0.3."""
    rng = np.random.default_rng(seed)
    truth, when, coin = rng.integers(2, size=(n, 3)), rng.random((n, 3)), rng.integers(2, size=(n, 3))
    frame = pd.DataFrame(truth, columns=NAMES[:3]).assign(sex=np.where(rng.random(n) < 0.5, "m", "w"))
    labels, options = read_labels(frame, protected="sex"), CompareOptions().audit()
    found = {}
    for name, often in (("a", 0.4), ("b", 0.3)):
        values = np.where(when < often, coin, truth).astype(float)
        joined = Joined(labels=labels, scores=values, kind="decisions")
        rows = np.arange(n)
        plan = crossfit_plan(labels, rows, "all", options)
        found[name] = ModelSide(joined, decide(joined, "0.5"), plan, 0.5, corruption_for(labels, rows, options), None)
    return found


def test_bootstrap_intervals_of_differences_cover_the_truth() -> None:
    options = CompareOptions(bootstrap=200).audit()
    inside, half, paired, apart = [], [], [], []
    for seed in range(250):
        figures, _ = quality_figures(sides_of(seed), replace(options, seed=seed), scored=False)
        f1 = next(figure for figure in figures if figure.measure == "f1_macro")
        gap = f1.differences["b"]
        inside.append(gap.low <= 0.05 <= gap.high)
        half.append(abs(gap.value - 0.05) <= (gap.high - gap.low) / 4)
        paired.append(gap.high - gap.low)
        apart.append(float(np.linalg.norm([e.high - e.low for e in f1.models.values()])))
    assert 0.91 <= np.mean(inside) <= 0.985
    assert np.mean(half) < 0.85  # the control
    assert np.mean(paired) < 0.75 * np.mean(apart)


def test_sources_are_checked_before_anything_is_read() -> None:
    frame, honest, _ = world()
    table = scores(frame, honest)
    cases: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
        ("expected two models or more, found one, a", frame, {"a": table}, {"protected": "sex"}),
        ("expected two models or more, found none", frame, {}, {"protected": "sex"}),
        ("--protected: expected the column", frame, {"a": table, "b": table}, {}),
        ("b=./x.csv: expected a file of its own, found the one of 'a'", frame, {"a": "x.csv", "b": "./x.csv"}, {}),
        ("--kind logits: expected --labels beside it", None, {"a": "x", "b": "y"}, {"kind": "logits"}),
        ("a: expected --labels beside predictions", None, {"a": table, "b": table}, {}),
        ("nowhere: expected the folder of a finished run, found no such folder", None, {"a": "nowhere", "b": "y"}, {}),
        ("--rounds: expected 1 or more", frame, {"a": table, "b": table}, {"protected": "sex", "rounds": 0}),
    ]
    for line, labels, models, words in cases:
        with pytest.raises(InputError, match=line):
            sy.compare(labels, models, **words)
