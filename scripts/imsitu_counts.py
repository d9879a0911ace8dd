"""Count imSitu's label file into the figures that the package carries: split × verb × gender, 1,266 integers.

Usage: python scripts/imsitu_counts.py LABELS.csv

LABELS.csv has a row per image with the columns split, gender and verb; made from the label files of Wang et al.,
ICCV 2019 (https://github.com/uvavision/Balanced-Datasets-Are-Not-Enough). Only counts are written: no image, no id.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

SPLITS = ("train", "val", "test")
OUT = Path(__file__).parents[1] / "src" / "steelyard" / "datasets" / "imsitu_counts.csv"


def main(labels: Path, out: Path = OUT) -> int:
    """Write the counts; returns how many images were counted."""
    with labels.open(newline="", encoding="utf-8") as file:
        counts = Counter((row["verb"], row["split"], row["gender"]) for row in csv.DictReader(file))
    verbs = sorted({verb for verb, _, _ in counts})
    groups = sorted({group for _, _, group in counts})
    columns = [(split, group) for split in SPLITS for group in groups]
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["verb", *(f"{split}_{group}" for split, group in columns)])
        for verb in verbs:
            writer.writerow([verb, *(counts[verb, split, group] for split, group in columns)])
    return sum(counts.values())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/imsitu_counts.py LABELS.csv")
    print(f"{main(Path(sys.argv[1])):,} images counted into {OUT.name}")
