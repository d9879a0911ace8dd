"""`steelyard train`: a configuration in, a run folder out: weights, predictions, labels, audit."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from steelyard.base.errors import MissingExtraError
from steelyard.cli.parser import Parser
from steelyard.jobs.training_extra import require_training

HELP = """Train a network as a YAML file says, keep the best checkpoint, write its predictions and labels, and audit
them. Every option of the file can be given here, too, and wins: --objective.weight 0.5."""
SINGLE = ("seed", "start_from", "out")


def add_options(parser: Parser) -> None:
    """Declare the options; those of the file are text here, and are read where the file is."""
    parser.add_argument("file", nargs="?", metavar="CONFIG.yaml", help="what to train; there are examples in configs/")
    parser.add_argument("--resume", metavar="RUN", help="go on with this run's folder from its last checkpoint")
    parser.add_argument("--out", metavar="DIR", help="the run's folder, made if need be")
    parser.add_argument("--seed", metavar="N", type=str, help="of everything random")
    parser.add_argument("--start_from", metavar="RUN", help="another run, whose best checkpoint is the start")
    parser.add_argument("--no-audit", action="store_true", help="no audit at the end")
    # The parser hands it an empty value: it has an option of this name for files of options.
    parser.add_argument("--print_config", nargs="?", const="", help="print the whole configuration and exit")
    parser.add_argument("--dry-run", action="store_true", help="build everything, train nothing, write nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    try:
        require_training()
    except MissingExtraError as missing:
        # What declares the file's options is not there: help goes without them, all else says what to install.
        parser.missing = missing
        parser.epilog = f"The options of the file are listed here once steelyard[train] is installed ({missing})."
        return
    from steelyard.jobs.training_config import option_list

    for option in option_list():
        words = f"{option.says} ({option.values})".replace("%", "%%")
        nothing = option.default is None or option.default == ()
        words += "" if nothing else f" (default: {str(option.default).replace('%', '%%')})"
        parser.add_argument(f"--{option.name}", metavar="X", type=str, help=words)


def run(options: Namespace, command: list[str]) -> None:
    """Train, and print what came of it."""
    require_training()
    from steelyard.jobs.dry_run import dry_run
    from steelyard.jobs.progress import in_lines
    from steelyard.jobs.run_folder import config_to_resume
    from steelyard.jobs.train import run_training
    from steelyard.jobs.training_config import read_config, require_source

    typed = typed_options(options)
    if options.resume is not None:
        config = config_to_resume(Path(options.resume), options.file, typed)
    else:
        config = read_config(require_source(options.file), typed)
    if options.print_config is not None:
        print(config.to_yaml(), end="")
        return
    resume, progress = options.resume is not None, in_lines(quiet=options.quiet)
    if options.dry_run:
        print(dry_run(config, resume=resume, progress=progress))
        return
    trained = run_training(config, resume=resume, quiet=options.quiet, progress=progress, command=command)
    if trained is not None:  # None in every process but the first
        print(trained)


def typed_options(options: Namespace) -> dict[str, Any]:
    """Dotted name → text, of the file's options that were given."""
    from steelyard.jobs.training_config import option_list

    names = [*SINGLE, *(option.name for option in option_list())]
    given = {name: options.get(name) for name in names}
    typed = {name: value for name, value in given.items() if isinstance(value, str)}
    return {**typed, "audit": "null"} if options.no_audit else typed
