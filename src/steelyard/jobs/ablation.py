"""Ablation: does a bigger attacker, or more data for it, find more? Table 2 of the ICCV 2019 paper, on any predictions.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.jobs.audit import Sources
from steelyard.jobs.audit_labels import split_rows
from steelyard.jobs.progress import Progress, silent
from steelyard.leakage.extras import require_torch
from steelyard.leakage.plan import Rows, check_group_sizes
from steelyard.leakage.presets import Preset, preset_named, raw_leakage, run_preset
from steelyard.reports.records import write_text
from steelyard.tables import Joined, join

# Attacker, hidden layers, share of the fitting rows, and what the paper printed for COCO (percent).
ROWS: tuple[tuple[str, tuple[int, ...], float, str], ...] = (
    ("1 layer", (), 1.0, "68.82 ± 0.35"),
    ("2 layer", (100,), 1.0, "70.83 ± 0.58"),
    ("2 layer", (300,), 1.0, "71.03 ± 0.52"),
    ("4 layer", (300, 300, 300), 1.0, "70.46 ± 0.36"),
    ("4 layer", (300, 300, 300), 0.75, "69.93 ± 0.51"),
    ("4 layer", (300, 300, 300), 0.5, "69.89 ± 0.98"),
    ("4 layer", (300, 300, 300), 0.25, "68.54 ± 1.10"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationRow:
    """One attacker.

    Attributes:
        attacker: `1 layer`, `2 layer` or `4 layer`.
        hidden: widths of its hidden layers.
        fraction: share of the fitting rows that it was given.
        leakage: raw accuracy, nothing folded.
        published: the paper's figure for COCO, in percent.
    """

    attacker: str
    hidden: tuple[int, ...]
    fraction: float
    leakage: Estimate
    published: str


def run_ablation(
    sources: Sources,
    *,
    preset: str = "wang2019-coco",
    rounds: int = 5,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[AblationRow]:
    """Attack the same scores with every attacker of Table 2.

    Where the predictions cover train, val and test, attackers are fitted on train and scored on test, as published;
    else the images that are covered are divided: half to fit, a quarter each to pick the epoch and to score.

    Args:
        sources: labels and predictions.
        preset: sizes of the subsets and settings of the network; smaller groups are taken whole, and it is said.
        rounds: redraws.
        epochs: of training; None is the preset's 100.
        seed: of draws and networks.
        progress: told of each attacker.

    Raises:
        InputError: no predictions, or decisions only, or a group too small, or an option out of range.
        MissingExtraError: PyTorch is not installed.
    """
    require_torch()
    published = preset_named(preset)
    for name, value, least in (("rounds", rounds, 1), ("epochs", epochs, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise InputError(f"--{name}: expected {least} or more, found {value}")
    labels = sources.read_labels()
    predictions = sources.read_predictions(labels)
    if predictions is None or predictions.kind == "decisions":
        raise InputError("leakage ablation: attacks scores; give --predictions with logits or probabilities")
    joined = join(labels, predictions)
    splits, how = _splits(joined, seed)
    labels, k = joined.labels, len(joined.labels.group_names)
    scores = joined.scores.astype(np.float32)
    smallest = int(np.bincount(labels.groups[splits["train"]], minlength=k).min())
    found = []
    for attacker, hidden, fraction, printed in ROWS:
        settings = replace(published.settings, hidden=hidden, epochs=epochs or published.settings.epochs)
        sizes = {**published.sizes, "train": max(2, round(fraction * min(published.sizes["train"], smallest)))}
        progress(f"{attacker}, hidden {'–'.join(map(str, hidden)) or 'none'}, {fraction:.0%} of the fitting rows")
        runs = run_preset(
            Preset("ablation", sizes, settings),
            lambda _: (scores, None),
            labels.groups,
            splits,
            k=k,
            rounds=rounds,
            seed=seed,
        )
        estimate = raw_leakage("model_leakage", runs, of="scores")
        scheme = f"{how}; {estimate.scheme}; fitted on {sizes['train']:,} images of each group"
        estimate = replace(estimate, scheme=scheme)
        found.append(
            AblationRow(attacker=attacker, hidden=hidden, fraction=fraction, leakage=estimate, published=printed)
        )
    return found


def _splits(joined: Joined, seed: int) -> tuple[dict[str, Rows], str]:
    labels = joined.labels
    splits = split_rows(labels)
    if splits and all(len(rows) for rows in splits.values()):
        how = "as published: fitted on the model's output for its own training images"
    else:
        splits = {}
        parts: list[list[Rows]] = [[], [], []]
        rng = stream(seed, "ablation")
        for group in range(len(labels.group_names)):
            members = rng.permutation(np.flatnonzero(labels.groups == group))
            ends = [len(members) // 2, 3 * len(members) // 4]
            for part, rows in zip(parts, np.split(members, ends), strict=True):
                part.append(rows)
        for name, rows_of in zip(("train", "val", "test"), parts, strict=True):
            splits[name] = np.sort(np.concatenate(rows_of))
        how = "predictions do not cover train, val and test: their images divided ½, ¼, ¼"
    for name, rows in splits.items():
        check_group_sizes(labels.groups, rows, labels.group_names, f"the {name} part of {joined.source}")
    return splits, how


def write_ablation(path: Path, rows: list[AblationRow]) -> None:
    """Write the rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["attacker", "hidden", "fraction", "leakage", "low", "high", "sd_attacker", "n", "published_coco", "scheme"]
    )
    for row in rows:
        e = row.leakage
        widths = "-".join(map(str, row.hidden))
        writer.writerow(
            [row.attacker, widths, row.fraction, e.value, e.low, e.high, e.sd_attacker, e.n, row.published, e.scheme]
        )
    write_text(path, text.getvalue())
