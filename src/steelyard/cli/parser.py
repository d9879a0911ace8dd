"""The parser of every verb: errors in one line on stderr, exit code 2."""

import sys
from typing import Any, NoReturn, Protocol

from jsonargparse import ArgumentParser, Namespace


class Parser(ArgumentParser):
    """jsonargparse's parser (typed options, `--config` from YAML), with one-line errors."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"default_env": False, **options})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print what is wrong in one line and exit with 2."""
        fail(f"{message} (see {self.prog} --help)")


def fail(message: object) -> NoReturn:
    """Print one line on stderr and exit with 2."""
    print(f"steelyard: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(2)


class Verb(Protocol):
    """A verb: a module with these."""

    HELP: str

    def add_options(self, parser: Parser) -> None:
        """Declare the options."""

    def run(self, options: Namespace, command: list[str]) -> None:
        """Do the job."""


def add_table_options(parser: Parser) -> None:
    """The options that name columns, the same for every verb that reads labels."""
    parser.add_argument("--protected", required=True, metavar="COL", help="column of the protected attribute")
    parser.add_argument("--target", metavar="COL", help="column of the categories (single-label)")
    parser.add_argument(
        "--targets", metavar="A,B,…", help="0/1 columns: names, globs or @file (default: every other 0/1 column)"
    )
    parser.add_argument("--id", metavar="COL", help="column of ids (default: image, id or the row number)")
    parser.add_argument("--split-column", metavar="COL", help="column of train / val / test (default: split)")


def add_run_options(parser: Parser) -> None:
    """The options of every verb that takes a while."""
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def names(text: str | None) -> tuple[str, ...]:
    """A comma-separated option as a tuple."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()
