"""Weights under which every label is equally frequent in every group: the plain alternative to making more images.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, weigh images in this sense for comparison; their public code builds the weights of
several attributes from the wrong class (trap R7). Here the masses of all cells of a label are equal.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def cell_weights(
    targets: NDArray[np.integer], groups: NDArray[np.integer], *, names: Sequence[str], k: int
) -> dict[str, list[list[float]]]:
    """Label → `[k, 2]` weights of images without and with it, by group: n / (cells · images in the cell).

    With them each cell of a label weighs n / cells in total, and the mean weight is 1. A cell without images has none
    to weigh: its weight is 0, and the others share alike.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]` integers in 0 … k − 1.
        names: of the t labels.
        k: groups.
    """
    made = {}
    for at, name in enumerate(names):
        cells = groups.astype(np.int64) * 2 + targets[:, at].astype(np.int64)
        counts = np.bincount(cells, minlength=2 * k).astype(np.float64)
        weights = np.divide(len(cells), np.count_nonzero(counts) * counts, out=np.zeros_like(counts), where=counts > 0)
        made[name] = weights.reshape(k, 2).tolist()
    return made
