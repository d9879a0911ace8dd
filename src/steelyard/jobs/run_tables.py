"""The tables that a run writes, into its folder or elsewhere, and reads back, without PyTorch."""

from dataclasses import dataclass
from pathlib import Path

from steelyard.base.errors import InputError
from steelyard.reports.records import load_json
from steelyard.tables import (
    LabelTable,
    PotentialTable,
    PredictionTable,
    read_labels,
    read_predictions,
    write_labels,
    write_potentials,
    write_predictions,
)
from steelyard.tables.writing import PREDICTED_GROUP_COLUMN

LABELS, PREDICTIONS, PROVENANCE = "labels.parquet", "predictions.parquet", "provenance.json"
"""What a run's folder holds of its tables."""
DECISIONS, POTENTIALS = "decisions.parquet", "potentials.npz"
"""What it holds besides where targets and group were scored together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What a run's network says of images, in one order.

    Attributes:
        labels: of these images.
        predictions: logits of the targets, and the decoded groups where targets and group are scored together.
        decisions: the decoded targets and groups, where they are; else None.
        potentials: what was decoded, likewise.
    """

    labels: LabelTable
    predictions: PredictionTable
    decisions: PredictionTable | None = None
    potentials: PotentialTable | None = None

    def write(self, *, labels: Path, predictions: Path, decisions: Path, potentials: Path) -> None:
        """Write the tables that there are.

        Raises:
            InputError: a file that cannot be written.
        """
        write_labels(labels, self.labels)
        write_predictions(predictions, self.predictions)
        if self.decisions is not None and self.potentials is not None:
            write_predictions(decisions, self.decisions)
            write_potentials(potentials, self.potentials)


def run_tables(run: Path, *, instead: str = "") -> tuple[LabelTable, PredictionTable]:
    """Labels and predictions that a run wrote; where it predicts groups, with these.

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
    decoded = PREDICTED_GROUP_COLUMN if (run / DECISIONS).is_file() else None
    return labels, read_predictions(run / PREDICTIONS, labels=labels, predicted_protected=decoded)
