"""An independent classifier that judges the pairs, and what it says: how many are flipped, and how many kept.

The classifiers that labelled the latents cannot judge: the planes were fitted to what they say. Nor can one that chose
the pairs: a filter by an oracle has a network of its own, trained as the oracle is and apart from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.jobs.audit_quality import wilson
from steelyard.jobs.augment.config import OracleSection
from steelyard.jobs.augment.labels import marks_of, score_by_runs
from steelyard.jobs.augment.steps import Made
from steelyard.jobs.augment.training import scores_in, thresholds_of, train_once
from steelyard.jobs.augment.work import Work
from steelyard.jobs.run_folder import kept_config, kept_task
from steelyard.latent.annotation import label_scores
from steelyard.latent.by_id import ByLatent
from steelyard.reports.records import dump_json, write_text
from steelyard.tables.messages import complaint, listed

JUDGE = "judge.json"
_FILTER = "filter"


def train_oracle(work: Work, folder: Path) -> Made:
    """Train the oracle, or look whether the run that is to judge knows every attribute; find its own accuracy."""
    oracle = work.config.oracle
    if oracle is None:
        write_text(folder / JUDGE, dump_json({}))
        return Made((folder / JUDGE,), "none asked for", {})
    files: tuple[Path, ...] = ()
    if oracle.run is None:
        files = _train(work, oracle, folder / "run", oracle.source)
    run = oracle_run(work)
    kept_config(run)  # refused by its own name, where there is no run
    own = oracle.names
    names = tuple(own_name(own, name) for name in kept_task(run).target_names)
    if lacking := [name for name in (*work.targets, *work.protected) if name not in names]:
        found, do = (
            f"none for {listed(lacking)}",
            "say what the run calls them with oracle.names, or let one be trained",
        )
        raise InputError(complaint("oracle.run", "", expected="scores of every attribute", found=found, do=do))
    thresholds = oracle_thresholds(work)
    labels, scores = scores_in(run, "test")
    right = (scores >= np.array([thresholds[name] for name in names])) == labels.matrix().astype(bool)
    accuracy = {name: share("accuracy", right[:, at], of=name).to_dict() for at, name in enumerate(names)}
    write_text(folder / JUDGE, dump_json({"thresholds": thresholds, "accuracy": accuracy}))
    least = min(accuracy.values(), key=lambda one: float(one["value"]))
    says = f"of {len(names):,} attributes; the least accurate, {least['of']}: {least['value']:.1%} of test images"
    return Made((*files, folder / JUDGE), says, {"accuracy": accuracy})


def _train(work: Work, oracle: OracleSection, folder: Path, source: str | None) -> tuple[Path, ...]:
    data, images = work.oracle_data(source)
    return train_once(work, folder, images, data=data, model=oracle.model, training=oracle.training)


def oracle_run(work: Work) -> Path:
    """The folder of the oracle's run."""
    oracle = work.config.oracle
    assert oracle is not None
    return work.path("oracle") / "run" if oracle.run is None else Path(oracle.run)


def own_name(names: Mapping[str, str], called: str) -> str:
    """What the data call the attribute that a run calls so."""
    return next((name for name, other in names.items() if other == called), called)


def oracle_thresholds(work: Work) -> dict[str, float]:
    """Attribute → the oracle's threshold."""
    assert work.config.oracle is not None
    own = work.config.oracle.names
    return {own_name(own, name): value for name, value in thresholds_of(oracle_run(work)).items()}


def judged(work: Work, latents: ByLatent, folder: Path) -> ByLatent:
    """The oracle's labels of the images of latents."""
    run = oracle_run(work)
    assert work.config.oracle is not None
    names = [own_name(work.config.oracle.names, name) for name in kept_task(run).target_names]
    # A run of the user's own saw images of its own size.
    sized = work.config.oracle.run is None
    return label_scores(_scored(work, run, names, latents, folder, sized=sized), oracle_thresholds(work))


def train_filter(work: Work) -> None:
    """Train the filter's own network, where the filter is an oracle."""
    oracle = work.config.oracle
    if oracle is not None and work.config.pairs.filter == "oracle":
        apart = replace(oracle, training=replace(oracle.training, seed=oracle.training.seed + 1))
        _train(work, apart, work.path("pairs") / _FILTER, oracle.filter_source or oracle.source)


def sifted(work: Work, latents: ByLatent, folder: Path) -> ByLatent:
    """The labels that the filter's own network gives the images of latents."""
    run = work.path("pairs") / _FILTER
    names = kept_task(run).target_names
    return label_scores(_scored(work, run, names, latents, folder, sized=True), thresholds_of(run))


def _scored(work: Work, run: Path, names: Sequence[str], latents: ByLatent, folder: Path, *, sized: bool) -> ByLatent:
    """What one run says of the images of latents, without any noise that is added to them."""
    clear, mark = work.clear_synthesis, marks_of(work, (run,))
    return score_by_runs(work, {run: names}, latents, folder, mark=mark, sized=sized, synthesis=clear).table


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
