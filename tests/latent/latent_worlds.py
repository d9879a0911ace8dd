"""Planes at random, a given angle apart, for the tests of the geometry."""

import numpy as np

from steelyard.latent import Hyperplane


def unit(v):
    return v / np.linalg.norm(v)


def random_planes(rng, d, count, *, apart=5.0, joint=0.1, offset=1.0):
    """Planes of which each two are `apart` degrees or more, and each is `joint` from the span of the others."""
    for _ in range(10_000):
        normals = rng.normal(size=(count, d))
        # Some near to each other: in many dimensions chance alone makes nearly right angles.
        for i in range(1, count):
            if rng.random() < 0.5:
                near = unit(normals[i - 1])
                across = unit(normals[i] - (normals[i] @ near) * near)
                angle = np.radians(rng.uniform(apart, 30))
                normals[i] = np.cos(angle) * near + np.sin(angle) * across
        normals = np.array([unit(normal) for normal in normals])
        cosines = np.abs(normals @ normals.T)[np.triu_indices(count, 1)]
        if len(cosines) and cosines.max() > np.cos(np.radians(apart)):
            continue
        sines = 1 / np.sqrt(np.diag(np.linalg.inv(normals @ normals.T)))
        if sines.min() > np.sin(np.radians(joint)):
            return [Hyperplane(normal, rng.normal() * offset, f"p{i}") for i, normal in enumerate(normals)]
    raise AssertionError("no such planes")


def at_angle(degrees, d=8):
    """Two planes this far apart."""
    second = np.zeros(d)
    second[:2] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return Hyperplane(np.eye(d)[0], 0.3, "Male"), Hyperplane(second, -0.2, "Beard")


def least_squares(z, planes, wanted):
    """The nearest points with these scores `[n, p]`, by a general solver: the smallest step that makes them."""
    w = np.array([plane.normal for plane in planes])
    scores = z @ w.T + [plane.offset for plane in planes]
    return z + np.linalg.lstsq(w, (wanted - scores).T, rcond=None)[0].T


def scores_of(z, planes):
    return np.stack([z @ plane.normal + plane.offset for plane in planes], axis=1)
