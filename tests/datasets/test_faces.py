"""Where faces are: a file of boxes and its faults, the data set's own, and which of them is asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steelyard.base.errors import InputError
from steelyard.datasets.catalog import open_dataset
from steelyard.datasets.face_finding import open_faces
from steelyard.datasets.faces import own_faces, read_face_file
from steelyard.datasets.scenes import Scenes, ScenesSettings

HEADER = "image,left,top,right,bottom\n"


def written(tmp_path: Path, rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "faces.csv"
    path.write_text(header + rows)
    return path


def test_several_rows_of_an_image_and_none(tmp_path: Path) -> None:
    path = written(tmp_path, "b.jpg,1,2,3.5,4\na.jpg,0,0,10,10\nb.jpg,7,7,9,9\nc.jpg,,,,\n")
    faces = read_face_file(path, known=["a.jpg", "x.jpg"])
    assert faces("b.jpg").tolist() == [[1, 2, 3.5, 4], [7, 7, 9, 9]]
    assert faces("a.jpg").tolist() == [[0, 0, 10, 10]]
    for nobody in ("c.jpg", "x.jpg"):
        assert faces(nobody).shape == (0, 4)
    faces("a.jpg")[:] = 0  # the caller's own
    assert faces("a.jpg").tolist() == [[0, 0, 10, 10]]


def test_parquet_and_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    sides = {"left": [1.0, np.nan], "top": [2.0, np.nan], "right": [3.0, np.nan], "bottom": [4.0, np.nan]}
    pd.DataFrame({"score": [0.9, 0.1], "id": [7, 8], **sides}).to_parquet(path)
    faces = read_face_file(path)
    assert faces("7").tolist() == [[1, 2, 3, 4]]
    assert faces("8").shape == (0, 4)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,1,2,x,4\n", "column 'right', data row 1: expected a number of pixels, found 'x' (id a); correct the cell"),
        ("a,1,2,3,4\nb,1,,3,4\n", "column 'top', data row 2: expected a number of pixels, found '' (id b)"),
        ("a,1,2,inf,4\n", "column 'right', data row 1: expected a number of pixels, found 'inf'"),
        ("a,5,2,5,4\n", "column 'right', data row 1: expected more than left, found '5' (id a); write edges"),
        ("a,1,2,3,4\nb,5,9,8,4\n", "column 'bottom', data row 2: expected more than top, found '4' (id b)"),
        ("a,0.1,0.2,0.5,1.0\n", "expected boxes in pixels, found no number above 1; multiply by the images' width"),
        (",1,2,3,4\n", "column 'image': expected an image's id, found none in data row 1; fill the cell"),
    ],
)
def test_a_cell_that_is_wrong_is_named(tmp_path: Path, rows: str, said: str) -> None:
    path = written(tmp_path, rows)
    with pytest.raises(InputError) as caught:
        read_face_file(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: {said}")
    assert "\n" not in line


def test_a_file_that_is_another(tmp_path: Path) -> None:
    path = written(tmp_path, "a,1,2,3,4\n", header="image,x0,y0,x1,y1\n")
    with pytest.raises(InputError, match="expected the columns image, left, top, right, bottom, found 'image', 'x0', "):
        read_face_file(path)
    path = written(tmp_path, "a.png,1,2,3,4\nb.png,1,2,3,4\n")
    with pytest.raises(
        InputError, match=r"expected ids of the data set, ids a.jpg, b.jpg, found 2 rows of other images"
    ):
        read_face_file(path, known=["a.jpg", "b.jpg"])
    with pytest.raises(InputError, match="found nothing of this name"):
        read_face_file(tmp_path / "none.csv")


def test_the_data_sets_own_or_a_line_that_says_what_to_do(celeba: Path) -> None:
    labelled = open_dataset("celeba", celeba)
    with pytest.raises(InputError, match="expected a data set that says where faces are, found celeba; give a file"):
        own_faces(labelled)
    pytest.importorskip("cv2")
    world = Scenes(ScenesSettings(size=32), train=3, val=0, test=0)
    np.testing.assert_array_equal(own_faces(world)("train-000001"), world.render([1]).face_box)


def test_where_faces_are_said_to_be(celeba: Path, tmp_path: Path) -> None:
    labelled = open_dataset("celeba", celeba)
    path = written(tmp_path, "000002.jpg,1,2,3,4\n")
    faces = open_faces(labelled, path)
    assert [len(faces(image_id)) for image_id in ("000001.jpg", "000002.jpg")] == [0, 1]
    with pytest.raises(InputError, match="expected ids of the data set"):
        open_faces(labelled, written(tmp_path, "2.jpg,1,2,3,4\n"))
    with pytest.raises(InputError, match="faces: expected a file in which the detector's finds are kept, found none"):
        open_faces(labelled, "detector")
    with pytest.raises(InputError, match="expected a data set that says where faces are"):
        open_faces(labelled, None)
