"""The tables in a run's folder: the labels and the predictions that the run wrote, read back without PyTorch."""

from pathlib import Path

from steelyard.base.errors import InputError
from steelyard.reports.records import load_json
from steelyard.tables import LabelTable, PredictionTable, read_labels, read_predictions

LABELS, PREDICTIONS, PROVENANCE = "labels.parquet", "predictions.parquet", "provenance.json"
"""What a run's folder holds of its tables."""


def run_tables(run: Path, *, instead: str = "") -> tuple[LabelTable, PredictionTable]:
    """Labels and predictions that a run wrote.

    Args:
        run: its folder.
        instead: what may be given in place of a run, for the message.

    Raises:
        InputError: they are not there, or not what they must be.
    """
    for part in (PROVENANCE, LABELS, PREDICTIONS):
        if not (run / part).is_file():
            found = "no such folder" if not run.exists() else "a file" if run.is_file() else f"none with a {part}"
            do = f"name what steelyard train wrote{instead}"
            raise InputError(f"{run}: expected the folder of a finished run, found {found}; {do}")
    record = load_json(run / PROVENANCE)
    try:
        columns, task = record["labels"], record["task"]
        labels = read_labels(
            run / LABELS,
            protected=columns["protected"],
            target=columns["target_column"] or None,
            targets=task["target_names"] if task["kind"] == "multi" else None,
            id_column=columns["id_column"] or None,
        )
    except (KeyError, TypeError):
        expected = "the run's columns under 'labels' and 'task'"
        raise InputError(f"{run / PROVENANCE}: expected {expected}, found something else; restore the file") from None
    return labels, read_predictions(run / PREDICTIONS, labels=labels)
