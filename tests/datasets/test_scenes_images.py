"""Scenes' images: the same whoever renders them, and the ground truth agrees with the pixels."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.datasets.scenes import Rendered, Scenes, ScenesSettings
from steelyard.datasets.scenes.scenes import boxes_of

pytest.importorskip("cv2", reason="Scenes are drawn by OpenCV, of the train extra")

SMEARED = 0.001  # of the pixels: strokes and gaps narrower than a pixel, which a mask of whole pixels cannot show
PARTS = ("images", "person_mask", "person_box", "face_box")


def same(a: Rendered, b: Rendered) -> bool:
    return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in PARTS)


def joined(parts: list[Rendered]) -> Rendered:
    return Rendered(*(np.concatenate([getattr(part, name) for part in parts]) for name in PARTS))


def held(world: Scenes, **changes: Any) -> Scenes:
    """The same world, in which the images hold something else."""
    other = Scenes(world.settings, **world.sizes, seed=world.seed)
    other.__dict__["drawn"] = replace(world.drawn, **changes)
    return other


def render_rows(rows: list[int]) -> Rendered:
    return Scenes(train=30, val=20, test=20, seed=3).render(rows)


@pytest.fixture(scope="module")
def small() -> Scenes:
    return Scenes(train=30, val=20, test=20, seed=3)


@pytest.fixture(scope="module")
def whole(small: Scenes) -> Rendered:
    return small.render(range(70))


@pytest.fixture(scope="module")
def still() -> Scenes:
    """Without noise, objects in full sight."""
    return Scenes(ScenesSettings(noise=0.0, clutter=0, occlusion=0.0, object_size=0.085), train=60, val=0, test=0)


def test_shapes_and_types(whole: Rendered) -> None:
    assert whole.images.shape == (70, 64, 64, 3)
    assert whole.images.dtype == np.uint8
    assert whole.person_mask.shape == (70, 64, 64)
    assert whole.person_mask.dtype == np.bool_
    assert whole.person_box.shape == whole.face_box.shape == (70, 4)
    assert len({image.tobytes() for image in whole.images}) == 70


def test_chunks_and_order_do_not_matter(small: Scenes, whole: Rendered) -> None:
    assert same(joined([small.render(range(7)), small.render([]), small.render(range(7, 70))]), whole)
    order = np.random.default_rng(0).permutation(70)
    shuffled = small.render(order)
    assert np.array_equal(shuffled.images, whole.images[order])
    assert same(small.render([5, 5, 5]), joined([small.render([5])] * 3))


def test_processes_do_not_matter(whole: Rendered) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(render_rows, [list(range(35)), list(range(35, 70))]))
    assert same(joined(parts), whole)


def test_an_image_depends_on_its_split_and_number_not_on_how_many_there_are(small: Scenes, whole: Rendered) -> None:
    larger = Scenes(train=500, val=25, test=400, seed=3)
    for split in ("train", "val", "test"):
        ours, theirs = small.labels(split), larger.labels(split)
        n = len(ours)
        assert np.array_equal(ours.ids, theirs.ids[:n])
        assert np.array_equal(ours.targets, theirs.targets[:n])
        assert np.array_equal(ours.groups, theirs.groups[:n])
        assert np.array_equal(larger.render(larger.rows(split)[:n]).images, whole.images[small.rows(split)])


def test_another_seed_is_another_world(small: Scenes, whole: Rendered) -> None:
    other = Scenes(train=30, val=20, test=20, seed=4)
    assert not np.array_equal(other.labels().targets, small.labels().targets)
    difference = np.abs(other.render(range(70)).images.astype(int) - whole.images).mean(axis=(1, 2, 3))
    assert difference.min() > 10


def test_labels_and_rows_of_the_splits_belong_together(small: Scenes) -> None:
    table = small.labels()
    assert len(set(table.ids)) == len(table) == len(small) == 70
    assert table.splits is not None
    for split in ("train", "val", "test"):
        assert np.array_equal(np.flatnonzero(table.splits == split), small.rows(split))
        assert np.array_equal(table.ids[small.rows(split)], small.labels(split).ids)
    some = table.take(np.array([44, 3, 69]))
    assert small.find(some.ids).tolist() == [44, 3, 69]
    assert table.target_names == tuple(sorted(table.target_names))
    single = Scenes(ScenesSettings(kind="single"), train=50, val=0, test=0).labels()
    assert (single.kind, single.targets.shape) == ("single", (50,))


@pytest.mark.parametrize("size", [32, 48, 64, 128])
@pytest.mark.parametrize("groups", [2, 4])
def test_boxes_and_masks_agree(size: int, groups: int) -> None:
    made = Scenes(ScenesSettings(size=size, groups=groups), train=60, val=0, test=0).render(range(60))
    for mask, person, face in zip(made.person_mask, made.person_box, made.face_box, strict=True):
        ys, xs = np.nonzero(mask)
        assert person.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert np.all(face[:2] >= person[:2])
        assert np.all(face[2:] <= person[2:])
        assert np.all(face[2:] - face[:2] >= size / 10)
        assert mask[face[1] : face[3], face[0] : face[2]].mean() > 0.6
        assert face[3] < person[1] + 0.45 * (person[3] - person[1])  # the upper part of the person
        assert 0.06 < mask.mean() < 0.4


def test_the_box_of_a_mask_by_hand() -> None:
    mask = np.zeros((2, 6, 8), dtype=bool)
    mask[0, 2:4, 3:7] = True
    mask[1, 5, 0] = True
    assert boxes_of(mask).tolist() == [[3, 2, 7, 4], [0, 5, 1, 6]]


def changed(a: Rendered, b: Rendered) -> NDArray[np.bool_]:
    return np.asarray((a.images != b.images).any(axis=-1))


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One pixel more on every side: there the person covers less than half a pixel."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    h, w = mask.shape[1:]
    return np.any([padded[:, y : y + h, x : x + w] for y in range(3) for x in range(3)], axis=0)


def test_looks_change_pixels_of_the_person_only(still: Scenes) -> None:
    """The mask against the pixels: dressed as the other group, an image differs within the masks alone."""
    one, other = still.render(range(60)), held(still, styles=1 - still.drawn.styles).render(range(60))
    differs, allowed = changed(one, other), grown(one.person_mask | other.person_mask)
    assert (differs & ~allowed).sum() < SMEARED * differs.sum()
    assert (differs & one.person_mask).sum() > 0.7 * one.person_mask.sum()
    assert not np.array_equal(one.person_mask, other.person_mask)


def test_each_look_shows(still: Scenes) -> None:
    plain = still.render(range(60))
    for look in range(4):
        styles = still.drawn.styles.copy()
        styles[:, look] = 1 - styles[:, look]
        differs = changed(plain, held(still, styles=styles).render(range(60))).sum(axis=(1, 2))
        assert differs.min() >= 15, look


def test_the_face_changes_within_its_box_only(still: Scenes) -> None:
    styles = still.drawn.styles.copy()
    styles[:, 1] = 0  # hair that does not fall over the shoulders
    faces = styles.copy()
    faces[:, 0] = 1 - faces[:, 0]
    one, other = held(still, styles=styles).render(range(60)), held(still, styles=faces).render(range(60))
    boxes = np.zeros((60, 64, 64), dtype=bool)
    for at, (a, b) in enumerate(zip(one.face_box, other.face_box, strict=True)):
        low, high = np.minimum(a, b), np.maximum(a, b)
        boxes[at, low[1] : high[3], low[0] : high[2]] = True
    differs = changed(one, other)
    assert (differs & ~grown(boxes)).sum() < 0.02 * differs.sum()
    assert differs.any(axis=(1, 2)).all()


def test_cues_show_beside_the_person_and_leave_it_alone(still: Scenes) -> None:
    plain = still.render(range(60))
    for cue in range(still.drawn.cues.shape[1]):
        cues = still.drawn.cues.copy()
        cues[:, cue] = ~cues[:, cue]
        flipped = held(still, cues=cues).render(range(60))
        assert np.array_equal(flipped.person_mask, plain.person_mask)
        differs = changed(plain, flipped)
        assert (differs & ~plain.person_mask).sum(axis=(1, 2)).min() >= 25, cue
        inside = differs & plain.person_mask & ~grown(~plain.person_mask)
        assert inside.sum() < 10 * SMEARED * differs.sum()


def test_every_label_shows_and_what_stands_before_the_person_is_not_of_the_mask(still: Scenes) -> None:
    empty = held(still, labels=np.zeros_like(still.drawn.labels)).render(range(60))
    for label in range(still.drawn.labels.shape[1]):
        labels = np.zeros_like(still.drawn.labels)
        labels[:, label] = True
        made = held(still, labels=labels).render(range(60))
        differs = changed(empty, made)
        # Behind the person an object may hide; that is part of the world, and rare.
        assert np.mean(differs.sum(axis=(1, 2)) >= 20) > 0.85, label
        assert not (made.person_mask & ~empty.person_mask).any()
        lost = empty.person_mask & ~made.person_mask
        assert not (lost & ~differs).any()


def test_all_objects_at_once_are_all_painted() -> None:
    """More objects than places: none is dropped."""
    world = Scenes(ScenesSettings(labels=20, noise=0.0, occlusion=0.0, clutter=8), train=20, val=0, test=0)
    every = np.ones_like(world.drawn.labels)
    full = held(world, labels=every).render(range(20))
    fewer = every.copy()
    fewer[:, -1] = False
    assert changed(full, held(world, labels=fewer).render(range(20))).any(axis=(1, 2)).all()


def test_noise_is_a_dial() -> None:
    """Of the deviation asked for; light stays the same for the same image."""
    clean = Scenes(ScenesSettings(noise=0.0), train=20, val=0, test=0).render(range(20)).images.astype(float)
    noisy = Scenes(ScenesSettings(noise=0.05), train=20, val=0, test=0).render(range(20)).images.astype(float)
    inner = (clean > 60) & (clean < 195)
    assert (noisy - clean)[inner].std() == pytest.approx(0.05 * 255, rel=0.03)


def test_an_index_or_id_of_no_image_is_refused(small: Scenes) -> None:
    with pytest.raises(InputError, match=r"indices: expected 0 … 69, found 70, -1; take them from rows\(split\)"):
        small.render([3, 70, -1])
    with pytest.raises(InputError, match=r"expected ids such as train-000000, found train-000030; take them from"):
        small.find(["train-000002", "train-000030"])


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, small: Scenes) -> None:
    for module in [name for name in sys.modules if name.startswith("steelyard.datasets.scenes.p")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'steelyard\[train\]'"):
        small.render([0])


def test_scenes_are_a_data_set_like_the_others() -> None:
    world = Scenes(ScenesSettings(size=32), train=5, val=2, test=3, seed=4)
    labels = world.labels()
    assert (world.name, world.source, labels.source) == ("scenes", "Scenes, seed 4", "Scenes, seed 4")
    last = str(labels.ids[-1])
    np.testing.assert_array_equal(world.image(last), world.render([9]).images[0])
    assert [(part.split, part.images) for part in world.selections()] == [("train", 5), ("val", 2), ("test", 3)]
    assert sum(sum(part.kept.values()) for part in world.selections()) == len(labels)
