"""Scenes by name: opened by `default` or a YAML file, images and people by ids, the command on it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.base.errors import InputError
from steelyard.cli.main import main
from steelyard.datasets.catalog import DataOptions, open_dataset, recognise
from steelyard.datasets.dataset import InBlocks, WithFaces, WithPeople
from steelyard.datasets.scenes import Looks, Rendered, Scenes, ScenesSettings
from steelyard.tables import read_labels

SMALL = "size: 32\ngroups: 3\nlooks:\n  hair: 0.25\ntrain: 6\nval: 0\ntest: 4\nseed: 7\n"


@pytest.fixture
def world_file(tmp_path: Path) -> Path:
    path = tmp_path / "world.yaml"
    path.write_text(SMALL)
    return path


def opened(source: str | Path, options: DataOptions | None = None) -> Scenes:
    world = open_dataset("scenes", source, options)
    assert isinstance(world, Scenes)
    return world


def test_the_word_default_is_the_default_world() -> None:
    world, plain = opened("default"), Scenes()
    assert (world.settings, world.sizes, world.seed) == (plain.settings, plain.sizes, plain.seed)


def test_a_file_sets_what_it_names_and_leaves_the_rest(world_file: Path) -> None:
    world = opened(world_file)
    assert world.settings == ScenesSettings(size=32, groups=3, looks=Looks(hair=0.25))
    assert (world.sizes, world.seed) == ({"train": 6, "val": 0, "test": 4}, 7)
    assert recognise(world_file) == "scenes"
    np.testing.assert_array_equal(
        world.labels().targets, Scenes(world.settings, train=6, val=0, test=4, seed=7).labels().targets
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("trian: 5", "names among size, kind, labels, "),
        ("trian: 5", "found 'trian' (closest: 'train'); correct the name"),
        ("looks: {hairs: 1}", "looks: expected names among face, hair, clothing, silhouette, found 'hairs' (closest: "),
        ("looks: 0.5", "looks: expected names and values, found '0.5'; write lines such as face: 1"),
        ("looks:", "looks: expected names and values, found nothing"),
        ("", "expected names and values, found nothing; write lines such as size: 1"),
        ("- size", "expected names and values, found"),
        ("size: [", "expected YAML, found while parsing"),
        ("size: 3000", "Scenes: size: expected a whole number from 32 to 256, found 3000"),
        ("noise: much", "Scenes: noise: expected a number from 0 to 0.5, found 'much'"),
        ("kind: several", "Scenes: kind: expected multi or single, found 'several'"),
        ("train: 10.5", "Scenes: train: expected 0 to 1,000,000 images, found 10.5"),
        ("seed: -1", "Scenes: seed: expected 0 or more, found -1"),
        ("seed: no", "Scenes: seed: expected 0 or more, found False"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        opened(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert said in line
    assert "\n" not in line


def test_a_source_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file, found nothing of this name; name a YAML file of settings"):
        opened("defualt")
    with pytest.raises(InputError, match="expected a readable file, found Is a directory; name"):
        opened(tmp_path)
    with pytest.raises(
        InputError, match="--protected: expected with --dataset coco, imsitu, celeba, table, portraits, found with"
    ):
        opened("default", DataOptions(protected="group"))


def test_labels_by_the_command(world_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "labels.parquet"
    main(["data", "labels", str(world_file), "--dataset", "scenes", "--out", str(out), "--quiet"])
    assert capsys.readouterr().out.startswith("train: 6 images; 6 kept (")
    read, made = read_labels(out, protected="group"), opened(world_file).labels()
    assert read.ids.tolist() == made.ids.tolist()
    assert [read.group_names[g] for g in read.groups] == [made.group_names[g] for g in made.groups]
    assert (read.targets == made.targets).all()
    main(["data", "labels", "default", "--dataset", "scenes", "--out", str(out), "--quiet"])
    assert capsys.readouterr().out.startswith("train: 6,000 images; ")
    assert len(read_labels(out, protected="group")) == 10_000


def test_check_by_the_command(world_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    main(["data", "check", str(world_file), "--quiet"])
    said = capsys.readouterr().out
    assert said.startswith("scenes in Scenes, seed 7: 12 labels, any number an image\n")
    assert "10 of 10 images read whole\n  32 – 32 pixels high, 32 – 32 wide" in said


# --- images, people and faces by ids


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each rendering made."""
    made: list[int] = []
    render: Callable[..., Rendered] = Scenes._render

    def counting(self: Scenes, wanted: Any) -> Rendered:
        made.append(len(wanted))
        return render(self, wanted)

    monkeypatch.setattr(Scenes, "_render", counting)
    return made


def small_world() -> Scenes:
    pytest.importorskip("cv2")
    return Scenes(ScenesSettings(size=32), train=20, val=5, test=5, seed=2)


def test_images_people_and_faces_are_those_rendered() -> None:
    world = small_world()
    assert isinstance(world, WithPeople)
    assert isinstance(world, WithFaces)
    assert isinstance(world, InBlocks)
    truth = world.render(range(30))
    ids = world.labels().ids
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(world.images(ids[order]), truth.images[order])
    everyone, every_face = world.people_of(ids[order]), world.faces_of(ids[order])
    for at, (row, people, faces) in enumerate(zip(order, everyone, every_face, strict=True)):
        one = world.people(ids[row]) if at % 5 == 0 else people
        np.testing.assert_array_equal(one.mask(), truth.person_mask[row])
        np.testing.assert_array_equal(one.pixel_boxes(), truth.person_box[[row]])
        np.testing.assert_array_equal(faces, truth.face_box[[row]])
        assert (one.size, len(one), one.crowds.tolist()) == ((32, 32), 1, [False])
        x0, y0, x1, y1 = truth.person_box[row]
        box = np.zeros((32, 32), dtype=bool)
        box[y0:y1, x0:x1] = True
        np.testing.assert_array_equal(one.box_mask(), box)
    np.testing.assert_array_equal(world.image(ids[9]), truth.images[9])
    assert world.images([]).shape == (0, 32, 32, 3)
    assert world.people_of([]) == world.faces_of([]) == []


def test_people_of_images_just_made_render_nothing_again(counted: list[int]) -> None:
    world = small_world()
    ids = world.labels().ids.tolist()
    world.images(ids[:8])
    world.people_of(ids[:8])
    world.faces_of(ids[7:2:-1])
    world.people(ids[3])
    assert counted == [8]
    world.faces(ids[8])
    assert counted == [8, 1]
    world.people_of(ids[:2])  # the control: images of another block are made anew
    assert counted == [8, 1, 2]


def test_what_is_handed_out_is_the_callers_own() -> None:
    world = small_world()
    ids = world.labels().ids.tolist()
    world.images(ids)[:] = 0
    people = world.people(ids[0])
    assert people.masks is not None
    truth = world.render([0])
    people.masks[:] = False
    people.boxes[:] = 0
    np.testing.assert_array_equal(world.people(ids[0]).mask(), truth.person_mask[0])
    np.testing.assert_array_equal(world.people(ids[0]).pixel_boxes(), truth.person_box)
    np.testing.assert_array_equal(world.image(ids[0]), truth.images[0])


def test_a_world_travels_to_other_processes_without_what_it_remembers() -> None:
    world = small_world()
    world.images(world.labels().ids)
    assert world._last is not None
    copy = pickle.loads(pickle.dumps(world))
    assert copy._last is None
    np.testing.assert_array_equal(copy.image("val-000003"), world.image("val-000003"))


def test_ids_are_looked_up_not_made_each_time() -> None:
    world = small_world()
    assert world.labels() is world.labels()
    assert world.find(["test-000004", "train-000000"]).tolist() == [29, 0]
    with pytest.raises(InputError, match="expected ids such as train-000000, found nobody; take them from labels"):
        world.people("nobody")
