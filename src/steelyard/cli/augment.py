"""`steelyard augment`: a configuration in; classifiers, planes, pairs, models and a page out."""

from jsonargparse import Namespace

from steelyard.base.errors import MissingExtraError
from steelyard.cli.parser import Parser
from steelyard.jobs.training_extra import require_training

HELP = """Train on complementary pairs of generated images: label what a generator makes, find the hyperplanes of the
attributes in its latents, mirror latents so that the protected attribute changes and the targets stay, train on real
images and these pairs, and measure what it changes. Each step is skipped where its result stands; stopped anywhere, the
same command goes on."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="CONFIG.yaml", help="what to do; there are examples in configs/")
    parser.add_argument("--out", metavar="DIR", help="the folder of everything (default: as the file says)")
    words = "this step alone, with the results of those before it"
    parser.add_argument("--step", metavar="NAME", help=f"{words}: {_steps(parser)}")
    parser.add_argument("--from", metavar="NAME", help="this step and those after it anew")
    words = "print the whole configuration, with what the file leaves out, and exit"
    # The parser hands it an empty value: it has an option of this name for files of options.
    parser.add_argument("--print_config", nargs="?", const="", help=words)
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _steps(parser: Parser) -> str:
    """Their names, where what runs them can be imported."""
    try:
        require_training()
    except MissingExtraError as missing:
        parser.missing = missing
        return f"named here once steelyard[train] is installed ({missing})"
    from steelyard.jobs.augment.run import STEPS

    return ", ".join(step.name for step in STEPS)


def run(options: Namespace, command: list[str]) -> None:
    """Run the steps, and print what came of them."""
    require_training()
    from steelyard.jobs.augment.config import read_augment
    from steelyard.jobs.augment.run import run_augment
    from steelyard.jobs.progress import in_lines

    config = read_augment(options.file, out=options.out)
    if options.print_config is not None:
        print(config.to_yaml(), end="")
        return
    done = run_augment(
        config,
        only=options.step,
        anew_from=options["from"],
        quiet=options.quiet,
        progress=in_lines(quiet=options.quiet),
        command=command,
    )
    print(done)
