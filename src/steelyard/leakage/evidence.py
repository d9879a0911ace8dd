"""Evidence: what an attacker is shown of each image.

Scores are shown in three forms at once (standardised logits, probabilities, decisions), because a linear attacker can
miss in logits what it sees in probabilities, and an attack on scores must never be weaker than one on decisions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.tables.label_table import Kind
from steelyard.tables.prediction_table import ScoreKind

_SMALLEST_PROBABILITY = 1e-7
_PLAIN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of `n` images; every part is optional, at least one is there.

    Attributes:
        name: `labels`, `decisions`, `scores` or `labels and scores`.
        codes: `[n]` integers in 0 … categories − 1 (one-hot evidence, kept as codes).
        categories: number of categories of `codes`.
        binary: `[n, t]` uint8, 0 or 1.
        linear: `[n, d]` float32, for linear attackers; columns standardised, then scaled down where there are many.
        trees: `[n, e]` float32, for tree attackers: the same information without the columns that are monotone
            functions of others (trees do not see the difference).
    """

    name: str
    codes: NDArray[np.int64] | None = None
    categories: int = 0
    binary: NDArray[np.uint8] | None = None
    linear: NDArray[np.float32] | None = None
    trees: NDArray[np.float32] | None = None

    def take(self, rows: NDArray[np.integer]) -> "Evidence":
        """The evidence of these rows only."""
        return replace(
            self,
            codes=None if self.codes is None else self.codes[rows],
            binary=None if self.binary is None else self.binary[rows],
            linear=None if self.linear is None else self.linear[rows],
            trees=None if self.trees is None else self.trees[rows],
        )

    def equals(self, other: "Evidence") -> bool:
        """Whether both show the same of every image."""
        pairs = (
            (self.codes, other.codes),
            (self.binary, other.binary),
            (self.linear, other.linear),
            (self.trees, other.trees),
        )
        return all(a is b or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs)

    @property
    def only_codes(self) -> bool:
        """Whether one categorical value is all there is (the majority table is then the strongest attacker)."""
        return self.codes is not None and self.binary is None and self.linear is None

    @property
    def labelled(self) -> bool:
        """Whether labels (or decisions) are part of it."""
        return self.codes is not None or self.binary is not None

    def labels_part(self) -> "Evidence":
        """The same images with the scores taken away."""
        return replace(self, name="labels", linear=None, trees=None)

    def columns(self) -> NDArray[np.float32]:
        """Everything for a linear attacker, `[n, …]` float32 (codes as one-hot)."""
        parts: list[NDArray[np.float32]] = []
        if self.codes is not None:
            parts.append(np.eye(self.categories, dtype=np.float32)[self.codes])
        if self.binary is not None:
            parts.append(self.binary.astype(np.float32))
        if self.linear is not None:
            parts.append(self.linear)
        return parts[0] if len(parts) == 1 else np.hstack(parts)


Draw = Callable[[int], Evidence]
"""Evidence of a round: the same in every round, or corrupted anew."""


def label_evidence(targets: NDArray[np.integer], kind: Kind, categories: int, *, name: str = "labels") -> Evidence:
    """Labels (or decisions) as evidence: `[n]` codes for single-label, `[n, t]` 0/1 for multi-label."""
    if kind == "single":
        return Evidence(name=name, codes=np.asarray(targets, dtype=np.int64), categories=categories)
    return Evidence(name=name, binary=np.asarray(targets, dtype=np.uint8))


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def probabilities(scores: NDArray[np.float64], score_kind: ScoreKind, kind: Kind) -> NDArray[np.float64]:
    """Scores as probabilities in [0, 1], `[n, t]`: softmax (single-label) or sigmoid (multi-label) of logits."""
    if score_kind != "logits":
        return scores
    if kind == "single":
        return np.asarray(np.exp(_log_softmax(scores)))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)))


def score_evidence(
    scores: NDArray[np.float64], score_kind: ScoreKind, kind: Kind, decisions: NDArray[np.uint8]
) -> Evidence:
    """Scores as evidence: standardised logits, probabilities and decisions side by side.

    Args:
        scores: `[n, t]` logits or probabilities.
        score_kind: what the scores are; decisions alone are `label_evidence`.
        kind: single-label or multi-label.
        decisions: `[n, t]` 0/1, by the rule of the audit.
    """
    shares = probabilities(scores, score_kind, kind)
    clipped = np.clip(shares, _SMALLEST_PROBABILITY, 1.0 - _SMALLEST_PROBABILITY)
    odds = np.log(clipped) - (0.0 if kind == "single" else np.log1p(-clipped))
    logits = scores if score_kind == "logits" else odds
    # Softmax is not monotone column by column, its logarithm carries it to the trees; a sigmoid is.
    trees = _log_softmax(logits) if kind == "single" else logits
    linear = np.hstack([_standardise(logits), _standardise(shares), decisions.astype(np.float64)])
    # One grid of regularisation serves few and many columns, where all columns together vary as much as `_PLAIN` do.
    linear *= min(1.0, np.sqrt(_PLAIN / linear.shape[1]))
    return Evidence(name="scores", linear=linear.astype(np.float32), trees=trees.astype(np.float32))


def _standardise(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns at mean 0 and deviation 1; group labels play no part, so all rows may be used."""
    spread = columns.std(axis=0)
    return np.asarray((columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def with_labels(labels: Evidence, scores: Evidence) -> Evidence:
    """The true labels and a model's output together, for what the output adds to the labels."""
    if scores.linear is None:  # decisions: categorical or 0/1
        columns = scores.columns()
        return replace(labels, name="labels and decisions", linear=columns, trees=columns)
    return replace(labels, name="labels and scores", linear=scores.linear, trees=scores.trees)
