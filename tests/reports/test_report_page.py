import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from report_samples import curve, estimate, label_rows, labels_only, many_groups, with_predictions

from steelyard.metrics.catalog import CATALOG, STANDARD
from steelyard.reports import AuditReport, Interval, LabelRow, Omitted, page
from steelyard.reports.charts import Axis, axis_in_steps, curve_chart
from steelyard.reports.figures import MEASURES
from steelyard.reports.label_charts import label_table, leaking_labels, overall_shares, skewed_labels
from steelyard.reports.references import reference

MAKERS = [labels_only, with_predictions, many_groups]
EVIL = """<script>alert("x")</script>&'<img src=x onerror=alert(1)>"""
VOID = {"meta", "link", "input", "img", "br", "hr"}


class Page(HTMLParser):
    """Ids, references, elements and text of a page; asserts that elements nest."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.tags, self.urls, self.open, self.words = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs, closed=True)

    def handle_starttag(self, tag, attrs, *, closed=False):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID and not closed:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has a handler"
            if name == "id":
                self.ids.append(value)
            elif name in ("aria-labelledby", "data-sortable", "for"):
                self.references += value.split()
            elif name in ("href", "src"):
                self.references += [value[1:]] if value.startswith("#") else []
                self.urls += [] if value.startswith("#") else [value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.mark.parametrize("make", MAKERS)
def test_page_is_whole_and_loads_nothing(make):
    found = Page(page.audit_page(make()))
    assert len(found.ids) == len(set(found.ids))
    assert set(found.references) <= set(found.ids)
    assert found.urls == ["data:,"]
    pictures = [attrs for tag, attrs in found.tags if tag == "svg" and attrs.get("role") == "img"]
    assert pictures
    assert all(attrs.get("aria-labelledby") for attrs in pictures)


@pytest.mark.parametrize("make", MAKERS)
def test_page_is_in_the_order_of_its_contents(make):
    found = Page(page.audit_page(make()))
    order = ["verdict", "figures", "curve", "leaking", "together", "labels", "omitted", "words", "data", "limits"]
    present = [name for name in found.ids if name in order]
    assert present == [name for name in order if name in present]
    assert {"verdict", "figures", "words", "data", "limits", "provenance"} <= set(found.ids)


def test_every_figure_stands_with_its_interval_and_its_question():
    report = with_predictions()
    text = Page(page.audit_page(report)).text
    assert "68.3 % 67.7 to 68.9 %" in text
    assert "+20.8 points +19.6 to +22.0 points" in text
    assert "−0.04 points −0.15 to +0.07 points" in text
    assert "0.131 bits 0.116 to 0.146 bits" in text
    assert "How often can an attacker name the group of an image from its true labels alone?" in text
    assert "Standard deviation: 0.2 % from the attacker, 0.4 % from the images." in text
    assert "Leakage is a lower bound." in text
    assert "Wang, J. Zhao, M. Yatskar" in text


def test_hostile_names_stay_text():
    rows = (
        LabelRow(
            label=EVIL,
            positives=3,
            counts={EVIL: 1, "b": 2},
            measures={
                f"ratio:{EVIL}": Interval(0.3, 0.1, 0.6),
                "ratio:b": Interval(0.7, 0.4, 0.9),
                "single_label_leakage": Interval(0.6, 0.55, 0.65),
                EVIL: Interval(0.0, 0.0, 0.0),
            },
        ),
    )
    report = AuditReport(
        estimates=(estimate("dataset_leakage", 0.6), estimate(EVIL, 0.5, of=EVIL, scheme=EVIL, note=EVIL)),
        curve=tuple(replace(point, channel=EVIL, scheme=EVIL) for point in curve(3)),
        per_label=rows,
        omitted=(Omitted(name=EVIL, reason=EVIL),),
        data={
            "protected": EVIL,
            "groups": [EVIL, "b"],
            "kind": "multi",
            "counts": {EVIL: {EVIL: 1, "b": 2}},
            "sources": [EVIL],
            "ignored": [EVIL],
            "threshold": EVIL,
            "balance": [EVIL],
        },
        notes=(EVIL,),
        provenance={"command": EVIL, "versions": {"steelyard": EVIL}, "fingerprints": [{"name": EVIL, "sha256": EVIL}]},
    )
    html = page.audit_page(report)
    found = Page(html)
    assert "<img" not in html
    assert html.count("<script>") == 1
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert found.text.count(EVIL) > 15


def test_a_bare_report_makes_a_page():
    html = page.audit_page(AuditReport(estimates=(), data={"protected": "g", "groups": ["a", "b", "c"]}))
    assert "33.3" in html
    assert "None" not in html


def test_a_page_can_extend_the_audit():
    from jinja2 import DictLoader

    env = page.environment().overlay(
        loader=DictLoader({**{n: source(n) for n in page.environment().list_templates()}, "x.html": EXTENDED})
    )
    context = {**page.audit_context(labels_only()), "extra": "<b>"}
    html = env.get_template("x.html").render(context)
    assert "first &lt;b&gt;" in html
    assert html.index("first") < html.index('id="figures"')


EXTENDED = '{% extends "audit.html" %}{% block before %}<p>first {{ extra }}</p>{% endblock %}'


def source(name):
    text, _, _ = page.environment().loader.get_source(page.environment(), name)
    return text


def test_curve_lies_where_the_numbers_say():
    chart = curve_chart(curve(5), chance=0.5)
    for point, pair in zip(chart.points, chart.line().split(), strict=True):
        x, y = map(float, pair.split(","))
        assert x == pytest.approx(100 * point.f1, abs=0.01)
        value = chart.y.low + (100 - y) / 100 * (chart.y.high - chart.y.low)
        assert value == pytest.approx(point.dataset_leakage, abs=1e-4)
    assert len(chart.band().split()) == 10
    assert chart.y.low < 0.5 < chart.y.high


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.22], [-0.031, 0.0, 0.012], [0.0, 1e-7], [-3.0, -1.0, 0.0]])
def test_stepped_axis_holds_every_value(values):
    axis = axis_in_steps(values)
    assert axis.low <= min(values)
    assert axis.high >= max(values)
    assert axis.high > axis.low
    assert all(0 <= axis.at(value) <= 100 for value in values)


def test_ticks_are_round_and_on_the_axis():
    assert Axis(0.0, 1.0).ticks(6) == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert Axis(0.49, 0.79).ticks() == (0.5, 0.6, 0.7)


def test_leaking_labels_are_the_highest():
    report = labels_only()
    values = sorted((row.measures["single_label_leakage"].value for row in report.per_label), reverse=True)
    assert [row[0].value for row in leaking_labels(report).rows] == values[:12]
    assert leaking_labels(replace(report, per_label=())) is None


def test_skewed_labels_lean_to_both_groups_and_rare_ones_do_not_win():
    rare = LabelRow(
        label="rare",
        positives=1,
        counts={"man": 1, "woman": 0},
        measures={"ratio:man": Interval(1.0, 0.207, 1.0), "ratio:woman": Interval(0.0, 0.0, 0.793)},
    )
    report = replace(labels_only(), per_label=(*label_rows(predictions=False), rare))
    share = overall_shares(report)["man"]
    counted = [sum(row.counts[g] for row in report.per_label) for g in ("man", "woman")]
    assert share == pytest.approx(counted[0] / sum(counted))
    rows = skewed_labels(report).rows
    values = [row[0].value for row in rows]
    assert sum(value > share for value in values) == sum(value < share for value in values) == 6
    assert values == sorted(values, reverse=True)
    assert "rare" not in [row[0].label for row in rows]
    sure = replace(rare, measures={"ratio:man": Interval(1.0, 0.999, 1.0), "ratio:woman": Interval(0.0, 0.0, 0.001)})
    rows = skewed_labels(replace(report, per_label=(*label_rows(predictions=False), sure))).rows
    assert "rare" in [row[0].label for row in rows], "a row's own interval decides"


def test_more_groups_have_a_point_each():
    report = many_groups()
    assert all([mark.series for mark in row] == [0, 1, 2, 3] for row in skewed_labels(report).rows)
    assert overall_shares(report)["20-29"] == pytest.approx(900 / 2700)


def test_table_keeps_what_is_undefined_apart():
    table = label_table(with_predictions())
    at = [column.heading for column in table.columns].index("Average precision")
    label, cells = table.rows[0]
    assert (label, cells[at].value, cells[at].text) == ("shaving", None, "–")
    assert all(len(row) == len(table.columns) for _, row in table.rows)


@pytest.mark.parametrize("paper", sorted({row.paper for row in CATALOG} - {STANDARD}))
def test_every_source_of_the_catalogue_has_a_full_reference(paper):
    assert reference(paper) != paper
    assert reference(paper)[-5:-1].isdigit() or "arXiv" in reference(paper)


def test_a_label_has_a_heading_and_a_unit_for_the_largest_difference_of_many_groups():
    row = LabelRow(label="x", positives=9, measures={"opportunity_range": Interval(0.2, 0.1, 0.3)})
    column = label_table(replace(many_groups(), per_label=(row,))).columns[-1]
    assert (column.heading, column.unit) == ("Opportunity difference, largest", "points")
    assert "opportunity_range" in MEASURES


def test_importing_reports_loads_neither_templates_nor_torch():
    code = (
        "import sys, steelyard.reports as r; "
        "assert not {'jinja2', 'torch'} & set(sys.modules); "
        "assert all(getattr(r, n) for n in r.__all__); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
