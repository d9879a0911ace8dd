"""What `steelyard augment` refuses, in one line each, and the configurations that it reads."""

import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from augment_runs import TINY, augment, small, table_of  # noqa: E402
from augment_world import Faces, Linear, options  # noqa: E402

from steelyard.base.errors import InputError, UndefinedError  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.run import run_augment  # noqa: E402

pytestmark = pytest.mark.torch


class Parallel(Linear):
    """A world in which a hat goes with the group for good."""

    def __init__(self):
        super().__init__()
        self.planes = self.planes.clone()
        self.planes[1] = self.planes[0]


class Bare(Linear):
    """A generator that never shows a hat."""

    def synthesize(self, z):
        images = super().synthesize(z)
        images[:, :, 2:14, 18:30] = -0.4
        return images


def test_parallel_planes_and_classifiers_that_never_fire_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"expected planes at least 40° apart, found 'Male' and 'Hat' at") as error:
        augment(tmp_path / "a", generator=Parallel(), pairs={"smallest_angle": 40.0})
    assert "\n" not in str(error.value)
    with pytest.raises(UndefinedError, match=r"Hat'?: expected .* or more") as error:
        augment(tmp_path / "b", generator=Bare())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"models": ["augmented"]}, "models: expected plain first and others after it"),
        ({"pairs": {"way": "domain-dependent"}}, "pairs.way: expected domain-dependent with per_attribute: true"),
        ({"pairs": {"filter": "oracle"}}, "pairs.filter: expected oracle with a section oracle, found none"),
        ({"pairs": {"protected": ["Beard"]}}, "pairs.protected: expected one of the targets .* found 'Beard'"),
        ({"latents": {"fit": 2}}, "latents.fit: expected 20 or more, found 2"),
        ({"data": {"pixels": "blackout-face"}}, "data.pixels: expected nothing, as generated images have none"),
        ({"preset": "ramaswamy"}, r"preset: expected one of ramaswamy2021, found 'ramaswamy' \(closest"),
        ({"pair": {}}, r"pair: expected one of the options .* found 'pair' \(closest: 'pairs'\)"),
        ({"seed": -1}, "seed: expected 0 or more, found -1"),
        ({"oracle": {"run": "nowhere"}}, "nowhere: expected"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, changes, expected):
    with pytest.raises(InputError, match=expected) as error:
        augment(tmp_path / "out", dataset=small(), only="oracle" if "oracle" in changes else None, **changes)
    assert "\n" not in str(error.value)


def test_the_committed_configurations_are_read():
    folder = Path(__file__).parents[2] / "configs"
    found = {path.name: read_augment(path) for path in sorted(folder.glob("*-augment.yaml"))}
    assert set(found) == {"celeba-augment.yaml", "celeba-mini-augment.yaml", "portraits-augment.yaml"}
    assert len(found["celeba-augment.yaml"].data.targets) == 26
    assert read_augment(found["celeba-mini-augment.yaml"].to_dict()) == found["celeba-mini-augment.yaml"]


def test_weights_that_are_not_there_are_one_line(tmp_path):
    config = read_augment(options(tmp_path / "out", generator={"source": str(tmp_path / "no.pth")}))
    with pytest.raises(
        InputError, match=r"generator\.source: expected .* found .*which is not there; correct it"
    ) as error:
        run_augment(config, dataset=small())
    assert "\n" not in str(error.value)


def test_a_full_disk_stops_a_run_that_goes_on_when_there_is_room(full_disk, tmp_path):
    with pytest.raises(InputError, match=r"No space left on device") as error:
        augment(full_disk / "out", dataset=small(), **TINY)
    assert "\n" not in str(error.value)
    (full_disk / "filler").unlink()
    augment(full_disk / "out", dataset=small(), **TINY)
    augment(tmp_path / "out", dataset=small(), **TINY)
    assert table_of(full_disk / "out") == table_of(tmp_path / "out")


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 8 MiB, on which a file leaves 100 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({done.stderr.strip()})")
    (folder / "filler").write_bytes(b"0" * (8 * 2**20 - 100 * 2**10))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_preset_is_the_published_protocol():
    made = read_augment({"preset": "ramaswamy2021", "data": {"source": "x", "crop": 200}, "generator": {}, "out": "o"})
    assert (made.model.name, made.model.hidden, made.model.dropout) == ("resnet50", 2048, 0.5)
    assert (made.training.epochs, made.training.rate, made.training.optimiser) == (20, 1e-4, "adam")
    assert (made.data.resize, made.data.crop, made.data.batch_size, made.data.region) == (256, 200, 32, "face")
    assert (made.latents.fit, made.latents.validate, made.latents.pairs) == (10_000, 5_000, 160_000)
    assert made.per_attribute
    assert made.task.weighting == "none"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"models": ["plain", "augmentd"]},
            "models: expected a list of any of plain, augmented, pairs-only, reweighed",
        ),
        (
            {"oracle": {"run": "x", "source": "y"}},
            r"oracle\.source: expected nothing beside oracle\.run, found y; drop",
        ),
    ],
)
def test_options_that_speak_against_each_other_are_one_line(tmp_path, changes, expected):
    with pytest.raises(InputError, match=expected) as error:
        read_augment(options(tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_a_generator_is_never_guessed(tmp_path):
    said = {name: value for name, value in options(tmp_path).items() if name != "generator"}
    with pytest.raises(
        InputError, match=r"generator: expected this section, found none; name a generator of images like"
    ):
        run_augment(read_augment(said), dataset=small())
    assert read_augment(read_augment(said).to_dict()) == read_augment(said)
    # One that is open already needs no section.
    run_augment(read_augment(said), dataset=small(), generator=Linear(), only="latents")


class Hatless(Faces):
    """No training image has a hat."""

    def __init__(self):
        super().__init__(sizes=(96, 64, 64))
        self.table.targets[self.table.splits == "train", 0] = 0


def test_a_target_that_no_training_image_has_is_refused_before_any_training(tmp_path):
    with pytest.raises(
        UndefinedError, match=r"target 'Hat': expected training images with and without it, found 0 of 96"
    ):
        augment(tmp_path, dataset=Hatless())
    assert not list(tmp_path.glob("classifiers/*/"))


class Filed(Faces):
    """The same images, said to lie in a folder."""

    def __init__(self, folder):
        super().__init__(sizes=(96, 64, 64))
        self.folder = folder

    def image_path(self, image_id):
        return self.folder / image_id


def test_images_that_are_not_there_are_named_before_any_training(tmp_path):
    dataset = Filed(tmp_path)
    for name in dataset.table.ids.tolist():
        (tmp_path / name).touch()
    augment(tmp_path / "a", dataset=dataset, only="latents")  # the control
    (tmp_path / "00007.png").unlink()
    with pytest.raises(
        InputError, match=r"faces: expected a file for each of 224 images, found none for 1 \(.*00007\.png"
    ):
        augment(tmp_path / "b", dataset=dataset)
    assert not list(tmp_path.glob("b/classifiers/*/"))


def test_a_step_alone_begins_nowhere_else(tmp_path):
    with pytest.raises(
        InputError, match=r"--from: expected planes or nothing beside --step planes, found models; drop"
    ):
        augment(tmp_path, dataset=small(), only="planes", anew_from="models")
