"""Of the many largest subsets, one that treats images with several labels like the others.

The constraints hold label by label, and a solver that is free to choose may take all it drops from one combination of
labels in one group: each label is balanced then, and the combinations give the group away. Here every image gets a
random weight, and among the subsets of the same size one with the most weight is kept. By duality an image then stays
where its weight exceeds a sum of prices of its labels, so that combinations are thinned out like their parts.
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from steelyard.mitigation.samples.programme import Programme

_GAP = 0.02
_MOST_IMAGES = 30_000


def spread(
    programme: Programme, take: NDArray[np.int64], rng: np.random.Generator, *, time_limit: float
) -> NDArray[np.int64]:
    """As many images as `take`, chosen by random weights; `take` itself where the time does not allow that.

    Args:
        programme: the constraints.
        take: `[p]` images kept of each cell: a subset that holds.
        rng: draws the weights.
        time_limit: seconds.
    """
    size = int(programme.upper.sum())
    if not 0 < int(take.sum()) < size <= _MOST_IMAGES:
        return take
    cell = np.repeat(np.arange(len(take)), programme.upper)
    single = replace(
        programme,
        member=sparse.csr_array(programme.member[:, cell]),
        group=programme.group[cell],
        upper=np.ones(size, dtype=np.int64),
    )
    matrix, limit = single.rows()
    everything = sparse.csr_array(np.ones((1, size)))
    found = milp(
        -rng.random(size),
        integrality=np.ones(size, dtype=np.int64),
        bounds=Bounds(0.0, 1.0),
        constraints=[
            LinearConstraint(cast(Any, matrix), -np.inf, limit),
            LinearConstraint(cast(Any, everything), float(take.sum()), np.inf),
        ],
        options={"time_limit": time_limit, "mip_rel_gap": _GAP},
    )
    if found.x is None:
        return take
    chosen = np.bincount(cell, weights=np.round(found.x), minlength=len(take)).astype(np.int64)
    return chosen if chosen.sum() >= take.sum() and programme.holds(chosen) else take
