"""Plans: which images an attacker is fitted on and scored on, in every round.

One plan serves labels, corrupted labels, decisions and scores alike, so that both sides of an amplification rest on
the same images, folds, group balance and number of fitting rows (spec: mixing schemes shifts the difference).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.random import stream

Rows = NDArray[np.int64]

SMALLEST_GROUP = 10
"""Fewest images of each group on either side of a split."""


@dataclass(frozen=True, slots=True)
class Part:
    """One fit: the round, the group-balanced rows to fit on, the rows to score."""

    round: int
    fit: Rows
    score: Rows


@dataclass(frozen=True, slots=True)
class Plan:
    """All fits of a measurement.

    Attributes:
        parts: the fits; within a round their `score` rows are disjoint and cover `scored`.
        scored: `[m]` sorted row positions of the images that are scored.
        rounds: number of rounds.
        scheme: the plan in words, for the estimate.
    """

    parts: tuple[Part, ...]
    scored: Rows
    rounds: int
    scheme: str


def balanced_rows(groups: NDArray[np.int64], rows: Rows, rng: np.random.Generator, *, most: int | None = None) -> Rows:
    """As many of `rows` from each group as the smallest group has (at most `most`), drawn without replacement."""
    present = np.unique(groups[rows])
    pools = [rows[groups[rows] == group] for group in present]
    size = min(len(pool) for pool in pools)
    size = size if most is None else min(size, most)
    return np.sort(np.concatenate([rng.permutation(pool)[:size] for pool in pools]))


def check_group_sizes(
    groups: NDArray[np.int64], rows: Rows, names: Sequence[str], where: str, *, least: int = SMALLEST_GROUP
) -> None:
    """Refuse rows in which a group is too small to fit or score an attacker.

    Raises:
        InputError: names the group, its size and what to do.
    """
    counts = np.bincount(groups[rows], minlength=len(names))
    small = int(counts.argmin())
    if counts[small] < least:
        raise InputError(
            f"group {names[small]!r} has {counts[small]} images in {where}, at least {least} are needed to split; "
            "add images of that group, leave it out of the table, or use fewer folds"
        )


def holdout(
    groups: NDArray[np.int64], fit_rows: Rows, score_rows: Rows, *, rounds: int, seed: int, scheme: str
) -> Plan:
    """Fit on a balanced draw of `fit_rows`, score all of `score_rows`; a new draw in every round."""
    scored = np.sort(score_rows)
    parts = tuple(Part(r, balanced_rows(groups, fit_rows, stream(seed, "holdout", r)), scored) for r in range(rounds))
    return Plan(parts, scored, rounds, scheme)


def crossfit(groups: NDArray[np.int64], rows: Rows, *, folds: int, rounds: int, seed: int, scheme: str) -> Plan:
    """Every row scored once a round, by an attacker fitted on a balanced draw of the other folds."""
    parts = []
    for r in range(rounds):
        rng = stream(seed, "crossfit", r)
        fold = _stratified_folds(groups, rows, folds, rng)
        for f in range(folds):
            fit = balanced_rows(groups, rows[fold != f], rng)
            parts.append(Part(r, fit, np.sort(rows[fold == f])))
    return Plan(tuple(parts), np.sort(rows), rounds, scheme)


def _stratified_folds(groups: NDArray[np.int64], rows: Rows, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each of `rows`, group shares equal between folds as nearly as may be."""
    fold = np.empty(len(rows), dtype=np.int64)
    for group in np.unique(groups[rows]):
        members = np.flatnonzero(groups[rows] == group)
        fold[rng.permutation(members)] = (np.arange(len(members)) + rng.integers(folds)) % folds
    return fold


def inner_split(
    groups: NDArray[np.int64], rows: Rows, rng: np.random.Generator, *, share: float = 0.2
) -> tuple[Rows, Rows]:
    """Split the fitting rows for the choice of attacker: (fit, validation), groups kept balanced."""
    validation = []
    for group in np.unique(groups[rows]):
        members = rng.permutation(rows[groups[rows] == group])
        validation.append(members[: max(1, round(share * len(members)))])
    chosen = np.sort(np.concatenate(validation))
    return np.setdiff1d(rows, chosen, assume_unique=True), chosen
