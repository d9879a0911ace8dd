"""`steelyard calibrate`: potentials in; calibrated decisions and groups, and what changed, out."""

import shlex
from pathlib import Path

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_real, add_run_options, add_table_options, add_whole, listed

HELP = """Hold the predictions of a corpus near the training labels: for every label with enough training images, each
group's share among the images that the label is predicted for stays within a margin of its training share. Works on
the potentials of any model that predicts targets and group together; writes predictions.parquet (and
uncalibrated.parquet beside it), report.json and report.html."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    words = "NPZ (ids, groups, targets, potentials, group_scores) or Parquet (flat lists, shape in the metadata)"
    parser.add_argument("potentials", metavar="POTENTIALS", help=words)
    parser.add_argument("--labels", required=True, metavar="FILE", help="CSV, Parquet, NPZ or list_attr_celeba.txt")
    add_table_options(parser)
    parser.add_argument(
        "--train-split", default="train", help="rows that the shares are counted from: train, val or test"
    )
    parser.add_argument("--split", help="calibrate only images of train, val or test (default: all with potentials)")
    add_real(parser, "--margin", default=0.05, help="how far a share may lie from its training share")
    add_whole(parser, "--min-support", default=100, help="training images that a label needs to be constrained")
    add_whole(parser, "--bootstrap", default=500, help="rounds of the intervals")
    add_run_options(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for what is made, made if need be")


def run(options: Namespace, command: list[str]) -> None:
    """Calibrate, write, and print what changed."""
    from steelyard.jobs.calibrate import CalibrateOptions, check_outputs, run_calibrate
    from steelyard.jobs.output import output_folder
    from steelyard.jobs.progress import on_stderr

    told = ("margin", "min_support", "train_split", "split", "bootstrap", "seed")
    chosen = CalibrateOptions(**{name: options[name] for name in told})
    with output_folder(Path(options.out)) as folder:
        check_outputs(folder, (options.potentials, options.labels))
        with on_stderr(quiet=options.quiet) as progress:
            made = run_calibrate(
                options.potentials,
                options.labels,
                protected=options.protected,
                options=chosen,
                target=options.target,
                targets=options.targets,
                id_column=options.id,
                split_column=options.split_column,
                progress=progress,
                command=command,
            )
        made.write(folder)
    print(made)
    print(f"\nThe calibrated predictions: {folder / 'predictions.parquet'}")
    print(f"The page: {folder / 'report.html'}")
    if made.report.data["labelled"] == made.report.data["images"]:  # an audit takes no other rows
        print("\nWhat the predictions give away, before calibration and after:")
        for name, when in (("uncalibrated.parquet", "before"), ("predictions.parquet", "after")):
            print(_in_lines(_audit(options, folder, name, when)))


def _audit(options: Namespace, folder: Path, predictions: str, when: str) -> list[tuple[str, ...]]:
    """The command that audits one of the tables, an option and its value at a time."""
    columns = {"--target": options.target, "--targets": listed(options.targets)}
    columns |= {"--id": options.id, "--split-column": options.split_column}
    return [
        ("steelyard", "audit"),
        ("--labels", str(options.labels)),
        ("--protected", options.protected),
        *((option, name) for option, name in columns.items() if name is not None),
        ("--predictions", str(folder / predictions)),
        ("--predicted-protected", "group"),
        ("--out", str(folder / f"audit-{when}")),
    ]


def _in_lines(parts: list[tuple[str, ...]], width: int = 78) -> str:
    """A command for a shell, on lines that it reads as one."""
    lines = [""]
    for part in parts:
        text = shlex.join(part)
        if lines[-1] and len(lines[-1]) + 1 + len(text) > width - 2:
            lines.append("")
        lines[-1] += f" {text}" if lines[-1] else f"{'  ' if len(lines) == 1 else '      '}{text}"
    return " \\\n".join(lines)
