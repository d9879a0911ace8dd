"""`steelyard leakage ablation`: the same scores under attackers of several sizes."""

from pathlib import Path

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_run_options, add_table_options, add_whole

HELP = """Studies of the attackers. `ablation`: attack a model's scores with networks of several depths and with less
data (Table 2 of Wang et al., ICCV 2019), to see whether the leakage found depends on the attacker."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("study", choices=["ablation"], help="which study")
    parser.add_argument("--labels", required=True, metavar="FILE", help="CSV, Parquet, NPZ or list_attr_celeba.txt")
    parser.add_argument("--predictions", required=True, metavar="FILE", help="CSV, Parquet or NPZ")
    parser.add_argument("--kind", choices=["logits", "probabilities"], help="what the scores are")
    parser.add_argument("--predictions-id", metavar="COL", help="column of ids there (default: as in the labels)")
    add_table_options(parser)
    parser.add_argument(
        "--preset", default="wang2019-coco", help="sizes and settings: wang2019-coco or wang2019-imsitu"
    )
    add_whole(parser, "--rounds", default=5, help="redraws of the subsets")
    add_whole(parser, "--epochs", help="of training (default: the preset's 100)")
    add_run_options(parser)
    parser.add_argument("--out", metavar="FILE", help="the rows as CSV")


def run(options: Namespace, command: list[str]) -> None:
    """Attack, write, and print the table."""
    from steelyard.jobs.ablation import run_ablation, write_ablation
    from steelyard.jobs.audit import Sources
    from steelyard.jobs.output import check_file
    from steelyard.jobs.progress import on_stderr

    if options.out:
        check_file(Path(options.out), inputs=(options.labels, options.predictions))
    sources = Sources(
        labels=options.labels,
        predictions=options.predictions,
        kind=options.kind,
        protected=options.protected,
        target=options.target,
        targets=options.targets,
        id_column=options.id,
        predictions_id=options.predictions_id,
        split_column=options.split_column,
    )
    with on_stderr(quiet=options.quiet) as progress:
        rows = run_ablation(
            sources,
            preset=options.preset,
            rounds=options.rounds,
            epochs=options.epochs,
            seed=options.seed,
            progress=progress,
        )
    if options.out:
        write_ablation(Path(options.out), rows)
    print(f"{'attacker':<10}{'hidden':<14}{'data':>6}{'leakage, %':>12}{'95 % interval':>18}   COCO, published")
    for row in rows:
        e, hidden = row.leakage, "–".join(map(str, row.hidden)) or "none"
        interval = f"{100 * e.low:.1f} to {100 * e.high:.1f}"
        print(
            f"{row.attacker:<10}{hidden:<14}{row.fraction:>6.0%}{100 * e.value:>12.2f}{interval:>18}   {row.published}"
        )
    print(f"\n{rows[0].leakage.scheme}")
