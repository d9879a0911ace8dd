"""The report of a calibration: to JSON and back, its sentences, its picture, and its page."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from calibration_samples import calibration, figure

from steelyard.base.errors import InputError
from steelyard.reports.calibration import VIOLATED, CalibrationReport, PredictedShares
from steelyard.reports.calibration_chart import HEIGHT, ratio_panels
from steelyard.reports.calibration_figures import details, headline, settled
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
    predicted = tuple(row for row in report.labels if row.before.images)
    held = sum(row.constrained for row in predicted)
    all_predicted = replace(report, figures=(fine,), labels=predicted)
    assert f"All {held} constrained labels were within 5 points" in headline(all_predicted)


def with_gone(report: CalibrationReport, count: int) -> CalibrationReport:
    """The report with the first `count` labels that were outside the margin predicted no longer."""
    rows = list(report.labels)
    found = [i for i, row in enumerate(rows) if row.before.within is False][:count]
    for i in found:
        rows[i] = replace(rows[i], after=PredictedShares(images=0, shares=(), within=None, why="no longer predicted"))
    return replace(report, labels=tuple(rows))


def test_labels_that_vanish_are_no_success() -> None:
    report = calibration()
    outside = sum(row.before.within is False for row in report.constrained)
    for count, ending in (
        (1, f"after it none is, 1 of the {outside} because it is no longer predicted."),
        (2, f"after it none is, 2 of the {outside} because they are no longer predicted."),
        (outside, "after it none is, but only because they are no longer predicted."),
    ):
        gone = with_gone(report, count)
        assert headline(gone).endswith(ending)
        assert (
            f"{count} of 60 constrained labels {'is' if count == 1 else 'are'} no longer predicted" in details(gone)[0]
        )
        page = calibration_page(gone)
        assert page.count("<small>no longer predicted</small>") == count
        assert "A hollow mark by itself is a label that is no longer predicted" in page
    never = sum(not row.before.images for row in report.constrained)
    assert f"{never} of 60 constrained labels are predicted neither before nor after" in details(report)[0]
    assert calibration_page(report).count("<small>not predicted</small>") == 2 * never
    assert "A hollow mark by itself" not in calibration_page(report)


def test_nothing_predicted_is_not_called_fine() -> None:
    report = calibration()
    found = report.figure(VIOLATED)
    assert found is not None
    none = PredictedShares(images=0, shares=(), within=None)
    rows = tuple(replace(row, before=none, after=none) for row in report.labels)
    fine = replace(report, figures=(replace(found, before=replace(found.before, value=0.0)),))
    assert headline(replace(fine, labels=rows)).startswith("None of 60 constrained labels is predicted for any image")
    predicted = sum(row.before.images > 0 for row in report.constrained)
    assert headline(fine).startswith(f"All {predicted} predicted ones of 60 constrained labels were within")


def test_each_figure_says_of_itself_whether_it_may_be_chance() -> None:
    quality = next(sentence for sentence in details(calibration()) if sentence.startswith("Quality"))
    assert quality == (
        "Quality: macro F1 of the labels 0.543 → 0.539 (this change may be chance: -0.010 to +0.001); balanced "
        "accuracy of the groups 0.741 → 0.740 (this change may be chance: -0.007 to +0.005)."
    )
    report = calibration()
    clear = tuple(figure("f1_macro", 0.012, 0.006, 0.008) if f.measure == "f1_macro" else f for f in report.figures)
    quality = next(sentence for sentence in details(replace(report, figures=clear)) if sentence.startswith("Quality"))
    assert "0.012 → 0.006 (a clear drop: -0.010 to -0.002); balanced" in quality
    few = tuple(replace(f, difference=replace(f.difference, n=7)) for f in clear)
    assert all(
        "of 7 images, too few to tell this change from chance" in sentence
        for sentence in details(replace(report, figures=few))[1:3]
    )


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
