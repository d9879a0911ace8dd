"""One-line messages about tables: where, what was expected, what was found, what to do."""

import difflib
from collections.abc import Iterable, Sequence

from steelyard.base.errors import InputError, first_few

_LONGEST_VALUE = 60


def one_line(text: object, *, longest: int | None = None) -> str:
    """`text` on one line, its control characters escaped and cut after `longest` characters."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    return line if longest is None or len(line) <= longest else line[: longest - 1] + "…"


def quoted(value: object) -> str:
    """A value or name from a table as it is shown in a message."""
    return f"'{one_line(value, longest=_LONGEST_VALUE)}'"


def listed(items: Iterable[object], count: int = 3) -> str:
    """The first `count` values or names, quoted, and how many more there are."""
    return first_few([quoted(item) for item in items], count)


def some_ids(ids: Iterable[object]) -> str:
    """`id a` or `ids a, b, c and 4 more`, unquoted."""
    shown = [one_line(item, longest=_LONGEST_VALUE) for item in ids]
    return f"id{'' if len(shown) == 1 else 's'} {first_few(shown)}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`, `39,700 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def complaint(source: str, where: str, *, expected: str, found: str, do: str) -> str:
    """The one line that an input error says."""
    place = f"{one_line(source)}: {where}" if where else one_line(source)
    return f"{place}: expected {expected}, found {found}; {do}"


def closest(name: str, names: Sequence[str]) -> str:
    """A hint at the most similar of `names`, ready to be appended, or nothing."""
    folded = {candidate.strip().casefold(): candidate for candidate in reversed(names)}
    near = difflib.get_close_matches(name.strip().casefold(), list(folded), n=1, cutoff=0.6)
    return f" (closest: {quoted(folded[near[0]])})" if near else ""


def missing_column(source: str, name: str, names: Sequence[str], option: str) -> InputError:
    """The error for a column that was named and is not there."""
    return InputError(
        complaint(
            source,
            f"column {quoted(name)}",
            expected=f"this column, named by {option}",
            found=f"{counted(len(names), 'column')}: {listed(names, 12)}{closest(name, names)}",
            do=f"correct {option} or the file's header",
        )
    )
