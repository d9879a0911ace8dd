"""What trains, and what goes on from what was trained: train, predict, augment."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steelyard.jobs.training_extra import require_training
from steelyard.tables import LabelTable
from steelyard.tables.label_table import Split
from steelyard.tables.prediction_table import PredictionTable

if TYPE_CHECKING:
    from steelyard.datasets.dataset import Dataset
    from steelyard.jobs.augment.run import Augmented
    from steelyard.jobs.train import TrainedRun
    from steelyard.latent.generator import Generator


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


def augment(
    config: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    only: str | None = None,
    anew_from: str | None = None,
    dataset: "Dataset | None" = None,
    generator: "Generator | None" = None,
    quiet: bool = True,
) -> "Augmented":
    """Train on pairs of generated images that differ in the protected attribute alone, and measure what it changes.

    Args:
        config: a YAML file as `steelyard augment` reads it, or what it would hold.
        out: the folder of everything, in place of what the configuration says; steps whose results stand there are
            skipped.
        only: this step alone; those whose results it reads must stand.
        anew_from: this step and those after it, whether their results stand or not.
        dataset: real images, opened already.
        generator: opened already, or any object with the members of `steelyard.latent.generator.Generator`.
        quiet: no bars of training on stderr.

    Returns:
        The folder, the report (None where its step was not asked for), and what came of each step; `print` it.

    Raises:
        InputError: configuration, data, generator or folder are not what they must be; one line says which.
        UndefinedError: an attribute that generated images do not show, or too few of them do.
        MissingExtraError: what trains is not installed.
    """
    require_training()
    from steelyard.jobs.augment.config import read_augment
    from steelyard.jobs.augment.run import run_augment

    return run_augment(
        read_augment(config, out=None if out is None else str(out)),
        only=only,
        anew_from=anew_from,
        dataset=dataset,
        generator=generator,
        quiet=quiet,
    )
