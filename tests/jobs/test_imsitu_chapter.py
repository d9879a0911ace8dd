"""The demo's last chapter gives the published picture from the counts that come with the package."""

import csv
from importlib.resources import files

import pytest
import threadpoolctl

from steelyard.jobs.imsitu_chapter import at_model_f1, imsitu_chapter

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
def chapter():
    return imsitu_chapter(workers=1)


def test_rows_are_those_of_the_published_table(chapter):
    assert [row.alpha for row in chapter.rows] == [None, 3, 2, 1]
    assert [row.images for row in chapter.rows] == KEPT
    assert [row.counts for row in chapter.rows] == [
        {"man": 14_199, "woman": 10_102},
        {"man": 11_613, "woman": 9_530},
        {"man": 10_265, "woman": 8_884},
        {"man": 7_342, "woman": 7_342},
    ]


def test_leakage_agrees_with_the_published_figure_and_balancing_brings_it_to_chance(chapter):
    first, *_, balanced = (row.leakage for row in chapter.rows)
    assert first.low < 0.6826 < first.high
    assert first.high - first.low < 0.03
    assert balanced.low < 0.5 < balanced.high
    assert not balanced.low < 0.5399 < balanced.high, "the published figure is an effect of its protocol"
    assert chapter.rows[-1].remark
    assert not any(row.remark for row in chapter.rows[:-1])
    point = at_model_f1(chapter.report)
    assert point.f1 == pytest.approx(0.401)
    assert point.low < 0.5646 < point.high


def test_record_says_the_same(chapter):
    assert [row["images"] for row in chapter.record()] == KEPT
    assert [row["dataset_leakage"]["value"] for row in chapter.record()] == [row.leakage.value for row in chapter.rows]
    assert chapter.context()["groups"] == ("man", "woman")


def test_shipped_counts_have_the_totals_of_the_label_files():
    text = files("steelyard.datasets").joinpath("imsitu_counts.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    counts = [int(row[column]) for row in rows for column in TOTALS]
    assert (len(rows), len(counts), sum(counts)) == (211, 1_266, 39_700)
    assert set(rows[0]) == {"verb", *TOTALS}
    assert {column: sum(int(row[column]) for row in rows) for column in TOTALS} == TOTALS
    assert min(counts) >= 0
