"""The paper's MLP as one of the family: by name (`--attackers mlp`), never by default (trap W10)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.leakage.evidence import Evidence
from steelyard.leakage.extras import require_torch
from steelyard.leakage.mlp import MLPSettings, train_mlp
from steelyard.leakage.plan import inner_split

FAMILY_SETTINGS = MLPSettings(learning_rate=1e-3, epochs=20)
"""Among the family the MLP learns faster and stops sooner than the paper's; the presets keep the paper's settings."""


def mlp_input(evidence: Evidence) -> tuple[NDArray[Any], int | None]:
    """Evidence as the MLP reads it: codes and their number of categories, or a matrix and None."""
    if evidence.only_codes and evidence.codes is not None:
        return evidence.codes, evidence.categories
    if evidence.linear is None and evidence.codes is None and evidence.binary is not None:
        return evidence.binary, None
    return evidence.columns(), None


@dataclass(frozen=True, slots=True)
class MLPAttacker:
    """BatchNorm and three hidden layers of 300; a fifth of the fitting rows picks the epoch."""

    settings: MLPSettings = field(default=FAMILY_SETTINGS)
    name: str = "mlp"

    def fit(self, evidence: Evidence, groups: NDArray[np.int64], *, k: int, seed: int) -> "_DeferredMLP":
        """Take the rows; the network is trained when it is asked, and not kept."""
        require_torch()
        return _DeferredMLP(self.settings, evidence, groups, k, seed)


@dataclass(frozen=True, slots=True)
class _DeferredMLP:
    settings: MLPSettings
    evidence: Evidence
    groups: NDArray[np.int64]
    k: int
    seed: int

    def predict_proba(self, evidence: Evidence) -> NDArray[np.float64]:
        rows = np.arange(len(self.groups))
        fit, validation = inner_split(self.groups, rows, np.random.default_rng(self.seed))
        known, categories = mlp_input(self.evidence)
        asked, _ = mlp_input(evidence)
        return train_mlp(
            known[fit],
            self.groups[fit],
            known[validation],
            self.groups[validation],
            asked,
            groups=self.k,
            seed=self.seed,
            settings=self.settings,
            categories=categories,
        ).probabilities
