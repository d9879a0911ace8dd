"""The search: every attacker of the family on every part of a plan, the best chosen inside the fitting rows.

Two choices are made from the same fits: the best accuracy gives leakage, the best log loss gives information.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import UndefinedError
from steelyard.base.random import stream
from steelyard.leakage.attackers import Attacker, Constant, FittedAttacker, candidates
from steelyard.leakage.evidence import Draw, Evidence
from steelyard.leakage.plan import Part, Plan, inner_split

_TIE = 1e-6
"""Probabilities closer than this are a tie, whose credit is shared."""

Entrant = tuple[Attacker, bool]
"""An attacker, and whether it is shown the labels only (of `labels and scores`)."""


@dataclass(frozen=True, slots=True)
class Attacked:
    """What the attackers made of `m` scored images in R rounds.

    Attributes:
        credit: `[R, m]` 1 where the attacker named the group, 0 where not, 1/c where c groups tied.
        bits: `[R, m]` −log2 of the probability given to the true group.
        groups: `[m]` true groups.
        k: number of groups.
        scheme: the plan in words.
        chosen: how often each attacker was chosen for its accuracy (it gives `credit`).
        informed: how often each was chosen for its log loss (it gives `bits`).
        redrawn: whether the evidence differs between rounds (labels corrupted anew).
    """

    credit: NDArray[np.float64]
    bits: NDArray[np.float64]
    groups: NDArray[np.int64]
    k: int
    scheme: str
    chosen: Counter[str]
    informed: Counter[str]
    redrawn: bool = False


def credit_of(shares: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Credit for each image, `[n]` in [0, 1]: a tie among c groups counts 1/c where the true one is among them."""
    best = shares >= shares.max(axis=1, keepdims=True) - _TIE
    return np.asarray(best[np.arange(len(groups)), groups] / best.sum(axis=1))


def bits_of(shares: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """−log2 of the probability given to each image's group, `[n]`; capped where a probability is below 1e-6."""
    given = np.clip(shares[np.arange(len(groups)), groups], 1e-6, 1.0)
    return np.asarray(-np.log2(given))


def balanced_mean(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the groups of the mean within each group, over the last axis."""
    means = [values[..., groups == group].mean(axis=-1) for group in np.unique(groups)]
    return np.asarray(np.mean(means, axis=0))


def entrants(evidence: Evidence, names: tuple[str, ...]) -> list[Entrant]:
    """Who competes: the family on everything, and on the labels alone where scores stand beside them."""
    found: list[Entrant] = [(attacker, False) for attacker in candidates(evidence, names)]
    if evidence.linear is not None and evidence.labelled:
        found = [(attacker, True) for attacker in candidates(evidence.labels_part(), names)] + found
    return found


def _view(evidence: Evidence, *, labels_only: bool) -> Evidence:
    return evidence.labels_part() if labels_only else evidence


def attack(
    evidence: Evidence,
    groups: NDArray[np.int64],
    part: Part,
    *,
    k: int,
    names: tuple[str, ...],
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, str]]:
    """One part of a plan: choose inside the fitting rows, refit the winners on all of them, score.

    Returns:
        credit `[m]` and bits `[m]` of the part's score rows, and the names of the attackers chosen for accuracy and for
        log loss.
    """
    rng = stream(seed, "inner", part.round, int(part.score[0]))
    inner, validation = inner_split(groups, part.fit, rng)
    shown, asked = evidence.take(inner), evidence.take(validation)
    fit_seed = int(rng.integers(2**31))
    # Constant comes first: information is claimed only by an attacker that beats it on validation rows.
    field: list[Entrant] = [(Constant(), False), *entrants(evidence, names)]
    accuracy, loss = [], []
    for attacker, labels_only in field:
        fitted = attacker.fit(_view(shown, labels_only=labels_only), groups[inner], k=k, seed=fit_seed)
        shares = fitted.predict_proba(_view(asked, labels_only=labels_only))
        accuracy.append(credit_of(shares, groups[validation]).mean())
        loss.append(bits_of(shares, groups[validation]).mean())
    sharpest, calmest = 1 + int(np.argmax(accuracy[1:])), int(np.argmin(loss))

    def refit(entrant: Entrant) -> NDArray[np.float64]:
        attacker, labels_only = entrant
        shown = _view(evidence.take(part.fit), labels_only=labels_only)
        fitted: FittedAttacker = attacker.fit(shown, groups[part.fit], k=k, seed=fit_seed)
        return fitted.predict_proba(_view(evidence.take(part.score), labels_only=labels_only))

    shares = refit(field[sharpest])
    calm = shares if calmest == sharpest else refit(field[calmest])
    truth = groups[part.score]
    return credit_of(shares, truth), bits_of(calm, truth), (_entry(field[sharpest]), _entry(field[calmest]))


def _entry(entrant: Entrant) -> str:
    attacker, labels_only = entrant
    return f"{attacker.name} on labels alone" if labels_only else attacker.name


def in_parallel(tasks: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], workers: int) -> list[Any]:
    """Run independent calls, in order of results; processes where `workers` > 1, since fits hold the interpreter."""
    if workers <= 1 or len(tasks) < 4:
        from threadpoolctl import threadpool_limits

        # One thread, as in each of several processes: the fits are small, and threads cost more than they save.
        with threadpool_limits(1):
            return [function(*arguments) for function, arguments in tasks]
    from joblib import Parallel, delayed

    calls = (delayed(function)(*arguments) for function, arguments in tasks)
    return list(Parallel(n_jobs=workers, batch_size="auto", pre_dispatch="all")(calls))


def default_workers() -> int:
    """As many processes as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _attack_task(
    evidence: Evidence, groups: NDArray[np.int64], part: Part, k: int, names: tuple[str, ...], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, str]]:
    return attack(evidence, groups, part, k=k, names=names, seed=seed)


def run(
    draws: Sequence[Draw],
    groups: NDArray[np.int64],
    plan: Plan,
    *,
    k: int,
    names: tuple[str, ...] = (),
    seed: int = 0,
    workers: int = 1,
) -> list[Attacked]:
    """Attack several kinds of evidence under one plan.

    Args:
        draws: each gives the evidence of a round (all rows that the plan's positions refer to).
        groups: `[n]` integers in 0 … k − 1.
        plan: who is fitted on what.
        k: number of groups.
        names: the attackers; empty for the default family.
        seed: seed of the inner splits and the fits.
        workers: processes.

    Returns:
        One `Attacked` per entry of `draws`.

    Raises:
        UndefinedError: a group has no image among the scored rows.
    """
    truth = groups[plan.scored]
    if len(np.unique(truth)) < k:
        raise UndefinedError(f"leakage needs every group among the scored images ({plan.scheme})")
    tasks, redrawn = [], []
    for draw in draws:
        rounds = [draw(r) for r in range(plan.rounds)]
        redrawn.append(any(not rounds[0].equals(other) for other in rounds[1:]))
        tasks += [(_attack_task, (rounds[part.round], groups, part, k, names, seed)) for part in plan.parts]
    results = in_parallel(tasks, workers)
    per_draw = len(plan.parts)
    return [
        _gather(results[i * per_draw : (i + 1) * per_draw], plan, truth, k, redrawn=redrawn[i])
        for i in range(len(draws))
    ]


def _gather(results: Sequence[Any], plan: Plan, truth: NDArray[np.int64], k: int, *, redrawn: bool) -> Attacked:
    credit = np.full((plan.rounds, len(plan.scored)), np.nan)
    bits = np.full_like(credit, np.nan)
    for part, (part_credit, part_bits, _) in zip(plan.parts, results, strict=True):
        at = np.searchsorted(plan.scored, part.score)
        credit[part.round, at] = part_credit
        bits[part.round, at] = part_bits
    chosen, informed = (Counter(names[i] for _, _, names in results) for i in (0, 1))
    return Attacked(credit, bits, truth, k, plan.scheme, chosen, informed, redrawn)
