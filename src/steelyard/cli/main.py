"""`steelyard VERB …`: finds the verb, runs it, turns every error of our own into one line and exit code 2."""

import os
import sys
import traceback
from argparse import ArgumentTypeError
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from jsonargparse import Namespace

from steelyard.base.errors import SteelyardError
from steelyard.cli.parser import Parser, fail

VERBS = {
    "audit": "labels and predictions in, leakage and amplification out",
    "compare": "models on the same images, with intervals on the differences",
    "balance": "the largest subset in which every label is balanced between the groups",
    "calibrate": "predictions of a corpus held near the training shares of each label's groups",
    "leakage": "leakage studies: ablation",
    "data": "data sets of images: check, labels",
    "catalog": "what is measured: metrics",
    "train": "a network on a data set, with or without an adversary; ends with an audit",
    "predict": "a run's scores and labels as tables",
    "generator": "a generator of images: train a progressive GAN, draw samples of any, see what one is",
    "augment": "training on complementary pairs of generated images, as resumable steps",
    "visualize": "what a run changed: masked images, or F1 per label before and after",
    "demo": "seven models on a rendered world, with and without mitigation, audited",
}


def build(verb: str | None) -> Parser:
    """The parser; only the verb at hand is imported, so that `--help` is quick."""
    parser = Parser(
        description="How much a vision model gives away about the people in its images, how much of that is its own "
        "doing, and what lowers it.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--debug", action="store_true", help="a full traceback on errors")
    verbs = parser.add_subcommands(required=False, dest="verb", metavar="VERB")
    for name, line in VERBS.items():
        sub = Parser(verb=name, description=line)
        if name == verb:
            module = import_module(f"steelyard.cli.{name}")
            sub.description = module.HELP
            module.add_options(sub)
        sub.add_argument("--debug", action="store_true", help="a full traceback on errors")
        verbs.add_subcommand(name, sub, help=line)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    for channel in (sys.stdout, sys.stderr):
        if isinstance(channel, TextIOWrapper):  # a terminal without "α" shows "?", and the figures stand
            channel.reconfigure(errors="replace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if word in VERBS), None)
    try:
        parser = build(verb)
        options = parser.parse_args(words)
    except (ArgumentTypeError, SteelyardError) as error:  # from a YAML file; a verb's options may need an extra
        fail(error)
    if options.version:
        from importlib.metadata import version

        print(version("steelyard"))
        return
    if options.verb is None:
        parser.print_help()
        return
    chosen = options[options.verb]
    try:
        import_module(f"steelyard.cli.{options.verb}").run(chosen, _command(options.verb, chosen, words))
        sys.stdout.flush()
    except SteelyardError as error:
        if options.debug or chosen.debug:
            traceback.print_exc()
        fail(error)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def _command(verb: str, options: Namespace, words: list[str]) -> list[str]:
    """The command for the report's provenance: as typed, or with what a YAML file said spelt out."""
    if not options.get("config"):
        return ["steelyard", *words]
    spelt = ["steelyard", verb]
    for name, value in vars(options).items():
        if name != "config" and value is not None and value is not False:
            spelt.append(f"--{name.replace('_', '-')}")
            spelt += [] if value is True else [",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return spelt
