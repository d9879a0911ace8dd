"""The demo's page and that of visualize in a real browser: on a phone, in the dark, labels clear of each other."""

import pytest
from augment_samples import report
from story_samples import changes, gallery, imsitu_chapter, story
from test_report_browser import BROWSER, CONTRAST, background, texts_outside

from steelyard.reports.story_augmentation import AugmentationChapter
from steelyard.reports.story_page import demo_page
from steelyard.reports.visualize_page import visualize_page

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]
NAMES = ["story", "visualize"]

OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll("svg text.halo")].map((t) => [t.textContent, t.getBoundingClientRect()]);
  const hits = [];
  boxes.forEach(([a, p], i) => boxes.slice(0, i).forEach(([b, q]) => {
    if (p.left < q.right && q.left < p.right && p.top + 2 < q.bottom - 2 && q.top + 2 < p.bottom - 2) hits.push([a, b]);
  }));
  return [boxes.length, hits];
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "story": demo_page(
            story(), chapter=imsitu_chapter(), augmentation=AugmentationChapter(report=report(), page="x.html")
        ),
        "visualize": visualize_page(
            run="adversarial-image",
            base="plain",
            protected="group",
            groups=("A", "B"),
            synthetic=True,
            gallery=gallery(),
            changes=changes(40),
            images=2000,
            provenance={"versions": {"steelyard": "0.1.0"}, "seed": 0},
        ),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_phone_never_scrolls_sideways(visit, name, scheme):
    tab = visit(name, width=390, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert texts_outside(tab) == []


@pytest.mark.parametrize("width", [360, 390, 600, 900, 1280])
def test_labels_of_the_frontier_stay_clear_of_each_other(visit, width):
    count, hits = visit("story", width=width).evaluate(OVERLAPS)
    assert count == 7
    assert hits == []


def test_the_overlap_check_can_fail(visit):
    tab = visit("story", width=390)
    tab.evaluate("document.querySelectorAll('svg text.halo').forEach((t) => t.setAttribute('y', 50))")
    assert tab.evaluate(OVERLAPS)[1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, name, scheme):
    tab = visit(name, scheme=scheme)
    assert background(tab) == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 23, 26)"}[scheme]
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    ratios = tab.evaluate(CONTRAST)
    assert len(ratios) > 10
    assert {key: ratio for key, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_there_side_by_side_and_sharp(visit, name):
    tab = visit(name, width=390)
    found = tab.locator(".pairs img").evaluate_all(
        """(all) => all.map((i) => [i.naturalWidth, i.alt, getComputedStyle(i).imageRendering,
                                   i.getBoundingClientRect().top, i.getBoundingClientRect().left])"""
    )
    assert len(found) == 24
    for original, masked in zip(found[::2], found[1::2], strict=True):
        assert original[0] == masked[0] == 64
        assert original[1].startswith("Original")
        assert masked[1].startswith("Masked")
        assert original[2] == "pixelated"
        assert original[3] == masked[3]
        assert original[4] < masked[4]


@pytest.mark.parametrize(("width", "columns"), [(390, 4), (1280, 8)])
def test_generated_pairs_stand_above_each_other_large_enough_to_see(visit, width, columns):
    found = visit("story", width=width).locator(".mirrors li")
    boxes = [[image.bounding_box() for image in item.locator("img").all()] for item in found.all()]
    assert len(boxes) == 8
    assert len({round(first["x"]) for first, _ in boxes}) == columns
    for first, second in boxes:
        assert first["x"] == second["x"]
        assert first["y"] + first["height"] <= second["y"]
        assert first["width"] >= 64
    rendering = found.locator("img").first.evaluate("(i) => getComputedStyle(i).imageRendering")
    assert rendering == "pixelated"


@pytest.mark.parametrize("name", NAMES)
def test_charts_are_named_images(visit, name):
    names = (
        visit(name)
        .locator("svg[role=img]")
        .evaluate_all(
            """(all) => all.map((s) => s.getAttribute("aria-labelledby").split(" ")
             .map((id) => document.getElementById(id).textContent))"""
        )
    )
    assert names
    assert all(title.strip() and desc.strip() for title, desc in names)
