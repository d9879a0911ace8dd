"""Checks that the arrays of a table fit together."""

from typing import Any

from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint


def require_shape(source: str, field: str, array: NDArray[Any] | None, shape: tuple[int, ...]) -> None:
    """Raise an `InputError` where `array` is there and has another shape."""
    if array is not None and array.shape != shape:
        found = f"{array.shape}"
        do = "pass arrays of the same images and targets"
        raise InputError(complaint(source, field, expected=f"the shape {shape}", found=found, do=do))


def require_positions(source: str, field: str, array: NDArray[Any], count: int) -> None:
    """Raise an `InputError` where a value of `array` is outside 0 … `count` − 1."""
    if array.size and (array.min() < 0 or array.max() >= count):
        found = f"{array.min()} … {array.max()}"
        do = "encode the column against its names"
        raise InputError(complaint(source, field, expected=f"0 … {count - 1}", found=found, do=do))
