"""`steelyard predict`: a run in; its scores and, beside them, the labels out, as `steelyard audit` reads both."""

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_real, add_whole

HELP = """Write a run's scores (logits) of images with their ids and splits, and labels.parquet beside them. Noise and
erasure change the network for these scores only."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("run", metavar="RUN", help="folder that steelyard train wrote")
    parser.add_argument("--split", default="all", help="train, val, test, several with commas, or all")
    parser.add_argument("--checkpoint", default="best", choices=["best", "last"], help="which weights")
    add_real(parser, "--noise", help="scale of Gaussian noise on the embedding, in its own standard deviations")
    parser.add_argument("--erase", metavar="TAP", help="erase what a tap says of the group linearly (LEACE)")
    parser.add_argument("--data", metavar="DIR", help="another data set of the same kind (default: the run's own)")
    add_whole(parser, "--workers", least=0, help="processes that decode images (default: as the run has it)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML file of these options, without dashes")
    parser.add_argument("--out", metavar="FILE", required=True, help=".parquet or .csv for the scores")


def run(options: Namespace, command: list[str]) -> None:
    """Predict, write, and say where."""
    from steelyard.base.errors import InputError
    from steelyard.cli.parser import names
    from steelyard.datasets.dataset import SPLITS
    from steelyard.jobs.training_extra import require_training

    require_training()
    from steelyard.jobs.predict import PredictOptions, write_run_predictions
    from steelyard.jobs.progress import in_lines

    wanted = names(options.split)
    for name in wanted:
        if name not in (*SPLITS, "all"):
            raise InputError(f"--split: expected train, val, test or all, found {name!r}; name one of them")
    chosen = PredictOptions(
        splits=() if "all" in wanted else tuple(split for split in SPLITS if split in wanted),
        checkpoint=options.checkpoint,
        noise=options.noise,
        erase=options.erase,
        source=options.data,
        workers=options.workers,
    )
    notes: list[str] = []
    progress = in_lines(quiet=options.quiet)
    scores, labels = write_run_predictions(options.run, options.out, chosen, progress=progress, note=notes.append)
    print("\n".join([f"The scores: {scores}", f"The labels: {labels}", *(f"Note: {note}" for note in notes)]))
