"""Ways of `steelyard augment`: other mirror images, filters, stored pairs, several attributes, one's own latents."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from augment_runs import JUDGE, TINY, augment, begun, record, small, table_of  # noqa: E402
from augment_world import NAMES as ATTRIBUTES  # noqa: E402
from augment_world import PLANES, Faces, Linear, options  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.planes import fit_planes  # noqa: E402
from steelyard.jobs.augment.work import Work  # noqa: E402
from steelyard.latent.by_id import ByLatent, latent_ids, read_columns, write_columns, write_latents  # noqa: E402

pytestmark = pytest.mark.torch


VARIANT = {"latents": {"fit": 240, "validate": 80, "pairs": 60}, "training": {"epochs": 3}}
ORACLE = {**JUDGE, "training": {**JUDGE["training"], "epochs": 4}}


def variant(out, way, filtered, models=("plain", "augmented"), images="fly", **more):
    """A run of one way with one filter."""
    pairs = {"way": way, "filter": filtered, "min_class": 3, "images": images}
    per_attribute = way == "domain-dependent"
    made = {**VARIANT, "pairs": pairs, "oracle": ORACLE, "models": list(models), "per_attribute": per_attribute}
    return augment(out, dataset=Faces(sizes=(320, 96, 128)), **made, **more)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The steps before the planes, which no way of mirroring changes."""
    out = tmp_path_factory.mktemp("ways") / "out"
    for step in ("classifiers", "oracle", "latents", "labels"):
        variant(out, "mirror", "none", only=step)
    return out


def test_plain_mirror_images_and_every_model(labelled, tmp_path):
    out, said = shutil.copytree(labelled, tmp_path / "out"), []
    models = ("plain", "augmented", "pairs-only", "reweighed")
    result = variant(out, "plain-mirror", "annotators", models, told=said.append)
    assert begun(said) == ["planes", "pairs", "models", "report"]
    assert result.report.measures.models == models
    assert 0 < result.report.oracle[0].kept_share.value < 1


def test_latents_on_the_plane(labelled, tmp_path):
    result = variant(shutil.copytree(labelled, tmp_path / "out"), "onto-plane", "none")
    assert result.report.measures.models == ("plain", "augmented")
    assert result.report.oracle[0].kept_share is None


@pytest.fixture(scope="module")
def by_group(tmp_path_factory):
    out = tmp_path_factory.mktemp("groups") / "out"
    return variant(out, "domain-dependent", "oracle")


def test_a_plane_for_each_group_and_the_oracle_as_filter(by_group):
    assert by_group.report.measures.models == ("plain", "augmented")
    row = by_group.report.oracle[0]
    assert 0 < row.kept_share.value < 1
    # Another network than the oracle's filters, so that the oracle can judge: what is left is better, not all right.
    assert row.flip_after.value > row.flip.value
    scores = [(by_group.folder / run / "predictions.parquet").read_bytes() for run in ("oracle/run", "pairs/filter")]
    assert scores[0] != scores[1]
    # One classifier of each attribute, and what they score is one pass all the same.
    folder = by_group.folder
    assert {path.name for path in (folder / "classifiers").iterdir() if path.is_dir()} == {"Male", "Hat", "Glasses"}
    assert record(folder, "labels")["record"]["images"] == 380


def test_stored_pairs_train_the_same_model_as_pairs_on_the_fly(by_group, tmp_path):
    # The classifiers, latents and planes are those of the first run; pairs and models are made anew.
    out, said = shutil.copytree(by_group.folder, tmp_path / "disk"), []
    disk = variant(out, "domain-dependent", "oracle", images="disk", told=said.append)
    assert begun(said) == ["pairs", "models", "report"]
    assert table_of(by_group.folder) == table_of(disk.folder)
    for model in ("plain", "augmented"):
        assert (by_group.folder / "models" / f"{model}.parquet").read_bytes() == (
            disk.folder / "models" / f"{model}.parquet"
        ).read_bytes()
    assert len(list((disk.folder / "pairs").glob("*/images/*.npy"))) == 2  # mirror images of each attribute
    assert len(list((disk.folder / "pairs" / "images").glob("*.npy"))) == 1  # the latents' own are shared


@pytest.mark.parametrize("parallel", [None, 0, 1])
def test_the_planes_of_both_groups_must_be_apart_from_the_protected_one(tmp_path, parallel):
    """In one group a hat goes by the protected score; the planes are refused before any pair is made."""
    changes = {"pairs": {"way": "domain-dependent", "min_class": 3, "smallest_angle": 30.0}, "per_attribute": True}
    work = Work(read_augment(options(tmp_path, **changes)), tmp_path, given_data=small(), given_generator=Linear())
    latents = Linear().sample(600, seed=4)
    scores = latents @ PLANES.T
    labels = (scores > 0).astype(np.uint8)
    if parallel is not None:
        of_group = labels[:, 0] == parallel
        labels[of_group, 1] = (scores[of_group, 0] > (0.67 if parallel else -0.67)).astype(np.uint8)
    for step in ("latents", "labels", "planes"):
        work.path(step).mkdir()
    write_latents(work.path("latents") / "latents.parquet", ByLatent(latent_ids(600), latents))
    write_columns(work.path("labels") / "labels.parquet", ByLatent(latent_ids(600), labels, ATTRIBUTES))
    if parallel is None:  # the control
        assert fit_planes(work, work.path("planes")).says.startswith("5 planes")
        return
    with pytest.raises(InputError, match=rf"at least 30° apart, found 'Male' and 'Hat \| {parallel}' at"):
        fit_planes(work, work.path("planes"))


def test_several_protected_attributes_give_every_set_of_changes(tmp_path):
    result = augment(tmp_path, dataset=small(), pairs={**TINY["pairs"], "protected": ["Glasses"]},
                     training=TINY["training"], latents=TINY["latents"])  # fmt: skip
    kept = read_columns(tmp_path / "pairs" / "all" / "kept.parquet")
    assert kept.names == ("Male", "Glasses", "Male+Glasses")
    assert [row.name for row in result.report.measures.rows] == ["Hat"]
    assert {grid.flipped for grid in result.report.grids} == {"Male", "Glasses", "Male and Glasses"}


def test_latents_of_ones_own_make_the_pairs(tmp_path):
    own = ByLatent(np.array(["a.jpg", "b.jpg", "c.jpg"]), Linear().sample(3, seed=8))
    write_latents(tmp_path / "own.parquet", own)
    latents = {**TINY["latents"], "file": str(tmp_path / "own.parquet")}
    augment(tmp_path / "out", dataset=small(), latents=latents, training=TINY["training"], pairs=TINY["pairs"])
    kept = read_columns(tmp_path / "out" / "pairs" / "all" / "kept.parquet")
    assert kept.ids.tolist() == ["g-a.jpg", "g-b.jpg", "g-c.jpg"]
    wide = ByLatent(own.ids, np.zeros((3, 5), dtype=np.float32))
    write_latents(tmp_path / "own.parquet", wide)
    with pytest.raises(InputError, match="expected latents of 12 numbers, the width of linear, found 5; name"):
        augment(tmp_path / "out", dataset=small(), latents=latents, training=TINY["training"], pairs=TINY["pairs"])
