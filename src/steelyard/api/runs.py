"""What trains, and what goes on from what was trained: train, predict."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steelyard.jobs.training_extra import require_training
from steelyard.tables import LabelTable
from steelyard.tables.label_table import Split
from steelyard.tables.prediction_table import PredictionTable

if TYPE_CHECKING:
    from steelyard.datasets.dataset import Dataset
    from steelyard.jobs.train import TrainedRun


def train(
    config: str | Path | Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    resume: bool = False,
    dataset: "Dataset | None" = None,
    quiet: bool = True,
) -> "TrainedRun | None":
    """Train a network, keep its best checkpoint, predict all splits with it, and audit the predictions.

    Args:
        config: a YAML file as `steelyard train` reads it, or what it would hold.
        overrides: dotted name → value, such as `{"objective.weight": 0.5, "out": "runs/half"}`; they win.
        resume: go on with the run in the folder `out`.
        dataset: opened already, so that several runs share it.
        quiet: no bar of images and time left on stderr.

    Returns:
        The run: its folder, quality, tables, report; None in every process but the first, where torchrun or SLURM has
        started several.

    Raises:
        InputError: configuration, data, network or folder are not what they must be; one line says which.
        MissingExtraError: what trains is not installed.
    """
    require_training()
    from steelyard.jobs.train import run_training
    from steelyard.jobs.training_config import read_config

    return run_training(read_config(config, overrides), resume=resume, dataset=dataset, quiet=quiet)


def predict(
    run: str | Path,
    *,
    splits: Sequence[Split] = (),
    checkpoint: Literal["best", "last"] = "best",
    noise: float | None = None,
    erase: str | None = None,
    dataset: "Dataset | None" = None,
    note: Callable[[str], None] = print,
) -> tuple[LabelTable, PredictionTable]:
    """Labels and logits of images, of a run that `train` made; both go into `audit`'s tables by `tables.write_*`.

    Args:
        run: its folder.
        splits: `train`, `val`, `test`; default all.
        checkpoint: which weights.
        noise: scale of Gaussian noise on the embedding, in its own standard deviations.
        erase: tap whose linear traces of the groups are erased (LEACE).
        dataset: opened already; default the run's own.
        note: told, in a sentence, what a reader of the scores must know of the erasure; by default it is printed.

    Raises:
        InputError: no such run, checkpoint, split or tap; one line says which.
        MissingExtraError: what trains is not installed.
    """
    require_training()
    from steelyard.jobs.predict import PredictOptions, predict_run

    options = PredictOptions(splits=tuple(splits), checkpoint=checkpoint, noise=noise, erase=erase)
    return predict_run(run, options, dataset=dataset, note=note)
