"""Named random streams: every part of a run draws from its own, so that one does not shift another."""

import zlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator for one named part of a run; the same seed and names give the same draws.

    Args:
        seed: the run's seed, a non-negative integer.
        names: what the stream is for, e.g. `"bootstrap"` or `"fold", 3`.
    """
    keys = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *keys]))
