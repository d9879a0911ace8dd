"""The page of augmentation says what the figures say, shows what there is, and reads back what it wrote."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from augment_samples import ATTRIBUTES, MALE, MODELS, bare, grid, measured, oracle, planes, report, row, without
from report_samples import estimate
from test_report_page import EVIL, Page

from steelyard.base.errors import InputError, UndefinedError
from steelyard.reports.augment.charts import STEPS, difference_charts, histogram_figures
from steelyard.reports.augment.figures import ALL, MEASURES, MeasuredModels, ScoreHistogram
from steelyard.reports.augment.page import augment_page
from steelyard.reports.augment.published import celeba_attribute_types, published_averages
from steelyard.reports.augment.report import AugmentReport, PairImages, PlaneRow
from steelyard.reports.augment.sentences import details, headline
from steelyard.reports.augment.tables import means_table, plane_table
from steelyard.reports.augment.text import augment_csv, augment_text, digits
from steelyard.reports.typed_records import from_record, to_record


def with_means(*means, **fields):
    return report(measures=measured(means=means, **fields))


def test_page_is_whole_and_loads_nothing():
    for made in (report(), bare()):
        found = Page(augment_page(made))
        assert len(found.ids) == len(set(found.ids))
        assert set(found.references) <= set(found.ids)
        assert all(url.startswith("data:") for url in found.urls)
        pictures = [attrs for tag, attrs in found.tags if tag == "svg" and attrs.get("role") == "img"]
        assert pictures
        assert all(attrs.get("aria-labelledby") for attrs in pictures)
        assert not [tag for tag, _ in found.tags if tag == "script"]


def test_pairs_stand_above_each_other_by_attribute_without_loss():
    made = report()
    found = Page(augment_page(made))
    shown = [attrs for tag, attrs in found.tags if tag == "img"]
    expected = [uri for grid in made.grids for pair in grid.pairs for uri in pair.uris()]
    assert [attrs["src"] for attrs in shown] == expected
    assert all(attrs["alt"] for attrs in shown)
    assert "Blond_Hair kept, Male flipped" in found.text
    assert "image-rendering: pixelated" in augment_page(made)
    assert ".mirrored .pair { grid-template-columns: 1fr; }" in augment_page(made)


def test_parts_that_are_missing_are_left_out():
    found = Page(augment_page(bare(no_oracle="no independent classifier was named")))
    optional = {"pairs", "planes", "oracle", "scores"}
    assert optional <= set(Page(augment_page(report())).ids)
    assert not optional & set(found.ids)
    assert {"changes", "attributes", "words", "limits", "run", "provenance"} <= set(found.ids)
    assert "not checked by an independent classifier. No independent classifier was named." in found.text
    assert "published" not in found.text
    assert "nobody perceived or annotated them" in found.text


def test_the_headline_says_what_falls_and_at_what_price():
    assert headline(report()) == (
        "With “real + pairs” in place of “plain”, the opportunity gap falls by 6.0 points (5.0 to 7.0), the size of "
        "directional amplification falls by 0.90 points (0.73 to 1.07) and the divergence of the groups’ scores falls "
        "by 0.390 nats (0.353 to 0.427), on average over 5 attributes. Average precision falls by 1.0 points (0.6 to "
        "1.4)."
    )
    text = Page(augment_page(report())).text
    assert "AP from 81.0 to 80.0 %; |DEO| from 21.0 to 15.0 points; |BA| from 2.30 to 1.40 points" in text
    assert "“pairs only”, less “plain”: AP −7.0 points (−7.4 to −6.6)" in text


def test_the_headline_of_a_run_that_went_otherwise():
    other = headline(with_means(row(ALL, MODELS, attributes=ATTRIBUTES, change=-1.0)))
    assert "the opportunity gap rises by 6.0 points (5.0 to 7.0)" in other
    assert "falls" not in other
    still = headline(with_means(row(ALL, MODELS, attributes=ATTRIBUTES, change=0.0)))
    assert "falls" not in still
    assert "rises" not in still
    assert "the opportunity gap (0.0 points (-1.0 to +1.0))" in still.replace("[", "(").replace("]", ")")
    assert still.count("this run does not settle") == 1
    assert "Average precision was not found to change: 0.0 points (-0.4 to +0.4)." in still


def test_the_headline_without_gaps_says_so():
    lost = without(row(ALL, MODELS, attributes=ATTRIBUTES), *MEASURES, reason="undefined of every attribute")
    assert headline(with_means(lost)) == (
        "With “real + pairs” in place of “plain”, no gap between the groups could be measured."
    )
    assert "all attributes , |DEO|" not in Page(augment_page(with_means(lost))).text


def test_rates_stand_beside_accuracies_before_and_after_the_filter():
    found = Page(augment_page(report())).text
    assert "sees the flipped attribute change in 87.0 to 91.0 % of the pairs, and the kept attribute stay in" in found
    assert "The filter leaves 74.0 to 78.0 % of the pairs; among them these shares are 97.0 % and 95.0 %." in found
    assert "91.0 89.8 to 92.2 88.0 86.6 to 89.4 78.0 76.0 to 80.0 97.0 96.2 to 97.8" in found
    one = replace(oracle()[0], kept_share=None, flip_after=None, keep_after=None)
    sentences = details(report(oracle=(one,)))
    assert any("change in 91.0 % (89.8 to 92.2 %) of the pairs" in text for text in sentences)
    assert not any("filter leaves" in text for text in sentences)
    assert "filtered" not in Page(augment_page(report(oracle=(one,), filter=""))).text


def test_planes_show_accuracy_counts_and_angles():
    table = plane_table(planes())
    assert [line.name for line in table.lines] == ["Male", *ATTRIBUTES]
    assert table.columns == ("Male",)
    assert table.lines[0].angles[0].text == "–"
    assert table.lines[1].counts == "with: 2,100, without: 7,900"
    heats = [line.angles[0].heat for line in table.lines[1:]]
    assert heats == sorted(heats)
    sharp, flat = (PlaneRow(name="x", role="kept", counts={}, angles={"y": a}) for a in (0.0, 90.0))
    assert [plane_table([p]).lines[0].angles[0].heat for p in (sharp, flat)] == [100, 0]
    with pytest.raises(InputError, match="expected kept or flipped, found 'held'"):
        PlaneRow(name="x", role="held", counts={})


def test_published_averages_stand_beside_the_types_of_celeba_only():
    table = means_table(report())
    lines = {(block.name, line.model): line for block in table.blocks for line in block.lines}
    assert [title for title, _ in table.headings] == ["AP", "|DEO|", "BA", "|BA|", "KL"]
    cells = lines["gender-dependent", "published, augmented"].cells
    assert [(cell.text, cell.span) for cell in cells] == [
        ("77.8", "± 1.4"),
        ("23.4", "± 3.6"),
        ("1.6", "± 0.5"),
        ("–", ""),
        ("1.2", "± 0.2"),
    ]
    assert (ALL, "published, plain") not in lines
    assert "Read the change from plain to augmented, not the levels." in Page(augment_page(report())).text
    assert "published" not in Page(augment_page(report(celeba=False))).text
    assert "published" not in Page(augment_page(report(measures=measured(types={})))).text


def test_published_facts_are_the_papers():
    types = celeba_attribute_types()
    assert len(types) == 26
    assert [list(types.values()).count(kind) for kind in published_averages()] == [6, 6, 14]
    baseline = published_averages()["inconsistently labeled"]["plain"]
    assert (baseline["ap"].value, baseline["deo_absolute"].value) == pytest.approx((0.663, 0.215))
    assert (baseline["ba"].value, baseline["kl"].value, baseline["kl"].spread) == pytest.approx((0.021, 1.7, 0.3))


def test_what_is_undefined_is_said_with_its_reason():
    rows = list(measured().rows)
    rows[1] = without(rows[1], "deo", "deo_absolute", reason="no test image of Male has it")
    mean = replace(row(ALL, MODELS, attributes=ATTRIBUTES), over=dict.fromkeys(MEASURES, ATTRIBUTES))
    mean = replace(mean, over={**mean.over, "deo_absolute": tuple(a for a in ATTRIBUTES if a != "Young")})
    made = report(measures=measured(rows=tuple(rows), means=(mean,)))
    text = Page(augment_page(made)).text
    assert "Young , DEO, signed, |DEO|: No test image of Male has it." in text
    assert "of 1 of 5 attributes some are left out: Young." in text
    assert "on average over 4 to 5 of 5 attributes" in text
    assert "over 4 of 5" in text
    assert "What is undefined" not in Page(augment_page(report())).text
    chart = next(c for c in difference_charts(made.measures) if c.measure == "deo_absolute")
    assert "Young" not in [marks[0].label for marks in chart.chart.rows]


def test_every_attribute_is_in_the_table_and_few_in_the_charts():
    many = tuple(f"attribute_{i:02d}" for i in range(26))
    made = report(measures=measured(attributes=many, types={}))
    text = Page(augment_page(made)).text
    assert all(name in text for name in many)
    assert all(len(item.chart.rows) == 1 for item in difference_charts(made.measures))
    assert "The other 23 attributes" in text
    assert "in the CSV table and on the page" in augment_text(made.measures)


def test_histograms_are_drawn_to_one_scale_and_told_in_words():
    figures = histogram_figures(measured())
    assert [figure.attribute for figure in figures] == list(ATTRIBUTES)
    first = figures[0]
    assert [panel.title for panel in first.panels] == [
        f"{model}, images {how} it" for how in ("with", "without") for model in MODELS
    ]
    for panel in first.panels:
        for _, points in panel.lines:
            places = [tuple(map(float, pair.split(","))) for pair in points.split()]
            assert len(places) == 2 * STEPS + 2
            assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in places)
    spike = (0,) * 10 + (3,) + (0,) * 39  # three images with a score between 0.20 and 0.22
    known = ScoreHistogram(attribute="Young", model="plain", counts={MALE: ((0,) * 50, spike), "b": (spike, (0,) * 50)})
    has, has_not = histogram_figures(measured(histograms=(known,)))[0].panels
    assert has.summary == "Male: 3 images, mean score 0.21; b: 0 images, mean score –."
    assert has_not.summary == "Male: 0 images, mean score –; b: 3 images, mean score 0.21."
    assert has.lines[1] == ("b", "")
    assert "20.0,0.0 24.0,0.0" in has.lines[0][1]


def test_hostile_names_stay_text():
    models = ("plain", EVIL)
    made = AugmentReport(
        title=EVIL,
        measures=measured(models, (EVIL, "b"), types={EVIL: EVIL}, protected=EVIL, gap=EVIL, threshold=EVIL),
        images=EVIL,
        generator=EVIL,
        about={EVIL: EVIL},
        grids=(replace(grid(EVIL, 1), flipped=EVIL, note=EVIL),),
        planes=(PlaneRow(name=EVIL, role="kept", counts={EVIL: 1}, angles={EVIL: 30.0}),),
        oracle=(replace(oracle()[0], kept=EVIL, flipped=EVIL),),
        no_oracle=EVIL,
        filter=EVIL,
        notes=(EVIL,),
        provenance={"command": EVIL},
    )
    html = augment_page(made)
    assert "<script" not in html
    assert "onerror=alert(1)>" not in html
    assert {attrs["src"][:22] for tag, attrs in Page(html).tags if tag == "img"} == {"data:image/png;base64,"}


def test_no_word_promises():
    text = Page(augment_page(report()) + augment_page(bare())).text
    for title in ("Fair Attribute Classification through Latent Space De-biasing", "Equality of Opportunity"):
        text = text.replace(title, "")
    assert not re.findall(r"\b(?:un)?fair\w*|\bunbiased|\bdebias\w*|\bneutral|\bequalit\w*|\bguarantee\w*", text, re.I)
    assert "None of the figures says that a model is fit for a use." in text
    assert "as annotators perceived and recorded them" in text


def test_report_reads_back_what_it_wrote(tmp_path):
    made = report()
    made.write(tmp_path)
    assert AugmentReport.from_json(tmp_path / "report.json") == made
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == augment_page(made)
    rows = list(csv.DictReader((tmp_path / "figures.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == (5 + 3) * 6 * 3
    first = rows[0]
    assert (first["attribute"], first["measure"], first["model"], first["difference"]) == (ALL, "ap", "plain", "")
    assert float(rows[1]["value"]) == made.measures.overall.figure("ap", "real + pairs").value
    assert AugmentReport.from_record(json.loads(json.dumps(bare().to_record()))) == bare()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"schema": 2}, "expected a record of schema 1, found schema 2"),
        ({"grids": "no"}, r"r\.grids: expected a list, found 'no'"),
        ({"synthetic": 1}, "'synthetic' must be true or false"),
        ({"extra": 1}, "unknown field extra"),
        ({"planes": [{"name": "a", "role": "held", "counts": {}}]}, r"planes\[0\]\.role: expected 'kept' or 'flipped'"),
        ({"steps": [{"name": "a"}]}, r"steps\[0\]: field 'what' is missing"),
        ({"about": {"plain": 3}}, r"r\.about\.plain: expected a value of type str, found 3"),
    ],
)
def test_records_of_another_form_are_refused(change, match):
    with pytest.raises(InputError, match=match) as caught:
        AugmentReport.from_record({**report(grids=()).to_record(), **change}, where="r")
    assert "\n" not in str(caught.value)


def test_pictures_are_png_files():
    with pytest.raises(InputError, match="mirrored: expected a PNG file"):
        PairImages(id="g0", image=b"\x89PNG\r\n\x1a\n", mirrored=b"\xff\xd8")
    record = to_record(grid("Young", 1).pairs[0])
    assert from_record(PairImages, record, "pair") == grid("Young", 1).pairs[0]
    with pytest.raises(InputError, match="expected base64 text"):
        from_record(PairImages, {**record, "image": "not base64!"}, "pair")


def test_a_figure_that_is_not_a_number_is_not_written(tmp_path):
    lost = replace(row(ALL, MODELS, attributes=ATTRIBUTES), figures={"ap": {"plain": estimate("x", float("nan"))}})
    with pytest.raises(UndefinedError, match="nan"):
        report(measures=measured(means=(lost,))).to_json(tmp_path / "report.json")


def test_text_fits_a_terminal_and_stars_what_is_clear():
    text = augment_text(measured())
    assert max(map(len, text.splitlines())) <= 80
    assert "    real + pairs    15.0     -6.0 *[-7.0 to -5.0]" in text
    assert "*" not in augment_text(measured(change=0.0)).split("\n\n", 1)[1]
    assert digits("ba", -0.00001) == "0.00"
    assert len(list(csv.reader(io.StringIO(augment_csv(measured()))))) == 8 * 6 * 3 + 1


def test_rows_are_found_by_name():
    found = measured()
    assert isinstance(found, MeasuredModels)
    assert found.row("Young") is found.rows[1]
    assert found.row("gender-dependent") is found.means[2]
    assert found.row("nobody") is None
    assert found.overall.difference("ap", "plain") is None
