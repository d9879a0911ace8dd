"""The probabilities that Scenes are drawn from: what a measurement of them should find.

Groups are equally frequent. Given the group, an image has at most one of the tilted labels; each cue is there or not;
and each other label is multiplied in probability where its cue is there, over the mean of that factor in the group, so
that cues leave it equally probable in all groups. Single-label worlds draw the label first and the cues given it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.scenes.settings import LOOKS, MOST_LIKELY, ScenesSettings
from steelyard.tables.label_table import Kind

Array = NDArray[np.float64]

NO_CUE = -1
_TINY = np.finfo(float).tiny


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenesTruth:
    """Generating probabilities of a world with t labels, k groups and m cues.

    Attributes:
        kind: `multi` or `single`.
        tilted: the first so many labels exclude each other and go with groups; the others are independent of each
            other given the group and the cues.
        label_given_group: `[k, t]` P(label | group), over all cues.
        label_given_cue: `[2, k, t]` P(label | group, its own cue absent or there), over all other cues; labels without
            a cue have the same value twice.
        cue_given_group: `[k, m]` P(cue | group).
        cue_given_label: `[k, t]` P(the label's own cue | group, label); NaN for labels without a cue.
        cue_of_label: `[t]` the cue that raises each label, or −1.
        style_given_group: for each look, `[k, k]` P(style | group), a row per group.
    """

    kind: Kind
    tilted: int
    label_given_group: Array
    label_given_cue: Array
    cue_given_group: Array
    cue_given_label: Array
    cue_of_label: NDArray[np.int64]
    style_given_group: dict[str, Array]

    @classmethod
    def of(cls, settings: ScenesSettings) -> "ScenesTruth":
        """The probabilities that these dials mean.

        Raises:
            InputError: the dials together make a label more probable than 0.95 in some group with some cue.
        """
        k, t, m = settings.groups, settings.labels, settings.cues
        labels, owner = _label_given_group(settings), np.full(t, NO_CUE, dtype=np.int64)
        raised = settings.first_raised + np.arange(m * settings.labels_per_cue)
        owner[raised] = np.repeat(np.arange(m), settings.labels_per_cue)
        cues = np.full((k, m), 0.5 - 0.5 * settings.cue_strength)
        cues[np.arange(m) % k, np.arange(m)] = 0.5 + 0.5 * settings.cue_strength
        given_cue, cue_given_label = np.stack([labels, labels]), np.full((k, t), np.nan)
        for label in raised:
            own = cues[:, owner[label]]
            mean_factor = 1.0 + (settings.cue_boost - 1.0) * own
            given_cue[:, :, label] *= np.array([[1.0], [settings.cue_boost]]) / mean_factor
            cue_given_label[:, label] = own * settings.cue_boost / mean_factor
        _check_probable(settings, given_cue)
        looks = {look: getattr(settings.looks, look) for look in LOOKS}
        return cls(
            kind=settings.kind,
            tilted=t if settings.kind == "single" else settings.first_raised,
            label_given_group=labels,
            label_given_cue=given_cue,
            cue_given_group=cues,
            cue_given_label=cue_given_label,
            cue_of_label=owner,
            style_given_group={look: np.eye(k) * s + (1.0 - s) / k for look, s in looks.items()},
        )

    @property
    def group_given_label(self) -> Array:
        """`[t, k]` P(group | label)."""
        return np.asarray((self.label_given_group / self.label_given_group.sum(axis=0)).T)

    def label_sets(self) -> Array:
        """P(the labels of an image | group), summed over cues: `[2^t, k]` for multi-label, else `[t, k]`.

        Multi-label: row s is the set that has label l where bit l of s is 1. Labels that share a cue are not
        independent given the group.
        """
        if self.kind == "single":
            return self.label_given_group.T
        k, t = self.label_given_group.shape
        sets = np.zeros((2**self.tilted, k))
        sets[0] = 1.0 - self.label_given_group[:, : self.tilted].sum(axis=1)
        sets[2 ** np.arange(self.tilted)] = self.label_given_group[:, : self.tilted].T
        absent, there = self.label_given_cue
        for cue, share in enumerate(self.cue_given_group.T):
            own = self.cue_of_label == cue
            sets = _joined(sets, _event_sets(absent[:, own]) * (1.0 - share) + _event_sets(there[:, own]) * share)
        free = (self.cue_of_label == NO_CUE) & (np.arange(t) >= self.tilted)
        return _joined(sets, _event_sets(absent[:, free]))

    def dataset_leakage(self) -> float:
        """The best possible share of groups named from labels alone; chance is 1/k."""
        return _best(self.label_sets())

    def cue_leakage(self) -> float:
        """The best possible share of groups named from which cues are there, alone; chance is 1/k."""
        return _best(_event_sets(self.cue_given_group))

    def looks_leakage(self) -> float:
        """The best possible share of groups named from the styles of the person's looks, alone; chance is 1/k."""
        sets = np.ones((1, len(self.label_given_group)))
        for styles in self.style_given_group.values():
            sets = _joined(sets, styles.T)
        return _best(sets)


def _best(sets: Array) -> float:
    return float(sets.max(axis=1).sum() / sets.shape[1])


def _joined(low: Array, high: Array) -> Array:
    """`[a·b, k]` probabilities of pairs of independent outcomes `[a, k]` and `[b, k]`; the first counts fastest."""
    return np.asarray((high[:, None, :] * low[None, :, :]).reshape(-1, low.shape[1]))


def _event_sets(probabilities: Array) -> Array:
    """`[2^c, k]` probability of every set of c independent events, each `[k, c]`; event i is bit i of the row."""
    sets = np.ones((1, len(probabilities)))
    for p in probabilities.T:
        sets = np.concatenate([sets * (1.0 - p), sets * p])
    return sets


def _label_given_group(settings: ScenesSettings) -> Array:
    """`[k, t]` P(label | group): tilted labels as the correlation says, the others equally in all groups."""
    k, t = settings.groups, settings.labels
    tilted, total = (t, 1.0) if settings.kind == "single" else (settings.first_raised, 0.0)
    total = total or tilted * settings.prevalence
    probabilities = np.full((k, t), settings.prevalence)
    shares = np.full((k, tilted), (1.0 - settings.correlation) / k)
    shares[np.arange(tilted) % k, np.arange(tilted)] += settings.correlation
    probabilities[:, :tilted] = total * shares / np.maximum(shares.sum(axis=1, keepdims=True), _TINY)
    return probabilities


def _check_probable(settings: ScenesSettings, given_cue: Array) -> None:
    most = float(given_cue.max())
    if most > MOST_LIKELY:
        raise InputError(
            f"Scenes: expected no label more probable than {MOST_LIKELY:g} in any group with any cue, found {most:.2f} "
            f"(prevalence {settings.prevalence:g}, cue_boost {settings.cue_boost:g}, cue_strength "
            f"{settings.cue_strength:g}, correlation {settings.correlation:g}); lower one of these"
        )
