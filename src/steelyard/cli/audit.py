"""`steelyard audit`: labels, and a model's predictions beside them, in; report.json, per_label.csv, report.html out."""

from pathlib import Path

from jsonargparse import Namespace

from steelyard.cli.measuring import add_measuring_options, add_prediction_options, columns, measuring
from steelyard.cli.parser import Parser, add_run_options, add_table_options, add_whole, listed

HELP = """Say how much of a protected attribute the labels give away, how much a model gives away, and how much of
that is the model's own amplification; write report.json, per_label.csv and report.html."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("--labels", required=True, metavar="FILE", help="CSV, Parquet, NPZ or list_attr_celeba.txt")
    parser.add_argument("--predictions", metavar="FILE", help="CSV, Parquet or NPZ: the id and a score per target")
    add_prediction_options(parser)
    parser.add_argument("--predicted-protected", metavar="COL", help="column of the group that the model predicts")
    add_table_options(parser)
    parser.add_argument("--preset", help="wang2019-coco or wang2019-imsitu: the published protocol (needs PyTorch)")
    parser.add_argument(
        "--levels", help="of the curve: a number, F1 values, both, or none (default 12; none with a preset)"
    )
    add_measuring_options(parser)
    add_whole(parser, "--permutations", default=99, help="of the p-value; 0 skips it")
    add_whole(parser, "--min-support", default=30, help="training images that a label set needs")
    add_run_options(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the report, made if need be")


def run(options: Namespace, command: list[str]) -> None:
    """Audit, write, and print the figures."""
    from steelyard.jobs.audit import Sources, run_audit
    from steelyard.jobs.audit_options import AuditOptions
    from steelyard.jobs.output import output_folder
    from steelyard.jobs.progress import on_stderr

    chosen = AuditOptions(
        preset=options.preset,
        levels=listed(options.levels),
        permutations=options.permutations,
        min_support=options.min_support,
        **measuring(options),
    )
    sources = Sources(
        predictions=options.predictions, predicted_protected=options.predicted_protected, **columns(options)
    )
    with output_folder(Path(options.out)) as folder:
        with on_stderr(quiet=options.quiet) as progress:
            report = run_audit(sources, chosen, progress=progress, command=command)
        report.write(folder)
    print(report)
    print(f"\nThe page: {folder / 'report.html'}")
