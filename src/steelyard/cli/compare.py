"""`steelyard compare`: two models or more on the same images; comparison.json, comparison.csv, comparison.html out."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from steelyard.cli.measuring import add_measuring_options, add_prediction_options, columns, measuring
from steelyard.cli.parser import Parser, add_run_options, add_table_options, listed

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
    add_prediction_options(parser)
    add_table_options(parser, required=False)
    add_measuring_options(parser)
    add_run_options(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the comparison, made if need be")


def run(options: Namespace, command: list[str]) -> None:
    """Compare, write, and print the differences."""
    from steelyard.jobs.compare import CompareOptions, run_compare
    from steelyard.jobs.compare_tables import ComparedSources
    from steelyard.jobs.output import output_folder
    from steelyard.jobs.progress import on_stderr

    chosen, sources = CompareOptions(**measuring(options)), ComparedSources(models=_models(options), **columns(options))
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
