"""Pixels against slow oracles: what is inside the mask is right to the grey level, the rest is left bit for bit."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="pixels are changed by OpenCV, of the train extra")

from pixel_oracles import luma, slow_blackout, slow_blur, slow_edges, slow_greyscale

from steelyard.base.errors import InputError
from steelyard.mitigation.pixels.changes import blackout, blackout_boxes, blur, edges, greyscale

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
EVERY: dict[str, Callable[[Image, Mask], Image]] = {
    "blackout": blackout,
    "greyscale": greyscale,
    "blur": blur,
    "edges": edges,
}


def noise(height: int = 23, width: int = 31, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blob(height: int = 23, width: int = 31, seed: int = 0) -> Mask:
    """A ragged region that touches the last row and column."""
    rows, columns = np.mgrid[:height, :width]
    ragged = np.random.default_rng(seed).random((height, width)) < 0.9
    return np.asarray((rows > height // 3) & (columns > width // 2) & ragged)


def differs(a: NDArray[np.number], b: NDArray[np.number]) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).max())


# --- inside the mask


def test_blackout_is_exact() -> None:
    np.testing.assert_array_equal(blackout(noise(), blob()), slow_blackout(noise(), blob()))


def test_greyscale_is_the_luma_in_all_channels() -> None:
    made = greyscale(noise(), blob())
    assert differs(made, slow_greyscale(noise(), blob())) <= 0.51
    inside = made[blob()]
    assert (inside == inside[:, :1]).all()


def test_edges_are_exact_on_the_grey_picture() -> None:
    grey = greyscale(noise(), np.ones((23, 31), dtype=bool))[..., 0].astype(np.float64)
    np.testing.assert_array_equal(edges(noise(), blob()), slow_edges(grey, noise(), blob()))
    flat = np.full((9, 9, 3), 77, dtype=np.uint8)
    assert (edges(flat, np.ones((9, 9), dtype=bool)) == 255).all()  # nothing to draw: white
    dot = flat.copy()
    dot[4, 4] = 67  # darker by 10: 255 − 80 there, cut at 255 around
    drawn = edges(dot, np.ones((9, 9), dtype=bool))
    assert drawn[4, 4].tolist() == [175, 175, 175]
    assert (np.delete(drawn.reshape(81, 3), 40, axis=0) == 255).all()


@pytest.mark.parametrize("sigma", [10.0, 1.5])
def test_blur_is_the_gaussian_of_that_deviation(sigma: float) -> None:
    image, mask = noise(20, 26), blob(20, 26)
    made = blur(image, mask, sigma)
    assert differs(made, slow_blur(image, mask, sigma, 3.0)) <= 1.0
    assert differs(made, slow_blur(image, mask, sigma, 6.0)) <= 1.5  # what the cut tail does
    assert differs(made, slow_blur(image, mask, 0.6 * sigma, 3.0)) > 3.0  # the control: another radius is told apart


def test_radius_ten_is_the_default_and_what_pillow_calls_so() -> None:
    image = np.zeros((140, 150, 3), dtype=np.uint8)
    image[40:100, 50:90] = (250, 120, 30)
    everywhere = np.ones((140, 150), dtype=bool)
    np.testing.assert_array_equal(blur(image, everywhere), blur(image, everywhere, 10.0))
    images = pytest.importorskip("PIL.Image")
    filters = pytest.importorskip("PIL.ImageFilter")
    theirs = np.asarray(images.fromarray(image).filter(filters.GaussianBlur(radius=10)))
    # Pillow's own is an approximation by boxes, so the nearest deviation is asked for.
    off = {sigma: differs(blur(image, everywhere, sigma), theirs) for sigma in (8.0, 9.0, 10.0, 11.0, 12.0)}
    assert min(off, key=off.__getitem__) == 10.0
    assert off[10.0] <= 6.0
    assert min(off[8.0], off[12.0]) > 2 * off[10.0]


def test_blur_of_a_region_is_that_of_the_whole_image() -> None:
    """It is worked out around the mask only; far from the mask's box nothing may matter."""
    image, mask = noise(120, 130), np.zeros((120, 130), dtype=bool)
    mask[50:60, 40:70] = True
    whole = blur(image, np.ones((120, 130), dtype=bool))
    np.testing.assert_array_equal(blur(image, mask)[mask], whole[mask])
    lines = edges(image, np.ones((120, 130), dtype=bool))
    np.testing.assert_array_equal(edges(image, mask)[mask], lines[mask])


# --- outside the mask


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("seed", range(3))
def test_every_other_pixel_stays_bit_for_bit(name: str, seed: int) -> None:
    image, mask = noise(40, 30, seed), blob(40, 30, seed)
    given_image, given_mask = image.copy(), mask.copy()
    made = EVERY[name](image, mask)
    np.testing.assert_array_equal(made[~mask], image[~mask])
    np.testing.assert_array_equal(image, given_image)
    np.testing.assert_array_equal(mask, given_mask)
    assert not np.shares_memory(made, image)
    assert (made[mask] != image[mask]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("name", EVERY)
def test_the_last_row_and_column_are_covered(name: str) -> None:
    image = noise(12, 15)
    for rows, columns in ((slice(11, 12), slice(0, 15)), (slice(0, 12), slice(14, 15)), (slice(0, 12), slice(0, 15))):
        mask = np.zeros((12, 15), dtype=bool)
        mask[rows, columns] = True
        made = EVERY[name](image, mask)
        assert (made[mask] != image[mask]).any(axis=1).mean() > 0.9
        np.testing.assert_array_equal(made[~mask], image[~mask])


@pytest.mark.parametrize("name", EVERY)
def test_an_empty_mask_changes_nothing(name: str) -> None:
    np.testing.assert_array_equal(EVERY[name](noise(), np.zeros((23, 31), dtype=bool)), noise())


# --- stacks


@pytest.mark.parametrize("name", EVERY)
def test_a_stack_is_its_images_one_by_one(name: str) -> None:
    images = np.stack([noise(18, 21, seed) for seed in range(5)])
    masks = np.stack([blob(18, 21, seed) for seed in range(5)])
    masks[2] = False
    made = EVERY[name](images, masks)
    for one, image, mask in zip(made, images, masks, strict=True):
        np.testing.assert_array_equal(one, EVERY[name](image, mask))
    strided = EVERY[name](images[:, ::2, ::-1], masks[:, ::2, ::-1])  # not contiguous, three pixels wide below
    np.testing.assert_array_equal(strided[1], EVERY[name](images[1, ::2, ::-1].copy(), masks[1, ::2, ::-1].copy()))
    np.testing.assert_array_equal(
        EVERY[name](images[:, :, :3], masks[:, :, :3])[0], EVERY[name](images[0, :, :3], masks[0, :, :3])
    )
    assert EVERY[name](images[:0], masks[:0]).shape == (0, 18, 21, 3)


# --- boxes


BOX = st.tuples(st.floats(-8, 40), st.floats(-8, 40), st.floats(0.1, 30), st.floats(0.1, 30))


@given(st.lists(BOX, max_size=4))
def test_boxes_cover_every_pixel_that_they_touch_and_no_other(corners: list[tuple[float, float, float, float]]) -> None:
    image = np.full((17, 25, 3), 9, dtype=np.uint8)
    boxes = [(left, top, left + width, top + height) for left, top, width, height in corners]
    made = blackout_boxes(image, np.array(boxes).reshape(-1, 4))
    for row in range(17):
        for column in range(25):
            touched = any(x0 < column + 1 and x1 > column and y0 < row + 1 and y1 > row for x0, y0, x1, y1 in boxes)
            assert (made[row, column] == (0 if touched else 9)).all()


def test_one_box_each_and_inclusive() -> None:
    """Trap W15: not one box around all, and the last row and column too."""
    image = np.full((20, 30, 3), 200, dtype=np.uint8)
    made = blackout_boxes(image, np.array([[0, 0, 4, 5], [22, 12, 30, 20]], dtype=float))
    black = (made == 0).all(axis=2)
    assert black.sum() == 4 * 5 + 8 * 8
    assert black[4, 3]
    assert black[19, 29]
    assert not black[10, 15]  # between the two
    stack = blackout_boxes(np.stack([image, image]), [np.zeros((0, 4)), np.array([[0.0, 0, 4, 5]])])
    np.testing.assert_array_equal(stack[0], image)
    np.testing.assert_array_equal(stack[1], blackout_boxes(image, np.array([[0.0, 0, 4, 5]])))
    np.testing.assert_array_equal(image, 200)


# --- what is wrong


@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_image_with_its_mask_is_refused(name: str) -> None:
    change = EVERY[name]
    with pytest.raises(InputError, match=r"mask: expected \[23, 31\] of bool, as the images, found \[31, 23\] of bool"):
        change(noise(), blob().T)  # trap W16: width and height changed
    with pytest.raises(InputError, match=r"mask: expected \[23, 31\] of bool, .* found \[23, 31\] of uint8"):
        change(noise(), blob().astype(np.uint8))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"images: expected \[h, w, 3\] or \[n, h, w, 3\] of uint8, found \[23, 31\]"):
        change(noise()[..., 0], blob())
    with pytest.raises(InputError, match=r"found \[23, 31, 3\] of float64; convert them"):
        change(noise() / 255.0, blob())  # type: ignore[arg-type]


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf")])
def test_a_radius_that_is_none(radius: float) -> None:
    with pytest.raises(InputError, match="blur: expected a radius of more than 0 pixels, found"):
        blur(noise(), blob(), radius)


def test_the_oracles_know_the_luma() -> None:
    """The control of the control: white is white, and green counts most."""
    assert luma((255, 255, 255)) == pytest.approx(255)
    assert luma((0, 255, 0)) > luma((255, 0, 0)) > luma((0, 0, 255))
