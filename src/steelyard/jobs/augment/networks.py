"""Networks that look at generated images: what runs they are of, how one is had that is not compared, what they say.

The classifiers of the command are trained in `labels`; those that the configuration has beside them (the oracle, the
filter, annotators of one's own) are here: a run that is there already, or one that is trained on other images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.jobs.audit_quality import wilson
from steelyard.jobs.augment.config import ClassifierSection
from steelyard.jobs.augment.training import scorer_of, scores_in, thresholds_of, train_once
from steelyard.jobs.augment.work import Work
from steelyard.jobs.run_folder import kept_config, kept_task
from steelyard.jobs.run_tables import PREDICTIONS
from steelyard.latent.annotation import Scored, score_latents
from steelyard.latent.by_id import ByLatent
from steelyard.latent.pixels import Synthesis
from steelyard.reports.provenance import fingerprint
from steelyard.tables.messages import closest, complaint, listed
from steelyard.training.launching import launch

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network, by the folder of its run.

    Attributes:
        run: the folder.
        names: what the data call its targets, in their order.
        sized: it was trained on images of the generator's size, as those of this command are; a run of the user's saw
            images of its own size.
    """

    run: Path
    names: tuple[str, ...]
    sized: bool = True

    def thresholds(self, names: Sequence[str]) -> dict[str, float]:
        """Attribute → the threshold with the best F1 on its validation images, of these attributes.

        Raises:
            UndefinedError: no validation image has the attribute.
        """
        return thresholds_of(self.run, {name: self.names.index(name) for name in names})

    def accuracy(self, thresholds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
        """Attribute → its accuracy on its own test images at these thresholds, as plain JSON types.

        Raises:
            InputError: there are no test images.
        """
        labels, scores = scores_in(self.run, "test")
        if not len(labels):
            found, do = "none", "name a run that has them, for its accuracy"
            raise InputError(complaint(str(self.run), "", expected="test images", found=found, do=do))
        found_of = {}
        for name, threshold in thresholds.items():
            at = self.names.index(name)
            right = (scores[:, at] >= threshold) == labels.matrix()[:, at].astype(bool)
            found_of[name] = share("accuracy", right, of=name).to_dict()
        return found_of


def trained_apart(work: Work, section: ClassifierSection, folder: Path, *, option: str) -> tuple[Path, ...]:
    """Train what a section asks for, or look whether its run is one that scores every attribute.

    Args:
        work: of the command.
        section: of the configuration.
        folder: for the run, where one is trained.
        option: the section's name, for messages.

    Returns:
        The files of a run that was trained.

    Raises:
        InputError: there is no such run, or it lacks an attribute.
    """
    files: tuple[Path, ...] = ()
    if section.run is None:
        data, images = work.other_data(section.source, option=option)
        files = train_once(work, folder, images, data=data, model=section.model, training=section.training)
    names = network_of(section, folder).names
    for called in section.names:
        if called not in (*work.targets, *work.protected):
            found, do = f"{called!r}{closest(called, (*work.targets, *work.protected))}", "correct or drop it"
            raise InputError(complaint(f"{option}.names", "", expected="attributes of the data", found=found, do=do))
    if lacking := [name for name in (*work.targets, *work.protected) if name not in names]:
        expected, found = "scores of every attribute", f"none for {listed(lacking)}"
        do = f"say what the run calls them with {option}.names, or let one be trained"
        raise InputError(complaint(f"{option}.run", "", expected=expected, found=found, do=do))
    return files


def network_of(section: ClassifierSection, folder: Path) -> Network:
    """The network of a section.

    Args:
        section: of the configuration.
        folder: of the run that was trained, where one was.

    Raises:
        InputError: there is no such run.
    """
    run = folder if section.run is None else Path(section.run)
    kept_config(run)  # refused by its own name, where there is no run
    own = kept_task(run).target_names
    for name, other in section.names.items():
        if other not in own:
            found, do = f"{listed(own, 12)}, not {other!r} for {name}", "correct the names"
            raise InputError(complaint(str(run), "", expected="targets that the run has", found=found, do=do))
    called = {other: name for name, other in section.names.items()}
    # A target that is said to be called otherwise is not the run's own of that name.
    names = tuple(called.get(name, "" if name in section.names else name) for name in own)
    return Network(run, names, sized=section.run is None)


def score_by(work: Work, networks: Sequence[Network], latents: ByLatent, folder: Path, synthesis: Synthesis) -> Scored:
    """One pass over the images of these latents, scored by all networks.

    Args:
        work: of the command.
        networks: of different attributes.
        latents: by id.
        folder: for the scores' shards.
        synthesis: makes the images.
    """
    options = replace(work.config.training, devices=1, nodes=1)
    marks = [fingerprint(network.run / PREDICTIONS)["sha256"][:16] for network in networks]
    total, state = f"{len(latents):,} images", {"done": 0}

    def told(count: int) -> None:
        state["done"] += count
        speed = synthesis.made / max(synthesis.seconds, 1e-9)
        work.progress(f"{state['done']:,} of {total} scored (made at {speed:,.0f} images/s)")

    def score(fabric: "Fabric") -> Scored:
        scorers = [
            scorer_of(fabric, network.run, synthesis.size if network.sized else None, names=network.names)
            for network in networks
        ]
        mark = "-".join([work.generator_mark[:16], *marks])
        return score_latents(synthesis, latents, scorers, folder, mark=mark, told=told)

    return launch(options, score)


def least_accurate(accuracy: Mapping[str, Mapping[str, Any]]) -> str:
    """The attribute that a network knows least well, in words."""
    least = min(accuracy.values(), key=lambda one: float(one["value"]))
    return f"least accurate, {least['of']}: {least['value']:.1%} of test images"


def agreement(
    first: ByLatent, second: ByLatent, *, flip: Sequence[str], keep: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """Attribute → `[n]`: whether the labels of a pair differ, where it is flipped, or are the same, where it is kept.

    Args:
        first: labels of G(z), 0 or 1.
        second: labels of G(z′), row by row of the same pairs.
        flip: attributes that should change.
        keep: attributes that should stay.
    """
    flipped = {name: first.column(name) != second.column(name) for name in flip}
    return {**flipped, **{name: first.column(name) == second.column(name) for name in keep}}


def as_wanted(seen: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """`[n]`: pairs in which everything is as it should be.

    Args:
        seen: of `agreement`.
    """
    return np.asarray(np.all(list(seen.values()), axis=0))


def share(name: str, hits: NDArray[np.bool_], *, of: str) -> Estimate:
    """The share of `[n]` hits, n ≥ 1, with Wilson's interval."""
    value, low, high = wilson(np.array([float(hits.sum())]), np.array([float(len(hits))]))
    return Estimate(
        name=name,
        value=float(value[0]),
        low=float(low[0]),
        high=float(high[0]),
        n=len(hits),
        of=of,
        scheme="Wilson's interval",
    )
