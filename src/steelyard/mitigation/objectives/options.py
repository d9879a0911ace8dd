"""Checks of an objective's options."""

from collections.abc import Sequence

from steelyard.base.errors import InputError
from steelyard.tables.messages import closest, quoted


def require_number(option: str, value: float, low: float, high: float = float("inf")) -> None:
    """Check that an option is a number in [low, high].

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        bounds = f"a number of {low:g} or more" if high == float("inf") else f"a number in [{low:g}, {high:g}]"
        raise InputError(f"objective: {option}: expected {bounds}, found {value!r}; change it")


def require_count(option: str, value: int, low: int) -> None:
    """Check that an option is a whole number of `low` or more.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError(f"objective: {option}: expected a whole number of {low} or more, found {value!r}; change it")


def require_rate(option: str, value: float) -> None:
    """Check that an option is a learning rate: a number above 0.

    Raises:
        InputError: it is not.
    """
    require_number(option, value, 0.0)
    if value == 0:
        raise InputError(f"objective: {option}: expected a number above 0, found 0; nothing would be learned")


def require_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Check that an option is one of a few words.

    Raises:
        InputError: it is not.
    """
    if value not in choices:
        hint = closest(str(value), choices)
        raise InputError(
            f"objective: {option}: expected one of {', '.join(choices)}, found {quoted(value)}{hint}; choose one"
        )
