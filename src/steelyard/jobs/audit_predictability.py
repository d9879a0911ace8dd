"""Directional predictability in an audit: are predictions easier to foretell than truth of the same quality?

Tokas et al.: Making Bias Amplification in Balanced Datasets Directional and Interpretable, 2024.
https://arxiv.org/abs/2412.11060
"""

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.jobs.audit_labels import Findings, workers_of
from steelyard.jobs.audit_model import NEEDS_PREDICTED, ModelSide, unmatched
from steelyard.jobs.audit_options import AuditOptions
from steelyard.leakage import predictability
from steelyard.leakage.plan import crossfit
from steelyard.leakage.search import run


def measure_predictability(side: ModelSide, options: AuditOptions, found: Findings) -> None:
    """Directional predictability amplification, both ways where a predicted group is there."""
    labels, k = side.joined.labels, len(side.joined.labels.group_names)
    name = "directional_predictability_{}"
    forward, backward = name.format("attribute_to_target"), name.format("target_to_attribute")
    if reason := unmatched(side):
        found.omit(forward, reason)
    else:
        corrupted = [
            _as_matrix(side.corruption.noise(r).at(side.corruption.strength(side.f1, r)), len(labels.target_names))
            for r in range(side.plan.rounds)
        ]
        scheme = (
            f"cross-fitted tables in {predictability.FOLDS} folds, {side.plan.rounds} rounds; labels corrupted by "
            f"{side.corruption.channel!r} to F1 {side.f1:.3f}"
        )
        found.attempt(
            forward,
            lambda: predictability.attribute_to_target(
                labels.groups, side.decided.matrix, corrupted, k=k, seed=options.seed, scheme=scheme
            ),
        )
    if side.joined.predicted_groups is None:
        found.omit(backward, NEEDS_PREDICTED)
    else:
        found.attempt(backward, lambda: _target_to_attribute(side, options))


def _as_matrix(labels: NDArray[np.integer], categories: int) -> NDArray[np.uint8]:
    return np.eye(categories, dtype=np.uint8)[labels] if labels.ndim == 1 else labels.astype(np.uint8)


def _target_to_attribute(side: ModelSide, options: AuditOptions) -> Estimate:
    """Attackers from the true labels to the predicted group, and to the true one corrupted to the same accuracy."""
    labels, predicted = side.joined.labels, side.joined.predicted_groups
    assert predicted is not None
    k = len(labels.group_names)
    rng = stream(options.seed, "predicted groups")
    wrong = rng.permutation(len(labels))[: int((predicted != labels.groups).sum())]
    corrupted = labels.groups.copy()
    corrupted[wrong] = (labels.groups[wrong] + rng.integers(1, k, size=len(wrong))) % k
    results = []
    for groups, what in ((predicted, "predicted"), (corrupted, "true, corrupted")):
        if np.bincount(groups, minlength=k).min() < 2 * options.folds:
            raise UndefinedError(f"some group is named for fewer than {2 * options.folds} images ({what} groups)")
        plan = crossfit(
            groups,
            np.arange(len(labels)),
            folds=options.folds,
            rounds=options.rounds,
            seed=options.seed,
            scheme=side.plan.scheme,
        )
        results += run(
            [lambda _: side.labels],
            groups,
            plan,
            k=k,
            names=options.attackers,
            seed=options.seed,
            workers=workers_of(options),
        )
    scheme = f"{side.plan.scheme}; true groups corrupted at random to the accuracy of the predicted ones"
    return predictability.target_to_attribute(results[0], results[1], seed=options.seed, scheme=scheme)
