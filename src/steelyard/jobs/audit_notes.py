"""What a reader must know before the figures: signs that a table is not what it was taken for."""

import numpy as np

from steelyard.jobs.decisions import Decided
from steelyard.tables import Joined, LabelTable

_FEW = 30


def notes_on(labels: LabelTable, joined: Joined, decided: Decided, split: str) -> list[str]:
    """Notes on labels and predictions that were read without fault, yet look odd.

    Args:
        labels: the whole label table.
        joined: the audited rows.
        decided: their decisions.
        split: the audited split, or `all`.
    """
    notes = []
    if not labels.id_column:
        notes.append("There is no id column: labels and predictions were joined by the order (or names) of their rows.")
    scores = joined.scores
    if joined.kind == "logits" and scores.min() >= 0 and scores.max() <= 1:
        notes.append(
            "All scores lie in [0, 1], as probabilities do and logits seldom; if they are probabilities, every figure "
            "of the model is wrong: pass the kind “probabilities”."
        )
    if joined.kind == "probabilities" and labels.kind == "single" and np.abs(scores.sum(axis=1) - 1).max() > 1e-3:
        notes.append("The probabilities of an image do not add up to 1, though its categories exclude each other.")
    truth = joined.labels.matrix()
    if np.array_equal(truth, decided.matrix):
        notes.append("Every decision equals the label: is this the model's output, or the labels once more?")
    if labels.splits is not None and split != "test" and (labels.splits == "test").any():
        notes.append(f"The audited images are the {split} split: there are no predictions for the test split.")
    counts = np.bincount(joined.labels.groups, minlength=len(labels.group_names))
    small = [name for name, count in zip(labels.group_names, counts, strict=True) if count < _FEW]
    if small:
        notes.append(f"Groups of fewer than {_FEW} audited images, of which little can be said: {', '.join(small)}.")
    return notes
