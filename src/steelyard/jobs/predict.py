"""Predict: a run's scores of images, and their labels beside them, as an audit reads both."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from steelyard.base.errors import InputError, first_few
from steelyard.base.random import stream
from steelyard.datasets.dataset import Dataset
from steelyard.jobs.data import check_table_file
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_folder import kept_config, kept_task, with_kept_subset
from steelyard.jobs.run_parts import RunData, open_data, restored, tables_of
from steelyard.jobs.run_tables import DECISIONS, LABELS, POTENTIALS, PREDICTIONS, Predicted
from steelyard.mitigation.features.edits import erasure_edit, fit_tap_eraser, noise_edit
from steelyard.mitigation.features.noise import spread_of
from steelyard.models.network import EMBEDDING, Edit, Network
from steelyard.tables import LabelTable
from steelyard.tables.label_table import Split
from steelyard.tables.messages import complaint, listed
from steelyard.tables.prediction_table import PredictionTable
from steelyard.training.batches import Batches
from steelyard.training.checkpoints import Which
from steelyard.training.evaluation import Scores, predict, to_device
from steelyard.training.launching import launch
from steelyard.training.objective import Batch, Objective

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from steelyard.mitigation.features.leace import Eraser

_ENOUGH = 10
"""Images for each direction below which an erasure is said to leave traces on others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """Which images, which checkpoint, and what is changed in the network.

    Attributes:
        splits: the splits; empty for all that have images.
        checkpoint: `best` or `last`.
        noise: scale of Gaussian noise on the embedding, in units of each dimension's own standard deviation; None for
            none.
        erase: tap whose linear traces of the groups LEACE takes out; fitted on the validation images, which must be
            there.
        source: another data set of the same kind and labels, in place of the run's own.
        workers: processes that decode; None as the run has it.
    """

    splits: tuple[Split, ...] = ()
    checkpoint: Which = "best"
    noise: float | None = None
    erase: str | None = None
    source: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.noise is not None and not 0 <= self.noise < float("inf"):
            raise InputError(f"--noise: expected a number of 0 or more, found {self.noise}; change it")


def predict_run(
    run: str | Path,
    options: PredictOptions | None = None,
    *,
    dataset: Dataset | None = None,
    progress: Progress = silent,
    note: Callable[[str], None] = silent,
) -> tuple[LabelTable, PredictionTable]:
    """What a run's network says of images.

    Args:
        run: its folder.
        options: which images, and what is changed in the network.
        dataset: opened already; None opens what the run's configuration names.
        progress: told of each stage.
        note: told, in a sentence, what a reader of the scores must know of the erasure.

    Returns:
        Labels and logits of the same images, in the same order; with the groups, where the run predicts them.

    Raises:
        InputError: no such run, checkpoint, split or tap, other labels than the run learned, or no validation images
            to fit an erasure on.
        UndefinedError: there are no held-out images of some group to fit an erasure on.
    """
    tables = _tables(Path(run), options or PredictOptions(), dataset, progress, note)
    return tables.labels, tables.predictions


def _tables(
    run: Path, options: PredictOptions, dataset: Dataset | None, progress: Progress, note: Callable[[str], None]
) -> Predicted:
    """As `predict_run`, all that the network says."""
    config = kept_config(run)
    if options.source is None:
        config = with_kept_subset(config, run)
    else:
        config = replace(config, data=replace(config.data, source=options.source, subset=None, alpha=None))
    if options.workers is not None:
        config = replace(config, data=replace(config.data, workers=options.workers))
    config = replace(config, training=replace(config.training, devices=1, nodes=1))
    data = open_data(config, dataset=dataset, anywhere=options.source is not None, progress=progress)
    progress("predicting")
    scores, notes = launch(config.training, _predict, data, run, options)
    for said in notes:
        note(said)
    return tables_of(data.labels, scores, run)


def write_run_predictions(
    run: str | Path,
    out: str | Path,
    options: PredictOptions | None = None,
    *,
    progress: Progress = silent,
    note: Callable[[str], None] = silent,
) -> tuple[Path, Path]:
    """Predict, and write predictions and, beside them, `labels.parquet`.

    Args:
        run: its folder.
        out: `.parquet` or `.csv` for the predictions.
        options: as for `predict_run`.
        progress: told of each stage.
        note: as for `predict_run`.

    Returns:
        The two files; where targets and group are scored together, two more lie beside them, of which `note` is told:
        `X-decisions` and `X-potentials.npz` for predictions called X.

    Raises:
        InputError: as `predict_run`, a file that cannot be written, or one that the run or its data set has already.
    """
    path = check_table_file(out)
    labels, decisions, potentials = (
        path.with_name(name) for name in (LABELS, f"{path.stem}-decisions{path.suffix}", f"{path.stem}-potentials.npz")
    )
    read = [
        Path(source) for source in (kept_config(Path(run)).data.source, options.source if options else None) if source
    ]
    sources = {source.resolve() for source in read}
    own = {(Path(run) / name).resolve() for name in (LABELS, PREDICTIONS, DECISIONS, POTENTIALS)}
    for written in (path, labels, decisions, potentials):
        if written.resolve() in own:
            raise InputError(f"--out {path}: {written} is the run's own; name a file in another folder")
    for beside, what in ((labels, "labels"), (decisions, "decisions"), (potentials, "potentials")):
        if path == beside or beside.resolve() in sources:
            raise InputError(
                f"--out {path}: {beside} beside it would be replaced by the {what}; name another folder or file"
            )
    tables = _tables(Path(run), options or PredictOptions(), None, progress, note)
    tables.write(labels=labels, predictions=path, decisions=decisions, potentials=potentials)
    if tables.potentials is not None:
        note(f"targets and groups decoded together are in {decisions}, what they were decoded from in {potentials}")
    return path, labels


def _predict(
    fabric: "Fabric", data: RunData, run: Path, options: PredictOptions
) -> tuple[Mapping[Split, Scores], tuple[str, ...]]:
    """Scores by split, and notes."""
    task = kept_task(run)
    _require_same_labels(data.labels, task.target_names, task.group_names)
    if options.erase is not None and "val" not in data.parts:
        # Fitted on the images that it is scored on, an erasure would look perfect whatever it leaves on others.
        raise InputError(
            f"--erase: expected validation images to fit on, found none in {data.labels.source}; add a val split"
        )
    splits = options.splits or tuple(data.parts)
    sources = {split: data.evaluation(split, fabric) for split in splits}
    size = next(iter(sources.values())).size
    network, objective = restored(fabric, data.config, task, run, options.checkpoint, size=size)
    network.eval()
    notes: tuple[str, ...] = ()
    noise = torch.Generator()
    if options.erase is not None or options.noise is not None:
        held = data.evaluation("val" if "val" in data.parts else splits[0], fabric)
        if options.erase is not None:
            eraser = _erase(fabric, network, objective, held, options.erase, groups=len(task.group_names))
            notes = _notes(eraser, splits)
        if options.noise is not None:
            _add_noise(fabric, network, objective, held, options.noise, noise)
    scores = {}
    for split, source in sources.items():
        # From a stream of its own each: the other splits that are asked for do not matter.
        noise.manual_seed(int(stream(data.config.seed, "noise", split).integers(2**63)))
        scores[split] = predict(fabric, network, objective, source)
    return scores, notes


def _erase(
    fabric: "Fabric", network: Network, objective: Objective, held: Batches, tap: str, *, groups: int
) -> "Eraser":
    """Put an erasure into the network, fitted on held-out images."""
    if tap != EMBEDDING:
        network.layer(tap)  # refused by its name, before any image is read
    eraser = fit_tap_eraser(network, tap, _seen(fabric, network, objective, held), groups)
    network.edits[tap] = erasure_edit(eraser)
    return eraser


def _notes(eraser: "Eraser", splits: Sequence[Split]) -> tuple[str, ...]:
    """What holds of an erasure on these splits."""
    notes = []
    if eraser.rows < _ENOUGH * eraser.rank:
        notes.append(
            f"erasure: fitted on {eraser.rows:,} images for {eraser.rank:,} directions: "
            "expect linear traces to remain on others"
        )
    if "val" in splits:
        notes.append("erasure: fitted on the validation images: on val it is in-sample and looks better than on others")
    return tuple(notes)


def _add_noise(
    fabric: "Fabric",
    network: Network,
    objective: Objective,
    held: Batches,
    scale: float,
    generator: torch.Generator,
) -> None:
    """Put noise on the embedding, after any erasure, in units of its deviation on these images."""
    with torch.no_grad():
        parts = [network(batch.images).embedding for batch in _seen(fabric, network, objective, held)]
    noise = noise_edit(scale, generator, spread=spread_of(torch.cat(parts).float().cpu().numpy()))
    erase = network.edits.get(EMBEDDING)
    network.edits[EMBEDDING] = noise if erase is None else _both(erase, noise)


def _seen(fabric: "Fabric", network: Network, objective: Objective, source: Batches) -> Iterator[Batch]:
    """Batches as the network sees them: behind the mask, where the objective has one."""
    masks = getattr(objective, "masks", None)
    for batch in source.epoch(0):
        there = to_device(batch, fabric.device)
        yield there if masks is None else replace(there, images=there.images * masks(network, there.images))


def _both(first: Edit, second: Edit) -> Edit:
    return lambda output: second(first(output))


def _require_same_labels(labels: LabelTable, targets: Sequence[str], groups: Sequence[str]) -> None:
    """Refuse images with other labels than those learned: columns would be taken for one another.

    Raises:
        InputError: names what differs.
    """
    for what, found, expected in (("targets", labels.target_names, targets), ("groups", labels.group_names, groups)):
        if tuple(found) != tuple(expected):
            strange = [name for name in found if name not in expected] or list(found)
            do = f"name a data set with the {what} of the run"
            raise InputError(
                complaint(labels.source, what, expected=first_few(expected, 6), found=listed(strange), do=do)
            )
