"""The default curve of leakage over F1 beside the published protocol at the same number of levels and rounds.

The published side is one attacker, trained in the plain loop for a tenth of its epochs in this run, times ten, times
levels, times rounds; it is also what the published code does: train one network per level and round.
"""

import time

from benchmarks.mlp import plain_loop
from steelyard.datasets.imsitu_counts import imsitu_labels
from steelyard.jobs.audit import audit_tables
from steelyard.jobs.audit_labels import Findings, corruption_for, headline_plan, measure_curve
from steelyard.jobs.audit_options import AuditOptions
from steelyard.leakage.mlp import MLPRound
from steelyard.leakage.presets import PRESETS, draw_rounds

LEVELS, ROUNDS, SHARE = 12, 5, 10


def published_attacker() -> tuple[float, float]:
    """Seconds for one published attacker on imSitu's labels, and its test accuracy after the epochs that were run."""
    labels, preset = imsitu_labels(), PRESETS["wang2019-imsitu"]
    splits = {name: (labels.splits == name).nonzero()[0] for name in preset.sizes}
    (rows,), _ = draw_rounds(preset, labels.groups, splits, rounds=1, seed=0)
    verbs, groups = labels.targets, labels.groups
    one = MLPRound(
        fit_x=verbs[rows.train],
        fit_groups=groups[rows.train],
        validation_x=verbs[rows.val],
        validation_groups=groups[rows.val],
        score_x=verbs[rows.test],
        seed=0,
    )
    start = time.perf_counter()
    accuracy = plain_loop(one, groups[rows.test], len(labels.target_names), preset.settings.epochs // SHARE)
    return (time.perf_counter() - start) * SHARE, accuracy


def default_curve() -> tuple[float, float]:
    """Seconds for the default curve, workers started anew, and its leakage at F1 1."""
    labels, options = imsitu_labels(), AuditOptions(levels=str(LEVELS), rounds=ROUNDS)
    found = Findings()
    start = time.perf_counter()
    plan = headline_plan(labels, options)
    measure_curve(labels, plan, corruption_for(labels, plan.scored, options), options, found)
    return time.perf_counter() - start, found.curve[-1].dataset_leakage


def whole_audit() -> float:
    """Seconds for the audit of imSitu's labels with every default (the page and the files left out)."""
    start = time.perf_counter()
    audit_tables(imsitu_labels(), None, AuditOptions())
    return time.perf_counter() - start


def main() -> None:
    """Print both, and the ratio."""
    own, leakage = default_curve()
    attacker, accuracy = published_attacker()
    published = attacker * LEVELS * ROUNDS
    print(f"default curve, {LEVELS} levels × {ROUNDS} rounds: {own:.1f} s (leakage at F1 1: {100 * leakage:.1f} %)")
    print(
        f"published protocol, one attacker: {attacker:.0f} s (from 1/{SHARE} of its epochs; accuracy after these "
        f"{100 * accuracy:.1f} %), so {published:,.0f} s for the same curve"
    )
    print(f"ratio: {published / own:.0f}")
    print(f"whole default audit of imSitu's labels: {whole_audit():.1f} s")


if __name__ == "__main__":
    main()
