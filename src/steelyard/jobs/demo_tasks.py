"""What the demo's worker processes do: train and audit a model, audit it with noise, draw the masked images."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from steelyard.base.estimate import Estimate
from steelyard.jobs.audit import audit_tables
from steelyard.jobs.predict import PredictOptions, predict_run
from steelyard.jobs.run_folder import kept_config
from steelyard.jobs.train import run_training
from steelyard.jobs.training_config import TrainingConfig
from steelyard.jobs.visualize import VisualizeOptions, masked_gallery
from steelyard.reports import AuditReport
from steelyard.reports.gallery import Gallery
from steelyard.reports.story import MEASURES
from steelyard.tables import join


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model's figures.

    Attributes:
        estimates: measure → figure; what is undefined is absent.
        omitted: measure → why it is absent.
        seconds: that training, prediction and audit took.
        counts: split → group → images.
    """

    estimates: Mapping[str, Estimate]
    omitted: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def train_one(config: TrainingConfig) -> Measured:
    """Train and audit one model."""
    start = time.monotonic()
    run = run_training(config, command=["steelyard", "train", f"{Path(config.out).name}.yaml"])
    assert run is not None
    assert run.report is not None
    return replace(figures(run.report), seconds=time.monotonic() - start)


def audit_noise(run: Path, scale: float, *, attackers: tuple[str, ...] | None = None) -> Measured:
    """Audit a run with noise on its embedding; `attackers` in place of those of the run's own audit."""
    start = time.monotonic()
    config = kept_config(run)
    assert config.audit is not None
    labels, predictions = predict_run(run, PredictOptions(splits=("val", "test"), noise=scale))
    options = config.audit if attackers is None else replace(config.audit, attackers=attackers)
    report = audit_tables(labels, join(labels, predictions), options)
    return replace(figures(report), seconds=time.monotonic() - start)


def gallery_of(run: Path, per_group: int, seed: int) -> Gallery:
    """Images behind the mask of a run."""
    return masked_gallery(run, options=VisualizeOptions(per_group=per_group, seed=seed))


def figures(report: AuditReport) -> Measured:
    """What the demo shows of an audit."""
    found = {name: report.estimate(name) for name in MEASURES}
    omitted = {item.name: item.reason for item in report.omitted if item.name in MEASURES}
    return Measured(
        estimates={name: estimate for name, estimate in found.items() if estimate is not None},
        omitted=omitted,
        counts=report.data.get("counts", {}),
    )
