"""`steelyard VERB …`: finds the verb, runs it, turns every error of our own into one line and exit code 2."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from steelyard.base.errors import SteelyardError
from steelyard.cli.parser import Parser, fail

VERBS = {
    "audit": "labels and predictions in, leakage and amplification out",
    "balance": "the largest subset in which every label is balanced between the groups",
    "leakage": "leakage studies: ablation",
    "catalog": "what is measured: metrics",
    "demo": "the main job on real counts that come with the package",
}


def build(verb: str | None) -> Parser:
    """The parser; only the verb at hand is imported, so that `--help` is quick."""
    parser = Parser(
        prog="steelyard",
        description="How much a vision model gives away about the people in its images, how much of that is its own "
        "doing, and what lowers it.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--debug", action="store_true", help="a full traceback on errors")
    verbs = parser.add_subcommands(required=False, dest="verb", metavar="VERB")
    for name, line in VERBS.items():
        sub = Parser(prog=f"steelyard {name}", description=line)
        if name == verb:
            module = import_module(f"steelyard.cli.{name}")
            sub.description = module.HELP
            module.add_options(sub)
        verbs.add_subcommand(name, sub, help=line)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if word in VERBS), None)
    parser = build(verb)
    options = parser.parse_args(words)
    if options.version:
        from importlib.metadata import version

        print(version("steelyard"))
        return
    if options.verb is None:
        parser.print_help()
        return
    try:
        import_module(f"steelyard.cli.{options.verb}").run(options[options.verb], ["steelyard", *words])
        sys.stdout.flush()
    except SteelyardError as error:
        if options.debug:
            raise
        fail(error)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
