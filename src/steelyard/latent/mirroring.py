"""Complementary latents: the nearest point whose protected scores are negated and whose other scores stay.

Ramaswamy, Kim, Russakovsky: Fair Attribute Classification through Latent Space De-biasing, CVPR 2021,
https://arxiv.org/abs/2012.01469. For planes W (rows), offsets b and wanted scores s, the nearest point is
z′ = z − Wᵀ(W Wᵀ)⁻¹(W z + b − s): their formula for one plane to flip and one to keep, and exact for any number.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from threadpoolctl import ThreadpoolController

from steelyard.base.errors import InputError
from steelyard.latent.hyperplanes import Floats, Hyperplane, angles, joint_angles, names_of, require_latents, stacked
from steelyard.metrics.arrays import integers

SMALLEST_ANGLE = 5.0
"""Degrees between two planes below which latents are not mirrored."""
_JOINT_SHARE = 1 / 50
_ROUNDING = 1e-4  # degrees that normals in float32 may be off
_CHUNK = 2**20  # bytes of latents at a time: less, and threads meet too often at the interpreter's lock

Latents = NDArray[Any]  # [n, d], float32 or float64


def mirror(
    z: ArrayLike, flip: Sequence[Hyperplane], keep: Sequence[Hyperplane] = (), *, smallest_angle: float = SMALLEST_ANGLE
) -> Latents:
    """Latents with the scores of `flip` negated and those of `keep` as they were: the nearest such points.

    Doing it twice gives the latents back. Without `keep` it is the plain mirror image. The more nearly a plane is
    parallel to the others, the further its mirror images lie out: by 1 / sin(angle).

    Args:
        z: `[n, d]`, float32 or float64, finite.
        flip: planes whose score changes its sign, one or more.
        keep: planes whose score stays.
        smallest_angle: degrees, 0 to 90, below which two planes count as parallel and are refused; a plane must also
            make a fiftieth of it with what all others span together.

    Returns:
        `[n, d]`, in the precision of `z`. Memory beyond it is under a megabyte; threads are as many as the linear
        algebra library may use.

    Raises:
        InputError: planes nearly parallel, more planes than dimensions, none to flip, or latents of another width or
            not finite.
    """
    return _towards(z, flip, keep, smallest_angle, share=2.0, verb="flip")


def project(
    z: ArrayLike, onto: Sequence[Hyperplane], keep: Sequence[Hyperplane] = (), *, smallest_angle: float = SMALLEST_ANGLE
) -> Latents:
    """Latents moved onto planes (scores of 0), with the scores of `keep` as they were: the nearest such points.

    Args:
        z: as in `mirror`.
        onto: planes whose score becomes 0, one or more.
        keep: planes whose score stays.
        smallest_angle: as in `mirror`.

    Raises:
        InputError: as in `mirror`.
    """
    return _towards(z, onto, keep, smallest_angle, share=1.0, verb="project onto")


def mirror_all(
    z: ArrayLike, flip: Sequence[Hyperplane], keep: Sequence[Hyperplane] = (), *, smallest_angle: float = SMALLEST_ANGLE
) -> Iterator[tuple[tuple[Hyperplane, ...], Latents]]:
    """Every one of the 2^k − 1 ways to flip some of k planes, the others of them kept.

    Args:
        z: as in `mirror`.
        flip: the k planes.
        keep: planes whose score always stays.
        smallest_angle: as in `mirror`.

    Yields:
        The planes that were flipped, and the latents: single planes first, all of them last.

    Raises:
        InputError: as in `mirror`.
    """
    for count in range(1, len(flip) + 1):
        for chosen in combinations(range(len(flip)), count):
            flipped = tuple(flip[i] for i in chosen)
            others = [plane for i, plane in enumerate(flip) if i not in chosen]
            yield flipped, mirror(z, flipped, [*others, *keep], smallest_angle=smallest_angle)


def mirror_by_group(
    z: ArrayLike,
    flip: Hyperplane,
    targets: tuple[Hyperplane, Hyperplane],
    groups: ArrayLike | None = None,
    keep: Sequence[Hyperplane] = (),
    *,
    smallest_angle: float = SMALLEST_ANGLE,
) -> Latents:
    """As `mirror`, where the target has a plane of its own in each protected group (domain-dependent hyperplanes).

    The target's score under the plane of the latent's own group becomes its score under the plane of the other group,
    to which the mirrored latent belongs.

    Args:
        z: as in `mirror`.
        flip: the plane of the protected attribute.
        targets: the target's planes among those without and those with the attribute.
        groups: `[n]`, 0 without and 1 with the attribute; None takes the side of `flip` on which a latent lies.
        keep: planes whose score stays.
        smallest_angle: as in `mirror`.

    Raises:
        InputError: as in `mirror`; groups that are not 0 and 1, one for each latent.
    """
    latents = np.asarray(z)
    planes = [flip, *targets, *keep]
    stacked(planes)
    require_latents(latents, planes)
    with np.errstate(invalid="ignore", over="ignore"):
        scores = flip.score(latents)
    _require_finite(scores)
    codes = (scores > 0).astype(np.int64) if groups is None else integers("groups", groups)
    if codes.shape != (len(latents),) or not np.isin(codes, (0, 1)).all():
        raise InputError(f"groups: expected 0 or 1 for each of {len(latents):,} latents, found other; give one each")
    out = np.empty(latents.shape, latents.dtype)
    with _threads() as threads:
        for group in (0, 1):
            own, other = targets[group], targets[1 - group]
            back = _lift([flip, other, *keep], smallest_angle)[:, :2]
            change = _Change(
                read=np.stack([2 * flip.normal, other.normal - own.normal]),
                offset=np.array([2 * flip.offset, other.offset - own.offset]),
                back=back,
            )
            rows = codes == group
            out[rows] = _moved(latents[rows], change, threads)
    return out


@dataclass(frozen=True, slots=True)
class _Change:
    """z ↦ z − back · (read · z + offset), with read `[m, d]`, offset `[m]` and back `[d, m]`."""

    read: Floats
    offset: Floats
    back: Floats


def _towards(
    z: ArrayLike,
    moved: Sequence[Hyperplane],
    keep: Sequence[Hyperplane],
    smallest_angle: float,
    *,
    share: float,
    verb: str,
) -> Latents:
    """Latents with the scores of `moved` less `share` times themselves, those of `keep` as they were."""
    latents, planes = np.asarray(z), [*moved, *keep]
    if not moved:
        raise InputError(f"planes to {verb}: expected at least one, found none; give one")
    stacked(planes)
    require_latents(latents, planes)
    with _threads() as threads:
        # Only the columns of planes whose score changes are ever multiplied by anything but 0.
        back = share * _lift(planes, smallest_angle)[:, : len(moved)]
        return _moved(latents, _Change(stacked(moved), np.array([plane.offset for plane in moved]), back), threads)


def _lift(planes: Sequence[Hyperplane], smallest_angle: float) -> Floats:
    """Wᵀ(W Wᵀ)⁻¹, `[d, p]`: a step along its column i changes score i by 1 and no other.

    Raises:
        InputError: the planes are nearly parallel, or more than the dimensions.
    """
    normals = stacked(planes)
    if len(normals) > normals.shape[1]:
        raise InputError(
            f"mirror: expected no more planes than dimensions ({normals.shape[1]:,}), found {len(normals):,} planes; "
            "leave some out"
        )
    require_apart(planes, smallest_angle)
    # With Wᵀ = Q R it is Q R⁻ᵀ: the condition of W Wᵀ, a square, never enters.
    q, r = np.linalg.qr(normals.T)
    return np.asarray(q @ solve_triangular(r, np.eye(len(r)), trans="T"))


def require_apart(planes: Sequence[Hyperplane], smallest_angle: float = SMALLEST_ANGLE) -> None:
    """Refuse planes that are nearly parallel: two of them, or one to what all the others span.

    Args:
        planes: of one width.
        smallest_angle: degrees, 0 to 90, that each two must be apart; each and the span of all others a fiftieth of
            it. At 0, only what cannot be computed is refused.

    Raises:
        InputError: names the planes and their angle.
    """
    if not 0 <= smallest_angle <= 90:
        raise InputError(f"smallest_angle: expected degrees from 0 to 90, found {smallest_angle:g}; change it")
    if len(planes) < 2:
        return
    names, do = names_of(planes), "their mirror images would lie far out; drop one, or lower smallest_angle"
    between = angles(planes)
    np.fill_diagonal(between, 90.0)
    first, second = (int(place) for place in np.unravel_index(int(between.argmin()), between.shape))
    if between[first, second] < max(smallest_angle - _ROUNDING, np.degrees(1e-7)):
        raise InputError(
            f"mirror: expected planes at least {smallest_angle:g}° apart, found {names[first]} and {names[second]} at "
            f"{between[first, second]:.3g}°; {do}"
        )
    limit = max(smallest_angle * _JOINT_SHARE, np.degrees(1e-7))
    joint = joint_angles(planes)
    worst = int(joint.argmin())
    if joint[worst] < limit:
        others = ", ".join(name for i, name in enumerate(names) if i != worst)
        raise InputError(
            f"mirror: expected each plane at least {limit:.2g}° from what the others span, found {names[worst]} at "
            f"{joint[worst]:.3g}° from {others} together; {do}"
        )


def _moved(z: Latents, change: _Change, threads: int) -> Latents:
    """The change, chunk by chunk: latents are read once and their images written once."""
    out = np.empty(z.shape, z.dtype)
    rows = max(1, _CHUNK // max(1, z.shape[1] * z.itemsize))
    read, offset, back = (each.astype(z.dtype) for each in (change.read.T, change.offset, change.back.T))
    if len(offset) == 1:
        # The product of one column and one row is slow in NumPy, that of two is quick: the second is of zeros.
        read, offset, back = np.pad(read, ((0, 0), (0, 1))), np.pad(offset, (0, 1)), np.pad(back, ((0, 1), (0, 0)))

    def move(first: int, last: int) -> None:
        for start in range(first, last, rows):
            part, made = z[start : min(start + rows, last)], out[start : min(start + rows, last)]
            with np.errstate(invalid="ignore", over="ignore"):
                scores = part @ read + offset
            _require_finite(scores, start)
            # All of these let other threads run meanwhile, as a rank-one update of SciPy's would not.
            np.matmul(scores, back, out=made)
            np.subtract(part, made, out=made)

    if len(z) <= rows:
        move(0, len(z))
        return out
    ends = np.linspace(0, len(z), threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(move, ends, ends[1:]):
            pass
    return out


@contextmanager
def _threads() -> Iterator[int]:
    """As many threads as the linear algebra library may use, for ours: the library has one meanwhile.

    Its own would meet after every chunk, which takes longer than the chunk, and would hold a core for some time after
    the smallest product that woke them.
    """
    library = _library()
    threads = max((each.num_threads for each in library.lib_controllers), default=1)
    with library.limit(limits=1):
        yield threads


@cache
def _library() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def _require_finite(scores: Latents, first: int = 0) -> None:
    """Refuse latents of which a score is not finite: NaN and infinity anywhere in a row come through the product."""
    if not np.isfinite(scores).all():
        row = first + int(np.argwhere(~np.isfinite(scores))[0][0])
        raise InputError(f"latents: expected finite numbers, found NaN or infinity in row {row:,}; check them")
