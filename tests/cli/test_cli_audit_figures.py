"""Figures of `steelyard audit` against scikit-learn, pandas, direct calls of the metrics, and each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_samples import FLAGS, OBJECTS, SINGLE, VERBS, Run, audit
from sklearn.metrics import average_precision_score, f1_score

import steelyard as sy

Audited = Callable[[str], Run]


class Test:
    """The test rows of labels and scores, put side by side by pandas."""

    __test__ = False

    def __init__(self, desk: Path, scores: str, names: tuple[str, ...]) -> None:
        self.labels = pd.read_csv(desk / "labels.csv", dtype={"image": str})
        held_out = self.labels[self.labels["split"] == "test"].drop(columns=list(set(names) & set(FLAGS)))
        truth = self.labels.set_index("image")
        table = held_out.merge(pd.read_csv(desk / scores), on="image", validate="one_to_one")
        self.table, self.names = table, names
        self.scores = table[list(names)].to_numpy()
        rows = truth.loc[table["image"]]
        self.truth = (
            rows[list(names)].to_numpy() if names[0] in FLAGS else (rows[["verb"]].to_numpy() == np.array(names))
        ).astype(int)
        self.groups = (table["sex"] == "woman").astype(int).to_numpy()
        self.seen = (table["seen"] == "woman").astype(int).to_numpy()
        train = self.labels[self.labels["split"] == "train"]
        self.train_groups = (train["sex"] == "woman").astype(int).to_numpy()
        self.train_truth = (
            train[list(names)].to_numpy() if names[0] in FLAGS else (train[["verb"]].to_numpy() == np.array(names))
        ).astype(int)


@pytest.fixture(scope="module")
def verbs(desk: Path) -> Test:
    return Test(desk, "verbs_all.csv", VERBS)


@pytest.fixture(scope="module")
def objects(desk: Path) -> Test:
    return Test(desk, "objects_test.csv", FLAGS)


def one_hot(codes: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    return np.eye(count, dtype=int)[codes]


def test_quality_of_one_category_per_image_is_scikit_learns(audited: Audited, verbs: Test) -> None:
    run = audited("verbs, all splits")
    decided = verbs.scores.argmax(axis=1)
    macro = f1_score(verbs.truth.argmax(axis=1), decided, average="macro")
    micro = f1_score(verbs.truth.argmax(axis=1), decided, average="micro")
    assert run.estimate("f1_macro")["value"] == pytest.approx(macro, abs=1e-12)
    assert run.estimate("f1_micro")["value"] == pytest.approx(micro, abs=1e-12)
    precision = [average_precision_score(verbs.truth[:, t], verbs.scores[:, t]) for t in range(4)]
    assert run.estimate("mean_average_precision")["value"] == pytest.approx(np.mean(precision), abs=1e-12)
    assert run.per_label["average_precision"].to_numpy() == pytest.approx(np.array(precision), abs=1e-12)
    assert "directional" in run.out.lower()


def test_quality_of_many_labels_is_scikit_learns_over_the_labels_with_positives(
    audited: Audited, objects: Test
) -> None:
    run = audited("objects, test")
    some = slice(0, len(OBJECTS))  # `never` has no positives
    decided = (objects.scores >= 0).astype(int)
    macro = f1_score(objects.truth[:, some], decided[:, some], average="macro")
    assert run.estimate("f1_macro")["value"] == pytest.approx(macro, abs=1e-12)
    assert run.estimate("f1_micro")["value"] == pytest.approx(
        f1_score(objects.truth, decided, average="micro"), abs=1e-12
    )
    precision = average_precision_score(objects.truth[:, some], objects.scores[:, some], average="macro")
    assert run.estimate("mean_average_precision")["value"] == pytest.approx(precision, abs=1e-12)
    assert run.per_label["f1"].to_numpy()[some] == pytest.approx(
        f1_score(objects.truth[:, some], decided[:, some], average=None), abs=1e-12
    )


def test_logits_and_their_probabilities_give_the_same_decisions(audited: Audited, objects: Test) -> None:
    """0.5 of a probability is 0 of a logit: quality by either is the same but for ties made by rounding."""
    threshold = audited("objects, test").report["data"]["threshold"]
    assert threshold == "probability of 0.5 or more"
    by_logits = audited("objects, test").estimate("f1_micro")["value"]
    by_decisions = audited("objects, decisions").estimate("f1_micro")["value"]
    assert by_logits == by_decisions


def test_counts_are_those_of_pandas(audited: Audited, desk: Path) -> None:
    run, labels = audited("objects, test"), pd.read_csv(desk / "labels.csv")
    counted = labels.groupby("split")["sex"].value_counts().to_dict()
    counts = {(split, sex): n for split, sexes in run.report["data"]["counts"].items() for sex, n in sexes.items()}
    assert counts == counted
    test = labels[labels["split"] == "test"]
    assert run.report["data"]["audited"] == len(test)
    for name in FLAGS:
        row = run.per_label.loc[name]
        assert row["positives"] == test[name].sum()
        for sex in ("man", "woman"):
            assert row[f"count_{sex}"] == test.loc[test["sex"] == sex, name].sum()
        if name != "never":
            assert row["ratio:woman"] == pytest.approx((test.loc[test[name] == 1, "sex"] == "woman").mean(), abs=1e-12)


def test_single_label_leakage_is_the_best_rule_on_one_label(audited: Audited, objects: Test) -> None:
    row = audited("objects, test").per_label.loc["o0"]
    rates = [objects.truth[objects.groups == g, 0].mean() for g in (0, 1)]
    assert row["single_label_leakage"] == pytest.approx(0.5 + 0.5 * abs(rates[1] - rates[0]), abs=1e-12)


def test_amplification_by_counts_takes_its_direction_from_the_training_labels(audited: Audited, verbs: Test) -> None:
    run = audited("verbs, all splits")
    decided = one_hot(verbs.scores.argmax(axis=1), 4)
    training = {"train_targets": verbs.train_truth, "train_groups": verbs.train_groups, "interval": False}
    forward = sy.metrics.directional_amplification(verbs.truth, verbs.groups, decided, **training)
    backward = sy.metrics.directional_amplification(
        verbs.truth, verbs.groups, verbs.seen, direction="target_to_attribute", **training
    )
    mals = sy.metrics.mals_amplification(verbs.truth, verbs.groups, decided, predicted_groups=verbs.seen, **training)
    several = sy.metrics.multi_attribute_amplification(verbs.truth, verbs.groups, decided, min_support=30, **training)
    names = {
        "directional_amplification_attribute_to_target": forward,
        "directional_amplification_target_to_attribute": backward,
        "mals_amplification": mals,
        "multi_attribute_amplification": several,
    }
    for name, value in names.items():
        assert run.estimate(name)["value"] == pytest.approx(value, abs=1e-12)
    own = sy.metrics.directional_amplification(verbs.truth, verbs.groups, decided, interval=False)
    flipped = sy.metrics.directional_amplification(
        verbs.truth, verbs.groups, decided, **{**training, "train_groups": 1 - verbs.train_groups}
    )
    assert flipped == pytest.approx(-forward, abs=1e-12)  # the control: the training side decides the sign
    assert isinstance(own, float)


def test_opportunity_is_the_gap_in_true_positive_rates(audited: Audited, objects: Test) -> None:
    run = audited("objects, test")
    decided = objects.scores >= 0
    gaps = []
    for t in range(len(OBJECTS)):
        rate = [decided[(objects.groups == g) & (objects.truth[:, t] == 1), t].mean() for g in (0, 1)]
        gaps.append(rate[1] - rate[0])
    assert np.bincount(objects.groups).argmax() == 0  # men are the larger group, and the reference
    assert run.estimate("opportunity_difference")["value"] == pytest.approx(np.mean(gaps), abs=1e-12)
    assert run.estimate("opportunity_difference_absolute")["value"] == pytest.approx(np.mean(np.abs(gaps)), abs=1e-12)
    assert run.per_label["opportunity_difference"].dropna().to_numpy() == pytest.approx(np.array(gaps), abs=1e-12)


@pytest.mark.parametrize("name", ["verbs, test", "objects, f1", "three groups, verbs", "objects, val only"])
def test_both_sides_of_amplification_are_one_scheme(audited: Audited, name: str) -> None:
    run = audited(name)
    at_f1 = run.estimate("dataset_leakage_at_f1")
    for amplified, leaked in (
        ("amplification", "model_leakage"),
        ("amplification_decisions", "model_leakage_decisions"),
    ):
        model = run.estimate(leaked)
        assert at_f1["scheme"].startswith(model["scheme"])
        assert run.estimate(amplified)["scheme"] == at_f1["scheme"]
        assert run.estimate(amplified)["value"] == pytest.approx(model["value"] - at_f1["value"], abs=1e-12)
        assert model["n"] == at_f1["n"] == run.estimate(amplified)["n"]
    for information in ("usable_information_labels", "usable_information_predictions", "conditional_leakage"):
        assert run.estimate(information)["scheme"] == model["scheme"]


@pytest.mark.parametrize("name", ["verbs, test", "objects, f1", "three groups, verbs"])
def test_the_models_own_f1_is_a_level_of_the_curve_and_agrees_with_the_estimate(audited: Audited, name: str) -> None:
    run = audited(name)
    f1, at_f1 = run.estimate("f1_macro")["value"], run.estimate("dataset_leakage_at_f1")
    (point,) = [p for p in run.report["curve"] if abs(p["f1"] - f1) < 1e-9]
    assert point["dataset_leakage"] == at_f1["value"]
    assert at_f1["scheme"].startswith(point["scheme"])
    assert run.report["curve"][-1]["f1"] == 1.0
    assert run.report["curve"][-1]["p"] == 0.0


def test_the_headline_is_fitted_on_train_and_scored_on_test(audited: Audited) -> None:
    scheme = audited("verbs").estimate("dataset_leakage")["scheme"]
    assert scheme.startswith("fitted on train (")
    assert "scored on test" in scheme
    assert (
        audited("verbs, no split").estimate("dataset_leakage")["scheme"].startswith("cross-fitted on unsplit.csv in 3")
    )
    # The same labels, the same headline, whatever stands beside them.
    assert audited("verbs").estimate("dataset_leakage") == audited("verbs, test").estimate("dataset_leakage")


def test_predictions_of_several_splits_are_audited_on_test_alone(audited: Audited) -> None:
    several, alone = audited("verbs, all splits"), audited("verbs, test")
    for name in ("model_leakage", "f1_macro", "conditional_leakage", "score_divergence"):
        assert several.estimate(name) == alone.estimate(name)


def test_planted_leak_is_found_and_shuffled_groups_are_not(desk: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(desk / "labels.csv")
    rng = np.random.default_rng(0)
    p = 0.8
    labels["verb"] = np.where(rng.random(len(labels)) < p, np.where(labels["sex"] == "man", "run", "cook"), "")
    labels.loc[labels["verb"] == "", "verb"] = np.where(labels.loc[labels["verb"] == "", "sex"] == "man", "cook", "run")
    labels["shuffled"] = rng.permutation(labels["sex"])
    labels.to_csv(tmp_path / "planted.csv", index=False)
    command = "audit --labels planted.csv --target verb --rounds 3 --permutations 19 --levels none --protected"
    planted = audit(tmp_path, f"{command} sex", tmp_path / "a").report
    nothing = audit(tmp_path, f"{command} shuffled", tmp_path / "b").report
    leak, chance = planted["estimates"][0], nothing["estimates"][0]
    assert leak["name"] == chance["name"] == "dataset_leakage"
    assert leak["low"] <= p <= leak["high"]  # the Bayes accuracy
    assert chance["low"] <= 0.5 <= chance["high"]
    p_value = {e["name"]: e["value"] for e in planted["estimates"]}["leakage_p_value"]
    assert p_value == pytest.approx(1 / 20)


def test_a_model_that_uses_the_group_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    """Both err as often; the scores of one depend on the verb alone."""
    rng = np.random.default_rng(11)
    n = 1600
    group = rng.integers(2, size=n)
    verb = np.where(rng.random(n) < 0.6, group, rng.integers(4, size=n))
    labels = pd.DataFrame({"image": np.arange(n), "sex": np.array(["man", "woman"])[group]})
    labels["verb"] = np.array(VERBS)[verb]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    honest = rng.normal(size=(n, 4)) + 1.5 * one_hot(verb, 4)
    for name, scores in (("honest", honest), ("using", honest + 1.2 * one_hot(2 + group, 4))):
        table = pd.DataFrame(scores, columns=list(VERBS))
        table.insert(0, "image", labels["image"])
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found = {}
    for name in ("honest", "using"):
        command = f"{SINGLE} --predictions {name}.csv --kind logits"
        extra = "--levels none --permutations 0 --attackers logistic,table"
        found[name] = audit(tmp_path, f"{command} {extra}", tmp_path / name)
    for name in ("conditional_leakage", "amplification_decisions"):
        honest_one, using = found["honest"].estimate(name), found["using"].estimate(name)
        assert honest_one["low"] <= 0 <= honest_one["high"]
        assert using["low"] > 0
    assert found["using"].estimate("amplification")["low"] > 0


def test_one_seed_gives_one_report_and_another_seed_another(desk: Path, tmp_path: Path, audited: Audited) -> None:
    command = f"{SINGLE} --predictions verbs_test.csv --kind logits"
    first = audited("verbs, test").report
    again = audit(desk, command, tmp_path / "again").report
    other = audit(desk, f"{command} --seed 1", tmp_path / "other").report
    parts = ("estimates", "curve", "per_label", "omitted", "data", "notes")
    assert {part: first[part] for part in parts} == {part: again[part] for part in parts}
    assert first["estimates"] != other["estimates"]
    assert first["data"] == other["data"]


def test_two_processes_find_what_one_finds(desk: Path, tmp_path: Path, audited: Audited) -> None:
    run = audit(desk, f"{SINGLE} --workers 2", tmp_path / "two")
    assert run.report["estimates"] == audited("verbs").report["estimates"]
    assert run.report["curve"] == audited("verbs").report["curve"]


@pytest.mark.torch
def test_the_mlp_joins_by_name(desk: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the MLP needs the train extra")
    run = audit(desk, f"{SINGLE} --attackers mlp --rounds 1 --levels none --permutations 0", tmp_path / "mlp")
    estimate = run.estimate("dataset_leakage")
    assert estimate["note"].endswith("attackers chosen: mlp 1")
    assert estimate["value"] > 0.6


@pytest.mark.torch
def test_a_preset_marks_its_figures_as_folded_and_keeps_the_rest(desk: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the presets need the train extra")
    model = "--predictions verbs_all.csv --kind logits"
    run = audit(desk, f"{SINGLE} {model} --preset wang2019-imsitu --rounds 1 --levels none", tmp_path / "preset")
    folded = {e["name"] for e in run.report["estimates"] if e["folded"]}
    assert folded == {"dataset_leakage", "model_leakage", "dataset_leakage_at_f1", "amplification"}
    note = run.estimate("dataset_leakage")["scheme"]
    assert "wang2019-imsitu" in note
    assert "in place of 7,300" in note
    assert run.report["curve"] == []
    assert run.estimate("conditional_leakage")["folded"] is False
    omitted = [item["name"] for item in run.report["omitted"]]
    assert len(omitted) == len(set(omitted))


@pytest.mark.torch
def test_a_preset_on_test_predictions_alone_says_what_it_cannot_measure(desk: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the presets need the train extra")
    model = "--predictions verbs_decisions.csv --kind decisions"
    run = audit(desk, f"{SINGLE} {model} --preset wang2019-imsitu --rounds 1", tmp_path / "preset")
    for name in ("model_leakage", "dataset_leakage_at_f1", "amplification"):
        assert "covers no train" in run.omitted()[name]
    assert len(run.omitted()) == len(run.report["omitted"])
