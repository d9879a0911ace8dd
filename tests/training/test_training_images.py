"""Transforms against a slow oracle; what is decoded, kept, changed and left out."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

from image_sets import Decodes, Pictures, Rendered, noise, table  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.datasets.scenes import Scenes, ScenesSettings  # noqa: E402
from steelyard.training.images import Images  # noqa: E402
from steelyard.training.transforms import TransformOptions, cut, resized  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def decodes(tmp_path: Path) -> Decodes:
    return Decodes(tmp_path / "decodes")


def fill(prepared, rows, workers):
    """Decode rows into memory; how many it were."""
    filler = prepared.filler(rows, workers)
    try:
        return filler.take(rows).decoded
    finally:
        filler.close()


def drawn(image: np.ndarray, side: tuple[int, int], draw: list[float] | None, shift: int = 0, flip: bool = True):
    into = np.zeros((*side, 3), dtype=np.uint8)
    cut(image, into, shift=shift, draw=None if draw is None else np.array(draw), flip=flip)
    return into


@pytest.mark.parametrize("shift", [0, 2, 9])
@pytest.mark.parametrize("side", [(5, 5), (7, 9)])
def test_every_window_of_the_padded_image_is_drawn_equally_often(side: tuple[int, int], shift: int) -> None:
    image = noise(1, 7, 9)["i000"]
    height, width = side
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="edge")
    down, across = padded.shape[0] - height + 1, padded.shape[1] - width + 1
    for row in range(down):
        for column in range(across):
            window = padded[row : row + height, column : column + width]
            draw = [(row + 0.5) / down, (column + 0.5) / across]
            assert (drawn(image, side, [*draw, 0.7], shift) == window).all()
            assert (drawn(image, side, [*draw, 0.2], shift) == window[:, ::-1]).all()
            assert (drawn(image, side, [*draw, 0.2], shift, flip=False) == window).all()
    last = [np.nextafter(1, 0)] * 3
    assert (drawn(image, side, last, shift) == padded[-height:, -width:]).all()


def test_evaluation_cuts_from_the_middle() -> None:
    image = noise(1, 8, 11)["i000"]
    assert (drawn(image, (4, 4), None, shift=3) == image[2:6, 3:7]).all()
    assert (drawn(image, (8, 11), None) == image).all()


def test_the_shorter_side_is_resized_and_proportions_kept() -> None:
    tall, wide = np.full((40, 20, 3), 7, dtype=np.uint8), np.full((30, 91, 3), 9, dtype=np.uint8)
    assert resized(tall, 10).shape == (20, 10, 3)
    assert resized(wide, 15).shape == (15, 46, 3)
    assert resized(tall, 30).shape == (60, 30, 3)
    assert (resized(wide, 15) == 9).all()
    assert resized(tall, 20) is tall
    assert resized(tall, None) is tall
    image = noise(1, 40, 20)["i000"]  # halved by averaging squares of four
    means = image.reshape(20, 2, 10, 2, 3).mean(axis=(1, 3))
    assert np.abs(resized(image, 10) - means).max() <= 0.5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resize": 0}, "resize: expected 1 pixel or more, or none, found 0; change it"),
        ({"crop": -1}, "crop: expected 1 pixel or more, or none, found -1; change it"),
        ({"shift": -1}, "shift: expected 0 pixels or more, found -1; change it"),
        ({"resize": 64, "crop": 65}, "crop: expected resize (64) or less, found 65; lower it"),
    ],
)
def test_options_are_checked(options: dict[str, int], said: str) -> None:
    with pytest.raises(InputError) as caught:
        TransformOptions(**options)
    assert str(caught.value) == said


def test_images_are_decoded_once_where_they_fit(decodes: Decodes) -> None:
    pictures, rows = Pictures(noise(10), decodes), np.array([3, 1, 3, 8])
    limit = 10 * 12 * 12 * 3
    for cache, cache_bytes, keeps in (
        ("auto", limit, True),
        ("auto", limit - 1, False),
        ("memory", 0, True),
        ("none", limit, False),
    ):
        prepared = Images(pictures, table(10), cache=cache, cache_bytes=cache_bytes).prepared(None)
        assert prepared.keeps is keeps
        before = decodes.total()
        first, second = prepared.take(rows), prepared.take(rows)
        assert first.decoded == 3  # row 3 is there twice
        assert second.decoded == (0 if keeps else 3)
        assert decodes.total() - before == first.decoded + second.decoded
        for taken in (first, second):
            assert taken.rows.tolist() == [3, 1, 3, 8]
            assert all((image == pictures.made[f"i{row:03d}"]).all() for row, image in zip(rows, taken.images))  # noqa: B905


@pytest.mark.parametrize("workers", [0, 1])
def test_larger_images_than_the_first_one_do_not_break_the_limit(decodes: Decodes, workers: int) -> None:
    made = noise(6) | {"i003": noise(1, 40, 40)["i000"]}
    prepared = Images(Pictures(made, decodes), table(6), cache_bytes=6 * 12 * 12 * 3).prepared(None)
    assert prepared.keeps
    assert not prepared.full
    for expected in (6, 1):  # the others still fit
        filler = prepared.filler(np.arange(6), workers) if workers else None
        taken = (filler or prepared).take(np.arange(6))
        if filler is not None:
            filler.close()
        assert [image.shape[0] for image in taken.images] == [12, 12, 12, 40, 12, 12]
        assert taken.decoded == expected
        assert prepared.full
    assert sum(image.nbytes for image in prepared._kept.values()) == 5 * 12 * 12 * 3


def test_what_finds_no_room_is_held_until_it_is_taken(decodes: Decodes) -> None:
    made = noise(1) | {f"i{row:03d}": image for row, image in enumerate(noise(20, 12, 30).values()) if row}
    prepared = Images(Pictures(made, decodes), table(20), cache_bytes=20 * 12 * 12 * 3).prepared(None)
    filler = prepared.filler(np.arange(20), 2)
    before = decodes.total()
    for start in (0, 5, 10, 15):
        rows = np.arange(start, start + 5)
        taken = filler.take(rows)
        assert all((image == made[f"i{row:03d}"]).all() for row, image in zip(rows, taken.images, strict=True))
    assert decodes.total() - before == 20
    assert filler.take(np.array([19])).decoded == 1  # once only: nothing piles up
    assert not filler._ready
    filler.close()
    assert 0 < sum(image.nbytes for image in prepared._kept.values()) <= 20 * 12 * 12 * 3


def test_sizes_are_kept_apart_and_shared(decodes: Decodes) -> None:
    images = Images(Pictures(noise(4, 20, 30), decodes), table(4))
    assert images.prepared(10) is images.prepared(10)
    assert images.prepared(10).size == (10, 15)
    assert images.prepared(None).size == (20, 30)
    images.prepared(10).take(np.arange(4))
    assert images.prepared(10).take(np.arange(4)).decoded == 0
    assert images.prepared(None).take(np.arange(4)).decoded == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_filling_in_processes_gives_the_same_images(decodes: Decodes, workers: int) -> None:
    made = noise(9) | {"i004": noise(1, 30, 17)["i000"]}
    here = Images(Pictures(made, decodes), table(9), cache="memory").prepared(8)
    there = Images(Pictures(made, decodes), table(9), cache="memory").prepared(8)
    before = decodes.total()
    assert there.size == (8, 8)
    assert fill(there, np.arange(1, 9), workers) == 8
    assert decodes.total() - before == 9
    taken, filled = here.take(np.arange(1, 9)), there.take(np.arange(1, 9))
    assert filled.decoded == 0
    assert all((one == other).all() for one, other in zip(taken.images, filled.images, strict=True))
    assert taken.images[3].shape == (14, 8, 3)
    assert fill(there, np.arange(9), workers) == 1


def test_an_image_is_changed_before_it_is_resized(decodes: Decodes) -> None:
    def change(image_id: str, image: np.ndarray) -> np.ndarray:
        assert image.shape == (20, 20, 3)
        changed = image.copy()
        changed[:] = int(image_id[1:])
        return changed

    taken = Images(Pictures(noise(5, 20, 20), decodes), table(5), pixels=change).prepared(10).take(np.array([2, 4]))
    assert [set(np.unique(image)) for image in taken.images] == [{2}, {4}]
    wrong = Images(Pictures(noise(5), decodes), table(5), pixels=lambda _, image: image[..., 0])
    with pytest.raises(InputError) as caught:
        wrong.prepared(None).take(np.array([1]))
    assert str(caught.value) == "image 'i001': expected [h, w, 3] of uint8, found [12, 12] of uint8; correct it"


def test_what_a_change_raises_is_never_skipped(decodes: Decodes) -> None:
    def change(image_id: str, image: np.ndarray) -> np.ndarray:
        raise InputError("no faces file")

    images = Images(Pictures(noise(3), decodes), table(3), pixels=change, on_bad_image="skip", cache="none")
    with pytest.raises(InputError, match="no faces file"):
        images.prepared(None).take(np.arange(3))


def test_images_that_come_in_blocks(decodes: Decodes) -> None:
    pictures = Rendered(noise(8), decodes)
    prepared = Images(pictures, table(8)).prepared(None)
    assert prepared.size == (12, 12)
    assert prepared.take(np.array([5, 2, 5])).decoded == 2
    assert prepared.take(np.arange(8)).decoded == 6
    assert pictures.calls == [1, 2, 6]


def test_scenes_by_row_are_scenes_by_id() -> None:
    world = Scenes(ScenesSettings(size=32), train=6, val=3, test=4)
    labels = world.labels("test")
    one_by_one = [world.image(image_id) for image_id in labels.ids]
    prepared = Images(world, labels).prepared(None)
    assert all((a == b).all() for a, b in zip(prepared.take(np.arange(4)).images, one_by_one, strict=True))
    filled = Images(world, labels).prepared(None)
    assert fill(filled, np.arange(4), 1) == 4
    assert all((a == b).all() for a, b in zip(filled.take(np.arange(4)).images, one_by_one, strict=True))


def test_bad_images_stop_or_are_left_out(decodes: Decodes) -> None:
    pictures = Pictures(noise(6), decodes, broken=("i000", "i003"))
    line = "image 'i003': /data/i003.jpg: expected an image, found an empty file; restore the file"
    for workers in (0, 1):
        strict = Images(pictures, table(6), cache="memory").prepared(None)
        strict._size = (12, 12)  # image 0 would be asked for its size
        with pytest.raises(InputError) as caught:
            fill(strict, np.arange(1, 6), 1) if workers else strict.take(np.arange(1, 6))
        assert str(caught.value) == line
        skipping = Images(pictures, table(6), on_bad_image="skip").prepared(None)
        assert skipping.size == (12, 12)
        if workers:
            assert fill(skipping, np.arange(6), 1) == 4
        taken = skipping.take(np.array([5, 3, 0, 3, 1]))
        assert (taken.rows.tolist(), taken.bad, len(taken.images)) == ([5, 1], (3, 0), 2)


def test_nothing_to_read(decodes: Decodes) -> None:
    pictures = Pictures(noise(2), decodes, broken=("i000", "i001"))
    with pytest.raises(InputError) as caught:
        _ = Images(pictures, table(2), on_bad_image="skip").prepared(None).size
    assert str(caught.value) == "labels.csv: expected images that can be read, found none of 2; check them"
    with pytest.raises(InputError, match=r"labels\.csv: expected one image or more, found none; choose another split"):
        Images(pictures, table(2).take(np.array([], dtype=int)))
    with pytest.raises(InputError, match="cache: expected one of auto, memory, none, found 'disk'; choose one"):
        Images(pictures, table(2), cache="disk")
