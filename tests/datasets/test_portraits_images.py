"""Portraits' images: the same whoever renders them; each attribute shows where it belongs, and nowhere else."""

import pickle
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.datasets.dataset import WithPeople
from steelyard.datasets.portraits import ATTRIBUTES, Portraits, PortraitsSettings

pytest.importorskip("cv2", reason="Portraits are drawn by OpenCV, of the train extra")

T = len(ATTRIBUTES)
# Left, top, right, bottom within which each attribute may change pixels, shares of the side, for any head.
PLACES = {
    "beard": (0.2, 0.4, 0.8, 0.85),
    "dark_clothes": (0.0, 0.6, 1.0, 1.0),
    "earrings": (0.15, 0.48, 0.85, 0.72),
    "glasses": (0.2, 0.35, 0.8, 0.6),
    "hat": (0.2, 0.0, 0.8, 0.4),
    "red_cheeks": (0.25, 0.45, 0.75, 0.7),
    "scarf": (0.2, 0.65, 0.8, 1.0),
    "smile": (0.3, 0.5, 0.7, 0.8),
}


def as_pixels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.astype(np.float64)


@pytest.fixture(scope="module")
def world() -> Portraits:
    return Portraits(PortraitsSettings(size=32), train=600, val=20, test=300, seed=3)


def switched(world: Portraits, rows: NDArray[np.int64], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same portraits without and with an attribute."""
    labels = world.drawn.labels[rows].copy()
    labels[:, ATTRIBUTES.index(name)] = False
    without = world.render(rows, labels=labels)
    labels[:, ATTRIBUTES.index(name)] = True
    return as_pixels(without), as_pixels(world.render(rows, labels=labels))


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shape_type_and_what_is_offered(size: int) -> None:
    world = Portraits(PortraitsSettings(size=size, noise=0.02, faint=0.5), train=4, val=0, test=0)
    images = world.images(world.labels().ids)
    assert images.shape == (4, size, size, 3)
    assert images.dtype == np.uint8
    assert not isinstance(world, WithPeople)
    assert world.images([]).shape == (0, size, size, 3)


def test_an_image_depends_on_the_seed_the_split_and_its_number_alone(world: Portraits) -> None:
    rows = np.array([0, 7, 599, 600, 619, 620, 919])
    images = world.render(rows)
    np.testing.assert_array_equal(images[::-1], world.render(rows[::-1]))
    np.testing.assert_array_equal(images[3], world.image("p000601"))
    copy: Portraits = pickle.loads(pickle.dumps(world))
    np.testing.assert_array_equal(images, copy.render(rows))
    longer = Portraits(world.settings, train=700, val=30, test=300, seed=3)
    np.testing.assert_array_equal(images, longer.render([0, 7, 599, 700, 719, 730, 1029]))
    other = Portraits(world.settings, train=600, val=20, test=300, seed=4)
    assert (other.render(rows) != images).any(axis=(1, 2, 3)).all()
    assert len({image.tobytes() for image in world.render(range(200))}) == 200


def test_noise_and_faintness_leave_heads_in_their_place() -> None:
    plain = Portraits(train=40, val=0, test=0)
    grainy = Portraits(PortraitsSettings(noise=0.05), train=40, val=0, test=0)
    difference = as_pixels(grainy.render(range(40))) - as_pixels(plain.render(range(40)))
    assert difference.std() / 255 == pytest.approx(0.05, rel=0.15)
    assert abs(difference.mean()) < 2.0


def test_the_labels_of_the_world_are_what_is_drawn(world: Portraits) -> None:
    rows = np.arange(20)
    as_said = world.render(rows, groups=world.drawn.groups[rows], labels=world.drawn.labels[rows])
    np.testing.assert_array_equal(as_said, world.render(rows))
    assert (world.render(rows, groups=1 - world.drawn.groups[rows]) != as_said).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", sorted(PLACES))
@pytest.mark.parametrize("group", [0, 1])
def test_each_attribute_shows_where_it_belongs_in_either_group(world: Portraits, name: str, group: int) -> None:
    rows = np.flatnonzero(world.drawn.groups == group)[:60]
    without, there = switched(world, rows, name)
    changed = np.abs(there - without).max(axis=3)
    left, top, right, bottom = (round(32 * edge) for edge in PLACES[name])
    outside = changed.copy()
    outside[:, top:bottom, left:right] = 0
    assert outside.max() <= 1
    # at 32 pixels still ten or more, by a tenth of white or more, in every single image
    assert ((changed > 25).sum(axis=(1, 2)) >= 10).all()


@pytest.mark.parametrize("name", ["bright_background", "light_hair"])
def test_tones_change_much_of_the_picture(world: Portraits, name: str) -> None:
    without, there = switched(world, np.arange(60), name)
    grew = (there - without).mean(axis=3)
    assert ((grew > 60).sum(axis=(1, 2)) >= 30).all()
    assert grew.min() > -30


def probe_accuracy(images: NDArray[np.float64], truth: NDArray[np.bool_], fit: int) -> float:
    """Test accuracy of a ridge regression from pixels, cut between the means."""
    x = images.reshape(len(images), -1) / 255.0
    middle, y = x[:fit].mean(axis=0), np.where(truth, 1.0, -1.0)
    kernel = (x - middle) @ (x[:fit] - middle).T
    weights = np.linalg.solve(kernel[:fit] + 2.0 * np.eye(fit), y[:fit] - y[:fit].mean())
    scores = kernel @ weights + y[:fit].mean()
    return float(((scores[fit:] > 0) == truth[fit:]).mean())


@pytest.fixture(scope="module")
def flat_world() -> tuple[Portraits, NDArray[np.float64]]:
    """Where nothing goes with anything: what reads an attribute there, reads it and not what goes with it."""
    world = Portraits(PortraitsSettings(size=32, correlation=0.0), train=2400, val=0, test=0, seed=5)
    return world, as_pixels(world.render(range(2400)))


@pytest.mark.parametrize("name", [*ATTRIBUTES, "group_b"])
def test_even_a_linear_probe_reads_every_attribute_and_the_group(
    flat_world: tuple[Portraits, NDArray[np.float64]], name: str
) -> None:
    world, images = flat_world
    held = {**dict(zip(ATTRIBUTES, world.drawn.labels.T, strict=True)), "group_b": world.drawn.groups == 1}
    assert probe_accuracy(images, held[name], 1600) > 0.95


def test_the_probe_reads_nothing_where_there_is_nothing(flat_world: tuple[Portraits, NDArray[np.float64]]) -> None:
    _, images = flat_world
    coin = np.random.default_rng(0).random(2400) < 0.5
    assert 0.42 < probe_accuracy(images, coin, 1600) < 0.58


@pytest.mark.parametrize("name", ["beard", "light_hair", "smile"])
def test_a_faint_attribute_shows_less(name: str) -> None:
    clear = Portraits(PortraitsSettings(size=32), train=40, val=0, test=0)
    fully = np.abs(np.subtract(*switched(clear, np.arange(40), name))).mean(axis=(1, 2, 3))
    shown = []
    for contrast in (1.0, 0.0):
        settings = PortraitsSettings(size=32, faint=1.0, faint_attributes=[name], faint_contrast=contrast)
        faint = Portraits(settings, train=40, val=0, test=0)
        without, there = switched(faint, np.arange(40), name)
        shown.append(np.abs(there - without).mean(axis=(1, 2, 3)))
        strengths = faint.drawn.strengths[:, ATTRIBUTES.index(name)]
        np.testing.assert_allclose(shown[-1], strengths * fully, atol=0.35)
    assert shown[0].min() < 0.3 * fully.mean() < 0.7 * fully.mean() < shown[0].max()
    assert shown[1].max() == 0.0


@pytest.mark.parametrize("groups", [3, 4])
def test_every_group_has_a_look_of_its_own(groups: int) -> None:
    world = Portraits(PortraitsSettings(size=32, groups=groups), train=30, val=0, test=0)
    looks = [as_pixels(world.render(range(30), groups=np.full(30, at))) for at in range(groups)]
    for at in range(groups):
        for other in range(at):
            assert ((np.abs(looks[at] - looks[other]).max(axis=3) > 25).sum(axis=(1, 2)) >= 12).all()


def test_what_render_refuses(world: Portraits) -> None:
    with pytest.raises(InputError, match="indices: expected 0 … 919, found 920, -1; correct them"):
        world.render([0, 920, -1])
    with pytest.raises(InputError, match=r"expected groups \[2\] of 0 … 1 and labels \[2, 10\], found \[2\] and"):
        world.render([0, 1], groups=[0, 2])
    with pytest.raises(InputError, match=r"found \[2\] and \[1, 10\]"):
        world.render([0, 1], labels=np.zeros((1, T)))


def test_without_opencv_labels_work_and_images_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("steelyard.datasets.portraits.")]:
        if module.rpartition(".")[2] in ("painting", "head", "wearing"):
            monkeypatch.delitem(sys.modules, module)
    for module in ("pen", "painting"):
        monkeypatch.delitem(sys.modules, f"steelyard.datasets.scenes.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    world = Portraits(train=2, val=0, test=0)
    assert len(world.labels()) == 2
    with pytest.raises(MissingExtraError, match="pip install 'steelyard"):
        world.render([0])
