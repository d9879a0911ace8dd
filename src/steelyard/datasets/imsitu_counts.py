"""imSitu as counts: how many images of each perceived gender each verb has in each split.

Counted by `scripts/imsitu_counts.py` from the label files of Wang et al., ICCV 2019
(https://github.com/uvavision/Balanced-Datasets-Are-Not-Enough); imSitu: Yatskar, Zettlemoyer, Farhadi, CVPR 2016.
A count table is all that leakage, the curve and α-balancing of single-label data need.
"""

import csv
from importlib.resources import files

import numpy as np

from steelyard.tables.label_table import LabelTable

SOURCE = "imsitu_counts.csv (comes with steelyard)"


def imsitu_labels() -> LabelTable:
    """The counts spread out to one row per image; the ids are made up and name no image."""
    text = files("steelyard.datasets").joinpath("imsitu_counts.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    cells = [column for column in rows[0] if column != "verb"]
    counts = np.array([[int(row[column]) for column in cells] for row in rows])  # [verb, cell]
    splits, groups = zip(*(column.split("_") for column in cells), strict=True)
    names = tuple(sorted(set(groups)))
    verb, cell = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    return LabelTable(
        ids=np.array([f"count-{i:05d}" for i in range(counts.sum())]),
        groups=np.array([names.index(group) for group in groups])[cell],
        group_names=names,
        targets=verb,
        target_names=tuple(row["verb"] for row in rows),
        kind="single",
        splits=np.array(splits)[cell],
        protected="gender",
        source=SOURCE,
        target_column="verb",
    )
