"""The demo's page says what the figures say: sentences are tried with figures that ask for them and for others."""

import json
import math
import re
from dataclasses import replace

import pytest
from augment_samples import grid, measured, oracle, report
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import estimate
from story_samples import changed, changes, gallery, imsitu_chapter, model, png, story, trained_on
from test_report_page import EVIL, Page

from steelyard.base.errors import InputError
from steelyard.reports import Interval
from steelyard.reports.changes import TOP, LabelChange, change_chart
from steelyard.reports.frontier import HEIGHT, frontier
from steelyard.reports.gallery import MaskedPair
from steelyard.reports.label_places import WIDTHS, Point, place_labels
from steelyard.reports.records import dump_json
from steelyard.reports.story import results_record
from steelyard.reports.story_augmentation import (
    AugmentationChapter,
    augmentation_record,
    measure_lines,
    rate_lines,
)
from steelyard.reports.story_page import demo_page, model_table
from steelyard.reports.story_sentences import change, chapters, headline, noise_at
from steelyard.reports.visualize_page import visualize_page

BALANCED, AFTER = "alpha1", "alpha1-adversarial-conv5"


def said(of, anchor):
    return " ".join(next((c.paragraphs for c in chapters(of) if c.anchor == anchor), ()))


def test_the_story_of_the_paper():
    assert headline(story()) == (
        "Trained on balanced labels, a model still gives away more than random mistakes of the same number would, "
        "+21.4 points (+19.8 to +23.0 points); an adversary in training removes 79 % of it, "
        "at a cost of 1.7 points of F1."
    )
    assert [c.anchor for c in chapters(story())] == ["labels", "plain", "balanced", "adversary", "hiding"]
    assert "The true labels alone name the right group for 61.2 % (60.0 to 62.4 %)" in said(story(), "labels")
    assert "the labels tell nothing that was found: 50.2 %" in said(story(), "balanced")
    assert "So the images, not the labels, are where it comes from" in said(story(), "balanced")
    adversary = said(story(), "adversary")
    assert "removes most of the amplification of “As the images come”, 76 %: from +22.1 to +5.1 points" in adversary
    assert "F1 goes from 0.742 to 0.729: -1.3 points." in adversary
    assert "Conditional leakage goes from 0.312 to 0.074 bits (0.053 to 0.095 bits)." in adversary
    assert "lies below the line of noise, which at the same F1 0.729 still has" in adversary
    assert "“People blacked out” removes 35 % of the amplification" in said(story(), "hiding")
    assert "not most of it" in said(story(), "hiding")


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ((0.008, 0.016), "was not found to give away more than random mistakes of the same number would: +0.8 points"),
        ((0.016, 0.016), "was not found to give away more"),
        ((-0.05, 0.016), "gives away less than random mistakes of the same number would: -5.0 points"),
    ],
)
def test_a_balanced_model_that_does_not_amplify_is_not_said_to(figure, expected):
    other = changed(story(), BALANCED, amplification=figure)
    for text in (headline(other), said(other, "balanced")):
        assert expected in text
        assert "still" not in text
        assert "does not show" in text
    assert "does not show that balanced labels are not enough" in headline(other)
    assert "So this run does not show what the paper found" in said(other, "balanced")
    assert "was not found to amplify, so there was nothing for" in said(other, "adversary")
    assert "amplification of “As the images come”, 76 %" in said(other, "adversary"), "the plain pair stands as before"


def test_labels_that_still_leak_together_are_told():
    other = trained_on(story(), BALANCED, 0.553)
    assert headline(other).startswith("Trained on labels balanced one by one, which together still leak, a model still")
    assert "and yet their labels together still name the right group for 55.3 %" in said(other, "balanced")
    assert "So balancing the labels one by one was not enough." in said(other, "balanced")
    assert "the images, not the labels" not in said(other, "balanced")


def test_amplification_on_scores_alone_is_doubted():
    other = changed(story(), BALANCED, amplification_decisions=(0.002, 0.015), conditional_leakage=(0.003, 0.021))
    assert "+21.4 points (+19.8 to +23.0 points), though nothing was found beside its scores;" in headline(other)
    assert "may be their finer grain" in said(other, "balanced")
    assert "So this run shows it on scores only." in said(other, "balanced")
    one = changed(story(), BALANCED, amplification_decisions=(0.002, 0.015))
    assert "finer grain" not in said(one, "balanced"), "the control: conditional leakage alone settles it"


@pytest.mark.parametrize(
    ("after", "kind", "top", "below"),
    [
        ((0.043, 0.016), "most", "removes 79 % of it", "removes most of the amplification"),
        ((0.150, 0.016), "part", "removes 29 % of it, not most", "not most of it"),
        ((0.200, 0.016), "unsettled", "this run does not settle", "is not settled"),
        ((0.300, 0.016), "more", "it is more, not less", "not less: amplification went from +21.4 to +30.0"),
        ((-0.01, 0.016), "all", "removes all of it", "removes all of the amplification"),
        ((0.01, 0.016), "most", "removes 95 % of it", "and 0 lies within the interval of what is left"),
        ("it is undefined here", "unknown", "was not measured", "is not known: it is undefined here."),
    ],
)
def test_what_the_adversary_removes(after, kind, top, below):
    other = changed(story(), AFTER, amplification=after)
    before, now = (other.estimate(name, "amplification") for name in (BALANCED, AFTER))
    assert change(before, now)[0] == kind
    assert top in headline(other)
    assert below in said(other, "adversary")


def test_conditional_leakage_may_settle_what_amplification_does_not():
    unsettled = changed(story(), AFTER, amplification=(0.200, 0.016), conditional_leakage=(0.2, 0.021))
    settled = changed(
        changed(unsettled, BALANCED, conditional_leakage=(0.2, 0.02)), AFTER, conditional_leakage=(0.05, 0.02)
    )
    assert "beyond the labels it removes 75 %" in headline(settled)
    same = changed(
        changed(unsettled, BALANCED, conditional_leakage=(0.2, 0.02)), AFTER, conditional_leakage=(0.19, 0.02)
    )
    assert "this run does not settle, " in headline(same), "the control"
    assert "beyond the labels" not in headline(same)


def test_a_share_close_to_all_is_not_rounded_up():
    other = changed(story(), AFTER, amplification=(0.0004, 0.016))
    assert "removes 99 % of it" in headline(other)


@pytest.mark.parametrize(
    ("f1", "top", "below"),
    [
        ((0.701, 0.006), ", at a cost of 1.7 points of F1.", "-1.7 points."),
        ((0.712, 0.006), ", and F1 was not found to change.", "-0.6 points, less than their intervals tell apart."),
        ((0.739, 0.006), ", while F1 rises by 2.1 points.", "+2.1 points."),
        ((0.71801, 0.006), ", and F1 was not found to change.", "0.0 points, less than their intervals tell apart."),
    ],
)
def test_the_cost_has_its_sign(f1, top, below):
    other = changed(story(), AFTER, f1_macro=f1)
    assert headline(other).endswith(top)
    assert below in said(other, "adversary")


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ((0.051, 0.016), "lies below the line of noise"),
        ((0.148, 0.016), "and the line of noise, which at the same F1 0.729 has .* are not told apart"),
        ((0.25, 0.016), "lies above the line of noise, which at the same F1 0.729 has only"),
    ],
)
def test_against_the_line_of_noise(figure, expected):
    assert re.search(expected, said(changed(story(), "adversarial-conv5", amplification=figure), "adversary"))


def test_noise_is_read_off_the_line_and_never_beyond_it():
    points = [p for p in story().noise if p.amplification]
    for p in points:
        assert noise_at(story(), p.f1_macro.value)[0] == pytest.approx(p.amplification.value)
    (a, b) = points[1:3]
    middle = noise_at(story(), (a.f1_macro.value + b.f1_macro.value) / 2)
    assert middle[0] == pytest.approx((a.amplification.value + b.amplification.value) / 2)
    assert noise_at(story(), 0.75) is None
    assert noise_at(story(), 0.3) is None
    beyond = changed(story(), "adversarial-conv5", f1_macro=(0.76, 0.01))
    assert "lies right of the whole line of noise" in said(beyond, "adversary")
    worse = changed(beyond, "adversarial-conv5", amplification=(0.9, 0.01))
    assert "does not reach F1 0.760" in said(worse, "adversary"), "the control"
    assert "does not reach F1 0.300" in said(changed(beyond, "adversarial-conv5", f1_macro=(0.3, 0.01)), "adversary")
    assert "line of noise" not in said(replace(story(), noise=()), "adversary")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.505, "were not found to give the group away"), (0.44, "which is read as no leakage")],
)
def test_labels_at_chance_are_not_said_to_leak(value, expected):
    assert expected in said(changed(story(), "plain", dataset_leakage=(value, 0.012)), "labels")


def test_what_was_not_run_is_not_told():
    only = replace(story(), models=story().models[:1], noise=(), gallery=None)
    assert headline(only) == "What a model trained on balanced labels gives away was not measured."
    assert [c.anchor for c in chapters(only)] == ["labels", "plain"]
    found = Page(demo_page(only))
    assert "gallery" not in found.ids
    undefined = changed(story(), BALANCED, amplification="F1 lies below the floor of the channel")
    assert headline(undefined).endswith("gives away is not known: F1 lies below the floor of the channel.")


def test_page_is_whole_and_loads_nothing():
    found = Page(demo_page(story(), chapter=imsitu_chapter()))
    assert len(found.ids) == len(set(found.ids))
    assert set(found.references) <= set(found.ids)
    assert all(url == "data:," or url.startswith("data:image/png;base64,") for url in found.urls)
    images = [attrs for tag, attrs in found.tags if tag == "img"]
    assert len(images) == 24
    assert {attrs["alt"].split(",")[0] for attrs in images} == {"Original", "Masked"}
    order = ["verdict", "story", "frontier", "models", "gallery", "balanced-imsitu", "words", "limits", "provenance"]
    assert [name for name in found.ids if name in order] == order
    assert "nobody perceived or annotated them" in found.text
    assert "68.26 ± 0.31 %" in found.text
    real = Page(demo_page(replace(story(), synthetic=False))).text
    assert "as annotators perceived and recorded it" in real
    assert "made-up world" not in real


def test_every_figure_is_in_the_table_with_its_interval_and_every_gap_with_its_reason():
    other = changed(story(), "plain", amplification="F1 lies below the floor")
    table = model_table(other)
    row, cells = table.rows[0]
    assert (row.name, cells[0].text, cells[0].span) == ("plain", "0.742", "0.736 to 0.748")
    assert [cell.text for cell in cells][1] == "–"
    assert table.reasons == (("As the images come", "Amplification, on scores", "F1 lies below the floor"),)
    text = Page(demo_page(other)).text
    assert "As the images come: Amplification, on scores F1 lies below the floor." in text
    assert "Not on the chart: “As the images come” (F1 lies below the floor)." in text


def test_names_from_outside_are_shown_as_text():
    models = (replace(story().models[0], title=EVIL, what=EVIL), *story().models[1:])
    pair = MaskedPair(png_of_one(), png_of_one(), EVIL)
    shown = replace(gallery(), rows=((EVIL, (pair,)),), what=EVIL)
    page = demo_page(replace(story(), models=models, protected=EVIL, groups=(EVIL, "B"), data=EVIL, gallery=shown))
    assert EVIL not in page
    assert "<script>alert" not in page
    Page(page)


def png_of_one():
    import numpy as np

    return png(np.zeros((1, 1, 3)))


def test_only_png_files_are_shown():
    with pytest.raises(InputError, match="masked of 'x': expected a PNG file"):
        MaskedPair(png_of_one(), b"GIF89a", "x")


def test_results_have_every_figure_and_a_reason_for_every_null():
    other = changed(story(), "plain", amplification="F1 lies below the floor", f1_macro=(math.nan, 0.0))
    record = json.loads(dump_json(results_record(other)))
    assert set(record) == {"schema", "models", "noise_curve"}
    assert [row["name"] for row in record["models"]] == [row.name for row in other.models]
    figures = {"amplification", "conditional_leakage", "model_leakage", "dataset_leakage", "f1_macro"}
    for row in record["models"]:
        assert set(row) == {"name", *figures}
    first, second = record["models"][:2]
    assert first["amplification"] == {"value": None, "low": None, "high": None, "reason": "F1 lies below the floor"}
    assert first["f1_macro"]["reason"] == "it was not measured"
    found = other.estimate(BALANCED, "amplification")
    assert second["amplification"] == {"value": found.value, "low": found.low, "high": found.high}
    assert [p["scale"] for p in record["noise_curve"]] == [p.scale for p in other.noise]
    assert record["noise_curve"][-1]["amplification"]["reason"].startswith("its F1 of 0.212")


def augmentation(**fields):
    return AugmentationChapter(report=report(**fields), page="augmentation/report/report.html")


@pytest.mark.parametrize(
    ("change", "expected", "absent"),
    [
        (1.0, ("opportunity gap falls by 6.0 points (5.0 to 7.0)", "precision falls by 1.0 points"), "rises"),
        (-1.0, ("opportunity gap rises by 6.0 points (5.0 to 7.0)", "precision rises by 1.0 points"), "falls"),
        (0.01, ("this run does not settle whether", "precision was not found to change"), "falls"),
    ],
)
def test_what_pairs_change_is_said_as_the_figures_say_it(change, expected, absent):
    said_of = " ".join(augmentation(measures=measured(change=change)).sentences())
    assert all(words in said_of for words in expected)
    assert absent not in said_of


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ((0.91, 0.012), "change between z and z′ in 91.0 % of 2,000 pairs (89.8 to 92.2 %)."),
        ((0.505, 0.012), "(49.3 to 51.7 %), which does not tell whether it changes in most."),
        ((0.30, 0.012), "(28.8 to 31.2 %), fewer than half: these pairs are not what they should be."),
    ],
)
def test_pairs_are_judged_as_the_oracle_sees_them(rate, expected):
    rows = tuple(replace(row, flip=estimate("flip", *rate)) for row in oracle())
    first, second, *_ = augmentation(oracle=rows).sentences()
    assert first.endswith(expected)
    assert second == "The attributes that should stay do so in 88.0 % (“Blond_Hair”) to 92.0 % (“Eyeglasses”)."
    assert "was not checked" in augmentation(oracle=()).sentences()[0]


def test_the_chapter_on_pairs_has_its_pictures_tables_and_page():
    chapter = augmentation()
    found = Page(demo_page(story(), augmentation=chapter))
    assert len(found.ids) == len(set(found.ids))
    assert found.ids.index("gallery") < found.ids.index("augmentation") < found.ids.index("words")
    images = [attrs for tag, attrs in found.tags if tag == "img"]
    assert len(images) == 24 + 16, "eight pairs of twelve, beside the masked images"
    assert "Ramaswamy" in found.text
    lines = measure_lines(chapter.report)
    assert [line.short for line in lines] == ["AP", "|DEO|", "|BA|", "KL"]
    assert all(line.cells[2].clear for line in lines)
    small = measure_lines(augmentation(measures=measured(change=0.01)).report)
    assert not any(line.cells[2].clear for line in small), "the control"
    assert [cell.text for cell in lines[1].cells] == ["21.0", "15.0", "−6.0"]
    rates = rate_lines(chapter.report)
    assert [(line.name, line.asked) for line in rates[:2]] == [("Male", "changes"), ("Blond_Hair", "stays")]
    assert len(rates) == 6
    without = Page(demo_page(story()))
    assert "augmentation" not in without.ids
    assert "Ramaswamy" not in without.text


def test_a_chapter_without_figures_says_why():
    chapter = AugmentationChapter(report=None, reason="too few images show hats")
    text = Page(demo_page(story(), augmentation=chapter)).text
    assert "No figures came of this run: too few images show hats." in text
    assert augmentation_record(chapter) == {"reason": "too few images show hats"}


def test_names_in_the_chapter_on_pairs_are_shown_as_text():
    rows = (replace(oracle()[0], kept=EVIL, flipped=EVIL),)
    page = demo_page(story(), augmentation=augmentation(oracle=rows, grids=(replace(grid(EVIL), note=EVIL),)))
    assert EVIL not in page
    Page(page)


def test_results_have_the_chapter_on_pairs():
    chapter = augmentation()
    record = json.loads(dump_json(augmentation_record(chapter)))
    overall = chapter.report.measures.overall
    gap = overall.difference("kl", "real + pairs")
    figures = record["measures"]["kl"]
    assert figures["difference"] == {"value": gap.value, "low": gap.low, "high": gap.high}
    assert record["models"] == ["plain", "real + pairs"]
    assert record["oracle"][0]["flip"]["value"] == chapter.report.oracle[0].flip.value
    lost = replace(overall, figures={}, differences={}, undefined={"kl": "one group is empty"})
    few = replace(chapter.report.measures, means=(lost,))
    empty = augmentation_record(replace(chapter, report=replace(chapter.report, measures=few)))
    null = {"value": None, "low": None, "high": None, "reason": "one group is empty"}
    assert empty["measures"]["kl"] == {"plain": null, "real + pairs": null, "difference": null}


def test_an_unknown_measure_is_refused():
    with pytest.raises(InputError, match=r"model 'plain': expected measures .* found 'accuracy'"):
        replace(story().models[0], estimates={"accuracy": estimate("f1_macro", 0.5)})


def test_frontier_puts_figures_where_they_belong():
    chart = frontier(story())
    assert len(chart.dots) == 7
    for dot in chart.dots:
        x, y = chart.x.at(dot.f1.value), chart.top(dot.amplification.value)
        assert chart.x.low + x / 100 * (chart.x.high - chart.x.low) == pytest.approx(dot.f1.value, abs=1e-4)
        assert chart.y.high - y / HEIGHT * (chart.y.high - chart.y.low) == pytest.approx(
            dot.amplification.value, abs=1e-3
        )
    assert chart.y.low <= 0
    drawn = [tuple(map(float, pair.split(","))) for pair in chart.line().split()]
    for (x, y), p in zip(drawn, chart.noise, strict=True):
        assert x / 100 * (chart.x.high - chart.x.low) + chart.x.low == pytest.approx(p.f1_macro.value, abs=1e-4)
        assert chart.y.high - y / 100 * (chart.y.high - chart.y.low) == pytest.approx(p.amplification.value, abs=1e-4)
    assert len(chart.band().split()) == 2 * len(chart.noise)
    assert len(chart.cells) == 7 + len(story().noise)


def test_strong_noise_does_not_squeeze_the_models():
    far = replace(story().noise[5], scale=6.0, f1_macro=estimate("f1_macro", 0.2))
    chart = frontier(replace(story(), noise=(*story().noise[:6], far)))
    assert chart.beyond == (6.0,)
    assert chart.x.low > 0.5
    assert len(chart.shown()) == len(chart.noise) - 1
    assert "noise at scale 6" in [cells[0] for cells in chart.cells]


positions = st.tuples(st.floats(0, 100), st.floats(10, HEIGHT - 10), st.floats(2, 30))


@given(st.lists(positions, min_size=1, max_size=8))
@settings(max_examples=40)
def test_labels_never_cover_each_other_at_any_width(found):
    names = [row.name for row in story().models] + ["domain-independent"]
    points = [
        Point(name, x, max(x - 3, 0), min(x + 3, 100), y, max(y - half, 0), min(y + half, HEIGHT))
        for name, (x, y, half) in zip(names, found, strict=False)
    ]
    places = place_labels(points, HEIGHT)
    for width in (*WIDTHS, 265, 505):
        boxes = [place.box(width, len(p.label)) for place, p in zip(places, points, strict=True)]
        for i, a in enumerate(boxes):
            assert a[2] >= -1
            assert a[3] <= HEIGHT + 1
            for b in boxes[:i]:
                assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]


def test_one_model_alone_has_a_frontier_and_none_has_not():
    assert len(frontier(replace(story(), models=story().models[:1], noise=())).dots) == 1
    assert frontier(replace(story(), models=(), noise=())) is None
    bare = model("plain", "Plain", 20.0, 10.0, 0.3, 0.7)
    assert frontier(replace(story(), models=(replace(bare, estimates={}),), noise=())) is None


def test_changes_are_sorted_and_counted():
    found = change_chart(changes())
    values = [float(cells[3].replace("−", "-").split("\u00a0")[0]) for cells in found.cells]
    assert values == sorted(values, reverse=True)
    clear = [c for c in changes() if c.change and (c.change.low > 0 or c.change.high < 0)]
    assert found.up + found.down == len(clear) > 0
    assert found.left_out == 0
    many = change_chart(changes(100))
    assert len(many.chart.rows) == 2 * TOP
    assert many.left_out == 100 - 2 * TOP
    assert len(many.cells) == 100
    for row, change_ in zip(many.chart.rows, many.changes, strict=True):
        assert row[0].label == row[1].label
        assert change_.endswith("points")


def test_a_paired_change_wins_over_the_difference_of_both():
    change_ = LabelChange("x", Interval(0.5, 0.4, 0.6), Interval(0.52, 0.4, 0.6), Interval(0.02, 0.01, 0.03))
    assert change_.clear
    assert not replace(change_, change=None).clear
    assert replace(change_, change=None).difference == pytest.approx(0.02)


@pytest.mark.parametrize(("pictures", "labels"), [(True, False), (False, True), (True, True)])
def test_visualize_shows_what_it_is_given(pictures, labels):
    page = visualize_page(
        run="adversarial-image",
        base="plain" if labels else "",
        protected="group",
        groups=("A", "B"),
        gallery=gallery() if pictures else None,
        changes=changes() if labels else (),
        images=2000,
    )
    found = Page(page)
    assert ("gallery" in found.ids) == pictures
    assert ("changes-t" in found.ids) == labels
    assert set(found.references) <= set(found.ids)
    assert "as annotators perceived and recorded it" in found.text


def test_visualize_without_either_is_refused():
    with pytest.raises(InputError, match="give --base RUN"):
        visualize_page(run="x", protected="group", groups=("A", "B"))
