"""The parser of every verb: options from the command line or from YAML, errors in one line on stderr, exit code 2."""

import difflib
import re
import sys
from argparse import SUPPRESS, Action, ArgumentTypeError
from collections.abc import Callable
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from steelyard.base.errors import MissingExtraError


class Help(DefaultHelpFormatter):
    """Help that says `required` or the default once, and nothing of defaults that are nothing."""

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        if action.required:
            return f"{text} (required)"
        nothing = any(action.default is value for value in (None, False, SUPPRESS))
        return text if nothing or "(default" in text else f"{text} (default: %(default)s)"


class Parser(ArgumentParser):
    """jsonargparse's parser (`--config` from YAML), with one-line errors and no abbreviated options.

    Attributes:
        verb: whose options it reads; empty for the whole command.
        missing: set where some options could not be declared, as a package is not installed; every error then says so.
    """

    def __init__(self, *, verb: str = "", description: str) -> None:
        """Make the parser of a verb, or of the whole command where `verb` is empty."""
        super().__init__(
            prog=f"steelyard {verb}".strip(),
            description=description,
            default_env=False,
            allow_abbrev=False,
            formatter_class=Help,
        )
        self.verb = verb
        self.missing: MissingExtraError | None = None

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print what is wrong in one line and exit with 2."""
        if self.missing is not None:
            fail(self.missing)
        said = re.sub(r'^(argument|Parser key) "?(--)?(\w[\w-]*)"?: (?=--)', "", message)
        said = re.sub(r'^Parser key "(\w+)":', r"--\1:", said)
        if unknown := re.match(r"unrecognized arguments: (--[^ =]+)", said):
            said += self._closest(unknown[1])
        found = re.search(r"required: (\w+)\.", said)  # the whole command's parser speaks of a verb's options
        verb = found[1] if found else self.verb
        said = said.replace(f"{verb}.", "") if found else said
        if absent := re.search(r"arguments are required: (.+)$", said):
            said = said[: absent.start(1)] + ", ".join(self._as_in_help(verb, name) for name in absent[1].split(", "))
        fail(f"{said} (see {f'steelyard {verb}'.strip()} --help)")

    def _as_in_help(self, verb: str, name: str) -> str:
        """An option or argument of a verb as its help writes it."""
        verbs = next((action.choices for action in self._actions if action.dest == "verb"), None)
        parser = verbs.get(verb, self) if isinstance(verbs, dict) else self
        action = next((action for action in parser._actions if action.dest == name), None)
        if action is None:
            return name
        return action.option_strings[-1] if action.option_strings else _placeholder(action)

    def _closest(self, option: str) -> str:
        near = difflib.get_close_matches(option, self._option_string_actions, n=1)
        return f"; the closest option is {near[0]}" if near else ""


def _placeholder(action: Action) -> str:
    """What help writes for an argument without a name of its own."""
    if action.metavar is None and action.choices is not None:
        return f"{{{','.join(map(str, action.choices))}}}"
    return str(action.metavar or action.dest)


def fail(message: object) -> NoReturn:
    """Print one line on stderr and exit with 2."""
    print(f"steelyard: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(2)


def add_table_options(parser: Parser, *, required: bool = True) -> None:
    """The options that name columns, the same for every verb that reads labels."""
    parser.add_argument("--protected", required=required, metavar="COL", help="column of the protected attribute")
    parser.add_argument("--target", metavar="COL", help="column of the categories (single-label)")
    parser.add_argument(
        "--targets", metavar="A,B,…", help="0/1 columns: names, globs or @file (default: every other 0/1 column)"
    )
    parser.add_argument("--id", metavar="COL", help="column of ids (default: image, id or the row number)")
    parser.add_argument("--split-column", metavar="COL", help="column of train / val / test (default: split)")


def add_run_options(parser: Parser) -> None:
    """The options of every verb that takes a while."""
    add_whole(parser, "--seed", default=0, least=0, help="of everything random")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    words = "YAML file of these options; what stands after it on the command line wins"
    parser.add_argument("--config", action="config", metavar="FILE", help=words)


def add_whole(parser: Parser, option: str, *, help: str, default: int | None = None, least: int | None = None) -> None:
    """Declare an option that takes a whole number, `least` or more."""
    read = _number(option, int, "a whole number", least)
    parser.add_argument(option, type=read, metavar="N", default=default, help=help)


def add_real(parser: Parser, option: str, *, help: str, default: float | None = None, required: bool = False) -> None:
    """Declare an option that takes a real number."""
    read = _number(option, float, "a number")
    parser.add_argument(option, type=read, metavar="X", default=default, required=required, help=help)


def _number(
    option: str, kind: Callable[[str], float], what: str, least: float | None = None
) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            number = kind(str(value))
        except ValueError:
            raise ArgumentTypeError(f"{option}: expected {what}, found {value!r}") from None
        if least is not None and number < least:
            raise ArgumentTypeError(f"{option}: expected {least} or more, found {number}")
        return number

    return read


def listed(value: Any) -> str | None:
    """An option that takes several values, as text: `a,b` on the command line may be a list in YAML."""
    if value is None:
        return None
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def names(value: Any) -> tuple[str, ...]:
    """An option that takes several names, as a tuple."""
    return tuple(part.strip() for part in (listed(value) or "").split(",") if part.strip())
