"""`steelyard balance`: the largest α-balanced subset; kept rows to a file, the summary on stdout."""

from jsonargparse import ActionYesNo, Namespace

from steelyard.cli.parser import Parser, add_real, add_run_options, add_table_options, add_whole

HELP = """Keep as many images as possible so that, for every label, no group has more than α times as many images as
another. The kept rows are written to --out, the summary is printed."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("labels", metavar="LABELS", help="CSV, Parquet, NPZ or list_attr_celeba.txt")
    add_table_options(parser)
    parser.add_argument("--split", help="only the rows of train, val or test (default: all rows)")
    add_real(parser, "--alpha", required=True, help="largest ratio, 1 or more")
    parser.add_argument(
        "--balance-groups",
        action=ActionYesNo(no_prefix="no-"),
        default=True,
        help="hold the group totals within α, too",
    )
    add_whole(parser, "--min-support", default=0, help="images to keep of every label that can have them")
    add_real(parser, "--time-limit", default=20.0, help="seconds for the search")
    add_run_options(parser)
    parser.add_argument("--out", metavar="FILE", required=True, help=".csv or .parquet")


def run(options: Namespace, command: list[str]) -> None:
    """Balance, write, and print what was kept."""
    from steelyard.jobs.balance import BalanceOptions, run_balance
    from steelyard.jobs.progress import on_stderr

    chosen = BalanceOptions(
        alpha=options.alpha,
        split=options.split,
        balance_groups=options.balance_groups,
        min_support=options.min_support,
        time_limit=options.time_limit,
        seed=options.seed,
    )
    with on_stderr(quiet=options.quiet) as progress:
        _, kept = run_balance(
            options.labels,
            protected=options.protected,
            options=chosen,
            target=options.target,
            targets=options.targets,
            id_column=options.id,
            split_column=options.split_column,
            out=options.out,
            progress=progress,
        )
    print(kept.summary())
    print(f"\nThe kept rows: {options.out}")
