"""`annotators` of `steelyard augment`: generated images are labelled by other networks than those that are compared."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

from augment_runs import JUDGE, augment, begun  # noqa: E402
from augment_world import Faces, Linear, truth_of  # noqa: E402

from steelyard.base.errors import InputError, UndefinedError  # noqa: E402
from steelyard.latent.by_id import read_columns, read_latents  # noqa: E402

pytestmark = pytest.mark.torch

LEANING = {"sizes": (96, 64, 64), "skew": 0.95}
SHORT = {
    "latents": {"fit": 160, "validate": 80, "pairs": 40},
    "pairs": {"min_class": 3, "noise": 0.05},
    "training": {"epochs": 3},
    "per_attribute": True,
}


def own(**more):
    return {**JUDGE, "training": {**JUDGE["training"], "epochs": 8}, **more}


@pytest.fixture(scope="module")
def other_images(tmp_path_factory):
    """A table of images in which nothing goes with the group."""
    folder, faces = tmp_path_factory.mktemp("other"), Faces(sizes=(400, 96, 96), skew=0.0, seed=11)
    for name, pixels in zip(faces.table.ids.tolist(), faces.pixels, strict=True):
        assert cv2.imwrite(str(folder / name), np.ascontiguousarray(pixels[:, :, ::-1]))
    columns = dict(zip(faces.table.target_names, faces.table.targets.T, strict=True))
    frame = pd.DataFrame({"path": faces.table.ids, "split": faces.table.splits, **columns})
    frame["Male"] = np.where(faces.table.groups == 0, "Male", "not Male")
    frame.to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


TABLE = {"name": "table", "protected": "Male", "targets": ["Hat", "Glasses"]}


@pytest.fixture(scope="module")
def labelled(other_images, tmp_path_factory):
    """A whole run, labelled by a network that learned from those images."""
    out = tmp_path_factory.mktemp("annotators") / "out"
    return augment(
        out, dataset=Faces(**LEANING), data=TABLE, annotators=own(source=str(other_images)), oracle=JUDGE, **SHORT
    )


def right(folder):
    """Share of the targets' labels that are true of the latents."""
    latents, labels = (
        read_latents(folder / "latents" / "latents.parquet"),
        read_columns(folder / "labels/labels.parquet"),
    )
    wanted = truth_of(latents.values)[:, 1:]
    return (labels.of(latents.ids)[:, [labels.names.index(name) for name in ("Hat", "Glasses")]] == wanted).mean()


def test_a_network_of_other_images_labels_better_than_those_that_lean(labelled, tmp_path):
    for step in ("classifiers", "latents", "labels"):
        augment(tmp_path, dataset=Faces(**LEANING), data=TABLE, only=step, **SHORT)
    assert right(tmp_path) < right(labelled.folder) - 0.05
    assert right(labelled.folder) > 0.85
    folders = [
        {path.name for path in (one / "classifiers").iterdir() if path.is_dir()} for one in (labelled.folder, tmp_path)
    ]
    assert folders == [{"annotators"}, {"Male", "Hat", "Glasses"}]


def test_the_plain_model_learns_from_real_images_all_the_same(labelled):
    assert {path.name for path in (labelled.folder / "models").iterdir() if path.is_dir()} == {
        "plain-Hat", "plain-Glasses", "augmented-Hat", "augmented-Glasses",
    }  # fmt: skip
    source = labelled.report.measures
    assert source.models == ("plain", "augmented")
    assert any("labelled by a network trained on" in note for note in labelled.report.notes)
    plain = pd.read_parquet(labelled.folder / "models" / "plain.parquet")
    assert len(plain) == 128  # the leaning world's validation and test images


def test_other_images_are_part_of_what_stands(labelled, other_images, tmp_path):
    out, said = shutil.copytree(labelled.folder, tmp_path / "out"), []
    copy = shutil.copytree(other_images.parent, tmp_path / "images") / "labels.csv"
    frame = pd.read_csv(copy)
    frame.iloc[1:].to_csv(copy, index=False)
    both = {"oracle": JUDGE, **SHORT}
    augment(
        out, dataset=Faces(**LEANING), data=TABLE, annotators=own(source=str(other_images)), told=said.append, **both
    )
    assert begun(said) == []
    for step in ("classifiers", "oracle", "latents"):
        augment(
            out,
            dataset=Faces(**LEANING),
            data=TABLE,
            annotators=own(source=str(copy)),
            told=said.append,
            only=step,
            **both,
        )
    assert begun(said) == ["classifiers"]


class Called(Faces):
    """The same images, on which the targets have other names."""

    def __init__(self, **more):
        super().__init__(**more)
        self.table = replace(self.table, target_names=("Cap", "Glasses"))


def test_a_run_of_ones_own_labels_under_the_names_of_the_data(labelled, tmp_path):
    run = labelled.folder / "oracle" / "run"
    given = {"run": str(run), "names": {"Cap": "Hat"}}
    for step in ("classifiers", "latents", "labels"):
        augment(tmp_path, dataset=Called(**LEANING), annotators=given, only=step, **SHORT)
    labels = read_columns(tmp_path / "labels" / "labels.parquet")
    assert set(labels.names) == {"Male", "Cap", "Glasses"}
    assert not [path for path in (tmp_path / "classifiers").iterdir() if path.is_dir()]
    # They see images without the noise that training images get: without any, they say the same.
    clear = {**SHORT, "pairs": {"min_class": 3}}
    for step in ("classifiers", "latents", "labels"):
        augment(tmp_path / "clear", dataset=Called(**LEANING), annotators=given, only=step, **clear)
    scores = [read_columns(folder / "labels" / "scores.parquet").values for folder in (tmp_path, tmp_path / "clear")]
    assert np.array_equal(*scores)
    # The control: classifiers of the real images see the noise.
    for name, changes in (("with", SHORT), ("without", clear)):
        for step in ("classifiers", "latents", "labels"):
            augment(tmp_path / name, dataset=Faces(**LEANING), only=step, **{**changes, "training": {"epochs": 1}})
    scores = [read_columns(tmp_path / name / "labels" / "scores.parquet").values for name in ("with", "without")]
    assert not np.array_equal(*scores)
    with pytest.raises(
        InputError, match=r"annotators\.run: expected scores of every attribute, found none for 'Cap'; say"
    ):
        augment(tmp_path / "b", dataset=Called(**LEANING), annotators={"run": str(run)}, only="classifiers", **SHORT)


class Hats(Faces):
    """The same images, with one target."""

    def __init__(self, **more):
        super().__init__(**more)
        self.table = replace(self.table, targets=self.table.targets[:, :1], target_names=("Hat",))


def test_what_a_run_says_of_other_attributes_does_not_count(labelled, tmp_path):
    run = shutil.copytree(labelled.folder / "oracle" / "run", tmp_path / "run")
    labels = pd.read_parquet(run / "labels.parquet")
    labels.loc[labels["split"] == "val", "Glasses"] = 0
    labels.to_parquet(run / "labels.parquet")
    given = {"annotators": {"run": str(run)}, "only": "classifiers", **SHORT}
    augment(tmp_path / "a", dataset=Hats(**LEANING), **given)
    with pytest.raises(UndefinedError, match="attribute Glasses: expected validation images with it"):
        augment(tmp_path / "b", dataset=Faces(**LEANING), **given)
    for name in ("labels.parquet", "predictions.parquet"):
        table = pq.read_table(run / name)
        splits = ["train" if split == "test" else split for split in table["split"].to_pylist()]
        table = table.set_column(table.schema.get_field_index("split"), "split", pa.array(splits))
        pq.write_table(table, run / name)
    with pytest.raises(InputError, match="run: expected test images, found none; name"):
        augment(tmp_path / "c", dataset=Hats(**LEANING), **given)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            {"Hatt": "Hat"},
            r"annotators\.names: expected attributes of the data, found 'Hatt' \(closest: 'Hat'\); correct",
        ),
        (
            {"Hat": "Cap"},
            r"run: expected targets that the run has, found 'Hat', 'Glasses', 'Male', not 'Cap' for Hat; correct",
        ),
        ({"Hat": "Glasses"}, r"annotators\.run: expected scores of every attribute, found none for 'Glasses'"),
    ],
)
def test_names_that_match_nothing_are_one_line(labelled, tmp_path, names, expected):
    given = {"run": str(labelled.folder / "oracle" / "run"), "names": names}
    with pytest.raises(InputError, match=expected) as error:
        augment(tmp_path, dataset=Faces(**LEANING), annotators=given, only="classifiers", **SHORT)
    assert "\n" not in str(error.value)


def test_other_images_need_every_split(other_images, tmp_path):
    copy = shutil.copytree(other_images.parent, tmp_path / "images") / "labels.csv"
    frame = pd.read_csv(copy)
    frame[frame["split"] != "test"].to_csv(copy, index=False)
    given = {"annotators": own(source=str(copy)), "data": TABLE, "only": "classifiers", **SHORT}
    with pytest.raises(
        InputError,
        match=r"annotators\.source: .*labels\.csv: expected train, val and test images, found no test; correct",
    ):
        augment(tmp_path / "out", dataset=Faces(**LEANING), **given)
    assert not list((tmp_path / "out").glob("classifiers/*/"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"annotators": {"names": {"a": "b"}}}, r"annotators\.names: expected annotators\.run with it, found none"),
        ({"annotators": {"run": "x"}, "oracle": {"run": "./x"}}, r"oracle\.run: expected another run than annotators"),
        ({"annotators": {"run": "nowhere"}}, "nowhere: expected"),
        ({"annotators": {"pairs": 3}}, r"annotators\.pairs: expected one of the options run, names"),
    ],
)
def test_annotators_that_cannot_be_are_one_line(tmp_path, changes, expected):
    with pytest.raises(InputError, match=expected) as error:
        augment(tmp_path / "out", dataset=Faces(**LEANING), generator=Linear(), only="classifiers", **changes)
    assert "\n" not in str(error.value)
