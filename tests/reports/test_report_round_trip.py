import csv
import json
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from report_samples import estimate, labels_only, many_groups, with_predictions

from steelyard.base.errors import InputError, UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.reports import AuditReport, CurvePoint, Interval, LabelRow, Omitted
from steelyard.reports.records import dump_json

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(max_size=12)
GROUPS = st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=4, unique=True)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ESTIMATES = st.builds(
    Estimate,
    name=WORDS,
    value=NUMBERS,
    low=NUMBERS,
    high=NUMBERS,
    n=st.integers(0, 10**9),
    level=NUMBERS,
    unit=WORDS,
    of=WORDS,
    scheme=WORDS,
    varied=st.lists(st.sampled_from(["attacker", "images", "permutations"]), unique=True).map(tuple),
    sd_attacker=st.none() | NUMBERS,
    sd_images=st.none() | NUMBERS,
    folded=st.booleans(),
    note=WORDS,
)
INTERVALS = st.builds(Interval, NUMBERS, NUMBERS, NUMBERS)
ROWS = st.builds(
    LabelRow,
    label=WORDS,
    positives=st.integers(0, 10**6),
    counts=st.dictionaries(WORDS, st.integers(0, 10**6), max_size=3),
    measures=st.dictionaries(WORDS, INTERVALS, max_size=3),
)
POINTS = st.builds(
    CurvePoint,
    f1=NUMBERS,
    dataset_leakage=NUMBERS,
    low=NUMBERS,
    high=NUMBERS,
    p=NUMBERS,
    channel=WORDS,
    scheme=WORDS,
    n=st.integers(0, 10**6),
)


def several(strategy, most=3):
    return st.lists(strategy, max_size=most).map(tuple)


REPORTS = st.builds(
    lambda protected, groups, extra, **parts: AuditReport(
        data={**extra, "protected": protected, "groups": groups}, **parts
    ),
    protected=WORDS,
    groups=GROUPS,
    extra=st.dictionaries(WORDS, PLAIN, max_size=3),
    estimates=several(ESTIMATES),
    curve=several(POINTS),
    per_label=several(ROWS),
    omitted=several(st.builds(Omitted, name=WORDS, reason=WORDS)),
    notes=several(WORDS),
    provenance=st.dictionaries(WORDS, PLAIN, max_size=3),
)


@given(REPORTS)
@settings(max_examples=60, deadline=None)
def test_any_report_survives_json(report):
    text = dump_json(report.to_dict())
    assert AuditReport.from_dict(json.loads(text)) == report


@pytest.mark.parametrize("make", [labels_only, with_predictions, many_groups])
def test_files_survive_and_nothing_else_is_left(make, tmp_path):
    report = make()
    report.write(tmp_path / "deep" / "folder")
    folder = tmp_path / "deep" / "folder"
    assert sorted(p.name for p in folder.iterdir()) == ["per_label.csv", "report.html", "report.json"]
    assert AuditReport.from_json(folder / "report.json") == report
    assert json.loads((folder / "report.json").read_text())["schema"] == 1


def test_numpy_numbers_are_written_as_plain_ones(tmp_path):
    report = AuditReport(
        estimates=(estimate("dataset_leakage", np.float64(0.5)),),
        data={"protected": "g", "groups": ["a", "b"], "targets": np.int64(3), "counts": np.arange(2)},
    )
    report.to_json(tmp_path / "r.json")
    assert AuditReport.from_json(tmp_path / "r.json").data["counts"] == [0, 1]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_that_json_lacks_is_written(bad, tmp_path):
    report = AuditReport(estimates=(estimate("amplification", bad),), data={"protected": "g", "groups": ["a", "b"]})
    with pytest.raises(UndefinedError, match=r"report\.estimates\.0\.value is .*omitted"):
        report.to_json(tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


def changed(**parts):
    return {**json.loads(dump_json(labels_only().to_dict())), **parts}


def without(record, key):
    return {k: v for k, v in record.items() if k != key}


FIRST = labels_only().estimates[0].to_dict()
BAD = {
    "a later schema": (changed(schema=2), "schema 2 is unknown, expected 1"),
    "a schema that is no number": (changed(schema=True), "schema True is unknown"),
    "no schema": (without(changed(), "schema"), "not a report"),
    "a list": ([], "not a report"),
    "a part missing": (without(changed(), "curve"), "curve missing"),
    "a part too many": (changed(more=1), "unknown part more"),
    "a part of the wrong kind": (changed(curve={}), "curve must be a list"),
    "a field missing": (changed(estimates=[without(FIRST, "low")]), r"estimates\[0\]: field 'low' is missing"),
    "a field too many": (changed(estimates=[{**FIRST, "x": 1}]), r"estimates\[0\]: unknown field x"),
    "a number as text": (changed(estimates=[{**FIRST, "value": "1"}]), "'value' must be a number, found '1'"),
    "truth as a number": (changed(estimates=[{**FIRST, "value": True}]), "'value' must be a number"),
    "a broken count": (changed(estimates=[{**FIRST, "n": 1.5}]), "'n' must be a whole number"),
    "varied as text": (changed(estimates=[{**FIRST, "varied": "images"}]), "'varied' must be a list"),
    "measures as a list": (changed(per_label=[{"label": "a", "positives": 1, "measures": []}]), "must be an object"),
    "half an interval": (
        changed(per_label=[{"label": "a", "positives": 1, "measures": {"f1": {"value": 1, "low": 0}}}]),
        r"per_label\[0\]\.measures\.f1: field 'high' is missing",
    ),
    "a note that is no text": (changed(notes=[1]), "notes must be text"),
    "no protected attribute": (changed(data={"groups": ["a", "b"]}), r"data\.protected"),
    "one group": (changed(data={"protected": "g", "groups": ["a"]}), "two groups or more"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_report_that_is_not_one_is_refused_in_one_line(case):
    record, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        AuditReport.from_dict(record)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"schema": 1, "x": NaN}', "NaN is not a JSON number"), ("{", "not JSON"), (None, "cannot be read")],
)
def test_a_file_that_is_no_report_is_refused_by_name(text, message, tmp_path):
    path = tmp_path / "r.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        AuditReport.from_json(path)
    assert str(path) in str(caught.value)


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        labels_only().write(tmp_path / "file" / "out")


def test_csv_holds_every_count_and_figure(tmp_path):
    report = with_predictions()
    report.to_csv(tmp_path / "per_label.csv")
    with open(tmp_path / "per_label.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(report.per_label) == 211
    for row, cells in zip(report.per_label, table, strict=True):
        assert cells["label"] == row.label
        assert {g: int(cells[f"count_{g}"]) for g in row.counts} == row.counts
        for key in ("ratio:man", "single_label_leakage", "average_precision", "directional_amplification"):
            figure = row.measures.get(key)
            ends = [cells[key], cells[f"{key}_low"], cells[f"{key}_high"]]
            assert ends == (["", "", ""] if figure is None else [str(figure.value), str(figure.low), str(figure.high)])


def test_estimate_is_found_by_name_and_evidence():
    report = with_predictions()
    assert report.estimate("model_leakage").value == 0.770
    assert report.estimate("model_leakage", "labels") is None
    with pytest.raises(InputError, match="found 'nothing'"):
        report.estimate("nothing")


@pytest.mark.parametrize("make", [labels_only, with_predictions, many_groups])
def test_text_fits_a_terminal_and_shows_every_interval(make):
    report = make()
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80
    text.encode("ascii")
    for e in report.estimates:
        if e.unit == "fraction" and "leakage" in e.name:
            assert f"{100 * e.value:.1f} %" in text
            assert f"[{100 * e.low:.1f} to {100 * e.high:.1f} %]" in text


def test_what_was_left_out_for_one_reason_stands_together():
    text = " ".join(str(labels_only()).split())
    assert "Leakage of the model's scores; Amplification, on scores: it needs predictions, and none were given" in text
    assert "was not measured" not in text
