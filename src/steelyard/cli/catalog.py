"""`steelyard catalog metrics`: every figure that reports use, with its range, ideal value, direction and paper."""

from jsonargparse import Namespace

from steelyard.cli.parser import Parser

HELP = "List what is measured, with range, ideal value, direction and paper."


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=["metrics"], help="the catalogue to print")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: Namespace, command: list[str]) -> None:
    """Print the catalogue."""
    import json
    from dataclasses import asdict

    from steelyard.metrics.catalog import CATALOG

    if options.json:
        print(json.dumps([asdict(row) for row in CATALOG], indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Metrics", show_lines=False)
    for heading in ("name", "range", "ideal", "better", "unit", "paper"):
        table.add_column(heading, overflow="fold")
    for row in CATALOG:
        low, high = ("∞" if end is None else f"{end:g}" for end in row.range)
        ends = f"{'-' if low == '∞' else ''}{low} … {high}"
        ideal = "–" if row.ideal is None else str(row.ideal)
        table.add_row(row.name, ends, ideal, row.better, row.unit, row.paper)
    Console().print(table)
