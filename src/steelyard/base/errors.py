"""Everything that steelyard raises on purpose.

SteelyardError
├── InputError            a file, table, column, row or option is not what it must be
│   └── JoinError         two tables do not fit together
├── UndefinedError        the input is sound but the quantity asked for does not exist on it
└── MissingExtraError     an optional dependency is not installed

Every message is one line: where (file, column, first offending ids), what was expected, what was found,
what to do. The command prints it as it is and exits with 2.
"""

from collections.abc import Iterable


class SteelyardError(Exception):
    """Root of the tree; catch this to catch all of it."""


class InputError(SteelyardError):
    """A file, table, column, row or option is not what it must be."""


class JoinError(InputError):
    """Two tables do not fit together by id."""


class UndefinedError(SteelyardError):
    """The input is sound, but the quantity asked for is not defined on it."""


class MissingExtraError(SteelyardError):
    """An optional dependency is needed and not installed."""


def first_few(items: Iterable[object], count: int = 3) -> str:
    """Join the first `count` of `items` for a message, and say how many more there are.

    >>> first_few(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    listed = [str(item) for item in items]
    head = ", ".join(listed[:count])
    rest = len(listed) - count
    return f"{head} and {rest:,} more" if rest > 0 else head
