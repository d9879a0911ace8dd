"""The page of a calibration in a real browser: on a phone, in the dark, names clear of each other."""

import pytest
from calibration_samples import calibration
from test_report_browser import BROWSER, CONTRAST, background, texts_outside
from test_story_browser import OVERLAPS

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]
REPORTS = {"two": calibration(), "four": calibration(4, 30), "short": calibration(2, 20)}
INSIDE_A_PANEL = """() => [...document.querySelectorAll("figure")].map((f) => {
  const boxes = [...f.querySelectorAll("svg text.halo")].map((t) => t.getBoundingClientRect());
  return boxes.flatMap((p, i) => boxes.slice(0, i).filter((q) =>
    p.left < q.right && q.left < p.right && p.top + 2 < q.bottom - 2 && q.top + 2 < p.bottom - 2)).length;
}).reduce((a, b) => a + b, 0)"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, report in REPORTS.items():
        report.to_html(folder / f"{name}.html")
    return {name: (folder / f"{name}.html").as_uri() for name in REPORTS}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_phone_never_scrolls_sideways(visit, name, scheme):
    tab = visit(name, width=390, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert texts_outside(tab) == []


CUT = "() => [...document.querySelectorAll('.scroll:not(.rounds)')].map((b) => [b.scrollHeight, b.clientHeight])"


@pytest.mark.parametrize("width", [390, 1280])
def test_only_long_tables_are_cut_from_below(visit, width):
    tab = visit("short", width=width)
    assert all(whole <= shown for whole, shown in tab.evaluate(CUT))
    (cut,) = [box for box in visit("two", width=width).evaluate(CUT) if box[0] > box[1]]
    assert cut[0] > 1000, "the control: 66 rows have a box of their own"


def edge(tab, column):
    """Brightness of the last pixels of a row of the table, `column` pixels from its right edge."""
    from io import BytesIO

    from PIL import Image

    box = tab.locator(".tall")
    picture = Image.open(BytesIO(box.screenshot())).convert("L")
    return picture.getpixel((picture.width - 1 - column, picture.height - 8))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_goes_on_sideways_is_shaded_at_that_edge(visit, scheme):
    tab = visit("short", width=390, scheme=scheme)
    assert tab.evaluate("(() => { const b = document.querySelector('.tall'); return b.scrollWidth > b.clientWidth })()")
    assert abs(edge(tab, 2) - edge(tab, 40)) > 25
    tab.evaluate("document.querySelector('.tall').scrollLeft = 9999")
    assert abs(edge(tab, 2) - edge(tab, 40)) < 5, "at its end there is no more"
    wide = visit("short", width=1280, scheme=scheme)
    assert abs(edge(wide, 2) - edge(wide, 40)) < 5, "nor where all of it is seen"


@pytest.mark.parametrize("width", [360, 390, 600, 900, 1280])
@pytest.mark.parametrize("name", REPORTS)
def test_names_in_the_picture_stay_clear_of_each_other(visit, name, width):
    tab = visit(name, width=width)
    assert tab.evaluate(INSIDE_A_PANEL) == 0
    assert tab.evaluate(OVERLAPS)[0] >= 6


def test_the_overlap_check_can_fail(visit):
    tab = visit("two", width=390)
    tab.evaluate("document.querySelectorAll('svg text.halo').forEach((t) => { t.setAttribute('y', 50); })")
    tab.evaluate("document.querySelectorAll('svg text.halo').forEach((t) => { t.setAttribute('x', '50%'); })")
    assert tab.evaluate(INSIDE_A_PANEL)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    tab = visit("two", scheme=scheme)
    assert background(tab) == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 23, 26)"}[scheme]
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    ratios = tab.evaluate(CONTRAST)
    assert len(ratios) > 10
    assert {key: ratio for key, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_table_sorts_and_finds(visit):
    tab = visit("two")
    tab.fill("#label-tools input", "kite")
    shown = tab.locator("table[data-sortable] tbody tr:visible th")
    assert all("kite" in text for text in shown.all_text_contents())
    tab.fill("#label-tools input", "")
    tab.click("table[data-sortable] thead th:nth-child(2) button")
    numbers = [
        int(text.split("\n")[0].replace(",", ""))
        for text in tab.locator("table[data-sortable] tbody td:nth-child(2)").evaluate_all(
            "(all) => all.map((c) => c.dataset.v)"
        )
    ]
    assert numbers == sorted(numbers, reverse=True)
