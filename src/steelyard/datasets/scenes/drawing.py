"""Drawing what is in each image before anything is painted: group, cues, labels, the styles of the person's looks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.datasets.scenes.settings import LOOKS
from steelyard.datasets.scenes.truth import ScenesTruth

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What `n` images hold.

    Attributes:
        groups: `[n]` integers in 0 … k − 1.
        labels: `[n, t]` whether an object of each type is in the image.
        cues: `[n, m]` whether each unlabelled cue is.
        styles: `[n, 4]` style of face, hair, clothing, silhouette, integers in 0 … k − 1.
    """

    groups: Codes
    labels: Flags
    cues: Flags
    styles: Codes


def draw(truth: ScenesTruth, n: int, rng: np.random.Generator) -> Drawn:
    """Draw `n` images; every row takes its own numbers of the stream, so more rows leave the first ones as they are."""
    k, t = truth.label_given_group.shape
    m = truth.cue_given_group.shape[1]
    uniform = rng.random((n, 1 + t + m + len(LOOKS)))
    groups = np.minimum((uniform[:, 0] * k).astype(np.int64), k - 1)
    of_labels, of_cues, of_looks = np.split(uniform[:, 1:], [t, t + m], axis=1)
    labels = np.empty((n, t), dtype=bool)
    labels[:, : truth.tilted] = _at_most_one(truth.label_given_group[groups][:, : truth.tilted], of_labels[:, :1])
    if truth.kind == "single":
        cues = of_cues < _cues_given_label(truth, groups, labels)
    else:
        cues = of_cues < truth.cue_given_group[groups]
        labels[:, truth.tilted :] = (of_labels < _labels_given_cues(truth, groups, cues))[:, truth.tilted :]
    styles = [_choose(truth.style_given_group[look][groups], of_looks[:, [at]]) for at, look in enumerate(LOOKS)]
    return Drawn(groups=groups, labels=labels, cues=cues, styles=np.stack(styles, axis=1))


def _at_most_one(probabilities: Array, uniform: Array) -> Flags:
    """`[n, c]` one event of each row, or none with what remains of the row's probability."""
    n, c = probabilities.shape
    with_none = np.concatenate([probabilities, np.zeros((n, 1))], axis=1)
    return np.asarray(np.eye(c + 1, dtype=bool)[_choose(with_none, uniform)][:, :c])


def _choose(probabilities: Array, uniform: Array) -> Codes:
    """One code per row of `[n, c]` probabilities; the last takes what the others leave."""
    edges = probabilities.cumsum(axis=1)[:, :-1]
    return np.asarray((uniform >= edges).sum(axis=1), dtype=np.int64)


def _labels_given_cues(truth: ScenesTruth, groups: Codes, cues: Flags) -> Array:
    padded = np.concatenate([cues, np.zeros((len(cues), 1), dtype=bool)], axis=1)  # −1, no cue, is the last column
    absent, there = truth.label_given_cue[:, groups]
    return np.asarray(np.where(padded[:, truth.cue_of_label], there, absent))


def _cues_given_label(truth: ScenesTruth, groups: Codes, labels: Flags) -> Array:
    """`[n, m]` P(cue | group, the one label): raised where the label is the cue's, lowered elsewhere to match."""
    m = truth.cue_given_group.shape[1]
    chances = np.empty((len(groups), m))
    for cue in range(m):
        own = np.flatnonzero(truth.cue_of_label == cue)
        raised = truth.cue_given_label[:, own[0]]  # the same for all labels of a cue
        share = truth.label_given_group[:, own].sum(axis=1)
        others = (truth.cue_given_group[:, cue] - share * raised) / (1.0 - share)
        chances[:, cue] = np.where(labels[:, own].any(axis=1), raised[groups], others[groups])
    return chances
