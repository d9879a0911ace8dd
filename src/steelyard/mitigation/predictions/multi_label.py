"""A corpus of multi-label scores: given its group, each label of an image is its own choice.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from steelyard.metrics.counting import blocks
from steelyard.mitigation.predictions.allotting import best_counts
from steelyard.mitigation.predictions.corpus import Inferred
from steelyard.mitigation.predictions.decoding import Decoded
from steelyard.mitigation.predictions.losses import capped_sum, ceiling, group_values, typical
from steelyard.mitigation.predictions.programme import Core
from steelyard.mitigation.predictions.shares import ShareConstraints

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BLOCK = 256  # images looked at together in a round: what is read twice then stays in the processor's cache


class MultiLabelCorpus:
    """See `corpus.Corpus`. Only θ(1) − θ(0) of the constrained labels is looked at in a round.

    `_lead` is what each group loses with its best labels; `_base` that with all constrained labels absent.
    """

    def __init__(self, potentials: Floats, group_scores: Floats, constraints: ShareConstraints) -> None:
        """Take checked `[n, k, t, 2]` and `[n, k]`."""
        self.constraints = constraints
        gain = potentials[..., 1] - potentials[..., 0]
        self._free = np.setdiff1d(np.arange(gain.shape[2]), constraints.targets)
        self._free_present = gain[:, :, self._free] > 0
        values = group_values(potentials, group_scores)
        lead = np.ascontiguousarray((values.max(axis=1, keepdims=True) - values).T)  # [k, n]
        gain = np.ascontiguousarray(gain[:, :, constraints.targets].transpose(1, 0, 2))  # [k, n, c]
        cost = _cheapest_changes(lead, gain)
        # The lower quartile: most labels of an image may be masked.
        size = typical(np.abs(gain), 0.25) or typical(lead)
        self.unit = float(np.median(cost)) or typical(cost) or size
        self.ceiling = ceiling(max(size, self.unit), len(values))
        self._lead, self._gain = np.minimum(lead, self.ceiling), np.clip(gain, -self.ceiling, self.ceiling)
        self._base = -self._lead - np.maximum(self._gain, 0.0).sum(axis=2)
        self.scale = capped_sum(self._lost(self.baseline()), max(size, self.unit))

    def infer(self, prices: Floats) -> Inferred:
        """See `Corpus`."""
        k, n, c = self._gain.shape
        counts, value = np.zeros((k, c), dtype=np.int64), 0.0
        # Repeated for every row: a whole block then is one long comparison, not one for each image.
        spent = np.repeat(prices.T[:, None], _BLOCK, axis=1)
        larger, present, ones = np.empty((_BLOCK, c)), np.empty((k, _BLOCK, c), dtype=np.float32), np.ones(c)
        for rows in blocks(n, _BLOCK):
            sums = self._base[:, rows] - prices.sum(axis=0)[:, None]
            size = sums.shape[1]
            for g in range(k):
                gain, price = self._gain[g, rows], spent[g, :size]
                # max(gain, price) - price = max(gain - price, 0), with one pass less.
                sums[g] += np.maximum(gain, price, out=larger[:size]) @ ones
                np.greater(gain, price, out=present[g, :size], casting="unsafe")
            groups = sums.argmax(axis=0)
            value += float(sums.max(axis=0).sum())
            for g in range(k):
                counts[g] += np.rint((groups == g).astype(np.float32) @ present[g, :size]).astype(np.int64)
        return Inferred(value, counts.T)

    def assign(self, prices: Floats) -> Decoded:
        """See `Corpus`."""
        groups = self._sums(prices).argmax(axis=0)
        return self._decoded(groups, self._gain[groups, np.arange(len(groups))] > prices.T[groups])

    def score(self, decoded: Decoded) -> float:
        """See `Corpus`."""
        return -float(self._lost(decoded).sum())

    def beyond(self, decoded: Decoded) -> NDArray[np.int64]:
        """See `Corpus`."""
        return np.flatnonzero((self._lost(decoded) >= self.ceiling).any(axis=1)) if self.ceiling else np.arange(0)

    def baseline(self) -> Decoded:
        """Each image's best group and free labels, every constrained label absent."""
        groups = self._base.argmax(axis=0)
        return self._decoded(groups, np.zeros((len(groups), len(self.constraints)), dtype=bool))

    def repair(self, decoded: Decoded) -> Decoded:
        """The best labels that meet every constraint while all groups stay as they are.

        Labels do not meet in any constraint, so each is solved by itself: within a group the images with the largest
        gains have it, and all totals are tried.
        """
        groups = decoded.groups
        gain = self._gain[groups, np.arange(len(groups))]
        present = np.zeros(gain.shape, dtype=bool)
        rows = [np.flatnonzero(groups == g) for g in range(self.constraints.k)]
        for label in range(len(self.constraints)):
            queues = [own[np.argsort(-gain[own, label], kind="stable")] for own in rows]
            take = best_counts([gain[queue, label] for queue in queues], self.constraints, label)
            for queue, count in zip(queues, take, strict=True):
                present[queue[:count], label] = True
        return self._decoded(groups, present)

    def core(self, prices: Floats, keep: Decoded, *, reach: float, size: int) -> Core:
        """See `Corpus`."""
        sums = self._sums(prices)
        loss = sums.max(axis=0) - sums  # [k, n]
        margin = self._gain - prices.T[:, None, :]
        flip_loss = np.abs(margin) + loss[:, :, None]
        every = np.concatenate([loss.ravel(), flip_loss.ravel()])
        # Each image has one choice without loss, its best.
        count = size + loss.shape[1]
        cut = reach if len(every) <= count else min(reach, float(np.partition(every, count)[count]))
        n = len(keep)
        open_groups = loss <= cut
        open_groups[keep.groups, np.arange(n)] = True
        best = margin > 0
        kept = keep.targets[:, self.constraints.targets] == 1
        flips = (flip_loss <= cut) & open_groups[:, :, None]
        flips[keep.groups, np.arange(n)] |= kept != best[keep.groups, np.arange(n)]
        return self._build(open_groups, flips, best, complete=cut >= reach)

    def apply(self, core: Core, prices: Floats, taken: Bools, flipped: Bools) -> Decoded:
        """See `Corpus`."""
        groups = self._sums(prices).argmax(axis=0)
        groups[core.image[taken]] = core.option[taken]
        present = self._gain[groups, np.arange(len(groups))] > prices.T[groups]
        live = flipped & ((core.parent < 0) | np.append(taken, True)[core.parent])
        present[core.flip_image[live], core.flip_label[live]] ^= True
        return self._decoded(groups, present)

    def _sums(self, prices: Floats) -> Floats:
        """`[k, n]` the best score less prices of each image within each group."""
        above = [np.maximum(gain - price, 0.0).sum(axis=1) for gain, price in zip(self._gain, prices.T, strict=True)]
        sums: Floats = self._base + np.stack(above)
        return sums

    def _lost(self, decoded: Decoded) -> Floats:
        """`[n, 1 + c]` what the group of each image loses, and what each of its labels does."""
        rows = np.arange(len(decoded))
        gain = self._gain[decoded.groups, rows]
        present = decoded.targets[:, self.constraints.targets] == 1
        labels = np.where(present, np.maximum(-gain, 0.0), np.maximum(gain, 0.0))
        return np.column_stack([self._lead[decoded.groups, rows], labels])

    def _decoded(self, groups: NDArray[np.int64], present: Bools) -> Decoded:
        labels = len(self._free) + len(self.constraints)
        targets = np.empty((len(groups), labels), dtype=np.uint8)
        targets[:, self._free] = self._free_present[np.arange(len(groups)), groups]
        targets[:, self.constraints.targets] = present
        return Decoded(groups=groups, targets=targets)

    def _build(self, open_groups: Bools, flips: Bools, best: Bools, *, complete: bool) -> Core:
        """The core of the open `[k, n]` groups and the `[k, n, c]` flips of the `best` labels of each group."""
        k, n, c = best.shape
        values = self._base + np.where(best, self._gain, 0.0).sum(axis=2)
        alone = open_groups.sum(axis=0) == 1
        settled = open_groups & alone
        option, image = np.nonzero(open_groups & ~alone)
        number = np.full((k, n), -1)
        number[option, image] = np.arange(len(image))
        column, label = np.nonzero(best[option, image])
        cells = sparse.csc_array(
            (np.ones(len(column)), (label * k + option[column], column)), shape=(c * k, len(image))
        )
        flip_group, flip_image, flip_label = np.nonzero(flips)
        sign = np.where(best[flips], -1, 1)
        return Core(
            value=float(values[settled].sum()),
            counts=np.stack([best[g][settled[g]].sum(axis=0) for g in range(k)], axis=1).ravel(),
            image=image,
            option=option,
            choice_value=values[option, image],
            choice_cells=cells,
            parent=number[flip_group, flip_image],
            flip_image=flip_image,
            flip_label=flip_label,
            flip_cell=flip_label * k + flip_group,
            flip_sign=sign,
            flip_value=sign * self._gain[flips],
            complete=complete,
        )


def _cheapest_changes(lead: Floats, gain: Floats) -> Floats:
    """`[n, c]` what it costs to change how a label of an image counts: the label, or the image's group."""
    own = np.abs(gain[lead.argmin(axis=0), np.arange(lead.shape[1])])
    second = np.sort(lead, axis=0)[1]
    cost: Floats = np.minimum(own, second[:, None])
    return cost
