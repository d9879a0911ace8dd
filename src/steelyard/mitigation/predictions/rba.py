"""RBA, reducing bias amplification: predictions of a whole corpus brought near the training shares.

Zhao, Wang, Yatskar, Ordonez, Chang, *Men Also Like Shopping*, EMNLP 2017, section 4.2, https://arxiv.org/abs/1707.09457.
Their relaxation often ends on an assignment that breaks constraints. Here a repair and, where that is not near enough
to the bound, an integer programme follow, after which every constraint holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.metrics.mals import mals_kernel
from steelyard.mitigation.predictions.corpus import Corpus
from steelyard.mitigation.predictions.decoding import Decoded, checked, decode, total_score
from steelyard.mitigation.predictions.multi_label import MultiLabelCorpus
from steelyard.mitigation.predictions.programme import solve
from steelyard.mitigation.predictions.relaxation import Relaxed, Round, relax
from steelyard.mitigation.predictions.shares import ShareConstraints, excess, predicted_counts
from steelyard.mitigation.predictions.single_label import SingleLabelCorpus

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Finish = Literal["unchanged", "repair", "programme"]

# What the solver's tolerances may take off the bound that it proves, as a fraction of the scale (of what is lost, where
# masks that are broken make that larger).
_TOLERANCE = 1e-6
# The first programme leaves open one in so many of the choices of the second.
_KERNEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RBAOptions:
    """How long to search; distances are fractions of `Calibration.scale`.

    Attributes:
        rounds: inferences of the relaxation, at least 1.
        step: η of the steps η/√t, in units of a typical difference of scores, above 0.
        gap: distance to the bound that is good enough; above it the integer programme follows. In [0, 1).
        core: choices that the programme may leave open, beside those of the repaired assignment; at least 1.
        seconds: limit of the programme, above 0. One that the clock ends may find another assignment on another
            machine; all else is deterministic.

    Raises:
        InputError: a value out of its range.
    """

    rounds: int = 100
    step: float = 1.0
    gap: float = 0.001
    core: int = 2000
    seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in ("rounds", "core"):
            value = getattr(self, name)
            if isinstance(value, bool) or int(value) != value or value < 1:
                raise InputError(f"{name}: expected a whole number of at least 1, found {value!r}")
        for name in ("step", "seconds"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name}: expected a number above 0, found {getattr(self, name)}")
        if not 0 <= self.gap < 1:
            raise InputError(f"gap: expected a fraction in [0, 1), found {self.gap}; pass e.g. gap=0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A corpus before and after; c constrained labels, k groups.

    Attributes:
        before: each image's best assignment.
        after: the calibrated assignment, which meets every constraint.
        objective_before: sum of the scores of `before`, the unconstrained optimum.
        objective_after: the same of `after`, no loss against `before` larger than `ceiling`.
        baseline: likewise of a plain assignment that meets every constraint: constrained labels absent (multi-label);
            each image's best unconstrained category, or all images in one category (single-label).
        dual_bound: no assignment that meets every constraint has a higher sum.
        lost: `objective_before` − `objective_after`, summed image by image, no loss larger than `ceiling`.
        distance: `dual_bound` − `objective_after`, likewise: `after` loses at most this much more than the optimum.
        scale: what the plain assignment loses, each loss counted up to a few typical differences between scores, so
            that masks do not stretch it; what `gap` and `price` are fractions of.
        ceiling: the largest loss of a choice that counts. Scores further apart than that say "never".
        beyond: images in which `after` takes such a choice all the same; where there are none, the cap changes no sum.
        rounds: each step of the relaxation.
        counts_before: `[c, k]` images of each predicted group with each label.
        counts_after: the same of `after`.
        violations_before: `[c, k]` how far each constraint is exceeded, in shares; 0 where it holds.
        violations_after: the same of `after`: zeros.
        amplification_before: mean over the constrained labels of predicted less training share of the groups that a
            label leans to in training, in [−1, 1] (`metrics.mals_amplification` of those labels).
        amplification_after: the same of `after`.
        changed: images whose group or labels `after` changes.
        repaired: images in which `after` differs from the relaxation's last inference.
        finish: which step gave `after`: `unchanged` where `before` meets every constraint, `repair` or `programme`.
    """

    before: Decoded
    after: Decoded
    objective_before: float
    objective_after: float
    baseline: float
    dual_bound: float
    lost: float
    distance: float
    scale: float
    ceiling: float
    beyond: Ints
    rounds: tuple[Round, ...]
    counts_before: Ints
    counts_after: Ints
    violations_before: Floats
    violations_after: Floats
    amplification_before: float
    amplification_after: float
    changed: int
    repaired: int
    finish: Finish

    @property
    def gap(self) -> float:
        """How far `after` can be from the optimum, as a fraction of `scale`; 0 is none."""
        return self.distance / self.scale if self.scale > 0 else 0.0

    @property
    def price(self) -> float:
        """Score given up for the constraints, as a fraction of `scale`."""
        return self.lost / self.scale if self.scale > 0 else 0.0


def calibrate(
    potentials: ArrayLike,
    group_scores: ArrayLike | None,
    constraints: ShareConstraints,
    *,
    names: Sequence[str] | None = None,
    group_names: Sequence[str] | None = None,
    options: RBAOptions | None = None,
) -> Calibration:
    """The assignment of a corpus with (nearly) the highest sum of scores that meets every constraint.

    Measured on simulated corpora with the default options, `gap` after the repair alone and at the end: multi-label
    5,000 × 79, 0.005 % with two groups and 0.016 % with three, no programme needed; single-label 5,000 × 100 with two
    groups 0.14 % and 0.06 %, 3,000 × 60 with four groups 0.34 % and 0.21 %; 50 corpora of 20 to 200 images, at most
    0.1 % at the end. Twice the rounds gain a fifth at most. Steps of 1 and 2 do equally well; at 4 whole groups can
    swing to and fro in corpora of many labels.

    Args:
        potentials: multi-label `[n, k, t, 2]`, the last axis label absent, label present; single-label `[n, v, k]`.
        group_scores: `[n, k]` for multi-label, None for single-label.
        constraints: from the training labels (`share_constraints`).
        names: names of all t labels (v categories); checked against those of the constraints.
        group_names: names of the k groups, for messages.
        options: default `RBAOptions()`.

    Raises:
        InputError: shapes or values are not as above, the constraints are of other labels or groups, or no
            assignment of these images meets them. Multi-label images always have one; single-label images can be too
            few for shares in whole numbers.
    """
    options = options or RBAOptions()
    values, scores = checked(potentials, group_scores)
    groups = _check_fit(values, scores, constraints, names, group_names)
    corpus: Corpus
    finish: Finish
    if scores is None:
        corpus = SingleLabelCorpus(values, constraints, groups)
    else:
        corpus = MultiLabelCorpus(values, scores, constraints)
    before = decode(values, scores)
    baseline = corpus.baseline()
    relaxed = relax(corpus, rounds=options.rounds, step=options.step)
    if constraints.holds(predicted_counts(before, constraints)).all():
        after, inferred, bound, finish = before, before, 0.0, "unchanged"
    else:
        after, inferred, bound, finish = _finish(corpus, relaxed, baseline, options)
    if not constraints.holds(counts := predicted_counts(after, constraints)).all():
        raise AssertionError("the calibrated assignment breaks constraints")
    first, top, value = predicted_counts(before, constraints), total_score(values, scores, before), corpus.score(after)
    bound = max(bound, value)
    return Calibration(
        before=before,
        after=after,
        objective_before=top,
        objective_after=top + value,
        baseline=top + corpus.score(baseline),
        dual_bound=top + bound,
        lost=-value,
        distance=bound - value,
        scale=corpus.scale,
        ceiling=corpus.ceiling,
        beyond=corpus.beyond(after),
        rounds=tuple(replace(each, objective=top + each.objective, dual=top + each.dual) for each in relaxed.rounds),
        counts_before=first,
        counts_after=counts,
        violations_before=excess(first, constraints),
        violations_after=excess(counts, constraints),
        amplification_before=mean_amplification(before, constraints),
        amplification_after=mean_amplification(after, constraints),
        changed=_differing(before, after),
        repaired=_differing(inferred, after),
        finish=finish,
    )


def mean_amplification(decoded: Decoded, constraints: ShareConstraints) -> float:
    """Predicted less training share of the groups that a label leans to in training, mean over constrained labels.

    A group leads where its training share is above 1/k. A label that is never predicted adds 0.

    Returns:
        A difference of shares in [−1, 1]; 0 is no amplification.
    """
    if decoded.targets.ndim == 1:
        columns = (decoded.targets[:, None] == constraints.targets).astype(np.uint8)
    else:
        columns = decoded.targets[:, constraints.targets].astype(np.uint8)
    # Whole counts again, so that a share of exactly 1/k does not count as above it.
    trained = np.rint(constraints.shares * constraints.support[:, None]).T
    return float(mals_kernel(trained, columns, decoded.groups))


def _finish(
    corpus: Corpus, relaxed: Relaxed, baseline: Decoded, options: RBAOptions
) -> tuple[Decoded, Decoded, float, Finish]:
    """The calibrated assignment, the inference it came from, the bound, and the step that gave it."""
    found = [corpus.assign(p) for p in (relaxed.prices, relaxed.feasible_prices) if p is not None]
    repaired = [corpus.repair(inferred) for inferred in found]
    best = max(range(len(found)), key=lambda i: corpus.score(repaired[i]))
    inferred, after = found[best], max(repaired[best], baseline, key=corpus.score)
    scale, bound, value = corpus.scale, relaxed.bound, corpus.score(after)
    finish: Finish = "repair"
    # First the choices that cost least: what they give shortens the reach of the rest.
    for size in (max(options.core // _KERNEL, 1), options.core):
        if scale <= 0 or bound - value <= options.gap * scale:
            break
        reach = bound - value + _TOLERANCE * scale
        core = corpus.core(relaxed.prices, after, reach=reach, size=size)
        solved = solve(core, corpus.constraints, scale=scale, gap=options.gap, seconds=options.seconds)
        if solved.taken is not None and solved.flipped is not None:
            # The solver's tolerances let a constraint be missed by a hair; what meets them all is not changed for
            # worse.
            better = corpus.repair(corpus.apply(core, relaxed.prices, solved.taken, solved.flipped))
            if corpus.score(better) > value:
                after, value, finish = better, corpus.score(better), "programme"
        if core.complete:
            bound = min(bound, max(solved.bound, value) + _TOLERANCE * max(scale, -value))
            break
    return after, inferred, bound, finish


def _check_fit(
    values: Floats,
    scores: Floats | None,
    constraints: ShareConstraints,
    names: Sequence[str] | None,
    group_names: Sequence[str] | None,
) -> tuple[str, ...]:
    """The groups' names, after a check that all are of the same labels and groups."""
    k, t = values.shape[2:0:-1] if scores is None else values.shape[1:3]
    if constraints.k != k:
        raise InputError(f"potentials: expected {constraints.k} groups, as in the constraints, found {k}")
    if constraints.targets[-1] >= t:
        last = f"label {constraints.names[-1]!r} is number {constraints.targets[-1]} (from 0)"
        raise InputError(f"potentials: expected the labels of the constraints, found {t}, and {last}")
    if names is not None:
        if len(names) != t:
            raise InputError(f"names: expected {t}, one for each label of potentials, found {len(names)}")
        own = [names[column] for column in constraints.targets]
        wrong = [pair for pair in zip(own, constraints.names, strict=True) if pair[0] != pair[1]]
        if wrong:
            do = "bring the labels into the same order"
            raise InputError(
                f"names: expected {wrong[0][1]!r}, a label of the constraints, found {wrong[0][0]!r}; {do}"
            )
    if group_names is not None and len(group_names) != k:
        raise InputError(f"group_names: expected {k}, one for each group of potentials, found {len(group_names)}")
    return tuple(group_names) if group_names is not None else tuple(map(str, range(k)))


def _differing(one: Decoded, other: Decoded) -> int:
    targets = one.targets != other.targets
    return int(((one.groups != other.groups) | (targets.any(axis=1) if targets.ndim == 2 else targets)).sum())
