"""The page of augmentation in a real browser: on a phone, in the dark, with the pairs above each other."""

import pytest
from augment_samples import bare, measured, report
from test_report_browser import BROWSER, CONTRAST, background, texts_outside

from steelyard.reports.augment.page import augment_page

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]
NAMES = ["whole", "bare", "many"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    names = tuple(f"an attribute with a rather long name, {i}" for i in range(26))
    models = ("plain", "real and pairs of every attribute", "pairs only", "reweighed")
    made = {"whole": report(), "bare": bare(), "many": report(measures=measured(models, names, types={}))}
    for name, given in made.items():
        (folder / f"{name}.html").write_text(augment_page(given), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


@pytest.fixture
def visit(visit):
    def opened(name, **how):
        tab = visit(name, **how)
        tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        return tab

    return opened


@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_scrolls_sideways(visit, name, width):
    tab = visit(name, width=width, scheme="dark" if width < 1000 else "light")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert texts_outside(tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    tab = visit("whole", scheme=scheme)
    assert background(tab) == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 23, 26)"}[scheme]
    ratios = tab.evaluate(CONTRAST)
    assert "TD.heat" in ratios
    assert {key: ratio for key, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("width", [390, 1280])
def test_each_image_stands_above_its_mirror_image_and_is_sharp(visit, width):
    found = (
        visit("whole", width=width)
        .locator(".pairs img")
        .evaluate_all(
            """(all) => all.map((i) => { const b = i.getBoundingClientRect();
            return [i.naturalWidth, getComputedStyle(i).imageRendering, b.left, b.top, b.bottom, b.width]; })"""
        )
    )
    assert len(found) == 2 * 12 * 2
    for above, below in zip(found[::2], found[1::2], strict=True):
        assert above[0] == below[0] == 32
        assert above[1] == "pixelated"
        assert above[2] == below[2]
        assert above[4] <= below[3]
        assert above[5] >= 90


def test_panels_of_a_model_share_a_column_on_a_wide_page(visit):
    lefts = (
        visit("whole")
        .locator(".panels")
        .first.locator("> div")
        .evaluate_all("(a) => a.map((d) => Math.round(d.getBoundingClientRect().left))")
    )
    assert len(lefts) == 6
    assert lefts[:3] == lefts[3:]
    assert len(set(lefts)) == 3


def test_charts_are_named_images(visit):
    names = (
        visit("whole")
        .locator("svg[role=img]")
        .evaluate_all(
            """(all) => all.map((s) => s.getAttribute("aria-labelledby").split(" ")
             .map((id) => document.getElementById(id).textContent))"""
        )
    )
    assert len(names) == 1 + 4 + 5 * 6
    assert all(title.strip() and desc.strip() for title, desc in names)
