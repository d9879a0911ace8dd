"""`steelyard demo`: seven models on a rendered world, each trained and audited here; nothing is downloaded."""

from pathlib import Path

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_run_options

HELP = """Render a world in which labels and unlabelled things go with groups; train seven models on it, with and
without mitigation; audit them all. Writes a page that tells what became of the amplification. Some minutes on two
cores; nothing is downloaded."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    add_run_options(parser)
    parser.add_argument(
        "--out", default="demo", metavar="DIR", help="folder for the page and the runs, made if need be"
    )
    parser.add_argument("--fast", action="store_true", help="fewer images and epochs, the same models")


def run(options: Namespace, command: list[str]) -> None:
    """Run the demo and print its table."""
    from steelyard.jobs.training_extra import require_training
    from steelyard.reports.story_text import story_text

    require_training()
    from steelyard.jobs.demo import run_demo
    from steelyard.jobs.demo_display import on_stderr

    with on_stderr(quiet=options.quiet) as watch:
        demo = run_demo(Path(options.out), fast=options.fast, seed=options.seed, watch=watch, command=command)
    print(story_text(demo.story))
    print(f"\nThe page: {demo.page}")
