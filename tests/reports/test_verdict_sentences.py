import re

import pytest
from report_samples import estimate

from steelyard.reports import AuditReport, Omitted
from steelyard.reports.verdict import verdict

DATA = {"protected": "gender", "groups": ["man", "woman"]}
FOUND = estimate("dataset_leakage", 0.683)
AT_F1 = estimate("dataset_leakage_at_f1", 0.562)
MODEL = estimate("model_leakage", 0.770)


def gap(value, half=0.01, name="amplification"):
    return estimate(name, value, half, unit="difference")


def bits(value, half=0.01):
    return estimate("conditional_leakage", value, half, unit="bits")


def p_value(value, of="labels"):
    return estimate("leakage_p_value", value, 0.0, of=of)


CASES = {
    "labels leak": ([FOUND], "alone give away “gender”", "model"),
    "labels at chance": ([estimate("dataset_leakage", 0.503)], "were not found to give away", "model"),
    "labels below chance": ([estimate("dataset_leakage", 0.44)], "were not found to give away", "model"),
    "labels touch chance": ([estimate("dataset_leakage", 0.52, low=0.5)], "were not found to give away", "model"),
    "p-value large": ([estimate("dataset_leakage", 0.51), p_value(0.2)], "not settled whether", "alone give away"),
    "p-value small": ([FOUND, p_value(0.01)], "alone give away", "not settled"),
    "p-value of the scores": ([FOUND, p_value(0.2, of="scores")], "alone give away", "not settled"),
    "amplifies": (
        [FOUND, AT_F1, MODEL, gap(0.208), gap(0.1, name="amplification_decisions"), bits(0.1)],
        "the model gives away more than its labels and random mistakes would (77.0 % against 56.2 %)",
        "finer grain",
    ),
    "amplifies, nothing beside": ([FOUND, AT_F1, MODEL, gap(0.208)], "the model gives away more", "finer grain"),
    "only on scores": (
        [FOUND, AT_F1, MODEL, gap(0.05), gap(0.0, name="amplification_decisions"), bits(0.0)],
        "finer grain of scores rather than the model’s own doing",
        "the model gives away more",
    ),
    "on scores, and conditional": (
        [FOUND, AT_F1, MODEL, gap(0.05), gap(0.0, name="amplification_decisions"), bits(0.1)],
        "the model gives away more",
        "finer grain",
    ),
    "contains 0": ([FOUND, gap(0.0), bits(0.0)], "the model was not found to give away more", "yet for images"),
    "contains 0, conditional above": (
        [FOUND, gap(0.0), bits(0.1)],
        "yet for images with the same labels its predictions tell something more",
        "gives away less",
    ),
    "below 0": ([FOUND, gap(-0.1)], "the model gives away less than", "though"),
    "below 0, conditional above": (
        [FOUND, gap(-0.1), bits(0.1)],
        "though for images with the same labels",
        "more than",
    ),
    "decisions only": ([FOUND, gap(0.1, name="amplification_decisions")], "the model gives away more", "finer"),
    "no amplification": ([FOUND, bits(0.1)], "tell more than the true labels do (by 0.100 bits)", "amplif"),
    "no amplification, nothing": ([FOUND, bits(0.0)], "were not found to tell more", "amplif"),
    "model leakage alone": ([MODEL], "An attacker who sees the model’s predictions", "labels"),
    "nothing": ([], "Nothing could be said about “gender”: too few images", "attacker"),
}


@pytest.mark.parametrize("case", CASES)
def test_sentence(case):
    estimates, says, never = CASES[case]
    omitted = (Omitted(name="dataset_leakage", reason="too few images"),)
    sentence = verdict(AuditReport(estimates=tuple(estimates), omitted=omitted, data=DATA)).sentence
    assert says in sentence
    assert never not in sentence
    assert sentence.endswith(".")
    assert not re.search(r"\.(?!\d)", sentence[:-1]), "one sentence"


def test_details_name_intervals_p_values_omissions_and_folding():
    report = AuditReport(
        estimates=(FOUND, p_value(0.01), p_value(0.03, of="scores"), bits(0.0), estimate("f", 0.5, folded=True)),
        omitted=(Omitted(name="amplification", reason="F1 is below the channel's floor"),),
        data=DATA,
    )
    details = " ".join(verdict(report).details)
    assert "95 % interval 67.7 to 68.9 %, all of it above chance (50.0 %)" in details
    assert "p = 0.010" in details
    assert "p = 0.030" in details
    assert "not proof that there is none" in details
    assert "F1 is below the channel's floor" in details
    assert "folded" in details


def test_chance_follows_the_number_of_groups():
    data = {"protected": "age", "groups": list("abcd")}
    report = AuditReport(estimates=(estimate("dataset_leakage", 0.40),), data=data)
    assert "guessing gets 25.0 %" in verdict(report).sentence
    assert "alone give away" in verdict(report).sentence
