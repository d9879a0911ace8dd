"""`steelyard demo`: the main job on real counts that come with the package; nothing is downloaded."""

from pathlib import Path

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_run_options

HELP = """Audit imSitu's verb labels (real counts that come with the package), balance them, and set the figures beside
those that were published. Writes a page; nothing is downloaded."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    add_run_options(parser)
    parser.add_argument("--out", default="demo", metavar="DIR", help="folder for the page, made if need be")


def run(options: Namespace, command: list[str]) -> None:
    """Run the demo and print its table."""
    from steelyard.jobs.demo import MODEL_F1, PUBLISHED_AT_F1, at_model_f1, run_demo
    from steelyard.jobs.progress import on_stderr

    with on_stderr(quiet=options.quiet) as progress:
        demo = run_demo(Path(options.out), seed=options.seed, progress=progress, command=command)
    print("How much do imSitu's verb labels alone give away about the perceived gender of the person?")
    print("Share of test images whose group an attacker names from the verb, each group counting the same;")
    print("guessing gets 50 %.\n")
    print(f"{'training images':<24}{'kept':>8}{'this run':>10}{'95 % interval':>18}   published")
    for row in demo.rows:
        e = row.leakage
        interval = f"{100 * e.low:.1f} to {100 * e.high:.1f} %"
        mark = " *" if row.remark else ""
        print(f"{row.title:<24}{row.images:>8,}{100 * e.value:>8.2f} %{interval:>18}   {row.published} %{mark}")
    point = at_model_f1(demo.report)
    interval = f"{100 * point.low:.1f} to {100 * point.high:.1f} %"
    name = f"corrupted to F1 {MODEL_F1}"
    print(f"{name:<24}{'':>8}{100 * point.dataset_leakage:>8.2f} %{interval:>18}   {PUBLISHED_AT_F1} %")
    for remark in dict.fromkeys(row.remark for row in demo.rows if row.remark):
        print(f"\n* {remark}")
    print(f"\nThe page: {demo.page}")
