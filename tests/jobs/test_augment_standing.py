"""What stands in a folder of `steelyard augment`, what does not, and what is refused before anything is lost."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from augment_runs import TINY, augment, begun, small, table_of  # noqa: E402
from augment_world import Faces, Linear, options  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.work import Work, file_name  # noqa: E402
from steelyard.latent.real import RealImages  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("step", ["labels", "models", "classifiers"])
def test_folders_of_other_makers_are_left_alone(tmp_path, step):
    own = tmp_path / step / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(
        InputError, match=rf"{step}: expected a step of this command or nothing, found other files; name"
    ):
        augment(tmp_path, dataset=small(), **TINY)
    assert own.read_text() == "mine"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    out = tmp_path_factory.mktemp("stored") / "out"
    augment(out, dataset=small(), **{**TINY, "pairs": {"min_class": 3, "images": "disk"}})
    return out


@pytest.mark.parametrize("lost", ["pairs/images/00000.npy", "pairs/all/images/00000.npy"])
def test_lost_images_of_pairs_are_made_again_and_no_others(stored, tmp_path, lost):
    out, said = shutil.copytree(stored, tmp_path / "out"), []
    other = next(path for path in sorted(out.glob("pairs/**/00000.npy")) if path != out / lost)
    before = (out / lost).read_bytes(), other.stat().st_mtime_ns
    (out / lost).unlink()
    shutil.rmtree(out / "report")
    augment(out, dataset=small(), told=said.append, **{**TINY, "pairs": {"min_class": 3, "images": "disk"}})
    assert begun(said) == ["pairs", "report"]
    assert ((out / lost).read_bytes(), other.stat().st_mtime_ns) == before
    assert table_of(out) == table_of(stored)


def test_no_two_attributes_share_a_folder():
    names = ["age<30", "age>30", "age_30", "images", "filter", "Wearing_Hat", "5_o_Clock_Shadow", "..", "judged-x"]
    assert len({file_name(name) for name in names}) == len(names)
    assert file_name("5_o_Clock_Shadow") == "5_o_Clock_Shadow"
    assert not {file_name(name) for name in ("images", "filter", "..", "judged-x")} & {
        "images",
        "filter",
        "..",
        "judged-x",
    }


class Ages(Faces):
    """The same images, with targets whose names differ in what no file name may have."""

    def __init__(self, **more):
        super().__init__(**more)
        object.__setattr__(self.table, "target_names", ("age<30", "age>30"))


def test_attributes_that_look_alike_have_classifiers_of_their_own(tmp_path):
    augment(tmp_path, dataset=Ages(sizes=(96, 64, 64)), only="classifiers", per_attribute=True, training={"epochs": 1})
    runs = [path for path in (tmp_path / "classifiers").iterdir() if path.is_dir()]
    assert len(runs) == 3
    assert len({(run / "predictions.parquet").read_bytes() for run in runs}) == 3


def test_labels_of_other_images_in_a_folder_are_part_of_the_mark(tmp_path, monkeypatch):
    tables = {"seed": 3}

    def other_data(self, source, *, option):
        assert (source, option) == (str(tmp_path), "oracle")
        faces = Faces(sizes=(40, 20, 20), seed=tables["seed"])
        return self.config.data, RealImages(faces, faces.table, (32, 32))

    monkeypatch.setattr(Work, "other_data", other_data)
    given = {"oracle": {"source": str(tmp_path)}}
    work = Work(
        read_augment(options(tmp_path / "out", **given)), tmp_path, given_data=small(), given_generator=Linear()
    )
    first = work.given_mark(("oracle",))
    assert work.given_mark(("oracle",)) == first
    tables["seed"] = 4
    assert work.given_mark(("oracle",)) != first
    assert work.given_mark(("latents",)) == ""


def test_networks_that_judge_have_seeds_of_their_own(tmp_path):
    made = read_augment(options(tmp_path, training={"seed": 2}, oracle={}, annotators={}))
    assert (made.training.seed, made.oracle.training.seed, made.annotators.training.seed) == (2, 3, 5)
    assert read_augment(made.to_dict()) == made
    own = read_augment(options(tmp_path, oracle={"training": {"seed": 77}}))
    assert own.oracle.training.seed == 77
    for changes, expected in (
        (
            {"oracle": {"training": {"seed": 1}}},
            r"training\.seed: expected another than oracle\.training\.seed, .* 1 for",
        ),
        (
            {"oracle": {}, "annotators": {"training": {"seed": 2}}},
            r"oracle\.training\.seed: expected another than annota",
        ),
        (
            {"oracle": {"training": {"seed": 0}}, "pairs": {"filter": "oracle"}},
            r"training\.seed: expected another than oracle\.training\.seed \+ 1 \(the filter's\)",
        ),
    ):
        with pytest.raises(InputError, match=expected):
            read_augment(options(tmp_path, **changes))
    # A run that is there already has no seed to look at.
    read_augment(options(tmp_path, oracle={"run": "x", "training": {"seed": 1}}))


def test_the_networks_of_two_seeds_are_two_networks(tmp_path):
    """The control of the seeds: the same options on the same images, and other scores."""
    judge = {"model": {"name": "compact", "width": 4}, "training": {**options("x")["training"], "epochs": 1}}
    judge["training"].pop("accelerator")
    for step in ("classifiers", "oracle"):
        augment(tmp_path, dataset=small(), training={"epochs": 1}, oracle=judge, only=step)
    runs = [tmp_path / "classifiers" / "all", tmp_path / "oracle" / "run"]
    assert not np.array_equal(*[(run / "predictions.parquet").read_bytes() for run in runs])
