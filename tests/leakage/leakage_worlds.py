"""Small worlds whose leakage is known by enumeration, and slow oracles."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.leakage.evidence import Evidence, label_evidence
from steelyard.leakage.plan import Plan, crossfit, holdout
from steelyard.leakage.search import Attacked, run

TABLE = ("table",)


@dataclass(frozen=True)
class World:
    """A joint distribution: `cells` `[category, k]`, P(category, group)."""

    cells: NDArray[np.float64]

    @classmethod
    def of(cls, shares: list[list[float]] | NDArray[np.float64]) -> "World":
        """Equally likely categories with these shares of the groups."""
        return cls(np.array(shares, dtype=float) / len(shares))

    @property
    def k(self) -> int:
        return self.cells.shape[1]

    @property
    def categories(self) -> int:
        return len(self.cells)

    def balanced(self) -> NDArray[np.float64]:
        """P(category, group) where the groups are equally frequent."""
        return self.cells / self.cells.sum(axis=0) / self.k

    def bayes(self) -> float:
        """The best balanced accuracy there is."""
        return float(sum(max(row) for row in self.balanced()))

    def information(self) -> float:
        """Bits that the category says of the group, groups equally frequent."""
        return information(self.balanced())

    def sample(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        drawn = rng.choice(self.cells.size, size=n, p=self.cells.ravel())
        return drawn // self.k, drawn % self.k


def information(joint: NDArray[np.float64]) -> float:
    """Mutual information of a table `[…, k]` of probabilities with its last axis, in bits."""
    total = 0.0
    table = joint.reshape(-1, joint.shape[-1])
    for row in table:
        for g, p in enumerate(row):
            if p > 0:
                total += p * np.log2(p / (row.sum() * table[:, g].sum()))
    return total


def cross(groups: NDArray[np.int64], seed: int, rounds: int, folds: int = 5) -> Plan:
    return crossfit(groups, np.arange(len(groups)), folds=folds, rounds=rounds, seed=seed, scheme="cross-fitted")


def halves(groups: NDArray[np.int64], seed: int, rounds: int) -> Plan:
    half = len(groups) // 2
    rows = np.arange(len(groups))
    return holdout(groups, rows[:half], rows[half:], rounds=rounds, seed=seed, scheme="half and half")


def attacked(
    evidence: Evidence, groups: NDArray[np.int64], plan: Plan, k: int, *, names: tuple[str, ...] = TABLE, seed: int = 0
) -> Attacked:
    return run([lambda _: evidence], groups, plan, k=k, names=names, seed=seed)[0]


def codes_evidence(codes: NDArray[np.int64], categories: int) -> Evidence:
    return label_evidence(codes, "single", categories)


def of_credit(credit: NDArray[np.float64], groups: NDArray[np.int64], k: int) -> Attacked:
    """An attack that gave this credit."""
    return Attacked(
        credit, np.zeros_like(credit), groups, k, "planted", Counter({"planted": 1}), Counter({"planted": 1})
    )


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)
