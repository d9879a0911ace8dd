"""Small corpora, and slow independent answers: every assignment, loops, and a plain integer programme of everything."""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp


@dataclass(frozen=True)
class World:
    """A random corpus; `train` are the training labels `(targets, groups)`."""

    train: tuple
    potentials: np.ndarray
    group_scores: np.ndarray | None
    k: int
    labels: int
    margin: float

    @property
    def names(self):
        return tuple(f"label{i}" for i in range(self.labels))

    @property
    def groups(self):
        return tuple(f"group{i}" for i in range(self.k))


def multi_label(seed, *, n, t, k, margin=0.05, rows=120, sure=1.0):
    """Scores that know the truth and lean towards the training shares, as an amplifying model does.

    `sure` scales what labels count, beside the groups.
    """
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(k, 4.0))
    rate = np.minimum(0.5 / (1 + np.arange(t)) ** 0.6 * np.exp(rng.normal(0, 0.7, (k, t))), 0.9)

    def draw(count):
        groups = rng.choice(k, count, p=share)
        return groups, (rng.random((count, t)) < rate[groups]).astype(int)

    groups, targets = draw(rows)
    own, truth = draw(n)
    lean = np.log(rate / rate.mean(axis=0))
    gain = 3.0 * (2 * truth[:, None] - 1) + rng.normal(0, 1, (n, 1, t)) + rng.normal(0, 0.5, (n, k, t)) + 3 * lean
    gain *= sure
    potentials = np.stack([rng.normal(0, 1, (n, k, t)), np.zeros((n, k, t))], axis=3)
    potentials[..., 1] = potentials[..., 0] + gain
    group_scores = 3.0 * np.eye(k)[own] + rng.normal(0, 1, (n, k)) - potentials[..., 0].sum(axis=2)
    return World((targets, groups), potentials, group_scores, k, t, margin)


def single_label(seed, *, n, v, k, margin=0.05, rows=120):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(k, 3.0), v)
    often = rng.dirichlet(np.full(v, 3.0))

    def draw(count):
        targets = rng.choice(v, count, p=often)
        return np.array([rng.choice(k, p=shares[target]) for target in targets]), targets

    groups, targets = draw(rows)
    own, truth = draw(n)
    potentials = 0.7 * rng.normal(size=(n, v, k)) + rng.normal(size=(n, v, 1)) + np.log(shares + 0.02)
    potentials[np.arange(n), truth] += 2.5
    potentials[np.arange(n), :, own] += 1.0
    return World((targets, groups), potentials, None, k, v, margin)


def limits(world, min_support):
    """`{label: [(low, high) of each group]}` in exact fractions, counted one training row at a time."""
    targets, groups = world.train
    margin, found = Fraction(str(world.margin)), {}
    for label in range(world.labels):
        own = [0] * world.k
        for target, group in zip(targets, groups, strict=True):
            own[group] += int(target == label) if np.ndim(targets) == 1 else int(target[label])
        if sum(own) >= min_support:
            shares = [Fraction(count, sum(own)) for count in own]
            found[label] = [(max(s - margin, 0), min(s + margin, 1)) for s in shares]
    return found


def broken(world, decoded, min_support):
    """`{(label, group): excess}` of the constraints that the assignment breaks, one image at a time."""
    excess = {}
    for label, bounds in limits(world, min_support).items():
        counts = [0] * world.k
        for target, group in zip(decoded.targets, decoded.groups, strict=True):
            counts[group] += int(target == label) if np.ndim(decoded.targets) == 1 else int(target[label])
        for group, (low, high) in enumerate(bounds):
            if sum(counts):
                share = Fraction(counts[group], sum(counts))
                beyond = max(share - high, low - share)
                if beyond > 0:
                    excess[label, group] = float(beyond)
    return excess


def score(world, decoded):
    total = 0.0
    for i, group in enumerate(decoded.groups):
        if world.group_scores is None:
            total += world.potentials[i, decoded.targets[i], group]
        else:
            total += world.group_scores[i, group]
            total += sum(world.potentials[i, group, o, int(y)] for o, y in enumerate(decoded.targets[i]))
    return total


def every_assignment(potentials, group_scores):
    """The best score of one image, trying all."""
    if group_scores is None:
        return max(potentials[v, g] for v in range(potentials.shape[0]) for g in range(potentials.shape[1]))
    k, t, _ = potentials.shape
    sums = []
    for g in range(k):
        for labels in itertools.product((0, 1), repeat=t):
            sums.append(group_scores[g] + sum(potentials[g, o, y] for o, y in enumerate(labels)))
    return max(sums)


def share_matrix(bounds, k):
    """Rows @ counts ≤ 0 over the cells (label, group), in whole numbers so that the solver rounds nothing."""
    rows = []
    for place, pairs in enumerate(bounds.values()):
        for group, (low, high) in enumerate(pairs):
            for limit, sign in ((high, 1), (low, -1)):
                row = np.zeros((len(bounds), k))
                row[place] = -sign * limit.numerator
                row[place, group] += sign * limit.denominator
                rows.append(row.ravel())
    return np.array(rows)


def countable(world, min_support):
    """Whether whole counts of all labels and groups meet the constraints: feasibility of a single-label corpus."""
    bounds = limits(world, min_support)
    if len(bounds) < world.labels:
        return True
    matrix = share_matrix(bounds, world.k)
    n = len(world.potentials)
    constraints = [LinearConstraint(matrix, -np.inf, 0), LinearConstraint(np.ones(matrix.shape[1]), n, n)]
    found = milp(np.zeros(matrix.shape[1]), integrality=1, bounds=Bounds(0, n), constraints=constraints)
    assert found.status in (0, 2)
    return found.status == 0


def optimum(world, min_support, *, baseline, gap):
    """(score found, proved bound) of the programme with one variable for every choice of every image, and every count.

    For single-label images only the counts need be whole: given those, it is a transport problem, whose optimum is.
    """
    n, k, bounds = len(world.potentials), world.k, limits(world, min_support)
    if world.group_scores is None:
        value, tied = world.potentials.reshape(n, -1), 0
    else:
        gain = world.potentials[..., 1] - world.potentials[..., 0]
        own = world.group_scores + world.potentials[..., 0].sum(axis=2)
        value, tied = np.concatenate([own, gain.reshape(n, -1)], axis=1), gain.shape[2]
    width, cells = value.shape[1], len(bounds) * k
    counting = np.zeros((cells, width))
    for place, label in enumerate(bounds):
        for group in range(k):
            counting[place * k + group, k + group * tied + label if tied else label * k + group] = 1
    choosing = np.zeros((1, width))
    choosing[0, : k if tied else width] = 1
    counted = np.hstack([np.tile(counting, n), -np.eye(cells)])
    shares = np.hstack([np.zeros((2 * cells, n * width)), share_matrix(bounds, k)])
    constraints = [
        LinearConstraint(sparse.csr_array(counted), 0, 0),
        LinearConstraint(sparse.csr_array(shares), -np.inf, 0),
        LinearConstraint(_each(n, choosing, cells), 1, 1),
    ]
    if tied:
        follows = np.hstack([-np.repeat(np.eye(k), tied, axis=0), np.eye(k * tied)])
        constraints.append(LinearConstraint(_each(n, follows, cells), -np.inf, 0))
    # From the baseline on, so that the relative gap is one of the distance that the tests speak of.
    found = milp(
        np.append(-(value - baseline / n * choosing).ravel(), np.zeros(cells)),
        integrality=np.append(np.full(n * width, int(tied > 0)), np.ones(cells)),
        bounds=Bounds(0, np.append(np.ones(n * width), np.full(cells, n))),
        constraints=constraints,
        options={"mip_rel_gap": gap},
    )
    assert found.status == 0
    return baseline - found.fun, baseline - found.mip_dual_bound


def _each(n, block, more):
    """The rows of `block` for every image, and columns of zeros."""
    rows = sparse.kron(sparse.eye_array(n), block)
    return sparse.csr_array(sparse.hstack([rows, sparse.csr_array((rows.shape[0], more))]))
