"""The demo gives the published picture from the counts that come with the package, on the page and in the terminal."""

import csv
import json
from importlib.resources import files

import pytest
import threadpoolctl

from steelyard.cli.main import main
from steelyard.jobs.demo import at_model_f1, run_demo
from steelyard.reports import AuditReport

KEPT = [24_301, 21_143, 19_149, 14_684]
TOTALS = {
    "train_man": 14_199,
    "train_woman": 10_102,
    "val_man": 4_457,
    "val_woman": 3_273,
    "test_man": 4_517,
    "test_woman": 3_152,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "made")


def test_rows_are_those_of_the_published_table(demo):
    assert [row.alpha for row in demo.rows] == [None, 3, 2, 1]
    assert [row.images for row in demo.rows] == KEPT
    assert [row.counts for row in demo.rows] == [
        {"man": 14_199, "woman": 10_102},
        {"man": 11_613, "woman": 9_530},
        {"man": 10_265, "woman": 8_884},
        {"man": 7_342, "woman": 7_342},
    ]


def test_leakage_agrees_with_the_published_figure_and_balancing_brings_it_to_chance(demo):
    first, *_, balanced = (row.leakage for row in demo.rows)
    assert first.low < 0.6826 < first.high
    assert first.high - first.low < 0.03
    assert balanced.low < 0.5 < balanced.high
    assert not balanced.low < 0.5399 < balanced.high, "the published figure is an effect of its protocol"
    assert demo.rows[-1].remark
    assert not any(row.remark for row in demo.rows[:-1])
    point = at_model_f1(demo.report)
    assert point.f1 == pytest.approx(0.401)
    assert point.low < 0.5646 < point.high


def test_every_file_is_written_and_says_the_same(demo):
    folder = demo.page.parent
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["index.html", "per_label.csv", "report.json", "results.json"]
    balance = json.loads((folder / "results.json").read_text(encoding="utf-8"))["balance"]
    assert [row["images"] for row in balance] == KEPT
    assert [row["dataset_leakage"]["value"] for row in balance] == [row.leakage.value for row in demo.rows]
    assert AuditReport.from_json(folder / "report.json").estimates == demo.report.estimates
    with (folder / "per_label.csv").open(encoding="utf-8", newline="") as file:
        assert len({row["label"] for row in csv.DictReader(file)}) == 211
    html = demo.page.read_text(encoding="utf-8")
    assert all(f"<td>{kept:,}</td>" in html for kept in KEPT)


def test_command_prints_the_table_and_where_the_page_is(demo, tmp_path, capsys):
    main(["demo", "--out", str(tmp_path / "x"), "--quiet"])
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    for row in demo.rows:
        (line,) = [line for line in lines if line.startswith(row.title)]
        assert f"{row.images:,}" in line
        assert f"{100 * row.leakage.value:.2f} %" in line, "the same seed, the same figure"
        assert row.published in line
    assert lines[-1] == f"The page: {tmp_path / 'x' / 'index.html'}"
    assert (tmp_path / "x" / "index.html").is_file()


def test_shipped_counts_have_the_totals_of_the_label_files():
    text = files("steelyard.datasets").joinpath("imsitu_counts.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    counts = [int(row[column]) for row in rows for column in TOTALS]
    assert (len(rows), len(counts), sum(counts)) == (211, 1_266, 39_700)
    assert set(rows[0]) == {"verb", *TOTALS}
    assert {column: sum(int(row[column]) for row in rows) for column in TOTALS} == TOTALS
    assert min(counts) >= 0
