"""`steelyard generator`: train a generator of images, draw samples of one, or look at what its file holds."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.cli.parser import Parser, add_whole
from steelyard.jobs.training_extra import require_training

HELP = """A generator of images. `train CONFIG.yaml`: train a progressive GAN as the file says; every option of the file
can be given here, too, and wins: --training.rate 0.002. `sample SOURCE`: draw images of any generator, with their
latents. `inspect SOURCE`: say what a generator is; nothing that a file holds is run. `quality SOURCE --run RUN`: how
far its images are from a run's test images, on the features of that run's network, and on how many it is sure."""
_OF = {
    "train": ("out", "seed", "resume"),
    "sample": ("out", "seed", "n", "as_array"),
    "inspect": (),
    "quality": ("seed", "n", "run"),
}
"""The options of each action; those of the configuration belong to the first."""


def add_options(parser: Parser) -> None:
    """Declare the options; those of the file are text here, and are read where the file is."""
    parser.add_argument("action", choices=list(_OF), help="what to do")
    parser.add_argument(
        "what",
        nargs="?",
        metavar="FILE",
        help="train: the configuration (there are examples in configs/); the others: a generator's file, the "
        "folder of its run, or the name of one that comes with a package",
    )
    parser.add_argument("--out", metavar="DIR", help="train, sample: the folder, made if need be")
    parser.add_argument("--run", metavar="RUN", help="quality: a run of steelyard train on images of the same size")
    add_whole(
        parser, "--seed", least=0, help="train, sample, quality: of everything random (default: 0, or as the file says)"
    )
    parser.add_argument("--resume", metavar="RUN", help="train: go on with this run's folder from its last checkpoint")
    add_whole(parser, "--n", least=1, help="sample, quality: images (default: 64; all test images)")
    parser.add_argument("--as-array", action="store_true", help="sample: one images.npy in place of single PNG files")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    try:
        require_training()
    except MissingExtraError as missing:
        # What declares the file's options is not there: help goes without them, all else says what to install.
        parser.missing = missing
        parser.epilog = f"The options of train's file are listed here once steelyard[train] is installed ({missing})."
        return
    from steelyard.jobs.generator_config import generator_option_list

    for option in generator_option_list():
        words = f"train: {option.says} ({option.values})".replace("%", "%%")
        words += "" if option.default is None else f" (default: {str(option.default).replace('%', '%%')})"
        parser.add_argument(f"--{option.name}", metavar="X", type=str, help=words)


def run(options: Namespace, command: list[str]) -> None:
    """Do the action, and print what came of it."""
    require_training()
    typed = _typed(options)
    if options.action == "train":
        _train(options, typed, command)
        return
    if options.what is None:
        raise InputError(f"steelyard generator {options.action}: expected a generator, found none; name its file")
    from steelyard.jobs.generator import inspect_generator, sample_generator
    from steelyard.jobs.progress import on_stderr

    if options.action == "inspect":
        print(inspect_generator(options.what))
        return
    if options.action == "quality":
        _quality(options)
        return
    if options.out is None:
        raise InputError("--out: expected a folder for the samples, found none; name it")
    with on_stderr(quiet=options.quiet) as progress:
        made = sample_generator(
            options.what,
            n=options.n or 64,
            seed=options.seed or 0,
            out=options.out,
            as_array=options.as_array,
            progress=progress,
        )
    print(made)


def _train(options: Namespace, typed: dict[str, Any], command: list[str]) -> None:
    from steelyard.jobs.generator_config import read_generator_config
    from steelyard.jobs.generator_train import config_to_resume, run_generator_training
    from steelyard.jobs.progress import in_lines

    if options.resume is not None:
        config = config_to_resume(Path(options.resume), options.what, typed)
    elif options.what is None:
        raise InputError("steelyard generator train: expected CONFIG.yaml or --resume RUN, found neither; name one")
    else:
        config = read_generator_config(options.what, typed)
    trained = run_generator_training(
        config,
        resume=options.resume is not None,
        quiet=options.quiet,
        progress=in_lines(quiet=options.quiet),
        command=command,
    )
    if trained is not None:  # None in every process but the first
        print(trained)


def _quality(options: Namespace) -> None:
    from steelyard.jobs.generator_quality import measure_quality
    from steelyard.jobs.progress import on_stderr

    if options.run is None:
        raise InputError("--run: expected a run of steelyard train whose network looks at the images, found none")
    with on_stderr(quiet=options.quiet) as progress:
        print(measure_quality(options.what, options.run, n=options.n, seed=options.seed or 0, progress=progress))


def _typed(options: Namespace) -> dict[str, Any]:
    """Dotted name → value, of the file's options that were given.

    Raises:
        InputError: an option of another action was given.
    """
    from steelyard.jobs.generator_config import generator_option_list

    names = [option.name for option in generator_option_list()]
    for name in ("out", "seed", "resume", "n", "as_array", "run", *names):
        actions = [action for action, own in _OF.items() if name in own] or ["train"]
        if options.get(name) not in (None, False) and options.action not in actions:
            found, option = options.action, "--as-array" if name == "as_array" else f"--{name}"
            raise InputError(f"{option}: expected with {' or '.join(actions)}, found with {found}; drop the option")
    return {name: options.get(name) for name in ("out", "seed", *names) if options.get(name) is not None}
