"""Gaussian noise on the embedding at rising scales: what hiding the group costs when nothing is learned.

The baseline of Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019, Figure 5,
https://arxiv.org/abs/1811.08489; in the public imSitu code it only renames the run (trap W17).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.random import stream

Floats = NDArray[np.float32]
Map = Callable[[Floats], Floats]


def spread_of(embedding: NDArray[np.floating]) -> Floats:
    """Standard deviation of each dimension, `[n, d]` to `[d]`; 0 for one that never changes, which stays so."""
    spread: Floats = np.std(embedding, axis=0, dtype=np.float64).astype(np.float32)
    return spread


def linear_head(weight: NDArray[np.floating], bias: NDArray[np.floating]) -> Map:
    """A head of `[o, d]` weights and `[o]` biases as a function `[n, d]` → `[n, o]`, in float32.

    Its last bit can differ from another library's product of the same matrices; where that matters, pass
    `noise_sweep` the model's own head.
    """
    rows, offset = np.asarray(weight, dtype=np.float32), np.asarray(bias, dtype=np.float32)
    if rows.ndim != 2 or offset.shape != rows.shape[:1]:
        raise InputError(f"head: expected weight [o, d] and bias [o], found {rows.shape} and {offset.shape}")
    return lambda embedding: embedding @ rows.T + offset


def noisy_scores(
    embedding: NDArray[np.floating],
    weight: NDArray[np.floating],
    bias: NDArray[np.floating],
    *,
    scale: float,
    rng: np.random.Generator,
    absolute: bool = False,
) -> Floats:
    """Logits after Gaussian noise on the embedding.

    Args:
        embedding: `[n, d]`, what the head reads.
        weight: `[o, d]`, of the head.
        bias: `[o]`, of the head.
        scale: standard deviation of the noise, at least 0, in units of each dimension's own standard deviation over
            these images; at 0 the logits are those without noise, bit for bit.
        rng: draws the noise.
        absolute: `scale` is in the embedding's units, the same in every dimension.

    Returns:
        `[n, o]` float32.

    Raises:
        InputError: shapes do not fit, or a scale is below 0.
    """
    head = linear_head(weight, bias)
    values = _checked(embedding, [scale])
    if values.shape[1] != np.shape(weight)[1]:
        raise InputError(f"embedding: expected {np.shape(weight)[1]} columns, as the head has, found {values.shape[1]}")
    return _noisy(values, head, scale, _unit_noise(values, rng, absolute=absolute))


def noise_sweep(
    embedding: NDArray[np.floating],
    head: Map,
    scales: Sequence[float],
    *,
    seed: int,
    combine: Map | None = None,
    absolute: bool = False,
) -> list[tuple[float, Floats]]:
    """Scores at each scale, from one draw of noise for all of them, so that the curve over scales is smooth.

    Args:
        embedding: `[n, d]`, what the head reads.
        head: `[n, d]` float32 → `[n, o]`: `linear_head(weight, bias)`, or the model's own; at scale 0 it is given the
            embedding as it is.
        scales: of the noise, as in `noisy_scores`.
        seed: of the noise.
        combine: the head's output → scores of the targets `[n, t]`, where these are not the same.
        absolute: as in `noisy_scores`.

    Returns:
        (scale, scores) in the order of `scales`; `[n, t]` each.

    Raises:
        InputError: the embedding is not `[n, d]` and finite, or a scale is below 0.
    """
    values = _checked(embedding, scales)
    noise = _unit_noise(values, stream(seed, "noise"), absolute=absolute)
    logits = ((float(scale), _noisy(values, head, scale, noise)) for scale in scales)
    return [(scale, found if combine is None else combine(found)) for scale, found in logits]


def _checked(embedding: NDArray[np.floating], scales: Sequence[float]) -> Floats:
    values = np.asarray(embedding, dtype=np.float32)
    if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
        raise InputError(f"embedding: expected finite numbers [n, d], found shape {values.shape} or NaN; check the tap")
    for scale in scales:
        if not (np.isfinite(scale) and scale >= 0):
            raise InputError(f"scale: expected a number of at least 0, found {scale}")
    return values


def _unit_noise(values: Floats, rng: np.random.Generator, *, absolute: bool) -> Floats:
    noise = rng.standard_normal(values.shape, dtype=np.float32)
    return noise if absolute else noise * spread_of(values)


def _noisy(values: Floats, head: Map, scale: float, noise: Floats) -> Floats:
    return head(values if scale == 0 else values + np.float32(scale) * noise)
