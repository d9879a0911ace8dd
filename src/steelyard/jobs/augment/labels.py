"""The first steps of `steelyard augment`: classifiers on real images, latents, and labels of what they give.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, section 3.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from steelyard.base.random import stream
from steelyard.jobs.augment.networks import Network, least_accurate, network_of, score_by, trained_apart
from steelyard.jobs.augment.steps import Made, files_in
from steelyard.jobs.augment.training import train_once
from steelyard.jobs.augment.work import Work, file_name
from steelyard.latent.annotation import Scored, label_scores, require_both
from steelyard.latent.by_id import ByLatent, latent_ids, read_columns, read_latents, write_columns, write_latents
from steelyard.latent.generator import BringsLatents
from steelyard.reports.records import dump_json, load_json, write_text

LATENTS, SCORES, LABELS, THRESHOLDS = "latents.parquet", "scores.parquet", "labels.parquet", "thresholds.json"
_OWN = "annotators"


def train_classifiers(work: Work, folder: Path) -> Made:
    """Have the networks that label, and find their thresholds.

    They are the classifiers of targets and protected attributes, trained on real images, or those that `annotators`
    asks for.
    """
    files: list[Path] = []
    thresholds: dict[str, float] = {}
    names = (*work.targets, *work.protected)
    if work.config.annotators is not None:
        files += trained_apart(work, work.config.annotators, folder / _OWN, option="annotators")
        (network,) = annotators_of(work)
        thresholds = network.thresholds(names)
        accuracy = network.accuracy(thresholds)
        says = f"annotators of {len(names):,} attributes; the {least_accurate(accuracy)}"
        record = {"thresholds": thresholds, "accuracy": accuracy}
    else:
        networks = annotators_of(work)
        for network in networks:
            files += train_once(work, network.run, work.real(network.names))
            thresholds |= network.thresholds(network.names)
        count = len(networks)
        says = f"{count:,} {'classifier' if count == 1 else 'classifiers'} of {len(names):,} attributes"
        record = {"thresholds": thresholds}
    write_text(folder / THRESHOLDS, dump_json(thresholds))
    return Made((*files, folder / THRESHOLDS), says, record)


def annotators_of(work: Work) -> tuple[Network, ...]:
    """The networks that label: one for each attribute, or one for all; or those that `annotators` asks for."""
    folder = work.path("classifiers")
    if work.config.annotators is not None:
        return (network_of(work.config.annotators, folder / _OWN),)
    names = (*work.targets, *work.protected)
    sets = {name: (name,) for name in names} if work.config.per_attribute else {"all": names}
    return tuple(Network(folder / file_name(name), attributes) for name, attributes in sets.items())


def annotate(work: Work, latents: ByLatent, folder: Path, *, of: Collection[str]) -> Scored:
    """One pass over the images of latents, scored by the networks that label these attributes.

    What learned from the real images sees the generated ones as they train, with the noise that is added to them;
    annotators of other images see them without it.
    """
    networks = [network for network in annotators_of(work) if set(of) & set(network.names)]
    section = work.config.annotators
    other = section is not None and (section.run is not None or section.source is not None)
    return score_by(work, networks, latents, folder, work.clear_synthesis if other else work.synthesis)


def sample_latents(work: Work, folder: Path) -> Made:
    """Sample latents to fit and validate planes on, and those of the pairs, or take the user's own for the pairs."""
    section, generator = work.config.latents, work.generator
    own = None
    if section.file is not None:
        own = read_latents(Path(section.file), width=generator.latent_dim, generator=generator.name)
        # Planes lie where the sampled latents do; a file may have the same image's latent at another scale.
        if isinstance(generator, BringsLatents):
            own = replace(own, values=generator.as_used(own.values))
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
    thresholds = load_json(work.path("classifiers") / THRESHOLDS)
    scored = annotate(work, latents, folder / "shards", of=thresholds)
    labels = label_scores(scored.table, thresholds)
    require_both(labels)
    write_columns(folder / SCORES, scored.table)
    write_columns(folder / LABELS, labels)
    whole = scored.made >= len(latents)  # else some were scored before a stop
    passes = scored.made / len(latents) if whole else None
    shares = dict(zip(labels.names, labels.values.mean(axis=0).tolist(), strict=True))
    says = f"{len(latents):,} images made and scored for {len(labels.names):,} attributes"
    says += "" if passes is None else f" in {passes:.2f} passes"
    record = {"passes": passes, "images": scored.made, "seconds": scored.seconds, "shares": shares}
    return Made(files_in(folder, (SCORES, LABELS)), says, record)


def read_labels_of(work: Work) -> tuple[ByLatent, ByLatent]:
    """The latents, and their labels."""
    latents = read_latents(work.path("latents") / LATENTS, width=work.generator.latent_dim)
    return latents, read_columns(work.path("labels") / LABELS)
