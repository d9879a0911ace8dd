"""Initial parameters that a seed and a name decide, and nothing else that is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from steelyard.base.random import stream


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Within it, modules made on the CPU draw their parameters by this seed and name; afterwards nothing has moved.

    Args:
        seed: the run's seed, 0 or more.
        names: what is made, e.g. `"network"` or `"critic", 2`.
    """
    with torch.random.fork_rng(devices=[]):
        # The CPU's own generator: `torch.manual_seed` would also seed accelerators, which the fork does not restore.
        torch.default_generator.manual_seed(int(stream(seed, "initialising", *names).integers(2**62)))
        yield
