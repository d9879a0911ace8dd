"""The page in a real browser: it must work on a phone, in the dark, on paper, and without scripts."""

import shutil

import pytest
from report_samples import many_groups, with_predictions

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]

CONTRAST = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const ink = canvas.getContext("2d", {willReadFrequently: true});
  const over = (below, colour) => {
    ink.fillStyle = `rgb(${below.join(",")})`; ink.fillRect(0, 0, 1, 1);
    ink.fillStyle = colour; ink.fillRect(0, 0, 1, 1);
    return [...ink.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e).backgroundColor);
    return chain.reduce(over, [255, 255, 255]);
  };
  const worst = new Map();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || style.visibility !== "visible" || !element.getClientRects().length) continue;
    if (["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName)) continue;
    const below = ground(element);
    const above = over(below, element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(above), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), key = `${element.tagName}.${element.getAttribute("class") ?? ""}`;
    if (!(worst.get(key) <= ratio)) worst.set(key, ratio);
  }
  return Object.fromEntries(worst);
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for make in (with_predictions, many_groups):
        make().to_html(folder / f"{make.__name__}.html")
        found[make.__name__] = (folder / f"{make.__name__}.html").as_uri()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["with_predictions", "many_groups"])
def test_phone_never_scrolls_sideways(visit, name, scheme):
    tab = visit(name, width=360, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    box = tab.evaluate(
        "(() => { const b = document.querySelector('.tall'); return [b.scrollWidth, b.clientWidth]; })()"
    )
    assert box[0] > box[1], "the wide table must scroll inside its own box"


def texts_outside(tab):
    """Chart texts that stick out of the window."""
    return tab.evaluate(
        """() => [...document.querySelectorAll("svg text")].filter((t) => {
             const r = t.getBoundingClientRect(); return r.width && (r.left < -1 || r.right > innerWidth + 1); })
           .map((t) => t.textContent)"""
    )


@pytest.mark.parametrize("name", ["with_predictions", "many_groups"])
def test_chart_texts_stay_in_the_window(visit, name):
    assert texts_outside(visit(name, width=360)) == []


@pytest.mark.parametrize("name", ["with_predictions", "many_groups"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, name, scheme):
    tab = visit(name, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    ratios = tab.evaluate(CONTRAST)
    assert len(ratios) > 15
    assert {key: ratio for key, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_contrast_check_can_fail(visit):
    tab = visit()
    tab.evaluate("document.documentElement.style.setProperty('--soft', '#aaaaaa')")
    assert min(tab.evaluate(CONTRAST).values()) < 4.5


def background(tab):
    return tab.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_mode_is_dark_and_paper_is_white(visit):
    light, dark = visit(scheme="light"), visit(scheme="dark")
    assert background(light) == "rgb(252, 252, 250)"
    assert background(dark) == "rgb(20, 23, 26)"
    dark.emulate_media(media="print", color_scheme="dark")
    assert background(dark) == "rgb(255, 255, 255)"
    assert dark.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert min(dark.evaluate(CONTRAST).values()) >= 4.5
    assert dark.evaluate("getComputedStyle(document.querySelector('.tall thead th')).position") == "static"
    assert dark.evaluate("getComputedStyle(document.querySelector('.tall thead')).display") == "table-header-group"
    assert dark.evaluate("getComputedStyle(document.querySelector('.tall')).overflowY") == "visible"


def test_paper_is_not_cut_at_the_side(visit):
    tab = visit(width=680)
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 680
    assert texts_outside(tab) == []


COLUMN = """(column) => [...document.querySelector("table[data-sortable]").tBodies[0].rows]
  .map((row) => column ? row.cells[column].dataset.v : row.cells[0].textContent)"""


@pytest.mark.parametrize("heading", ["images", "Average precision", "Opportunity difference"])
def test_headings_sort_by_number_and_say_so(visit, heading):
    tab = visit()
    head = tab.locator("table[data-sortable] thead th").filter(has_text=heading).first
    column = head.evaluate("(th) => th.cellIndex")
    before = tab.evaluate(COLUMN, column)
    known = [float(v) for v in before if v]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    after = tab.evaluate(COLUMN, column)
    assert [float(v) for v in after if v] == sorted(known, reverse=True)
    assert all(not v for v in after[len(known) :]), "undefined figures come last"
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    after = tab.evaluate(COLUMN, column)
    assert [float(v) for v in after if v] == sorted(known)
    assert all(not v for v in after[len(known) :])
    assert tab.locator("[aria-sort]").count() == 1
    tab.locator("table[data-sortable] thead button").first.click()
    labels = tab.evaluate(COLUMN, 0)
    assert labels != sorted(labels, reverse=True)
    assert [label.lower() for label in labels[:3]] == sorted(label.lower() for label in labels)[:3]


def test_filter_shows_the_labels_that_hold_the_word(visit):
    tab = visit()
    tab.get_by_label("Find a label").fill("SHAV")
    shown = tab.locator("table[data-sortable] tbody tr:visible th").all_text_contents()
    assert shown
    assert all("shav" in label for label in shown)
    assert tab.locator("#label-tools output").text_content() == f"{len(shown)} of 211 labels"


def test_page_reads_without_scripts(visit):
    tab = visit(scripts=False)
    assert tab.locator("#verdict").inner_text().startswith("The labels alone give away “gender”")
    assert tab.locator("table[data-sortable] tbody tr").count() == 211
    assert tab.locator("button").count() == 0
    assert not tab.locator("#label-tools").is_visible()
    tab.locator("details.alternative summary").first.click()
    assert tab.locator("details.alternative table").first.is_visible()


def test_charts_are_named_images(visit):
    tab = visit()
    names = tab.locator("svg[role=img]").evaluate_all(
        """(all) => all.map((s) => s.getAttribute("aria-labelledby").split(" ")
             .map((id) => document.getElementById(id).textContent))"""
    )
    assert len(names) > 15
    assert all(title.strip() and desc.strip() for title, desc in names)
    assert tab.get_by_role("img", name="Leakage of the labels over their quality").count() == 1
