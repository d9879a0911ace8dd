"""Faces found in a whole data set, kept in a file, so that each image is looked at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.face_detector import FaceDetector
from steelyard.datasets.faces import SIDES, FaceBoxes, Faces, by_image, own_faces, read_face_file
from steelyard.tables.columns import numbers, texts
from steelyard.tables.files import read_parquet
from steelyard.tables.messages import complaint, one_line

if TYPE_CHECKING:
    import pyarrow as pa

DETECT = "detector"
"""The word that asks for the detector where a file of boxes may be named."""

_MARK = b"steelyard.faces"
_AT_ONCE = 64  # images in memory
_READERS = 4

Found = dict[str, NDArray[np.float64]]


def open_faces(
    dataset: Dataset,
    source: str | Path | None,
    *,
    cache: str | Path | None = None,
    detector: FaceDetector | None = None,
    on_bad_image: Literal["raise", "skip"] = "raise",
    progress: Callable[[str], None] = lambda stage: None,
) -> Faces:
    """Faces of a data set's images, from where they are said to be.

    Args:
        dataset: the data set.
        source: None for the data set's own, `detector` for the detector, else a file of boxes (`read_face_file`).
        cache: Parquet file that the detector's finds are kept in.
        detector: another than the default one.
        on_bad_image: as for `find_faces`.
        progress: told of each stage.

    Raises:
        InputError: the data set says nothing of faces, or a file is not what it must be.
        MissingExtraError: the detector is not installed.
    """
    if source is None:
        return own_faces(dataset)
    ids = dataset.labels().ids.tolist()
    if str(source) != DETECT:
        return read_face_file(source, known=ids)
    if cache is None:
        raise InputError("faces: expected a file in which the detector's finds are kept, found none; name one")
    finder = detector or FaceDetector()
    return find_faces(dataset, ids, finder, cache=cache, on_bad_image=on_bad_image, progress=progress)


def find_faces(
    dataset: Dataset,
    image_ids: Sequence[str],
    detector: FaceDetector,
    *,
    cache: str | Path,
    every: int = 1024,
    on_bad_image: Literal["raise", "skip"] = "raise",
    progress: Callable[[str], None] = lambda stage: None,
) -> FaceBoxes:
    """Find faces in images that the cache does not have yet.

    Args:
        dataset: where the images are.
        image_ids: the images.
        detector: what finds them.
        cache: Parquet file of the finds, one for each data set; a table of boxes as `read_face_file` reads it. Finds of
            another data set, detector or threshold are replaced. It is written in whole steps: what was found before an
            interruption is there the next time.
        every: images between two writings.
        on_bad_image: whether an image that cannot be read ends the search or is left out.
        progress: told of each stage.

    Raises:
        InputError: an image cannot be read, or the cache is another kind of table or cannot be written.
    """
    path = Path(cache)
    mark = f"{detector.fingerprint}, data {dataset.name} {dataset.source}"
    found = _read(path, mark)
    wanted = dict.fromkeys(image_ids)
    missing = [image_id for image_id in wanted if image_id not in found]
    if missing and not path.absolute().parent.is_dir():
        do = "make it first"
        raise InputError(complaint(str(path), "", expected="a file in a folder", found="no such folder", do=do))
    for start in range(0, len(missing), every):
        progress(f"finding faces: {start:,} of {len(missing):,}")
        block = missing[start : start + every]
        found |= {image_id: detector(image) for image_id, image in _images(dataset, block, on_bad_image)}
        _write(path, found, mark)
    return FaceBoxes({image_id: found[image_id] for image_id in wanted if image_id in found}, str(path), False)


def _images(dataset: Dataset, ids: Sequence[str], on_bad: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Images by id, read ahead by a few threads."""

    def read(image_id: str) -> NDArray[np.uint8] | None:
        try:
            return dataset.image(image_id)
        except InputError:
            if on_bad == "raise":
                raise
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            for image_id, image in zip(part, pool.map(read, part), strict=True):
                if image is not None:
                    yield image_id, image


def _read(path: Path, mark: str) -> Found:
    """What the cache holds under this mark."""
    import pyarrow.parquet as parquet

    if not path.exists():
        return {}
    raw = read_parquet(path) if path.is_file() else None
    written = None if raw is None else (parquet.read_schema(path).metadata or {}).get(_MARK)
    if raw is None or written is None:
        expected, do = "faces that were found before", "name another file, this one is not overwritten"
        raise InputError(complaint(str(path), "", expected=expected, found="something else", do=do))
    if written.decode(errors="replace") != mark:
        return {}
    ids, _ = texts(raw.plain("image"))
    boxes = np.stack([numbers(raw.plain(side))[0] for side in SIDES], axis=1)
    there: NDArray[np.bool_] = ~np.any(np.isnan(boxes), axis=1)
    return by_image(ids, boxes, there)


def _write(path: Path, found: Found, mark: str) -> None:
    """Write the finds whole, an image without a face as a row without numbers."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = _table(found).replace_schema_metadata({_MARK: mark.encode()})
    try:
        with draft_of(path) as draft, draft.open("wb") as file:
            parquet.write_table(table, file)
    except (OSError, pa.ArrowException) as error:
        said = one_line(getattr(error, "strerror", None) or error, longest=160)
        do = "check the folder and its free space"
        raise InputError(complaint(str(path), "", expected="a writable path", found=said, do=do)) from error


def _table(found: Found) -> "pa.Table":
    import pyarrow as pa

    ids = [image_id for image_id, boxes in found.items() for _ in range(max(1, len(boxes)))]
    nothing = np.full((1, 4), np.nan)
    sides = np.concatenate([boxes if len(boxes) else nothing for boxes in found.values()] or [nothing[:0]])
    columns = [pa.array(ids, pa.string()), *(pa.array(sides[:, at], from_pandas=True) for at in range(len(SIDES)))]
    return pa.Table.from_arrays(columns, names=["image", *SIDES])
