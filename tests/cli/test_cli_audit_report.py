"""What `steelyard audit` writes: every key, type and unit of report.json, per_label.csv and the page, for every form of
input."""

from collections.abc import Callable
from typing import Any

import pytest
from cli_samples import AUDITS, FLAGS, OBJECTS, VERBS, Run

from steelyard.metrics.catalog import by_name

Audited = Callable[[str], Run]

ISSUE_NAMES = {
    "dataset_leakage",
    "dataset_leakage_at_f1",
    "model_leakage",
    "model_leakage_decisions",
    "amplification",
    "amplification_decisions",
    "leakage_p_value",
    "conditional_leakage",
    "usable_information_labels",
    "usable_information_predictions",
    "mean_average_precision",
    "f1_macro",
    "mals_amplification",
    "directional_amplification_attribute_to_target",
    "directional_amplification_target_to_attribute",
    "multi_attribute_amplification",
    "directional_predictability_attribute_to_target",
    "directional_predictability_target_to_attribute",
}
UNITS = {"fraction", "bits", "nats", "probability", "difference", "ratio"}
ESTIMATE: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "value": float,
    "low": float,
    "high": float,
    "level": float,
    "n": int,
    "unit": str,
    "of": str,
    "scheme": str,
    "varied": list,
    "sd_attacker": (float, type(None)),
    "sd_images": (float, type(None)),
    "folded": bool,
    "note": str,
}
POINT: dict[str, type | tuple[type, ...]] = {
    "f1": float,
    "dataset_leakage": float,
    "low": float,
    "high": float,
    "p": float,
    "channel": str,
    "scheme": str,
    "n": int,
}


def check_types(record: dict[str, Any], types: dict[str, type | tuple[type, ...]]) -> None:
    assert set(record) == set(types)
    for key, kind in types.items():
        allowed = kind if isinstance(kind, tuple) else (kind,)
        assert type(record[key]) in allowed, (key, record[key])


@pytest.mark.parametrize("name", AUDITS)
def test_report_has_the_documented_form(audited: Audited, name: str) -> None:
    run = audited(name)
    report = run.report  # NaN and infinities are refused here
    parts = {"schema", "estimates", "curve", "per_label", "omitted", "data", "notes", "provenance"}
    assert set(report) == parts
    assert report["schema"] == 1
    for estimate in report["estimates"]:
        check_types(estimate, ESTIMATE)
        assert estimate["low"] <= estimate["value"] <= estimate["high"], estimate
        assert estimate["level"] == 0.95
        assert estimate["unit"] in UNITS
        assert set(estimate["varied"]) <= {"attacker", "images", "permutations"}
        assert estimate["varied"]
        assert estimate["scheme"]
        assert estimate["folded"] is False
        least, most = by_name(estimate["name"]).range  # raises on a name outside the catalogue
        assert least is None or least <= estimate["low"]
        assert most is None or estimate["high"] <= most
    for point in report["curve"]:
        check_types(point, POINT)
        assert 0 <= point["low"] <= point["dataset_leakage"] <= point["high"] <= 1
        assert 0 <= point["p"] <= 1
    assert [p["f1"] for p in report["curve"]] == sorted({p["f1"] for p in report["curve"]})
    for item in report["omitted"]:
        check_types(item, {"name": str, "reason": str})
        assert item["reason"]


@pytest.mark.parametrize("name", AUDITS)
def test_each_figure_is_measured_once_or_omitted_with_its_reason(audited: Audited, name: str) -> None:
    run = audited(name)
    measured = [(e["name"], e["of"]) for e in run.report["estimates"]]
    assert len(measured) == len(set(measured))
    omitted = [item["name"] for item in run.report["omitted"]]
    assert len(omitted) == len(set(omitted))
    names = {name for name, _ in measured}
    assert not names & set(omitted)
    assert names | set(omitted) >= ISSUE_NAMES


@pytest.mark.parametrize("name", AUDITS)
def test_provenance_says_where_the_report_comes_from(audited: Audited, name: str) -> None:
    provenance = audited(name).report["provenance"]
    assert set(provenance["versions"]) == {"python", "steelyard", "numpy", "scipy", "scikit-learn"}
    assert provenance["seed"] == 0
    files = [word for word in AUDITS[name].split() if word.endswith(".csv")]
    assert [item["name"] for item in provenance["fingerprints"]] == files
    assert all(len(item["sha256"]) == 64 for item in provenance["fingerprints"])
    assert provenance["command"].startswith("steelyard audit ")
    assert "/" not in provenance["command"]
    assert provenance["duration_s"] > 0


@pytest.mark.parametrize("name", AUDITS)
def test_per_label_csv_and_page_hold_every_target(audited: Audited, name: str) -> None:
    run = audited(name)
    targets = list(VERBS) if "--target verb" in AUDITS[name] else list(OBJECTS if "three" in name else FLAGS)
    table = run.per_label
    assert list(table.index) == targets
    groups = run.report["data"]["groups"]
    columns = ["positives", *(f"count_{group}" for group in groups)]
    measures = [*(f"ratio:{group}" for group in groups), "single_label_leakage"]
    if "--predictions" in AUDITS[name]:
        ranked = "--kind decisions" not in AUDITS[name]
        measures += ["average_precision"] * ranked + [
            "opportunity_range" if len(groups) > 2 else "opportunity_difference",
            "directional_amplification",
        ]
        measures += ["score_divergence"] * ranked + ["f1"]
    ends = [column for measure in measures for column in (measure, f"{measure}_low", f"{measure}_high")]
    assert list(table.columns) == columns + ends
    for measure in measures:
        known = table[measure].notna()
        assert (table[f"{measure}_low"].notna() == known).all()
        assert (table.loc[known, f"{measure}_low"] <= table.loc[known, measure] + 1e-12).all()
        assert (table.loc[known, measure] <= table.loc[known, f"{measure}_high"] + 1e-12).all()
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert all(f">{target}<" in page for target in targets)
    assert sorted(path.name for path in run.folder.iterdir()) == ["per_label.csv", "report.html", "report.json"]


def test_labels_alone_name_everything_that_needs_predictions(audited: Audited) -> None:
    run = audited("verbs")
    measured = {e["name"] for e in run.report["estimates"]}
    assert measured == {"dataset_leakage", "usable_information_labels", "leakage_p_value"}
    reasons = {run.omitted()[name] for name in ISSUE_NAMES - measured}
    assert reasons == {"no predictions were given: --predictions FILE --kind KIND"}


def test_without_a_predicted_group_target_to_attribute_is_omitted_and_mals_says_whose_groups(audited: Audited) -> None:
    without, given = audited("verbs, test"), audited("verbs, all splits")
    names = [f"directional_{what}_target_to_attribute" for what in ("amplification", "predictability")]
    for name in names:
        assert without.omitted()[name] == "needs the group that the model predicts: --predicted-protected COLUMN"
        assert given.estimate(name)["n"] == 180
    assert without.estimate("mals_amplification")["scheme"].startswith("true groups of the images predicted")
    assert given.estimate("mals_amplification")["scheme"].startswith("predicted groups of the images predicted")


def test_decisions_leave_out_what_needs_scores(audited: Audited) -> None:
    run = audited("objects, decisions")
    needs_scores = "needs scores (logits or probabilities), and the table holds decisions"
    for name in ("model_leakage", "amplification", "mean_average_precision", "score_divergence"):
        assert run.omitted()[name] == needs_scores
    assert run.estimate("amplification_decisions")["of"] == "decisions"
    assert run.estimate("conditional_leakage")["of"] == "decisions"
    assert run.report["data"]["threshold"] == "decisions as given"


def test_a_model_below_the_channels_floor_gets_no_amplification_but_conditional_leakage(audited: Audited) -> None:
    run = audited("objects, below the floor")
    for name in ("dataset_leakage_at_f1", "amplification", "amplification_decisions"):
        reason = run.omitted()[name]
        assert reason.startswith("the model's F1 of 0.000 is below what the channel 'flip' can reach (0.")
        assert reason.endswith("conditional_leakage needs none")
    assert run.estimate("conditional_leakage")["unit"] == "bits"
    assert run.estimate("model_leakage")["n"] == 180
    assert all(point["f1"] > 0.3 for point in run.report["curve"])


def test_three_groups_report_the_range_of_opportunity_and_leakage_over_one_third(audited: Audited) -> None:
    run = audited("three groups, objects")
    assert run.report["data"]["groups"] == ["city", "shore", "wood"]
    assert run.estimate("opportunity_range")["low"] >= 0
    assert "opportunity_difference" not in {e["name"] for e in run.report["estimates"]}
    assert abs(run.estimate("dataset_leakage")["value"] - 1 / 3) < 0.12  # places are drawn apart from the labels


def test_a_target_without_positives_is_named_and_counted(audited: Audited) -> None:
    run = audited("objects, test")
    reason = run.omitted()["targets without positives"]
    assert reason.startswith("1 of 6 have none among the audited images")
    assert reason.endswith(": never")
    assert "mean over 5 of 6 labels" in run.estimate("f1_macro")["scheme"]
    never = run.per_label.loc["never"]
    assert never["positives"] == 0
    assert never[["average_precision", "f1", "ratio:man"]].isna().all()


def test_columns_without_a_role_are_listed_for_both_tables(audited: Audited) -> None:
    data = audited("verbs, test").report["data"]
    unused = ["seen (predictions)", "comment (predictions)"]
    assert data["ignored"] == ["place", *OBJECTS, "never", "age", *unused]
    assert audited("verbs, all splits").report["data"]["ignored"][-1:] == unused[1:]
    assert data["per_label_split"] == "test"
    assert audited("verbs, no split").report["data"]["per_label_split"] == "all"


def test_no_levels_and_no_permutations_leave_both_out(audited: Audited) -> None:
    run = audited("no curve, no p-value")
    assert run.report["curve"] == []
    assert run.omitted()["leakage_p_value"] == "--permutations 0"


def test_one_round_claims_no_spread_between_attackers(audited: Audited) -> None:
    estimate = audited("one round").estimate("dataset_leakage")
    assert estimate["sd_attacker"] is None
    assert estimate["varied"] == ["images"]


def test_thresholds_fitted_on_the_audited_images_are_called_that(audited: Audited) -> None:
    (note,) = audited("objects, val only").report["notes"][:1]
    assert "thresholds were fitted on the very images that are audited" in note
    assert audited("objects, f1").report["notes"] == []  # validation rows and test rows are apart there


def test_without_training_rows_the_audited_labels_give_the_direction_and_it_is_said(audited: Audited) -> None:
    run = audited("verbs, no split")
    assert run.report["notes"] == [
        "There are no training rows: amplification takes its direction from the audited labels."
    ]
    name = "directional_amplification_attribute_to_target"
    assert run.estimate(name)["scheme"].startswith("direction from the evaluated labels")
    assert audited("verbs, test").estimate(name)["scheme"].startswith("direction from the training labels")
