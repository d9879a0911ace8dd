"""Attackers: classifiers fitted after the fact, from evidence to the group; a measurement, never part of training.

The family of trap W10: logistic regression and histogram boosting on everything; on one-hot evidence the per-category
majority table takes boosting's place (no attacker can do better there). The MLP of the paper joins by name.
Leakage found by any family is a lower bound.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.leakage.encoding import FOLDS, cell_counts, centred_log, left_out_counts, row_folds, smoothed
from steelyard.leakage.evidence import Evidence


class FittedAttacker(Protocol):
    """An attacker after fitting; frozen."""

    def predict_proba(self, evidence: Evidence) -> NDArray[np.float64]:
        """Probability of each group, `[n, k]`, rows summing to 1."""
        ...


class Attacker(Protocol):
    """Fits on evidence and groups of equal numbers of images per group."""

    @property
    def name(self) -> str:
        """The name in `--attackers`."""
        ...

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> FittedAttacker:
        """Fit on `n` images whose groups are `[n]` integers in 0 … k − 1."""
        ...


@dataclass(frozen=True, slots=True)
class Table:
    """The majority group of each category, with add-one smoothing; only for one-hot evidence."""

    name: str = "table"

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> "_FittedTable":
        """Count groups per category; `seed` plays no part."""
        return _FittedTable(smoothed(cell_counts(evidence, groups, k)))


@dataclass(frozen=True, slots=True)
class _FittedTable:
    shares: NDArray[np.float64]  # [category, k]

    def predict_proba(self, evidence: Evidence) -> NDArray[np.float64]:
        return np.asarray(self.shares[evidence.codes])


@dataclass(frozen=True, slots=True)
class Logistic:
    """L2-regularised (multinomial) logistic regression on all columns.

    Attributes:
        strength: inverse regularisation C of scikit-learn.
    """

    strength: float = 0.3
    name: str = "logistic"

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> "_FittedModel":
        """Fit; on one-hot evidence the equal rows are merged with weights (the same optimum, far sooner)."""
        from sklearn.linear_model import LogisticRegression

        weights = None
        if evidence.only_codes:
            counts = cell_counts(evidence, groups, k)
            codes, groups = np.nonzero(counts)
            weights = counts[codes, groups]
            columns = np.eye(evidence.categories, dtype=np.float32)[codes]
        else:
            columns = evidence.columns()
        model = LogisticRegression(C=self.strength, max_iter=200, tol=TOL)
        with warnings.catch_warnings():
            # An attacker that stops before it has converged is weaker, never wrong.
            warnings.simplefilter("ignore")
            model.fit(columns, groups, sample_weight=weights)
        return _FittedModel(model, k, trees=False)


@dataclass(frozen=True, slots=True)
class Stacked:
    """Logistic regression on scores, with what the labels say as a column of its own, left (nearly) unregularised.

    One-hot labels beside hundreds of score columns would share one regularisation: strong enough for the scores, it
    would forget the labels. Here the labels enter as log-probabilities found without the row's fold.

    Attributes:
        strength: inverse regularisation C of the scores.
    """

    strength: float = 0.03
    name: str = "logistic"

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> "_FittedStack":
        """Fit the labels' part, then both together."""
        labels = evidence.labels_part()
        if labels.only_codes:
            base: FittedAttacker = Table().fit(labels, groups, k=k, seed=seed)
            shares = smoothed(left_out_counts(labels, groups, k, seed))
        else:
            base = Logistic(_LABEL_STRENGTH).fit(labels, groups, k=k, seed=seed)
            shares = _out_of_fold(labels, groups, k, seed)
        model = Logistic(self.strength).fit(_stack(evidence, shares), groups, k=k, seed=seed)
        return _FittedStack(base, model)


@dataclass(frozen=True, slots=True)
class _FittedStack:
    base: FittedAttacker
    model: FittedAttacker

    def predict_proba(self, evidence: Evidence) -> NDArray[np.float64]:
        return self.model.predict_proba(_stack(evidence, self.base.predict_proba(evidence.labels_part())))


def _stack(evidence: Evidence, shares: NDArray[np.float64]) -> Evidence:
    """The scores with the labels' log-probabilities beside them, on a scale that regularisation hardly touches."""
    columns = [(_FREE * centred_log(shares)).astype(np.float32)]
    if evidence.linear is not None:
        columns.append(evidence.linear)
    return Evidence(name=evidence.name, linear=np.hstack(columns))


TOL = 1e-3
_FREE = 10.0
_LABEL_STRENGTH = 0.3


def _out_of_fold(labels: Evidence, groups: NDArray[np.int64], k: int, seed: int) -> NDArray[np.float64]:
    """Probabilities of each row from a logistic regression fitted without its fold, `[n, k]`."""
    fold = row_folds(len(groups), seed)
    shares = np.empty((len(groups), k))
    for f in range(FOLDS):
        inside, outside = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        fitted = Logistic(_LABEL_STRENGTH).fit(labels.take(inside), groups[inside], k=k, seed=seed)
        shares[outside] = fitted.predict_proba(labels.take(outside))
    return shares


@dataclass(frozen=True, slots=True)
class Boosting:
    """Histogram gradient boosting with early stopping inside its fitting rows.

    Attributes:
        iterations: largest number of trees per group.
        columns_per_split: about how many columns a split looks at (all, where there are fewer).
    """

    iterations: int = 40
    columns_per_split: int = 40
    name: str = "boosting"

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> "_FittedModel":
        """Fit; a categorical part is encoded as the log-shares of its groups, found without the row's fold."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        encoder = shares = None
        if evidence.codes is not None:
            encoder = smoothed(cell_counts(evidence, groups, k))
            shares = smoothed(left_out_counts(evidence, groups, k, seed))
        columns = _tree_columns(evidence, shares)
        model = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=0.15,
            max_leaf_nodes=15,
            max_bins=63,
            max_features=min(1.0, self.columns_per_split / columns.shape[1]),
            early_stopping=len(columns) >= 100,
            validation_fraction=0.15,
            n_iter_no_change=6,
            random_state=seed % 2**32,
        )
        model.fit(columns, groups)
        return _FittedModel(model, k, trees=True, encoder=encoder)


@dataclass(frozen=True, slots=True)
class _FittedModel:
    model: Any
    k: int
    trees: bool
    encoder: NDArray[np.float64] | None = None  # [category, k] shares

    def predict_proba(self, evidence: Evidence) -> NDArray[np.float64]:
        if self.trees:
            shares = None if self.encoder is None else self.encoder[evidence.codes]
            columns = _tree_columns(evidence, shares)
        else:
            columns = evidence.columns()
        found = self.model.predict_proba(columns)
        if found.shape[1] == self.k:
            return np.asarray(found, dtype=np.float64)
        shares = np.zeros((len(found), self.k))
        shares[:, self.model.classes_] = found
        return shares


@dataclass(frozen=True, slots=True)
class Constant:
    """Ignores the evidence: every group is equally likely. The floor of usable information."""

    name: str = "constant"

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> "_FittedConstant":
        """Nothing to learn from balanced rows."""
        return _FittedConstant(k)


@dataclass(frozen=True, slots=True)
class _FittedConstant:
    k: int

    def predict_proba(self, evidence: Evidence) -> NDArray[np.float64]:
        parts = (evidence.codes, evidence.binary, evidence.linear)
        n = next(len(part) for part in parts if part is not None)
        return np.full((n, self.k), 1.0 / self.k)


def _tree_columns(evidence: Evidence, shares: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Columns for trees: what the category says (`shares`, `[n, k]`), 0/1 labels, scores."""
    parts: list[NDArray[np.float32]] = []
    if shares is not None:
        parts.append(np.log(shares).astype(np.float32))
    if evidence.binary is not None:
        parts.append(evidence.binary.astype(np.float32))
    if evidence.trees is not None:
        parts.append(evidence.trees)
    return parts[0] if len(parts) == 1 else np.hstack(parts)


STRENGTHS = (0.003, 0.03, 0.3)
ATTACKERS = ("table", "logistic", "boosting", "mlp")


def candidates(evidence: Evidence, names: tuple[str, ...]) -> list[Attacker]:
    """The attackers that compete on this kind of evidence.

    Args:
        evidence: decides whether the table or boosting stands in the default family.
        names: attackers by name; empty for the default family (logistic and boosting, or logistic and table). The
            table sits out where there is not one category to look up; named alone, logistic takes its place there,
            which the estimate's note shows.

    Raises:
        InputError: an unknown name.
    """
    unknown = [name for name in names if name not in ATTACKERS]
    if unknown:
        raise InputError(f"--attackers: there is no {unknown[0]!r}; choose from {', '.join(ATTACKERS)}")
    wanted = names or (("logistic", "table") if evidence.only_codes else ("logistic", "boosting"))
    if not evidence.only_codes:
        wanted = tuple(name for name in wanted if name != "table") or ("logistic",)
    found: list[Attacker] = []
    for name in wanted:
        if name == "table":
            found.append(Table())
        elif name == "logistic":
            form = Stacked if evidence.linear is not None and evidence.labelled else Logistic
            found.extend(form(strength) for strength in STRENGTHS)
        elif name == "boosting":
            found.append(Boosting())
        else:
            from steelyard.leakage.mlp_attacker import MLPAttacker

            found.append(MLPAttacker())
    return found
