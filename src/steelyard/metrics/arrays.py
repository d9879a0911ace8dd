"""Checks at the door: plain arrays in, validated arrays out, or one line that says what is wrong."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError, UndefinedError


def same_rows(**arrays: NDArray[np.generic]) -> int:
    """The common number of rows of the arrays.

    Raises:
        InputError: the arrays differ in length, or are empty.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise InputError(f"expected arrays with one row per image, found rows: {found}; pass the same images")
    count = next(iter(lengths.values()))
    if count == 0:
        raise InputError(f"{', '.join(lengths)}: expected at least one image, found none")
    return count


def binary(name: str, values: ArrayLike, ndim: int) -> NDArray[np.uint8]:
    """`values` as 0 and 1, with `ndim` axes.

    Raises:
        InputError: another number of axes, or a value other than 0 and 1.
    """
    array = _with_axes(name, values, (ndim,))
    wrong = np.argwhere((array != 0) & (array != 1))
    if len(wrong):
        place = "row {}".format(", column ".join(str(index) for index in wrong[0]))
        raise InputError(f"{name}: expected 0 and 1, found {array[tuple(wrong[0])]} at {place}")
    return array.astype(np.uint8)


def target_matrices(named: Mapping[str, ArrayLike | None]) -> dict[str, NDArray[np.uint8]]:
    """Targets and predictions as `[image, label]` arrays of 0 and 1 that share their columns.

    Args:
        named: arrays by argument name; each `[image, label]` of 0 and 1, or each `[image]` integer
            categories, which become one column per category that occurs in any of them; None is left out.

    Raises:
        InputError: the arrays mix both forms, differ in columns, or hold other values.
    """
    given = {name: np.asarray(values) for name, values in named.items() if values is not None}
    axes = {name: array.ndim for name, array in given.items()}
    if set(axes.values()) == {1}:
        codes = {name: integers(name, array) for name, array in given.items()}
        categories = np.unique(np.concatenate(list(codes.values())))
        return {name: (array[:, None] == categories).astype(np.uint8) for name, array in codes.items()}
    if set(axes.values()) != {2}:
        found = ", ".join(f"{name} {array.shape}" for name, array in given.items())
        raise InputError(f"expected all [image, label] or all [image], found shapes: {found}")
    columns = {array.shape[1] for array in given.values()}
    if len(columns) > 1 or columns == {0}:
        found = ", ".join(f"{name} {array.shape[1]}" for name, array in given.items())
        raise InputError(f"expected the same labels (columns), at least one, found columns: {found}")
    return {name: binary(name, array, 2) for name, array in given.items()}


def score_targets(targets: ArrayLike, scores: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Targets in the columns of `[image, label]` scores; `[image]` categories are positions of those columns.

    Raises:
        InputError: the columns differ, or a category has no column.
    """
    if np.ndim(targets) == 1:
        codes = integers("targets", targets)
        outside = np.flatnonzero((codes < 0) | (codes >= scores.shape[1]))
        if len(outside):
            found = f"{codes[outside[0]]} in row {outside[0]}"
            raise InputError(
                f"targets: expected categories 0 to {scores.shape[1] - 1}, columns of scores, found {found}"
            )
        return np.eye(scores.shape[1], dtype=np.uint8)[codes]
    matrix = binary("targets", targets, 2)
    if matrix.shape[1] != scores.shape[1] or not matrix.shape[1]:
        raise InputError(
            "expected the same labels (columns), at least one,"
            f" found targets {matrix.shape[1]}, scores {scores.shape[1]}"
        )
    return matrix


def group_codes(
    named: Mapping[str, ArrayLike | None],
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Groups as positions 0 … k − 1 in the sorted groups that occur in any of the arrays.

    Returns:
        The coded arrays by name, and the `[k]` groups as they were given.

    Raises:
        InputError: an array is neither `[image]` integers nor `[image]` names, or the arrays mix both.
        UndefinedError: fewer than two groups occur.
    """
    given = {name: _names(name, values) for name, values in named.items() if values is not None}
    kinds = {array.dtype.kind == "U" for array in given.values()}
    if len(kinds) > 1:
        raise InputError(f"{', '.join(given)}: expected all names or all whole numbers, found both")
    levels = np.unique(np.concatenate(list(given.values())))
    if len(levels) < 2:
        raise UndefinedError(f"{', '.join(given)}: expected two groups or more, found {len(levels)}")
    return {name: np.searchsorted(levels, array) for name, array in given.items()}, levels


def _names(name: str, values: ArrayLike) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.dtype.kind not in "OU":
        return integers(name, array)
    if array.ndim != 1:
        raise InputError(f"{name}: expected an array of 1 axes, found shape {array.shape}")
    return array.astype(np.str_)


def real(name: str, values: ArrayLike, ndim: int, *, probabilities: bool = False) -> NDArray[np.float64]:
    """`values` as finite floats with `ndim` axes; within [0, 1] where they are `probabilities`.

    Raises:
        InputError: another number of axes, NaN, infinity, or a probability outside [0, 1].
    """
    array = _with_axes(name, values, (ndim,)).astype(np.float64)
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        raise InputError(f"{name}: expected finite numbers, found {array[tuple(wrong[0])]} in row {wrong[0][0]}")
    if probabilities:
        wrong = np.argwhere((array < 0) | (array > 1))
        if len(wrong):
            found = f"{array[tuple(wrong[0])]:g} in row {wrong[0][0]}"
            raise InputError(f"{name}: expected probabilities in [0, 1], found {found}; pass a sigmoid of logits")
    return array


def integers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """`values` as `[image]` integers.

    Raises:
        InputError: another number of axes, or values that are not whole numbers.
    """
    array = _with_axes(name, values, (1,))
    coded = array.astype(np.int64) if np.isfinite(array).all() else None
    if coded is None or not np.array_equal(coded, array):
        raise InputError(f"{name}: expected whole numbers (codes), found {array.dtype} with other values")
    return coded


def _with_axes(name: str, values: ArrayLike, allowed: tuple[int, ...]) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.ndim not in allowed:
        raise InputError(f"{name}: expected an array of {allowed[0]} axes, found shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected numbers, found {array.dtype}")
    return array
