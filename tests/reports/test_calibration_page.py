"""The report of a calibration: to JSON and back, its sentences, its picture, and its page."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from calibration_samples import calibration

from steelyard.base.errors import InputError
from steelyard.reports.calibration import VIOLATED, CalibrationReport
from steelyard.reports.calibration_chart import HEIGHT, ratio_panels
from steelyard.reports.calibration_figures import headline, settled
from steelyard.reports.calibration_page import calibration_page
from steelyard.reports.calibration_published import published_calibrations


@pytest.mark.parametrize("k", [2, 3, 4])
def test_round_trip(k: int, tmp_path: Path) -> None:
    report = calibration(k, 20)
    report.to_json(tmp_path / "report.json")
    assert CalibrationReport.from_json(tmp_path / "report.json") == report


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "expected a record of schema 1, found schema 2"),
        ({"margin": "wide"}, "field 'margin' must be a number"),
        ({"surplus": 1}, "unknown field surplus"),
        ({"labels": None}, "labels: expected a list"),
        ({"data": {"groups": ["one"]}}, "data.groups must list two groups or more"),
    ],
)
def test_a_spoilt_record_is_refused_in_one_line(change: dict[str, object], said: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps({**calibration(2, 5).to_dict(), **change}))
    with pytest.raises(InputError) as caught:
        CalibrationReport.from_json(tmp_path / "r.json")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shares_must_fit_the_groups() -> None:
    report = calibration(3, 5)
    with pytest.raises(InputError, match="expected 2 shares, found 3"):
        replace(report, data={**report.data, "groups": ["a", "b"]})


def test_the_headline_says_what_is_left() -> None:
    report = calibration()
    found = report.figure(VIOLATED)
    assert found is not None
    before = int(found.before.value)
    assert headline(report).endswith("further than 5 points from their training shares; after it none is.")
    assert f"Before calibration {before} of 60 constrained labels" in headline(report)
    left = replace(found, after=replace(found.after, value=2.0))
    assert headline(replace(report, figures=(left,))).endswith("after it 2 are.")
    fine = replace(found, before=replace(found.before, value=0.0))
    assert "All 60 constrained labels were within 5 points" in headline(replace(report, figures=(fine,)))


def test_plain_text_fits_a_terminal() -> None:
    for k in (2, 4):
        text = str(calibration(k))
        assert all(len(line) <= 80 for line in text.splitlines())
        assert "duality gap" in text


def test_the_gap_is_told_as_a_share_and_as_a_sum() -> None:
    report = calibration()
    for text in (str(report), calibration_page(report)):
        assert "1.75 in the sum of scores" in " ".join(text.replace("\u00a0", " ").split())
    none = replace(report, solution=replace(report.solution, distance=0.0, gap=0.0))
    assert "in the sum of scores" not in str(none)


def test_sums_of_masks_are_written_with_their_leading_digits() -> None:
    report = calibration()
    huge = replace(report.solution, objective_before=1.25e200, dual_bound=1.25e200, objective_after=-3e30)
    huge = replace(huge, iterations=(replace(huge.iterations[0], objective=1.25e200),))
    text = str(replace(report, solution=huge))
    assert "1.25e+200" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    page = calibration_page(replace(report, solution=huge))
    assert page.count("1.25e+200") == 3
    assert "000,000,000" not in page


def test_of_few_images_no_difference_is_called_clear_of_0() -> None:
    report = calibration()
    found = report.figure("mals_amplification")
    assert found is not None
    few = replace(found, difference=replace(found.difference, n=29))
    assert settled(found)
    assert not settled(few)
    same = replace(few, difference=replace(few.difference, value=0.0, low=0.0, high=0.0))
    assert settled(same), "nothing changed at all"


def test_one_panel_for_two_groups_and_one_each_for_more() -> None:
    assert [panel.group for panel in ratio_panels(calibration(2))] == ["man"]
    assert [panel.group for panel in ratio_panels(calibration(3, 20))] == ["city", "shore & harbour", "wood <3"]


def test_points_stand_where_the_shares_are() -> None:
    report = calibration(2, 30)
    (panel,) = ratio_panels(report)
    drawn = [row for row in report.constrained if row.before.images]
    assert len(panel.shifts) == len(drawn)
    assert panel.absent == len(report.constrained) - len(drawn) > 0
    for row, shift in zip(drawn, panel.shifts, strict=True):
        assert shift.x == pytest.approx(100 * row.training[0], abs=0.01)
        assert shift.before == pytest.approx(HEIGHT * (1 - row.before.shares[0].value), abs=0.06)
        assert shift.after == pytest.approx(HEIGHT * (1 - row.after.shares[0].value), abs=0.06)


def test_the_band_is_the_margin_around_the_diagonal() -> None:
    (panel,) = ratio_panels(calibration())
    corners = [tuple(map(float, pair.split(","))) for pair in panel.band.split()]
    gaps = {round((100 - y) - x, 6) for x, y in corners}
    assert gaps == {0.0, 5.0, -5.0}
    assert {value for corner in corners for value in corner} <= {0.0, 5.0, 95.0, 100.0}


def test_the_labels_furthest_outside_are_named() -> None:
    report = calibration()
    (panel,) = ratio_panels(report)
    gaps = {
        row.label: abs(row.before.shares[0].value - row.training[0]) for row in report.constrained if row.before.shares
    }
    assert {named.label for named in panel.named} == set(sorted(gaps, key=lambda label: -gaps[label])[:6])
    inside = replace(report, margin=0.9)
    assert ratio_panels(inside)[0].named == ()


def test_the_page_is_whole_and_escapes_names() -> None:
    page = calibration_page(calibration(4, 40))
    assert "wood &lt;3" in page
    assert "wood <3" not in page
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?!data:)", page)
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    for words in ("annotators perceived", "Not leakage.", "imSitu verbs (vSRL)", "+5.02", "+2.39", "Zhao"):
        assert words in page
    assert len(page) < 400_000


def test_published_figures_are_the_papers() -> None:
    imsitu, coco = published_calibrations()
    assert (imsitu.labels, imsitu.violations) == (212, (154, 107))
    assert (coco.labels, coco.violations) == (66, (40, 24))
    assert coco.amplification == (0.0317425, 0.0216954)
