"""The rows of Table 3 on Scenes with its groups predicted: a CRF, the CRF calibrated by RBA, the CRF with an adversary.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489;
Zhao, Wang, Yatskar, Ordonez, Chang: Men Also Like Shopping, EMNLP 2017, https://arxiv.org/abs/1707.09457. All are
judged by their decisions, since calibration gives nothing else; as a control, the CRF is trained on for as long as with
the adversary. Slow: a quarter of an hour a seed on one core. The figures of the last run stand in
docs/results/structured.md.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import steelyard as sy
from steelyard.jobs.audit import audit_tables
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.demo_models import WHOLE, world
from steelyard.jobs.run_tables import DECISIONS, LABELS, POTENTIALS, run_tables
from steelyard.jobs.train import run_training
from steelyard.jobs.training_config import read_config
from steelyard.reports.calibration import CalibrationReport
from steelyard.tables import LabelTable, PredictionTable, join, read_predictions
from steelyard.tables.writing import PREDICTED_GROUP_COLUMN

SEEDS = tuple(int(seed) for seed in os.environ.get("SEEDS", "0,1,2").split(","))
CRF, ADVERSARY = Path("configs/scenes-crf.yaml"), Path("configs/scenes-crf-adversarial-conv5.yaml")
ROWS = ("CRF", "CRF + RBA", "CRF + adversary", "CRF + as many epochs")
FIGURES = (
    "f1_macro",
    "dataset_leakage_at_f1",
    "model_leakage_decisions",
    "amplification_decisions",
    "conditional_leakage",
    "mals_amplification",
    "directional_amplification_target_to_attribute",
)


def main() -> None:
    """Train, calibrate, audit and print, seed by seed."""
    keep = os.environ.get("FOLDER")
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(keep or temporary) / f"seed{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            _measure(folder, seed)


def _measure(folder: Path, seed: int) -> None:
    file = folder / "world.yaml"
    file.write_text(yaml.safe_dump(world(WHOLE, seed)), encoding="utf-8")
    runs = {"CRF": folder / "crf", "CRF + adversary": folder / "adversary", "CRF + as many epochs": folder / "longer"}
    _train(CRF, file, runs["CRF"], seed)
    start = {"start_from": str(runs["CRF"])}
    _train(ADVERSARY, file, runs["CRF + adversary"], seed, **start)
    # The control: what the adversary's further epochs do without it.
    against = yaml.safe_load(ADVERSARY.read_text(encoding="utf-8"))["objective"]
    _train(ADVERSARY, file, runs["CRF + as many epochs"], seed, **start, objective={**against, "weight": 0.0})
    print(f"\nseed {seed}")
    decided = {name: _decisions(run) for name, run in runs.items()}
    calibrated = {name: dict(_calibrated(run)) for name, run in runs.items()}
    labels = decided["CRF"][0]
    both = tuple(calibrated["CRF"][split].predictions for split in ("val", "test"))
    tables = {
        "CRF": decided["CRF"][1],
        "CRF + RBA": _joined(*both),
        **{name: decided[name][1] for name in ROWS[2:]},
    }
    for name in ROWS:
        _print_audit(name, labels, tables[name], seed)
    for name, found in calibrated.items():
        _print_calibration(name, found["test"].report)


def _train(config: Path, world: Path, out: Path, seed: int, **more: Any) -> None:
    given = {**yaml.safe_load(config.read_text(encoding="utf-8")), **more, "seed": seed, "audit": None, "out": str(out)}
    given["data"] |= {"source": str(world), "workers": 0, "cache": "memory"}
    if not (out / POTENTIALS).is_file():
        run_training(read_config(given), quiet=True)


def _decisions(run: Path) -> tuple[LabelTable, PredictionTable]:
    """Labels and decisions of the validation and test images."""
    labels, _ = run_tables(run)
    said = read_predictions(
        run / DECISIONS, labels=labels, kind="decisions", predicted_protected=PREDICTED_GROUP_COLUMN
    )
    rows = np.flatnonzero(np.isin(labels.splits, ("val", "test")))
    return labels, replace(
        said,
        ids=said.ids[rows],
        scores=said.scores[rows],
        predicted_groups=said.predicted_groups[rows],
        splits=labels.splits[rows],
    )


def _calibrated(run: Path) -> Iterator[tuple[str, Any]]:
    """Split → the calibration of its images: each is a corpus of its own."""
    for split in ("val", "test"):
        yield (
            split,
            sy.calibrate(
                run / POTENTIALS, run / LABELS, protected="group", split_column="split", split=split, min_support=100
            ),
        )


def _joined(*parts: PredictionTable) -> PredictionTable:
    groups = [part.predicted_groups for part in parts if part.predicted_groups is not None]
    return replace(
        parts[0],
        ids=np.concatenate([part.ids for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        predicted_groups=np.concatenate(groups),
        splits=None,
    )


def _print_audit(name: str, labels: LabelTable, said: PredictionTable, seed: int) -> None:
    options = AuditOptions(levels="none", rounds=3, permutations=0, bootstrap=200, seed=seed)
    report = audit_tables(labels, join(labels, said), options)
    print(f"  {name}")
    for figure in FIGURES:
        if (one := report.estimate(figure)) is not None:
            print(f"    {figure:<48}{one.value:8.4f} [{one.low:.4f}, {one.high:.4f}]", flush=True)


def _print_calibration(name: str, report: CalibrationReport) -> None:
    print(f"  {name}, calibrated: test images")
    print("    " + str(report).replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    main()
