"""`steelyard visualize`: a page of what a run's mask hides, and of the labels that it recognises better or worse."""

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_run_options, add_whole

HELP = """Show what a run changed: test images as they are and behind the run's mask (objective adversarial-image), and,
with --base, F1 of each label in both runs."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("run", metavar="RUN", help="folder that steelyard train wrote")
    parser.add_argument("--base", metavar="RUN", help="the run to compare with, on the same test images")
    add_whole(parser, "--per-group", default=6, help="masked images of each group")
    add_run_options(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the page, made if need be")


def run(options: Namespace, command: list[str]) -> None:
    """Write the page, and say where."""
    from steelyard.jobs.training_extra import require_training

    require_training()
    from steelyard.jobs.progress import on_stderr
    from steelyard.jobs.visualize import VisualizeOptions, visualize_run

    chosen = VisualizeOptions(per_group=options.per_group, seed=options.seed)
    with on_stderr(quiet=options.quiet) as progress:
        page = visualize_run(
            options.run, base=options.base, out=options.out, options=chosen, progress=progress, command=command
        )
    print(f"The page: {page}")
