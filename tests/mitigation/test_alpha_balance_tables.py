"""α-balanced subsets of real and full-size tables."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from alpha_oracles import obeys
from benchmarks.balance import IMAGES, LABELS, coco_like, greedy_deletion

from steelyard.mitigation.samples import balance

DATA = os.environ.get("STEELYARD_DATA")
real = pytest.mark.skipif(DATA is None, reason="STEELYARD_DATA is not set: the real label files are not here")


@pytest.fixture(scope="module")
def imsitu_train():
    with (Path(DATA) / "imsitu" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    verbs, labels = np.unique([row["verb"] for row in rows], return_inverse=True)
    names, groups = np.unique([row["gender"] for row in rows], return_inverse=True)
    return rows, labels, groups, verbs.tolist(), names.tolist()


@real
@pytest.mark.parametrize(("alpha", "men", "women"), [(1, 7_342, 7_342), (2, 10_265, 8_884), (3, 11_613, 9_530)])
def test_imsitu_keeps_what_its_authors_kept(imsitu_train, alpha, men, women):
    rows, labels, groups, verbs, names = imsitu_train
    rng = np.random.default_rng(0)
    found = balance(labels, groups, alpha=alpha, rng=rng, target_names=verbs, group_names=names)
    assert dict(zip(names, found.groups_after.tolist(), strict=True)) == {"man": men, "woman": women}
    assert found.status == "optimal"
    theirs = np.array([row[f"alpha{alpha}"] == "1" for row in rows])
    published = np.stack([np.bincount(labels[theirs & (groups == g)], minlength=211) for g in (0, 1)])
    np.testing.assert_array_equal(found.after, published)
    assert obeys(np.eye(211, dtype=int)[labels[found.kept]], groups[found.kept], alpha, balance_groups=True, k=2)


@pytest.fixture(scope="module")
def celeba():
    lines = (Path(DATA) / "celeba" / "list_attr_celeba.txt").read_text().splitlines()
    names = lines[1].split()
    values = np.array([line.split()[1:] for line in lines[2:]], dtype=int) == 1
    male = names.index("Male")
    others = [column for column in range(len(names)) if column != male]
    return values[:, others].astype(int), values[:, male].astype(int), [names[column] for column in others]


@real
@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_celeba_beats_the_greedy_deletion(celeba, alpha):
    targets, groups, names = celeba
    chosen = [names.index(name) for name in ("Smiling", "Eyeglasses", "Young", "Wavy_Hair", "Big_Nose", "Bangs")]
    found = balance(targets[:, chosen], groups, alpha=alpha, rng=np.random.default_rng(0))
    greedy = greedy_deletion(targets[:, chosen], groups, alpha=alpha, rng=np.random.default_rng(0))
    assert found.gap <= 0.005
    assert len(found) > len(greedy)
    assert obeys(targets[found.kept][:, chosen], groups[found.kept], alpha, balance_groups=True, k=2)


@real
def test_all_of_celeba_drops_what_one_group_alone_has(celeba):
    targets, groups, names = celeba
    found = balance(targets, groups, alpha=3, rng=np.random.default_rng(0), target_names=names)
    assert obeys(targets[found.kept], groups[found.kept], 3, balance_groups=True, k=2)
    assert found.gap <= 0.005
    assert {"Goatee", "Mustache", "Sideburns"} <= set(found.one_sided)
    assert set(found.one_sided) <= set(found.vanished)


@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_a_table_of_the_size_of_coco(alpha):
    targets, groups = coco_like(IMAGES, LABELS, np.random.default_rng(0))
    found = balance(targets, groups, alpha=alpha, rng=np.random.default_rng(0))
    greedy = greedy_deletion(targets, groups, alpha=alpha, rng=np.random.default_rng(0))
    assert obeys(targets[greedy], groups[greedy], alpha, balance_groups=True, k=2)
    assert obeys(targets[found.kept], groups[found.kept], alpha, balance_groups=True, k=2)
    assert found.gap <= 0.005
    assert len(greedy) < len(found) <= found.bound
    assert not obeys(targets, groups, alpha, balance_groups=True, k=2)


def test_three_groups_at_size():
    targets, _ = coco_like(5_000, 30, np.random.default_rng(1))
    groups = np.random.default_rng(2).choice(3, len(targets), p=[0.6, 0.3, 0.1])
    found = balance(targets, groups, alpha=1.5, rng=np.random.default_rng(0))
    assert obeys(targets[found.kept], groups[found.kept], 1.5, balance_groups=True, k=3)
    assert found.gap <= 0.005


def test_the_generator_is_what_it_says():
    targets, groups = coco_like(IMAGES, LABELS, np.random.default_rng(0))
    again, _ = coco_like(IMAGES, LABELS, np.random.default_rng(0))
    np.testing.assert_array_equal(targets, again)
    assert abs(int(groups.sum()) - 6_601) < 300
    counts = np.stack([targets[groups == group].sum(0) for group in (0, 1)])
    assert counts.min() > 0
    assert np.ptp(np.log(counts[0] / counts[1])) > 2
    correlation = np.corrcoef(targets.T) - np.eye(LABELS)
    assert np.abs(correlation).max() > 10 / np.sqrt(IMAGES)
