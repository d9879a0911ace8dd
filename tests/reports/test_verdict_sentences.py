import re

import pytest
from report_samples import estimate

from steelyard.reports import AuditReport, Omitted
from steelyard.reports.verdict import verdict

DATA = {"protected": "gender", "groups": ["man", "woman"]}
FOUND = estimate("dataset_leakage", 0.683)
AT_F1 = estimate("dataset_leakage_at_f1", 0.562)
MODEL = estimate("model_leakage", 0.770)
DECISIONS = estimate("model_leakage_decisions", 0.665)


def folded(value=0.54, name="dataset_leakage"):
    return estimate(name, value, folded=True)


def gap(value, half=0.01, name="amplification"):
    return estimate(name, value, half, unit="difference")


def bits(value, half=0.01):
    return estimate("conditional_leakage", value, half, unit="bits")


def p_value(value, of="labels"):
    return estimate("leakage_p_value", value, 0.0, of=of)


CASES = {
    "labels leak": ([FOUND], "alone give away “gender”", "model"),
    "labels at chance": ([estimate("dataset_leakage", 0.503)], "were not found to give away", "model"),
    "labels below chance": (
        [estimate("dataset_leakage", 0.44)],
        "were not found to give away “gender”: an attacker who sees nothing else names the right group for 44.0 % of "
        "images (each group counting the same), which is below the 50.0 % of guessing and is read as no leakage",
        "where guessing gets",
    ),
    "around chance, p-value small": (
        [estimate("dataset_leakage", 0.503), p_value(0.01)],
        "not settled whether",
        "alone",
    ),
    "folded": ([folded()], "not settled whether the labels give away", "where guessing gets"),
    "folded, p-value large": (
        [folded(), p_value(0.2)],
        "for the audit’s own attackers shuffled groups do as well too often (p = 0.200)",
        "alone give away",
    ),
    "folded, p-value small": (
        [folded(), p_value(0.01)],
        "alone give away “gender”, by the p-value of the audit’s own attackers (p = 0.010): the published protocol’s "
        "attacker comes to 54.0 %, but folded accuracy lies above 50.0 % even where nothing leaks",
        "where guessing gets",
    ),
    "folded, around chance": ([folded(0.503)], "were not found to give away", "alone give away"),
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
        "but nothing more was found on its decisions nor for images with the same labels, so it may be the finer "
        "grain of scores rather than the model’s own doing",
        "the model gives away more",
    ),
    "on scores, and conditional": (
        [FOUND, AT_F1, MODEL, gap(0.05), gap(0.0, name="amplification_decisions"), bits(0.1)],
        "the model gives away more",
        "finer grain",
    ),
    "contains 0": ([FOUND, gap(0.0), bits(0.0)], "the model was not found to give away more", "something more"),
    "contains 0, conditional above": (
        [FOUND, gap(0.0), bits(0.1)],
        "for images with the same labels the model’s predictions tell something more, though altogether",
        "gives away less",
    ),
    "contains 0, decisions above": (
        [FOUND, AT_F1, MODEL, DECISIONS, gap(0.0), gap(0.1, name="amplification_decisions"), bits(0.1)],
        "the model’s decisions give away more than its labels and random mistakes would (66.5 % against 56.2 %), "
        "though on its scores this was not found",
        "not found to give away",
    ),
    "below 0, decisions above": (
        [FOUND, gap(-0.1), gap(0.1, name="amplification_decisions")],
        "the model’s decisions give away more",
        "gives away less",
    ),
    "decisions above, conditional around": (
        [FOUND, gap(0.0), gap(0.1, name="amplification_decisions"), bits(0.0)],
        "takes certain labels for certain others",
        "not found to give away",
    ),
    "both above, conditional around": (
        [FOUND, gap(0.1), gap(0.1, name="amplification_decisions"), bits(0.0)],
        "the model gives away more than its labels and random mistakes would, but for images with the same labels "
        "nothing more was found, so it may be that it takes certain labels for certain others",
        "finer grain",
    ),
    "all above": (
        [FOUND, gap(0.1), gap(0.1, name="amplification_decisions"), bits(0.1)],
        "the model gives away more",
        "certain others",
    ),
    "a preset: folded beside unfolded": (
        [folded(), folded(0.56, "dataset_leakage_at_f1"), DECISIONS, gap(0.1, name="amplification_decisions")],
        "the model gives away more than its labels and random mistakes would",
        "against",
    ),
    "a preset: both folded": (
        [folded(), folded(0.56, "dataset_leakage_at_f1"), folded(0.77, "model_leakage"), gap(0.2)],
        "(77.0 % against 56.0 %, both folded)",
        "where guessing gets",
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


def test_each_p_value_names_its_evidence():
    report = AuditReport(
        estimates=(FOUND, p_value(0.01), p_value(0.04, of="decisions"), p_value(0.03, of="scores")), data=DATA
    )
    details = [text for text in verdict(report).details if "p = " in text]
    assert len(details) == 3
    for text, what, p in zip(details, ("labels", "model’s decisions", "model’s scores"), (10, 40, 30), strict=True):
        assert text.startswith(f"Were the {what} of no help at all, a leakage this high")
        assert text.endswith(f"p = 0.0{p}.")


def test_a_preset_is_not_held_against_chance_and_its_p_value_is_of_other_attackers():
    details = " ".join(verdict(AuditReport(estimates=(folded(0.68), p_value(0.01)), data=DATA)).details)
    assert "all of it above" not in details
    assert "folded, so that chance (50.0 %) is not what it would come to without any leak" in details
    assert "the audit’s own attackers (not those of the published protocol) would do as well" in details


def test_details_call_an_interval_below_chance_no_leakage():
    details = " ".join(verdict(AuditReport(estimates=(estimate("dataset_leakage", 0.44),), data=DATA)).details)
    assert "in which no leakage was found: all of it lies below chance (50.0 %)" in details


def test_chance_follows_the_number_of_groups():
    data = {"protected": "age", "groups": list("abcd")}
    report = AuditReport(estimates=(estimate("dataset_leakage", 0.40),), data=data)
    assert "guessing gets 25.0 %" in verdict(report).sentence
    assert "alone give away" in verdict(report).sentence
