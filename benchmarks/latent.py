"""Mirroring beside loops over rows and beside bare memory traffic; fits of planes beside the published solver.

160,000 latents of 512 numbers in float32, one plane to flip and one to keep, as in Ramaswamy, Kim, Russakovsky, CVPR
2021, https://arxiv.org/abs/2012.01469; planes are fitted to 10,000. Every loop is run in full and must agree; the
published solver is run to its end, which takes a minute or two.
"""

import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from steelyard.latent import Hyperplane, fit_hyperplane, mirror, mirror_all

ROWS, WIDTH, REPEATS = 160_000, 512, 5
FITTED, SHARES, STEPS = 10_000, (0.42, 0.05), 500_000
"""Rows that planes are fitted to, shares with the attribute, steps that the published solver may take."""
Latents = NDArray[np.float32]
Made = TypeVar("Made")


def best_of(call: Callable[[], Made], repeats: int = REPEATS) -> tuple[float, Made]:
    """Seconds of the fastest of one and so many repeats, and what it gave."""
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        made = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), made


def formula_by_row(z: Latents, flip: Hyperplane, keep: Hyperplane) -> Latents:
    """The paper's formula, row by row, with all that does not depend on the row found before."""
    a, t, offset = flip.normal.astype(z.dtype), keep.normal.astype(z.dtype), z.dtype.type(flip.offset)
    cosine = a @ t
    across, sine = (a - cosine * t) / np.sqrt(1 - cosine**2), np.sqrt(1 - cosine**2)
    made = np.empty_like(z)
    for i in range(len(z)):
        distance = np.sum(a * z[i]) + offset
        made[i] = z[i] - 2 * distance / sine * across
    return made


def solved_by_row(z: Latents, flip: Hyperplane, keep: Hyperplane) -> Latents:
    """The closed form for any planes, row by row, with the inverse found before."""
    planes = np.stack([flip.normal, keep.normal]).astype(z.dtype)
    offsets = np.array([flip.offset, keep.offset], dtype=z.dtype)
    lift = planes.T @ np.linalg.inv(planes @ planes.T)
    made = np.empty_like(z)
    for i in range(len(z)):
        scores = planes @ z[i] + offsets
        made[i] = z[i] - lift @ (scores - np.array([-scores[0], scores[1]]))
    return made


def shortest_by_row(z: Latents, flip: Hyperplane, keep: Hyperplane) -> Latents:
    """One product and one step for each row: the least that a loop can do."""
    a, t, offset = flip.normal.astype(z.dtype), keep.normal.astype(z.dtype), z.dtype.type(flip.offset)
    cosine = a @ t
    step = 2 * (a - cosine * t) / (1 - cosine**2)
    made = np.empty_like(z)
    for i, row in enumerate(z):
        made[i] = row - (row @ a + offset) * step
    return made


def report_mirroring() -> None:
    """Print the times of all ways."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((ROWS, WIDTH), dtype=np.float32)
    flip, keep, other = (Hyperplane.from_weights(rng.normal(size=WIDTH), 0.1) for _ in range(3))
    ours, made = best_of(lambda: mirror(z, [flip], [keep]))
    planes = np.stack([flip.normal, keep.normal]).astype(np.float32)
    product, _ = best_of(lambda: z @ planes.T)
    copy, _ = best_of(z.copy)
    print(f"mirroring {ROWS:,} × {WIDTH} in float32, one plane flipped, one kept; best of {REPEATS}")
    print(f"  mirror                      {1000 * ours:8.0f} ms")
    both, ratio = product + copy, ours / (product + copy)
    print(f"  z @ W.T and a copy of z     {1000 * both:8.0f} ms   ours takes {ratio:.2f} of it; wanted: 3 at most")
    for name, loop in (
        ("formula, row by row", formula_by_row),
        ("closed form, row by row", solved_by_row),
        ("one product and one step", shortest_by_row),
    ):
        seconds, expected = best_of(lambda loop=loop: loop(z, flip, keep), 0)
        difference = float(np.abs(made - expected).max())
        if not difference < 1e-4:
            raise SystemExit(f"latent: {name} differs by {difference:.1e}")
        print(f"  {name:<28}{1000 * seconds:8.0f} ms   {seconds / ours:6.1f} × as long; wanted of a lean loop: 10")
    every, _ = best_of(lambda: [len(each) for _, each in mirror_all(z, [flip, other], [keep])], 2)
    print(f"  all three flips of two      {1000 * every:8.0f} ms")


def report_fits(share: float) -> None:
    """Print the times of the fits, and how near their normals are."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal((FITTED * 3 // 2, WIDTH), dtype=np.float32)
    held = np.arange(len(z)) >= FITTED
    score = z @ Hyperplane.from_weights(rng.normal(size=WIDTH), 0.0).normal + 0.5 * rng.standard_normal(len(z))
    labels = (score > np.quantile(score, 1 - share)).astype(np.int64)
    ours, found = best_of(lambda: fit_hyperplane(z, labels, seed=0, held_out=held), 2)
    accuracy = found.accuracy
    print(f"plane fitted to {FITTED:,} × {WIDTH}, noisy labels, {share:.0%} with the attribute")
    print(f"  ours                        {ours:8.2f} s    held-out accuracy {accuracy.value:.3f}, intervals included")
    x, y = z[:FITTED].astype(np.float64), labels[:FITTED]
    published = LinearSVC(dual=True, max_iter=STEPS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        seconds, _ = best_of(lambda: published.fit(x, y), 0)
    cosine = Hyperplane.from_weights(published.coef_[0], 0.0).normal @ found.plane.normal
    end = "" if published.n_iter_ < STEPS else ", not yet at its end"
    longer = f"{seconds / ours:.1f} × as long, {published.n_iter_:,} steps{end}"
    print(f"  LinearSVC, dual (published) {seconds:8.2f} s    {longer}")
    print(f"  cosine of both normals      {cosine:8.5f}      wanted: 0.999", flush=True)


def main() -> None:
    report_mirroring()
    for share in SHARES:
        report_fits(share)


if __name__ == "__main__":
    main()
