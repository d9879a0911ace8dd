"""A corpus of single-label scores: each image takes one category and one group.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, https://arxiv.org/abs/1707.09457.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from steelyard.mitigation.predictions.allotting import feasible_totals, nearest, nearest_counts
from steelyard.mitigation.predictions.corpus import Inferred
from steelyard.mitigation.predictions.decoding import Decoded
from steelyard.mitigation.predictions.losses import capped_sum, ceiling, typical
from steelyard.mitigation.predictions.programme import Core
from steelyard.mitigation.predictions.shares import ShareConstraints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class SingleLabelCorpus:
    """See `corpus.Corpus`. The c · k constrained cells come first; all others are one cell, each image's best.

    Raises:
        InputError: no assignment of the images meets every constraint.
    """

    def __init__(self, potentials: Floats, constraints: ShareConstraints, group_names: tuple[str, ...]) -> None:
        """Take checked `[n, v, k]`, and the names of groups for messages."""
        n, v, k = potentials.shape
        self.constraints = constraints
        self._categories = v
        self._cells = len(constraints) * k
        # Less the best of each image, before any sums.
        flat = potentials.reshape(n, v * k) - potentials.max(axis=(1, 2))[:, None]
        own = (constraints.targets[:, None] * k + np.arange(k)).ravel()
        free = np.setdiff1d(np.arange(v * k), own)
        self._codes = own
        scores = flat[:, own]
        self._free_code = None
        if len(free):
            at = flat[:, free].argmax(axis=1)
            self._free_code = free[at]
            scores = np.column_stack([scores, flat[np.arange(n), self._free_code]])
        lead = -np.sort(flat.reshape(n, v, k).max(axis=1), axis=1)[:, -2]
        nearest_other = -np.partition(flat, -2, axis=1)[:, -2]
        size = max(typical(lead), typical(nearest_other)) or typical(-flat)
        self.unit = float(np.median(lead)) or size
        self.ceiling = ceiling(size, n)
        self._scores: Floats = np.maximum(np.ascontiguousarray(scores), -self.ceiling)
        self._room = np.empty_like(self._scores)
        self._totals = None if len(free) else feasible_totals(constraints, n, group_names)
        self.scale = capped_sum(self._lost(self.baseline()), size)

    def infer(self, prices: Floats) -> Inferred:
        """See `Corpus`."""
        room = self._priced(prices)
        cells = room.argmax(axis=1)
        value = float(room[np.arange(len(room)), cells].sum())
        return Inferred(value, self._counts(cells)[: self._cells].reshape(prices.shape))

    def assign(self, prices: Floats) -> Decoded:
        """See `Corpus`."""
        return self._decoded(self._priced(prices).argmax(axis=1))

    def score(self, decoded: Decoded) -> float:
        """See `Corpus`."""
        return -float(self._lost(decoded).sum())

    def beyond(self, decoded: Decoded) -> Ints:
        """See `Corpus`."""
        return np.flatnonzero(self._lost(decoded) >= self.ceiling) if self.ceiling else np.arange(0)

    def baseline(self) -> Decoded:
        """Each image's best unconstrained category; without one, all images in one category where one allows it."""
        n, k = len(self._scores), self.constraints.k
        if self._totals is None:
            return self._decoded(np.full(n, self._cells))
        wanted = np.zeros(self._cells, dtype=np.int64)
        for row in np.flatnonzero(self._totals).tolist():
            low, high = self.constraints.within(row, self._totals[row : row + 1])
            wanted[row * k : (row + 1) * k] = nearest(np.zeros(k, dtype=np.int64), low[0], high[0], self._totals[row])
        allowed = np.where(wanted > 0, 0.0, -np.inf)
        return self._decoded(self._move((self._scores + allowed).argmax(axis=1), wanted))

    def repair(self, decoded: Decoded) -> Decoded:
        """Counts nearest to those of `decoded` that meet every constraint, reached by the cheapest moves."""
        cells = self._encoded(decoded)
        counts = self._counts(cells)
        if self.constraints.holds(counts[: self._cells].reshape(self.constraints.low.shape)).all():
            return decoded
        return self._decoded(self._move(cells, nearest_counts(counts, self.constraints, self._totals)))

    def core(self, prices: Floats, keep: Decoded, *, reach: float, size: int) -> Core:
        """See `Corpus`."""
        room = self._priced(prices)
        loss = room.max(axis=1, keepdims=True) - room
        n = len(loss)
        # Each image has one choice without loss, its best.
        count = size + n
        cut = reach if loss.size <= count else min(reach, float(np.partition(loss.ravel(), count)[count]))
        chosen = loss <= cut
        chosen[np.arange(n), self._encoded(keep)] = True
        alone = chosen.sum(axis=1) == 1
        settled = np.nonzero(chosen & alone[:, None])
        image, option = np.nonzero(chosen & ~alone[:, None])
        inside = np.flatnonzero(option < self._cells)
        shape = (self._cells, len(image))
        none = np.zeros(0, dtype=np.int64)
        return Core(
            value=float(self._scores[settled].sum()),
            counts=self._counts(settled[1])[: self._cells],
            image=image,
            option=option,
            choice_value=self._scores[image, option],
            choice_cells=sparse.csc_array((np.ones(len(inside)), (option[inside], inside)), shape=shape),
            parent=none,
            flip_image=none,
            flip_label=none,
            flip_cell=none,
            flip_sign=none,
            flip_value=np.zeros(0),
            complete=cut >= reach,
        )

    def apply(self, core: Core, prices: Floats, taken: Bools, flipped: Bools) -> Decoded:
        """See `Corpus`."""
        cells = self._priced(prices).argmax(axis=1)
        cells[core.image[taken]] = core.option[taken]
        return self._decoded(cells)

    def _lost(self, decoded: Decoded) -> Floats:
        """`[n]` what the choice of each image loses."""
        lost: Floats = -self._scores[np.arange(len(decoded)), self._encoded(decoded)]
        return lost

    def _priced(self, prices: Floats) -> Floats:
        spent = np.zeros(self._scores.shape[1])
        spent[: self._cells] = prices.ravel()
        room: Floats = np.subtract(self._scores, spent, out=self._room)
        return room

    def _counts(self, cells: Ints) -> Ints:
        return np.bincount(cells, minlength=self._scores.shape[1])

    def _decoded(self, cells: Ints) -> Decoded:
        if self._free_code is None:
            codes = self._codes[cells]
        else:
            codes = np.append(self._codes, -1)[cells]
            codes = np.where(codes < 0, self._free_code, codes)
        return Decoded(groups=codes % self.constraints.k, targets=codes // self.constraints.k)

    def _encoded(self, decoded: Decoded) -> Ints:
        k = self.constraints.k
        place = np.full(self._categories, -1)
        place[self.constraints.targets] = np.arange(len(self.constraints))
        rows = place[decoded.targets]
        return np.where(rows < 0, self._cells, rows * k + decoded.groups)

    def _move(self, cells: Ints, wanted: Ints) -> Ints:
        """Cells with `wanted` images each, by the cheapest moves out of cells that have too many."""
        counts = self._counts(cells)
        spare, lacking = np.maximum(counts - wanted, 0), np.maximum(wanted - counts, 0)
        movable, places = np.flatnonzero(spare[cells] > 0), np.flatnonzero(lacking)
        cost = self._scores[movable, cells[movable]][:, None] - self._scores[movable][:, places]
        moved = cells.copy()
        left = int(lacking.sum())
        for flat in np.argsort(cost, axis=None, kind="stable"):
            if not left:
                break
            image, to = movable[flat // len(places)], places[flat % len(places)]
            source = cells[image]
            if moved[image] == source and spare[source] and lacking[to]:
                moved[image] = to
                spare[source] -= 1
                lacking[to] -= 1
                left -= 1
        return moved
