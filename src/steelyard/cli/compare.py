"""`steelyard compare`: two models or more on the same images; comparison.json, comparison.csv, comparison.html out."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_run_options, add_table_options, add_whole, listed, names

HELP = """Compare models on the same images with the first of them: leakage, amplification, conditional leakage and
quality, each difference with an interval that is paired image by image. Name folders that `steelyard train` wrote, or
give --labels and --predictions of any models."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="folders of runs, the first is the base; or NAME=RUN to name them"
    )
    parser.add_argument("--labels", metavar="FILE", help="CSV, Parquet, NPZ or list_attr_celeba.txt")
    parser.add_argument(
        "--predictions",
        nargs="+",
        metavar="NAME=FILE",
        help="a model each, the first is the base: CSV, Parquet or NPZ; the name may be left out",
    )
    parser.add_argument(
        "--kind",
        choices=["logits", "probabilities", "decisions"],
        help="what the scores are (default: what the Parquet files say of themselves)",
    )
    parser.add_argument("--predictions-id", metavar="COL", help="column of ids there (default: as in the labels)")
    add_table_options(parser, required=False)
    parser.add_argument("--channel", help="flip, replace or prevalence (default: replace for --target, else flip)")
    parser.add_argument("--attackers", help="of table,logistic,boosting,mlp (default: the family that suits)")
    add_whole(parser, "--rounds", default=5, help="redraws of subsets, folds and corruption")
    add_whole(parser, "--folds", default=5, help="folds of cross-fitting")
    parser.add_argument("--threshold", default="0.5", help="0.5, f1 or calibrated (fitted on validation rows)")
    add_whole(parser, "--bootstrap", default=500, help="rounds of the metrics' intervals")
    add_whole(parser, "--workers", help="processes (default: one per core)")
    add_run_options(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the comparison, made if need be")


def run(options: Namespace, command: list[str]) -> None:
    """Compare, write, and print the differences."""
    from steelyard.jobs.compare import CompareOptions, run_compare
    from steelyard.jobs.compare_tables import ComparedSources
    from steelyard.jobs.output import output_folder
    from steelyard.jobs.progress import on_stderr

    chosen = CompareOptions(
        channel=options.channel,
        attackers=names(options.attackers),
        rounds=options.rounds,
        folds=options.folds,
        threshold=str(options.threshold),
        bootstrap=options.bootstrap,
        seed=options.seed,
        workers=options.workers,
    )
    sources = ComparedSources(
        models=_models(options),
        labels=options.labels,
        protected=options.protected,
        kind=options.kind,
        target=options.target,
        targets=options.targets,
        id_column=options.id,
        split_column=options.split_column,
        predictions_id=options.predictions_id,
    )
    with output_folder(Path(options.out)) as folder:
        with on_stderr(quiet=options.quiet) as progress:
            comparison = run_compare(sources, chosen, progress=progress, command=command)
        comparison.write(folder)
    print(comparison)
    print(f"\nThe page: {folder / 'comparison.html'}")


def _models(options: Namespace) -> dict[str, str]:
    """Name → file or folder, in the order given.

    Raises:
        InputError: runs and files together, files without labels, or one name twice.
    """
    from steelyard.base.errors import InputError

    runs, files = _words(options.runs), _words(options.predictions)
    if runs and (files or options.labels):
        found = "--predictions" if files else "--labels"
        raise InputError(
            f"compare: expected folders of runs alone, or --labels and --predictions, found both runs and "
            f"{found}; give a run to --predictions as NAME=RUN"
        )
    if files and not options.labels:
        raise InputError("--labels: expected the labels of these predictions, found none; add --labels FILE")
    if options.labels and not files:
        raise InputError("--predictions: expected NAME=FILE of two models or more, found none; add them")
    models: dict[str, str] = {}
    for word in runs or files:
        name, given, path = word.partition("=")
        if not given or "/" in name:
            path, name = word, Path(word).resolve().name if runs else Path(word).stem
        if name in models:
            found = f"{models[name]} and {path}"
            raise InputError(f"{name}: expected one model of each name, found {found}; name them as NAME={path}")
        models[name] = path
    return models


def _words(value: Any) -> list[str]:
    """Several words, or one text with commas from YAML."""
    if value is None:
        return []
    return [str(word) for word in value] if isinstance(value, list) else (listed(value) or "").split(",")
