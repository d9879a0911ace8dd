"""What `audit` and `compare` are both told: the columns of the tables, and how to measure."""

from typing import Any

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_whole, names


def add_prediction_options(parser: Parser) -> None:
    """The options that say how predictions are read."""
    parser.add_argument(
        "--kind",
        choices=["logits", "probabilities", "decisions"],
        help="what the scores are (default: what a Parquet file says of itself)",
    )
    parser.add_argument("--predictions-id", metavar="COL", help="column of ids there (default: as in the labels)")


def add_measuring_options(parser: Parser) -> None:
    """The options that say how to measure."""
    parser.add_argument("--channel", help="flip, replace or prevalence (default: replace for --target, else flip)")
    parser.add_argument("--attackers", help="of table,logistic,boosting,mlp (default: the family that suits)")
    add_whole(parser, "--rounds", default=5, help="redraws of subsets, folds and corruption")
    add_whole(parser, "--folds", default=5, help="folds of cross-fitting")
    parser.add_argument("--threshold", default="0.5", help="0.5, f1 or calibrated (fitted on validation rows)")
    add_whole(parser, "--bootstrap", default=500, help="rounds of the metrics' intervals")
    add_whole(parser, "--workers", help="processes (default: one per core)")


def columns(options: Namespace) -> dict[str, Any]:
    """What the sources of both verbs are told: where the labels lie, and what is in which column."""
    told = ("labels", "protected", "kind", "target", "targets", "split_column", "predictions_id")
    return {**{name: options[name] for name in told}, "id_column": options.id}


def measuring(options: Namespace) -> dict[str, Any]:
    """What the options of both jobs are told."""
    told = {name: options[name] for name in ("channel", "rounds", "folds", "bootstrap", "seed", "workers")}
    return {**told, "attackers": names(options.attackers), "threshold": str(options.threshold)}
