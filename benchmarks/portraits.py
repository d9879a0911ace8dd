"""What complementary pairs do on Portraits: three seeds, five attributes that go with the group, two ways to filter.

Ramaswamy, Kim, Russakovsky: Fair Attribute Classification through Latent Space De-biasing, CVPR 2021,
https://arxiv.org/abs/2012.01469. Slow: an hour on one core. The figures of the last run stand in
docs/results/portraits.md.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from steelyard.base.estimate import Estimate
from steelyard.datasets.portraits.world_file import WORLDS
from steelyard.jobs.augment.config import AugmentConfig, Model, read_augment
from steelyard.jobs.augment.run import run_augment
from steelyard.jobs.progress import in_lines
from steelyard.reports.augment.report import AugmentReport, OracleRow

SEEDS = tuple(int(seed) for seed in os.environ.get("SEEDS", "0,1,2").split(","))
CONFIG = Path("configs/portraits-augment.yaml")
FILTERS = ("none", "oracle")
MODELS: Mapping[str, tuple[Model, ...]] = {
    "none": ("plain", "augmented", "reweighed"),
    "oracle": ("plain", "augmented"),
}
"""By filter; what needs no pairs is the same with all of them."""
MEASURES = ("ap", "deo_absolute", "ba_absolute", "kl")


def main() -> None:
    """Run every seed with and without the filter, and print what came of it."""
    keep = os.environ.get("FOLDER")
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as temporary:
            base = Path(keep or temporary) / f"seed{seed}"
            base.mkdir(parents=True, exist_ok=True)
            for name, report in measure(base, seed).items():
                _print(seed, name, report)


def measure(folder: Path, seed: int) -> Mapping[str, AugmentReport]:
    """The report of each filter; what does not depend on the filter is made once."""
    given = {**yaml.safe_load(CONFIG.read_text(encoding="utf-8")), "seed": seed}
    given["data"]["source"] = _world(folder / "world.yaml", {**WORLDS["skewed"], "seed": seed})
    # Images that the oracle has not seen, for the network of the filter.
    other = _world(folder / "filter.yaml", {**WORLDS["independent"], "seed": 1_000 + seed})
    given["oracle"]["filter_source"] = other
    given["annotators"]["source"] = _world(folder / "annotators.yaml", {**WORLDS["default"], "seed": 2_000 + seed})
    config = read_augment(given)
    reports = {}
    for name in FILTERS:
        out = folder / name
        if name != FILTERS[0] and not out.exists():
            shutil.copytree(folder / FILTERS[0], out)
        pairs = replace(config.pairs, filter=name)
        reports[name] = _run(replace(config, out=str(out), pairs=pairs, models=MODELS[name]))
    return reports


def _world(path: Path, world: Mapping[str, Any]) -> str:
    path.write_text(yaml.safe_dump(dict(world)), encoding="utf-8")
    return str(path)


def _run(config: AugmentConfig) -> AugmentReport:
    done = run_augment(config, progress=in_lines(quiet=not sys.stderr.isatty()), command="make bench ONLY=portraits")
    assert done.report is not None
    return done.report


def _print(seed: int, name: str, report: AugmentReport) -> None:
    print(f"\nseed {seed}, filter {name}")
    for plane in report.planes:
        print(f"  plane {plane.name}: held-out accuracy {_figure(plane.accuracy)}, larger class {plane.majority:.3f}")
    for row in report.oracle:
        print(f"  {row.kept}: {_rates(row)}")
    overall = report.measures.overall
    for measure in MEASURES:
        print(f"  {measure}, mean of {len(overall.over.get(measure, ()))} attributes: ", end="")
        print(f"plain {_figure(overall.figure(measure, 'plain'))}", end="")
        for model in report.measures.others:
            print(f"; {model} {_figure(overall.figure(measure, model))}", end="")
            print(f", difference {_figure(overall.difference(measure, model), sign='+')}", end="")
        print(flush=True)


def _rates(row: OracleRow) -> str:
    said = f"flip {_figure(row.flip)}, keep {_figure(row.keep)}"
    if row.kept_share is not None:
        said += f"; filter leaves {_figure(row.kept_share)}: flip {_figure(row.flip_after)}"
        said += f", keep {_figure(row.keep_after)}"
    return f"{said}; the oracle itself {_figure(row.of_flipped)}, {_figure(row.of_kept)}"


def _figure(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return "–"
    return f"{found.value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


if __name__ == "__main__":
    main()
