"""α-balanced subsets at the size of COCO: what is kept, how near to the proved bound, and how fast."""

import math
import time

import numpy as np
from numpy.typing import NDArray

from steelyard.mitigation.samples import balance

IMAGES, LABELS, SECOND_GROUP = 22_826, 79, 6_601 / 22_826


def coco_like(
    n: int, t: int, rng: np.random.Generator, *, scenes: int = 16
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A multi-label table with correlated labels and two skewed groups, about 16,225 to 6,601 at full size.

    Every image shows one scene; scenes make labels go together, some scenes and some labels go with one group,
    and frequencies fall off by rank, from a third of the images to one in 200.

    Args:
        n: images.
        t: labels.
        rng: the draws.
        scenes: kinds of image.

    Returns:
        Targets `[n, t]` of 0 and 1, and groups `[n]` of 0 and 1.
    """
    groups = (rng.random(n) < SECOND_GROUP).astype(np.int64)
    share = rng.dirichlet(np.full(scenes, 2.0))
    shares = np.stack([share, share * np.exp(rng.normal(0, 0.7, scenes))])
    edges = np.cumsum(shares / shares.sum(1, keepdims=True), axis=1)[:, :-1]
    scene = (rng.random(n)[:, None] > edges[groups]).sum(1)
    frequency = 0.4 / (1 + np.arange(t)) ** 0.8
    chance = np.minimum(frequency * rng.gamma(0.4, 1 / 0.4, (scenes, t)), 0.9)[scene]
    tilt = np.stack([np.ones(t), np.exp(rng.normal(0, 0.6, t))])[groups]
    return (rng.random((n, t)) < np.minimum(chance * tilt, 0.95)).astype(np.uint8), groups


def greedy_deletion(
    targets: NDArray[np.integer], groups: NDArray[np.integer], *, alpha: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The paper's way: while a label is out of balance, delete images of the group that has too many of it.

    The paper does not say which images, so this is a strong version: of the worst label's images it deletes
    those first that bring the most other labels nearer to balance and take the fewest away from it, an eighth
    of what is too many at a time. The last column of ones makes the group totals count as a label.

    Args:
        targets: `[n, t]` of 0 and 1.
        groups: `[n]` of 0 and 1.
        alpha: largest ratio allowed.
        rng: breaks ties.

    Returns:
        The rows kept, ascending.
    """
    table = np.column_stack([targets, np.ones(len(targets))]).astype(np.int64)
    rows = [np.flatnonzero(groups == group) for group in (0, 1)]
    counts = np.stack([table[row].sum(0) for row in rows])
    while (counts.max(0) > alpha * counts.min(0)).any():
        ratio = counts.max(0) / np.maximum(counts.min(0), 1e-9)
        worst = int(ratio.argmax())
        over = int(counts[:, worst].argmax())
        excess = counts[over, worst] - math.floor(alpha * counts[1 - over, worst])
        gain = np.sign(counts[over] - alpha * counts[1 - over])
        members = np.flatnonzero(table[rows[over], worst])
        score = table[rows[over][members]] @ gain + rng.random(len(members))
        drop = members[np.argsort(-score)[: max(1, excess // 8)]]
        counts[over] -= table[rows[over][drop]].sum(0)
        rows[over] = np.delete(rows[over], drop)
    return np.sort(np.concatenate(rows))


def main() -> None:
    """Print one line per α: kept, proved bound, gap, seconds, and the greedy deletion beside it."""
    targets, groups = coco_like(IMAGES, LABELS, np.random.default_rng(0))
    first, second = np.bincount(groups)
    print(f"alpha-balanced subsets of {IMAGES:,} images x {LABELS} labels, groups {first:,} / {second:,}")
    print(
        f"{'alpha':>5} {'kept':>8} {'bound':>8} {'gap':>8} {'status':>11} {'seconds':>8} {'greedy':>8} {'seconds':>8}"
    )
    for alpha in (1, 2, 3):
        begin = time.perf_counter()
        found = balance(targets, groups, alpha=alpha, rng=np.random.default_rng(0))
        middle = time.perf_counter()
        greedy = greedy_deletion(targets, groups, alpha=alpha, rng=np.random.default_rng(0))
        end = time.perf_counter()
        print(
            f"{alpha:>5} {len(found):>8,} {found.bound:>8,} {found.gap:>8.3%} {found.status:>11}"
            f" {middle - begin:>8.2f} {len(greedy):>8,} {end - middle:>8.2f}"
        )


if __name__ == "__main__":
    main()
