"""`steelyard audit`: labels, and a model's predictions beside them, in; report.json, per_label.csv, report.html out."""

from pathlib import Path

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_run_options, add_table_options, add_whole, listed, names

HELP = """Say how much of a protected attribute the labels give away, how much a model gives away, and how much of
that is the model's own amplification; write report.json, per_label.csv and report.html."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("--labels", required=True, metavar="FILE", help="CSV, Parquet, NPZ or list_attr_celeba.txt")
    parser.add_argument("--predictions", metavar="FILE", help="CSV, Parquet or NPZ: the id and a score per target")
    parser.add_argument(
        "--kind",
        choices=["logits", "probabilities", "decisions"],
        help="what the scores are (default: what the Parquet file says of itself)",
    )
    parser.add_argument("--predicted-protected", metavar="COL", help="column of the group that the model predicts")
    parser.add_argument("--predictions-id", metavar="COL", help="column of ids there (default: as in the labels)")
    add_table_options(parser)
    parser.add_argument("--preset", help="wang2019-coco or wang2019-imsitu: the published protocol (needs PyTorch)")
    parser.add_argument(
        "--levels", help="of the curve: a number, F1 values, both, or none (default 12; none with a preset)"
    )
    parser.add_argument("--channel", help="flip, replace or prevalence (default: replace for --target, else flip)")
    parser.add_argument("--attackers", help="of table,logistic,boosting,mlp (default: the family that suits)")
    add_whole(parser, "--rounds", default=5, help="redraws of subsets, folds and corruption")
    add_whole(parser, "--folds", default=5, help="folds of cross-fitting")
    add_whole(parser, "--permutations", default=99, help="of the p-value; 0 skips it")
    parser.add_argument("--threshold", default="0.5", help="0.5, f1 or calibrated (fitted on validation rows)")
    add_whole(parser, "--bootstrap", default=500, help="rounds of the metrics' intervals")
    add_whole(parser, "--min-support", default=30, help="training images that a label set needs")
    add_whole(parser, "--workers", help="processes (default: one per core)")
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
        channel=options.channel,
        attackers=names(options.attackers),
        rounds=options.rounds,
        folds=options.folds,
        permutations=options.permutations,
        threshold=str(options.threshold),
        bootstrap=options.bootstrap,
        min_support=options.min_support,
        seed=options.seed,
        workers=options.workers,
    )
    sources = Sources(
        labels=options.labels,
        predictions=options.predictions,
        kind=options.kind,
        predicted_protected=options.predicted_protected,
        protected=options.protected,
        target=options.target,
        targets=options.targets,
        id_column=options.id,
        predictions_id=options.predictions_id,
        split_column=options.split_column,
    )
    with output_folder(Path(options.out)) as folder:
        with on_stderr(quiet=options.quiet) as progress:
            report = run_audit(sources, chosen, progress=progress, command=command)
        report.write(folder)
    print(report)
    print(f"\nThe page: {folder / 'report.html'}")
