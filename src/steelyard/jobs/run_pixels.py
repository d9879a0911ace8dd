"""What a run takes from its images before a network sees them, and where faces are for that."""

import hashlib
import os
from pathlib import Path

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.face_finding import open_faces
from steelyard.datasets.faces import Faces
from steelyard.jobs.data_section import DataSection
from steelyard.jobs.progress import Progress, silent
from steelyard.mitigation.pixels import DatasetChange, pixel_change


def open_pixels(section: DataSection, dataset: Dataset, progress: Progress = silent) -> DatasetChange | None:
    """What is taken from every image before the network sees it; None where nothing is.

    Args:
        section: says what, and where faces are.
        dataset: says where people and faces are, if `data.faces` does not.
        progress: told when faces are looked for.

    Raises:
        InputError: no such change, or nothing says where what it hides is.
        MissingExtraError: it needs a package.
    """
    if section.pixels is None:
        if section.faces is not None:
            raise InputError("data.faces: expected with data.pixels, found alone; name a change of pixels, or drop it")
        return None
    if section.faces is None:
        return pixel_change(section.pixels, dataset)
    faces = open_faces(dataset, section.faces, cache=_faces_cache(dataset), progress=progress)
    require_faces(faces, dataset, section.faces, progress)
    return pixel_change(section.pixels, dataset, faces=faces)


def require_faces(faces: Faces, dataset: Dataset, source: str, progress: Progress) -> None:
    """Say in how many images there are faces to hide.

    Raises:
        InputError: in none.
    """
    ids = dataset.labels().ids.tolist()
    found = sum(len(faces(image_id)) > 0 for image_id in ids)
    if not found:
        raise InputError(f"data.faces {source}: expected faces to hide, found none in {len(ids):,} images; name boxes")
    progress(f"faces in {found:,} of {len(ids):,} images; the others stay as they are")


def _faces_cache(dataset: Dataset) -> Path:
    """Where a detector's finds in a data set are kept: with the user's other caches."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steelyard"
    home.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(str(Path(dataset.source).absolute()).encode()).hexdigest()[:12]
    return home / f"faces-{dataset.name}-{mark}.parquet"
