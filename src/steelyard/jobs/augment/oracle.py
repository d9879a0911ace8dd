"""An independent classifier that judges the pairs, and what it says: how many are flipped, and how many kept.

The classifiers that labelled the latents cannot judge: the planes were fitted to what they say. Nor can one that chose
the pairs: a filter by an oracle has a network of its own, trained as the oracle is and apart from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate
from steelyard.jobs.augment.config import OracleSection
from steelyard.jobs.augment.networks import Network, least_accurate, network_of, score_by, share, trained_apart
from steelyard.jobs.augment.steps import Made
from steelyard.jobs.augment.work import Work
from steelyard.latent.annotation import label_scores
from steelyard.latent.by_id import ByLatent
from steelyard.reports.records import dump_json, load_json, write_text

JUDGE = "judge.json"


def train_oracle(work: Work, folder: Path) -> Made:
    """Train the oracle, or look whether the run that is to judge knows every attribute; find its own accuracy."""
    section = work.config.oracle
    if section is None:
        write_text(folder / JUDGE, dump_json({}))
        return Made((folder / JUDGE,), "none asked for", {})
    files = trained_apart(work, section, folder / "run", option="oracle")
    network = network_of(section, folder / "run")
    thresholds = network.thresholds((*work.targets, *work.protected))
    accuracy = network.accuracy(thresholds)
    write_text(folder / JUDGE, dump_json({"thresholds": thresholds, "accuracy": accuracy}))
    says = f"of {len(accuracy):,} attributes; the {least_accurate(accuracy)}"
    return Made((*files, folder / JUDGE), says, {"accuracy": accuracy})


def judged(work: Work, latents: ByLatent, folder: Path) -> ByLatent:
    """The oracle's labels of the images of latents."""
    assert work.config.oracle is not None
    network = network_of(work.config.oracle, work.path("oracle") / "run")
    return _labelled(work, network, load_json(work.path("oracle") / JUDGE)["thresholds"], latents, folder)


def train_filter(work: Work) -> None:
    """Train the filter's own network, where the filter is an oracle."""
    if work.config.pairs.filter == "oracle":
        trained_apart(work, *_filter(work), option="oracle")


def sifted(work: Work, latents: ByLatent, folder: Path) -> ByLatent:
    """The labels that the filter's own network gives the images of latents."""
    network = network_of(*_filter(work))
    return _labelled(work, network, network.thresholds((*work.targets, *work.protected)), latents, folder)


def _filter(work: Work) -> tuple[OracleSection, Path]:
    """What the filter's network is trained on, apart from the oracle's, and where."""
    oracle = work.config.oracle
    assert oracle is not None
    training = replace(oracle.training, seed=oracle.training.seed + 1)
    source = oracle.filter_source or oracle.source
    return replace(oracle, run=None, names={}, source=source, training=training), work.path("pairs") / "filter"


def _labelled(
    work: Work, network: Network, thresholds: Mapping[str, float], latents: ByLatent, folder: Path
) -> ByLatent:
    """What a network says of the images of latents, without any noise that is added to them."""
    scored = score_by(work, (network,), latents, folder, work.clear_synthesis)
    return label_scores(scored.table, thresholds)


def rates(
    seen: Mapping[str, NDArray[np.bool_]], kept: NDArray[np.bool_] | None, *, flip: Sequence[str], target: str
) -> dict[str, Estimate | None]:
    """Flip and keep rates of one target in one set of pairs, before and after a filter.

    Args:
        seen: attribute → `[n]`, of `agreement`.
        kept: `[n]`, the pairs that the filter leaves; None without a filter.
        flip: the attributes that are flipped; all must be seen to change.
        target: the attribute that is kept.
    """
    flipped, stays = np.all([seen[name] for name in flip], axis=0), seen[target]
    words = " and ".join(flip)
    found: dict[str, Estimate | None] = {
        "flip": share("flip", flipped, of=words),
        "keep": share("keep", stays, of=target),
    }
    if kept is not None and kept.any():
        found["flip_after"] = share("flip", flipped[kept], of=words)
        found["keep_after"] = share("keep", stays[kept], of=target)
    return found
