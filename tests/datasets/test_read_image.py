"""Image files: what is read, and that a damaged one is never taken for an image."""

from pathlib import Path

import numpy as np
import pytest

from steelyard.base.errors import InputError
from steelyard.datasets.images import read_image

pytestmark = pytest.mark.torch  # OpenCV comes with the train extra
cv2 = pytest.importorskip("cv2")
from image_samples import picture, write_picture  # noqa: E402

DO = "restore the file, or take its row out of the labels"


def with_thumbnail(content: bytes) -> bytes:
    """The JPEG with a small JPEG in its header, as cameras write it."""
    _, small = cv2.imencode(".jpg", picture(8, 8))
    body = b"Exif\0\0" + small.tobytes()
    return content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]


def rotated(content: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF orientation."""
    entry = (0x0112).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    entry += orientation.to_bytes(4, "little")
    tiff = b"II*\0" + (8).to_bytes(4, "little") + (1).to_bytes(2, "little") + entry + bytes(4)
    body = b"Exif\0\0" + tiff
    return content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]


@pytest.mark.parametrize("ending", ["png", "bmp", "jpg", "webp"])
def test_pixels_are_red_green_blue(tmp_path: Path, ending: str) -> None:
    pixels = picture()
    found = read_image(write_picture(tmp_path / f"a.{ending}", pixels))
    assert (found.shape, found.dtype) == ((40, 60, 3), np.uint8)
    bound = 0 if ending in ("png", "bmp") else 12
    assert np.abs(found.astype(int) - pixels).max() <= bound
    assert np.abs(found[..., ::-1].astype(int) - pixels).max() > 40  # the control: blue, green, red would show


def test_grey_and_transparent_images_have_three_channels(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert (read_image(tmp_path / "grey.png") == grey[..., None]).all()
    clear = np.dstack([picture(), np.full((40, 60), 7, dtype=np.uint8)])
    cv2.imwrite(str(tmp_path / "clear.png"), cv2.cvtColor(clear, cv2.COLOR_RGBA2BGRA))
    assert (read_image(tmp_path / "clear.png") == picture()).all()


def test_a_name_in_any_script(tmp_path: Path) -> None:
    assert read_image(write_picture(tmp_path / "räder 图.png")).shape == (40, 60, 3)


def test_orientation_only_where_asked_for(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.jpg")
    stored = read_image(path)
    path.write_bytes(rotated(path.read_bytes(), 6))  # a quarter turn clockwise
    assert (read_image(path) == stored).all()
    assert (read_image(path, upright=True) == np.rot90(stored, -1)).all()


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_file_that_breaks_off(tmp_path: Path, ending: str, share: float) -> None:
    path = write_picture(tmp_path / f"a.{ending}", picture(120, 160))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError) as caught:
        read_image(path)
    size = f"{int(share * len(whole)):,}"
    assert str(caught.value) == f"{path}: expected an image, found a file that breaks off after {size} bytes; {DO}"


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_file(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.jpg", picture(120, 160))
    whole = with_thumbnail(path.read_bytes())
    path.write_bytes(whole)
    assert read_image(path).shape == (120, 160, 3)
    path.write_bytes(whole[: int(0.9 * len(whole))])
    assert b"\xff\xd9" in path.read_bytes()
    with pytest.raises(InputError, match="breaks off"):
        read_image(path)


def test_bytes_behind_the_end_do_no_harm(tmp_path: Path) -> None:
    for ending in ("jpg", "png"):
        path = write_picture(tmp_path / f"a.{ending}")
        path.write_bytes(path.read_bytes() + bytes(10_000))
        assert read_image(path).shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"<html>Not found</html>", "bytes that do not decode"),
        (b"\xff\xd8\xff\xd9", "bytes that do not decode"),
    ],
)
def test_a_file_that_is_no_image(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert str(caught.value) == f"{path}: expected an image, found {found}; {DO}"


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "b.jpg")
    assert str(caught.value) == f"{tmp_path / 'b.jpg'}: expected an image, found no file; {DO}"
    with pytest.raises(InputError) as caught:
        read_image(tmp_path)
    assert str(caught.value) == f"{tmp_path}: expected an image, found Is a directory; {DO}"
