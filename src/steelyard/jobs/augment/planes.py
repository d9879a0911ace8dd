"""Hyperplanes of the attributes, and the mirror images that they give: the middle of `steelyard augment`.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, section 3.2.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.jobs.augment.labels import read_labels_of
from steelyard.jobs.augment.steps import Made, files_in
from steelyard.jobs.augment.work import Work
from steelyard.latent.by_id import ByLatent
from steelyard.latent.fitting import FittedHyperplane, fit_hyperplane, fit_hyperplanes_by_group
from steelyard.latent.generator import Latents
from steelyard.latent.hyperplanes import Hyperplane, angles, read_hyperplanes, write_hyperplanes
from steelyard.latent.mirroring import mirror, mirror_by_group, project, require_apart
from steelyard.latent.pairs import Mirror
from steelyard.reports.records import dump_json, load_json, write_text

PLANES, FITTED = "planes.json", "fitted.json"


def fit_planes(work: Work, folder: Path) -> Made:
    """Fit a plane to each attribute on the first latents, and find its accuracy on the next."""
    latents, labels = read_labels_of(work)
    section = work.config.latents
    count = section.fit + section.validate
    held = np.arange(count) >= section.fit
    x, ids = latents.values[:count], latents.ids[:count]
    truth = dict(zip(labels.names, labels.of(ids).T, strict=True))
    fitted = _fit_all(work, x, truth, held)
    planes = {one.name: one.plane for one in fitted}
    for targets in work.sets.values():
        for together in _planes_together(work, planes, targets):
            require_apart(together, work.config.pairs.smallest_angle)
    between = angles(list(planes.values()))
    names = list(planes)
    rows = [
        {**one.to_dict(), "angles": {other: float(between[at, to]) for to, other in enumerate(names) if to != at}}
        for at, one in enumerate(fitted)
    ]
    write_hyperplanes(folder / PLANES, planes, generator=work.generator.name)
    write_text(folder / FITTED, dump_json({"planes": rows}))
    worst = min(fitted, key=lambda one: one.balanced_accuracy.value)
    says = (
        f"{len(fitted):,} planes; the least accurate, {worst.name}: {worst.accuracy.value:.1%} of held-out latents, "
        f"{worst.balanced_accuracy.value:.1%} with classes alike"
    )
    return Made(files_in(folder, (PLANES, FITTED)), says, {"planes": rows})


def _fit_all(
    work: Work, x: Latents, truth: Mapping[str, NDArray[Any]], held: NDArray[np.bool_]
) -> list[FittedHyperplane]:
    seed, least = work.config.seed, work.config.pairs.min_class
    found: list[FittedHyperplane] = []
    for name in (*work.protected, *work.targets):
        work.progress(f"fitting the plane of {name}")
        if work.config.pairs.way == "domain-dependent" and name in work.targets:
            groups = truth[work.protected[0]]
            found += fit_hyperplanes_by_group(
                x, truth[name], groups, seed=seed, name=name, held_out=held, min_class=least
            )
        else:
            found.append(fit_hyperplane(x, truth[name], seed=seed, name=name, held_out=held, min_class=least))
    return found


def _planes_together(
    work: Work, planes: Mapping[str, Hyperplane], targets: Sequence[str]
) -> Iterator[list[Hyperplane]]:
    """The planes that must be apart for one set of pairs."""
    way = work.config.pairs.way
    flipped = [planes[name] for name in work.protected]
    if way == "plain-mirror":
        yield flipped
    elif way == "domain-dependent":
        # Each half with the protected plane; the two halves of one target may well be parallel.
        for group in (0, 1):
            yield [*flipped, planes[f"{targets[0]} | {group}"]]
    else:
        yield [*flipped, *(planes[name] for name in targets)]


def mirror_of(work: Work, targets: Sequence[str]) -> Mirror:
    """How latents are mirrored in the set of pairs that keeps these targets.

    Args:
        work: says in which way.
        targets: that are kept.
    """
    planes = read_hyperplanes(work.path("planes") / PLANES, generator=work.generator.name)
    way, limit = work.config.pairs.way, work.config.pairs.smallest_angle

    def made(z: Latents, flip: tuple[str, ...]) -> Latents:
        flipped = [planes[name] for name in flip]
        others = [planes[name] for name in work.protected if name not in flip]
        if way == "plain-mirror":
            return mirror(z, flipped, others, smallest_angle=limit)
        if way == "domain-dependent":
            own = planes[f"{targets[0]} | 0"], planes[f"{targets[0]} | 1"]
            return mirror_by_group(z, flipped[0], own, smallest_angle=limit)
        keep = [*others, *(planes[name] for name in targets)]
        if way == "onto-plane":
            return project(z, flipped, keep, smallest_angle=limit)
        return mirror(z, flipped, keep, smallest_angle=limit)

    return made


def pair_rows(work: Work) -> ByLatent:
    """The latents that make pairs: those after the ones that planes are fitted and validated on."""
    latents, _ = read_labels_of(work)
    start = work.config.latents.fit + work.config.latents.validate
    return ByLatent(latents.ids[start:], latents.values[start:], source=latents.source)


def plane_records(work: Work) -> list[dict[str, Any]]:
    """What `fit_planes` wrote of each plane."""
    rows: list[dict[str, Any]] = load_json(work.path("planes") / FITTED)["planes"]
    return rows
