"""PotentialTable: what a model of targets and group together says of every assignment, before it is decoded."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, counted, listed, one_line, quoted, some_ids

PotentialKind = Literal["single", "multi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PotentialTable:
    """Potentials of `n` images, k groups and t labels (or v categories): any real numbers, higher is likelier.

    Attributes:
        ids: `[n]` strings, unique.
        potentials: multi-label `[n, k, t, 2]`, θ of a label that is absent (0) or present (1) beside each group;
            single-label `[n, v, k]`, the score of each category with each group.
        group_names: the k ≥ 2 groups, in the order of the arrays.
        target_names: the t labels or v categories, likewise.
        kind: `multi` or `single`.
        group_scores: multi-label `[n, k]`, each group's own score; None for single-label tables, whose potentials
            hold it already.
        source: the file that the table came from, for messages.

    Raises:
        InputError: fields that do not fit each other in shape, names or ids that are there twice, values that are no
            finite numbers.
    """

    ids: NDArray[np.str_]
    potentials: NDArray[np.floating]
    group_names: tuple[str, ...]
    target_names: tuple[str, ...]
    kind: PotentialKind
    group_scores: NDArray[np.floating] | None = None
    source: str = "potentials"

    def __post_init__(self) -> None:
        _require_names(self.source, "groups", self.group_names, least=2)
        _require_names(self.source, "targets", self.target_names, least=1)
        n = _require_ids(self.source, self.ids)
        k, t = len(self.group_names), len(self.target_names)
        multi = self.kind == "multi"
        names = f"{counted(n, 'id')}, {counted(k, 'group')} and {counted(t, 'target')}"
        shape = (n, k, t, 2) if multi else (n, t, k)
        layout = "[n, k, t, 2]" if multi else "[n, v, k]"
        _require_floats(self.source, "potentials", self.potentials, shape, f"{layout} = {shape} for {names}")
        if multi and self.group_scores is None:
            do = "add the score of each group (zeros where the potentials hold it)"
            _fail(self.source, "group_scores", "[n, k] beside multi-label potentials", "none", do)
        if not multi and self.group_scores is not None:
            do = "add them to the potentials and leave them out"
            _fail(self.source, "group_scores", "none beside single-label potentials [n, v, k]", "some", do)
        if self.group_scores is not None:
            _require_floats(self.source, "group_scores", self.group_scores, (n, k), f"[n, k] = {(n, k)} for {names}")
        self._require_finite("potentials", self.potentials)
        if self.group_scores is not None:
            self._require_finite("group_scores", self.group_scores)

    def __len__(self) -> int:
        return len(self.ids)

    def _require_finite(self, field: str, values: NDArray[np.floating]) -> None:
        finite = np.isfinite(values)
        if finite.all():
            return
        rows = np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))
        row, *place = (int(axis) for axis in np.argwhere(~finite)[0])
        value = values[(row, *place)]
        found = f"{value} at {self._place(field, place)}, in {counted(len(rows), 'row')} ({some_ids(self.ids[rows])})"
        _fail(self.source, field, "finite numbers", found, "compute these rows again or leave these images out")

    def _place(self, field: str, place: list[int]) -> str:
        """What a position behind the first axis means, in words."""
        if field == "group_scores":
            return f"group {quoted(self.group_names[place[0]])}"
        if self.kind == "single":
            return f"target {quoted(self.target_names[place[0]])}, group {quoted(self.group_names[place[1]])}"
        group, target, present = place
        state = "present" if present else "absent"
        return f"group {quoted(self.group_names[group])}, target {quoted(self.target_names[target])} {state}"


def _require_names(source: str, field: str, names: tuple[str, ...], *, least: int) -> None:
    if len(names) < least:
        found = counted(len(names), "name")
        _fail(source, field, f"{least} names or more" if least > 1 else "names", found, "name each of them once")
    if empty := [position for position, name in enumerate(names) if not name.strip()]:
        _fail(source, field, "a name for each", f"an empty one at position {empty[0]}", "name each of them once")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        _fail(source, field, "each name once", f"{listed(repeated)} more than once", "rename them")


def _require_ids(source: str, ids: NDArray[np.str_]) -> int:
    """The number of rows."""
    if ids.ndim != 1:
        _fail(source, "ids", "one id for each image, [n]", f"the shape {ids.shape}", "write one id a row")
    if not len(ids):
        _fail(source, "ids", "rows", "no row", "check how the file was written, it is empty")
    if empty := [f"{row + 1:,}" for row, name in enumerate(ids.tolist()) if not name.strip()]:
        found = f"{counted(len(empty), 'empty id')} (data row {empty[0]})"
        _fail(source, "ids", "an id in each row", found, "fill these ids")
    distinct, counts = np.unique(ids, return_counts=True)
    if len(distinct) < len(ids):
        several = distinct[counts > 1]
        found = f"{counted(len(several), 'repeated id')} ({some_ids(several)})"
        _fail(source, "ids", "each id once", found, "keep one row for each image")
    return len(ids)


def _require_floats(source: str, field: str, values: NDArray[Any], shape: tuple[int, ...], expected: str) -> None:
    if values.dtype.kind != "f":
        found = f"the type {one_line(values.dtype)}"
        _fail(source, field, "real numbers", found, "write them as floating-point numbers")
    if values.shape != shape:
        do = "write the axes in this order, or correct the names"
        _fail(source, field, expected, f"the shape {values.shape}", do)


def _fail(source: str, where: str, expected: str, found: str, do: str) -> NoReturn:
    raise InputError(complaint(source, where, expected=expected, found=found, do=do))
