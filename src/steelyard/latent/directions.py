"""Conditioned directions: ways through latent space that change one attribute and leave others as they are.

Shen, Gu, Tang, Zhou: Interpreting the Latent Space of GANs for Semantic Face Editing, CVPR 2020,
https://arxiv.org/abs/1907.10786 (there the primal attribute's normal, less its projection on the conditions').
"""

from collections.abc import Sequence

import numpy as np

from steelyard.latent.hyperplanes import Floats, Hyperplane, stacked
from steelyard.latent.mirroring import SMALLEST_ANGLE, require_apart


def conditioned_direction(
    plane: Hyperplane, conditions: Sequence[Hyperplane] = (), *, smallest_angle: float = SMALLEST_ANGLE
) -> Floats:
    """`[d]`, of length 1: the steepest way up in one score along which the other scores do not change.

    Mirrored latents lie along it: z′ − z is a multiple of the direction of the flipped plane conditioned on the kept.

    Args:
        plane: the attribute to change.
        conditions: the attributes to leave.
        smallest_angle: as in `mirror`.

    Raises:
        InputError: planes nearly parallel, or of different widths.
    """
    normals = stacked([plane, *conditions])
    require_apart([plane, *conditions], smallest_angle)
    basis, _ = np.linalg.qr(normals[1:].T)
    # Twice, as rounding leaves a trace of the conditions where they are near.
    free = normals[0] - basis @ (basis.T @ normals[0])
    free -= basis @ (basis.T @ free)
    return np.asarray(free / np.linalg.norm(free))
