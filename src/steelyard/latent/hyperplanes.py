"""Hyperplanes in latent space: on which side of each an image has an attribute, and how far apart two of them lie.

Ramaswamy, Kim, Russakovsky: Fair Attribute Classification through Latent Space De-biasing, CVPR 2021,
https://arxiv.org/abs/2012.01469
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, one_line, quoted

Floats = NDArray[np.float64]

_UNIT = 1e-5  # what rounding to float32 may have cost, with room
_FORMAT = "steelyard hyperplanes 1"


@dataclass(frozen=True, slots=True, eq=False)
class Hyperplane:
    """The points z with z · normal + offset = 0; an image has the attribute where that score is above 0.

    Attributes:
        normal: `[d]`, of length 1.
        offset: a latent's score is its signed distance, so this is that of the origin.
        name: the attribute, for messages; empty where it has none.
    """

    normal: Floats
    offset: float
    name: str = ""

    def __post_init__(self) -> None:
        """Take a copy of the normal that nobody can change.

        Raises:
            InputError: the normal is not `[d]`, finite and of length 1, or the offset is not finite.
        """
        called = f"hyperplane {quoted(self.name)}" if self.name else "hyperplane"
        normal = np.array(self.normal, dtype=np.float64)
        if normal.ndim != 1 or not len(normal):
            raise InputError(f"{called}: expected a normal of shape [d], found {list(normal.shape)}; give one vector")
        if not np.isfinite(normal).all() or not np.isfinite(self.offset):
            raise InputError(f"{called}: expected finite numbers, found NaN or infinity; check the fit")
        length = float(np.linalg.norm(normal))
        if abs(length - 1) > _UNIT:
            raise InputError(
                f"{called}: expected a normal of length 1, found {length:.6g}; use Hyperplane.from_weights"
            )
        normal.flags.writeable = False
        object.__setattr__(self, "normal", normal)
        object.__setattr__(self, "offset", float(self.offset))

    @classmethod
    def from_weights(cls, weights: ArrayLike, offset: float, name: str = "") -> "Hyperplane":
        """The plane weights · z + offset = 0 of a linear classifier, scaled to a normal of length 1.

        Args:
            weights: `[d]`, of any length but 0.
            offset: the intercept, on the scale of the weights.
            name: of the attribute.

        Raises:
            InputError: the weights are not `[d]` and finite, or all 0.
        """
        given = np.asarray(weights, dtype=np.float64)
        largest = float(np.abs(given).max(initial=0.0))
        if largest == 0:
            called = f"hyperplane {quoted(name)}" if name else "hyperplane"
            raise InputError(f"{called}: expected weights other than 0, found none; nothing was learned, check the fit")
        # By the largest first: squares of very large or very small weights would leave the range of floats.
        scaled = given / largest
        length = float(np.linalg.norm(scaled))
        return cls(scaled / length, float(offset) / largest / length, name)

    @property
    def dim(self) -> int:
        """d, the width of its latents."""
        return len(self.normal)

    def score(self, z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Signed distances `[n]` of latents `[n, d]`, in their own precision.

        Raises:
            InputError: latents of another width.
        """
        latents = np.asarray(z)
        require_latents(latents, [self])
        return np.asarray(latents @ self.normal.astype(latents.dtype) + latents.dtype.type(self.offset))


def require_latents(z: NDArray[np.generic], planes: Sequence[Hyperplane]) -> None:
    """Check that latents are `[n, d]` of float32 or float64, as wide as every plane.

    Raises:
        InputError: they are not.
    """
    if z.ndim != 2 or z.dtype not in (np.float32, np.float64):
        found = f"{z.dtype} {list(z.shape)}"
        raise InputError(f"latents: expected float32 or float64 [n, d], found {found}; convert them")
    for plane, name in zip(planes, names_of(planes), strict=True):
        if plane.dim != z.shape[1]:
            raise InputError(
                f"latents: expected {plane.dim:,} columns, as the plane {name} has, found {z.shape[1]:,}; "
                "take planes and latents of one generator"
            )


def names_of(planes: Sequence[Hyperplane]) -> list[str]:
    """How messages call them: by name, or by place where they have none."""
    return [quoted(plane.name) if plane.name else f"number {i + 1}" for i, plane in enumerate(planes)]


def angles(planes: Sequence[Hyperplane]) -> Floats:
    """`[p, p]`: the angle between each two planes in degrees, from 0 (parallel) to 90.

    Raises:
        InputError: planes of different widths, or none.
    """
    normals = stacked(planes)
    # Twice the arc tangent of half the chord: exact for small angles, where the arc cosine is not.
    apart = np.linalg.norm(normals[:, None] - normals[None], axis=2)
    along = np.linalg.norm(normals[:, None] + normals[None], axis=2)
    found = np.degrees(2 * np.arctan2(np.minimum(apart, along), np.maximum(apart, along)))
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def joint_angles(planes: Sequence[Hyperplane]) -> Floats:
    """`[p]`: the angle of each plane's normal with all that the others' normals span, in degrees, from 0 to 90.

    A latent that changes one score and keeps the others moves by the change divided by the sine of this angle. For two
    planes it is the angle between them; of three, each two can be far apart and this still be 0.

    Raises:
        InputError: planes of different widths, or none.
    """
    normals = stacked(planes)
    found = np.empty(len(normals))
    for i, normal in enumerate(normals):
        others = np.delete(normals, i, axis=0)
        _, sizes, basis = np.linalg.svd(others, full_matrices=False)
        within = basis[sizes > len(normal) * np.finfo(np.float64).eps] if len(others) else basis
        inside = within.T @ (within @ normal)
        found[i] = np.degrees(np.arctan2(np.linalg.norm(normal - inside), np.linalg.norm(inside)))
    return found


def stacked(planes: Sequence[Hyperplane]) -> Floats:
    """`[p, d]`: the normals.

    Raises:
        InputError: planes of different widths, or none.
    """
    if not planes:
        raise InputError("planes: expected at least one, found none; give one")
    for plane, name in zip(planes, names_of(planes), strict=True):
        if plane.dim != planes[0].dim:
            raise InputError(
                f"planes: expected {planes[0].dim:,} dimensions, as the first has, found {plane.dim:,} in {name}; "
                "take planes of one generator"
            )
    return np.stack([plane.normal for plane in planes])


def write_hyperplanes(path: str | Path, planes: Mapping[str, Hyperplane], *, generator: str = "") -> None:
    """Write planes by name as JSON that `read_hyperplanes` reads back to the last digit.

    Args:
        path: the file; replaced in one step.
        planes: of one width.
        generator: whose latents they divide, as `Generator.name` has it.

    Raises:
        InputError: planes of different widths, or none, or a path that cannot be written.
    """
    stacked(list(planes.values()))
    held = {name: {"offset": plane.offset, "normal": plane.normal.tolist()} for name, plane in planes.items()}
    text = json.dumps({"format": _FORMAT, "generator": generator, "planes": held}, ensure_ascii=False)
    path = Path(path)
    try:
        with draft_of(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        found, do = one_line(error.strerror or error, longest=160), "check the folder and its free space"
        raise InputError(complaint(str(path), "", expected="a writable path", found=found, do=do)) from error


def read_hyperplanes(path: str | Path, *, generator: str | None = None) -> dict[str, Hyperplane]:
    """The planes of a file by name, in its order; every plane has its name.

    Args:
        path: what `write_hyperplanes` wrote.
        generator: whose latents the planes are to divide; None takes any.

    Raises:
        InputError: it cannot be read, holds something else, or planes of another generator.
    """
    path = Path(path)
    do = "give a file of hyperplanes, or fit them again"
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        found = one_line(error.strerror or error) if isinstance(error, OSError) else "no JSON"
        raise InputError(complaint(str(path), "", expected="a file of hyperplanes", found=found, do=do)) from None
    if not isinstance(held, dict) or held.get("format") != _FORMAT or not isinstance(held.get("planes"), dict):
        found = "something else"
        raise InputError(complaint(str(path), "", expected=f"the format {_FORMAT!r}", found=found, do=do))
    if generator is not None and held.get("generator") != generator:
        expected, found = f"planes of the generator {quoted(generator)}", quoted(held.get("generator"))
        raise InputError(complaint(str(path), "", expected=expected, found=found, do=do))
    try:
        planes = {
            name: Hyperplane(np.asarray(one["normal"], dtype=np.float64), float(one["offset"]), name)
            for name, one in held["planes"].items()
        }
        stacked(list(planes.values()))
    except (KeyError, TypeError, ValueError):
        found = "planes without a normal or an offset"
        raise InputError(complaint(str(path), "", expected=f"the format {_FORMAT!r}", found=found, do=do)) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return planes
