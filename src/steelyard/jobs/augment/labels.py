"""The first steps of `steelyard augment`: classifiers on real images, latents, and labels of what they give.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.base.random import stream
from steelyard.jobs.augment.steps import Made, files_in
from steelyard.jobs.augment.training import scorer_of, thresholds_of, train_once
from steelyard.jobs.augment.work import Work, file_name
from steelyard.jobs.run_tables import PREDICTIONS
from steelyard.latent.annotation import Scored, label_scores, require_both, score_latents
from steelyard.latent.by_id import ByLatent, latent_ids, read_columns, read_latents, write_columns, write_latents
from steelyard.latent.pixels import Synthesis
from steelyard.reports.provenance import fingerprint
from steelyard.reports.records import dump_json, load_json, write_text
from steelyard.training.launching import launch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

LATENTS, SCORES, LABELS, THRESHOLDS = "latents.parquet", "scores.parquet", "labels.parquet", "thresholds.json"


def classifier_runs(work: Work) -> Mapping[str, tuple[str, ...]]:
    """Name of each classifier's run → the attributes that it scores: one each, or all in one."""
    names = (*work.targets, *work.protected)
    return {name: (name,) for name in names} if work.config.per_attribute else {"all": names}


def train_classifiers(work: Work, folder: Path) -> Made:
    """Train the classifiers of targets and protected attributes on real images; find their thresholds."""
    files: list[Path] = []
    thresholds: dict[str, float] = {}
    for name, attributes in classifier_runs(work).items():
        files += train_once(work, folder / file_name(name), work.real(attributes))
        thresholds |= thresholds_of(folder / file_name(name))
    write_text(folder / THRESHOLDS, dump_json(thresholds))
    count = len(classifier_runs(work))
    says = f"{count:,} {'classifier' if count == 1 else 'classifiers'} of {len(thresholds):,} attributes"
    return Made((*files, folder / THRESHOLDS), says, {"thresholds": thresholds})


def sample_latents(work: Work, folder: Path) -> Made:
    """Sample latents to fit and validate planes on, and those of the pairs, or take the user's own for the pairs."""
    section, generator = work.config.latents, work.generator
    own = None
    if section.file is not None:
        own = read_latents(Path(section.file), width=generator.latent_dim, generator=generator.name)
    count = section.fit + section.validate + (0 if own is not None else section.pairs)
    seed = int(stream(work.config.seed, "latents").integers(2**31))
    table = ByLatent(latent_ids(count), generator.sample(count, seed=seed).astype(np.float32), source="the generator")
    says = f"{count:,} latents of {generator.latent_dim:,} numbers, {generator.name}"
    if own is not None:
        names = np.array([f"g-{name}" for name in own.ids.tolist()], dtype=np.str_)
        table = replace(
            table, ids=np.concatenate([table.ids, names]), values=np.concatenate([table.values, own.values])
        )
        says += f"; {len(own):,} of {section.file}"
    write_latents(folder / LATENTS, table)
    return Made((folder / LATENTS,), says, {"latents": len(table), "generator": generator.name})


def label_latents(work: Work, folder: Path) -> Made:
    """Make the image of each latent once, score it by every classifier, and label it at their thresholds."""
    latents = read_latents(work.path("latents") / LATENTS, width=work.generator.latent_dim)
    runs = {work.path("classifiers") / file_name(name): names for name, names in classifier_runs(work).items()}
    scored = score_by_runs(work, runs, latents, folder / "shards", mark=marks_of(work, tuple(runs)))
    labels = label_scores(scored.table, load_json(work.path("classifiers") / THRESHOLDS))
    require_both(labels)
    write_columns(folder / SCORES, scored.table)
    write_columns(folder / LABELS, labels)
    passes = scored.made / len(latents)
    shares = dict(zip(labels.names, labels.values.mean(axis=0).tolist(), strict=True))
    says = f"{len(latents):,} images made and scored for {len(labels.names):,} attributes in {passes:.2f} passes"
    record = {"passes": passes, "images": scored.made, "seconds": scored.seconds, "shares": shares}
    return Made(files_in(folder, (SCORES, LABELS)), says, record)


def score_by_runs(
    work: Work,
    runs: Mapping[Path, Sequence[str]],
    latents: ByLatent,
    folder: Path,
    *,
    mark: str,
    sized: bool = True,
    synthesis: Synthesis | None = None,
) -> Scored:
    """One pass over the images of these latents, scored by all runs.

    Args:
        work: has the generator.
        runs: folder of a run → what to call its targets; empty for their own names.
        latents: by id.
        folder: for the scores' shards.
        mark: fingerprint of the runs.
        sized: the runs were trained on images of the generator's size, as those of this command are.
        synthesis: makes the images; None for those that train.
    """
    makes = synthesis or work.synthesis
    options = replace(work.config.training, devices=1, nodes=1)
    total = f"{len(latents):,} images"
    state = {"done": 0}

    def told(count: int) -> None:
        state["done"] += count
        speed = makes.made / max(makes.seconds, 1e-9)
        work.progress(f"{state['done']:,} of {total} scored (made at {speed:,.0f} images/s)")

    def score(fabric: "Fabric") -> Scored:
        size = makes.size if sized else None
        scorers = [scorer_of(fabric, run, size, names=names) for run, names in runs.items()]
        return score_latents(makes, latents, scorers, folder, mark=mark, told=told)

    return launch(options, score)


def marks_of(work: Work, runs: Sequence[Path]) -> str:
    """A fingerprint of the generator and of what these runs predict, for shards of scores."""
    return "-".join([work.generator_mark[:16], *(fingerprint(run / PREDICTIONS)["sha256"][:16] for run in runs)])


def read_labels_of(work: Work) -> tuple[ByLatent, ByLatent]:
    """The latents, and their labels."""
    latents = read_latents(work.path("latents") / LATENTS, width=work.generator.latent_dim)
    return latents, read_columns(work.path("labels") / LABELS)
