"""The models that are compared: plain, on real images and pairs, on pairs only, on reweighed real images.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, section 4. All are trained and chosen alike (trap R8).
"""

from collections.abc import Sequence
from pathlib import Path

from steelyard.jobs.augment.config import Model
from steelyard.jobs.augment.pairs import pair_dataset
from steelyard.jobs.augment.steps import Made
from steelyard.jobs.augment.training import gathered, train_once
from steelyard.jobs.augment.work import Work, file_name
from steelyard.latent.pairs import Together
from steelyard.mitigation.objectives.reweighed import ReweighedOptions
from steelyard.mitigation.samples.reweighing import cell_weights
from steelyard.tables import write_predictions

ABOUT: dict[Model, str] = {
    "plain": "Trained on the real images as they come.",
    "augmented": "Trained on the real images and the pairs.",
    "pairs-only": "Trained on the pairs alone; validated and tested on real images, as all are.",
    "reweighed": "Trained on the real images, with weights under which each label is as frequent in either group.",
}


def train_models(work: Work, folder: Path) -> Made:
    """Train every model on every set of targets, and put their scores of the real images together."""
    files = []
    like = work.real(work.targets).labels()
    for model in work.config.models:
        runs = [_trained(work, folder, model, name, targets) for name, targets in work.sets.items()]
        path = predictions_of(folder, model)
        write_predictions(path, gathered(runs, work.targets, like))
        files.append(path)
    says = f"{', '.join(work.config.models)}: {len(work.config.models) * len(work.sets):,} runs"
    return Made(tuple(files), says, {"models": list(work.config.models)})


def predictions_of(folder: Path, model: Model) -> Path:
    """Where a model's scores of the validation and test images lie."""
    return folder / f"{model}.parquet"


def _trained(work: Work, folder: Path, model: Model, name: str, targets: Sequence[str]) -> Path:
    """The run of one model and one set of targets."""
    if model == "plain" and work.config.per_attribute and work.config.annotators is None:
        return work.path("classifiers") / file_name(name)  # trained already, on the same images
    run = folder / f"{model}-{file_name(name)}"
    real = work.real(targets)
    if model == "plain":
        train_once(work, run, real)
    elif model == "reweighed":
        table = real.labels("train")
        k = len(table.group_names)
        weights = cell_weights(table.matrix(), table.groups, names=table.target_names, k=k)
        train_once(work, run, real, objective=("reweighed", ReweighedOptions(weights=weights)))
    else:
        together = Together(real, pair_dataset(work, name, targets), real_training=model == "augmented")
        # A generator is not shared between processes: on the fly, images come from a thread of this one.
        workers = 0 if work.config.pairs.images == "fly" else None
        train_once(work, run, together, workers=workers)
    return run
