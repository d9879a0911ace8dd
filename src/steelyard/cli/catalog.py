"""`steelyard catalog metrics`: each measure of labels and predictions, with range, ideal value, direction and paper."""

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
    for row in CATALOG:
        low, high = row.range
        ends = f"{'-∞' if low is None else f'{low:g}'} … {'∞' if high is None else f'{high:g}'}"
        ideal = "none" if row.ideal is None else row.ideal
        print(f"{row.name}\n    {row.answers}")
        print(f"    range {ends}, ideal {ideal}, better: {row.better}; unit: {row.unit}; source: {row.paper}")
