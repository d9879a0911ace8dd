"""imSitu's real labels: the published figures, and chance where the labels are balanced."""

import os
from pathlib import Path

import numpy as np
import pytest

from steelyard.datasets.imsitu_counts import imsitu_labels
from steelyard.jobs.audit import Sources, audit_tables
from steelyard.jobs.audit_labels import Findings, corruption_for, headline_plan, measure_curve, measure_labels
from steelyard.jobs.audit_options import AuditOptions
from steelyard.mitigation.samples import balance
from steelyard.tables import LabelTable

DATA = os.environ.get("STEELYARD_DATA")
OPTIONS = AuditOptions(permutations=0, levels="0.401", workers=1)


def headline(labels: LabelTable) -> Findings:
    found = Findings()
    plan = headline_plan(labels, OPTIONS)
    measure_labels(labels, plan, OPTIONS, found)
    measure_curve(labels, plan, corruption_for(labels, plan.scored, OPTIONS), OPTIONS, found)
    return found


@pytest.mark.skipif(not DATA, reason="STEELYARD_DATA does not name the folder of real data")
def test_published_figures_from_the_label_file() -> None:
    """Published: 68.26, and 56.46 at F1 0.401."""
    path = Path(DATA or "") / "imsitu" / "labels.csv"
    labels = Sources(labels=path, protected="gender", target="verb").read_labels()
    report = audit_tables(labels, None, OPTIONS)
    found = report.estimate("dataset_leakage")
    assert found is not None
    assert 0.676 <= found.value <= 0.690
    assert "fitted on train" in found.scheme
    assert "scored on test" in found.scheme
    (point,) = report.curve
    assert (point.f1, point.channel) == (0.401, "replace")
    assert 0.552 <= point.dataset_leakage <= 0.578


def test_published_figures_from_the_shipped_counts() -> None:
    found = headline(imsitu_labels())
    assert 0.676 <= found.estimates[0].value <= 0.690
    assert 0.552 <= found.curve[0].dataset_leakage <= 0.578


def test_balanced_training_labels_leave_chance() -> None:
    """Trap W21: the published protocol lifts this to about 53, by picking on validation rows that are not balanced."""
    labels = imsitu_labels()
    assert labels.splits is not None
    train = np.flatnonzero(labels.splits == "train")
    kept = balance(labels.targets[train], labels.groups[train], alpha=1.0, rng=np.random.default_rng(0)).kept
    subset = labels.take(np.sort(np.concatenate([train[kept], np.flatnonzero(labels.splits != "train")])))
    found = Findings()
    measure_labels(subset, headline_plan(subset, OPTIONS), OPTIONS, found)
    leakage, information = found.estimates
    assert leakage.low <= 0.5 <= leakage.high
    assert leakage.high - leakage.low > 0.01
    assert information.value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.skipif(not DATA, reason="STEELYARD_DATA does not name the folder of real data")
def test_the_authors_balanced_subset_leaves_chance() -> None:
    path = Path(DATA or "") / "imsitu" / "labels.csv"
    labels = Sources(labels=path, protected="gender", target="verb").read_labels()
    flags = Sources(labels=path, protected="gender", targets="alpha1").read_labels()
    assert labels.splits is not None
    subset = labels.take(np.flatnonzero((flags.targets[:, 0] == 1) | (labels.splits != "train")))
    found = Findings()
    measure_labels(subset, headline_plan(subset, OPTIONS), OPTIONS, found)
    assert found.estimates[0].low <= 0.5 <= found.estimates[0].high
