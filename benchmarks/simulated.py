"""Simulated models on imSitu's test labels, of which it is known beforehand what is their own doing.

The first two see the verb only: nothing is their own doing. One makes its mistakes at random, as the corrupted labels
do; the other takes certain verbs for certain others, which tells more of the true verb than random mistakes of the same
F1 would, and so can show a small amplification; conditional leakage knows better. The third also uses the group.
"""

import time

import numpy as np
from numpy.typing import NDArray

from steelyard.datasets.imsitu_counts import imsitu_labels
from steelyard.jobs.audit import audit_tables
from steelyard.jobs.audit_options import AuditOptions
from steelyard.tables import Joined, LabelTable

FIGURES = (
    "f1_macro",
    "dataset_leakage_at_f1",
    "model_leakage",
    "model_leakage_decisions",
    "amplification",
    "amplification_decisions",
    "conditional_leakage",
    "leakage_p_value",
)


def simulated_logits(
    labels: LabelTable, *, confusion: float, group_effect: float, seed: int = 0
) -> NDArray[np.float64]:
    """Logits `[n, t]`: noise, the verb itself, a fixed pattern of confusion per verb, a direction of the group.

    Args:
        labels: single-label table.
        confusion: deviation of the pattern; 0 for mistakes at random.
        group_effect: deviation of the direction that the group adds; 0 for a model that does not see it.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    n, t = len(labels), len(labels.target_names)
    logits = rng.normal(0.0, 1.0, (n, t)) + confusion * rng.normal(0.0, 1.0, (t, t))[labels.targets]
    logits[np.arange(n), labels.targets] += 2.5 + 0.5 * confusion
    return logits + group_effect * np.outer(labels.groups - 0.5, rng.normal(0.0, 1.0, t))


MODELS = (
    ("verb only, mistakes at random", 0.0, 0.0),
    ("verb only, certain verbs taken for certain others", 0.5, 0.0),
    ("verb and group", 0.0, 0.15),
)


def main() -> None:
    """Audit each and print its figures."""
    labels = imsitu_labels()
    test = labels.split("test")
    for name, confusion, effect in MODELS:
        logits = simulated_logits(test, confusion=confusion, group_effect=effect)
        start = time.perf_counter()
        report = audit_tables(labels, Joined(labels=test, scores=logits, kind="logits"), AuditOptions())
        print(f"{name} ({time.perf_counter() - start:.0f} s, 211 score columns, every default)")
        for estimate in report.estimates:
            if estimate.name in FIGURES:
                low, high = f"{estimate.low:+.4f}", f"{estimate.high:+.4f}"
                print(f"  {estimate.name:<28}{estimate.of:<12}{estimate.value:+.4f}  [{low}, {high}]")


if __name__ == "__main__":
    main()
