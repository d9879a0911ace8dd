"""Ways of `steelyard augment`: other mirror images, filters, stored pairs, several attributes, one's own latents."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from augment_runs import JUDGE, TINY, augment, begun, record, small, table_of  # noqa: E402
from augment_world import NAMES as ATTRIBUTES  # noqa: E402
from augment_world import PLANES, WIDTH, Faces, Linear, options  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.labels import sample_latents  # noqa: E402
from steelyard.jobs.augment.pairs import pair_dataset  # noqa: E402
from steelyard.jobs.augment.planes import fit_planes, mirror_of, pair_rows  # noqa: E402
from steelyard.jobs.augment.work import Work  # noqa: E402
from steelyard.latent.by_id import (  # noqa: E402
    ByLatent,
    latent_ids,
    read_columns,
    read_latents,
    write_columns,
    write_latents,
)
from steelyard.latent.hyperplanes import Hyperplane, read_hyperplanes  # noqa: E402
from steelyard.latent.mirroring import mirror  # noqa: E402
from steelyard.latent.wrappers import ProgressiveLatents  # noqa: E402
from steelyard.models.initialising import seeded  # noqa: E402
from steelyard.models.progressive import ProgressiveGenerator  # noqa: E402

pytestmark = pytest.mark.torch


VARIANT = {"latents": {"fit": 240, "validate": 80, "pairs": 60}, "training": {"epochs": 3}}
ORACLE = {**JUDGE, "training": {**JUDGE["training"], "epochs": 4}}


def changes(way, filtered, models=("plain", "augmented"), images="fly"):
    """The options of one way with one filter."""
    pairs = {"way": way, "filter": filtered, "min_class": 3, "images": images}
    per_attribute = way == "domain-dependent"
    return {**VARIANT, "pairs": pairs, "oracle": ORACLE, "models": list(models), "per_attribute": per_attribute}


def faces():
    return Faces(sizes=(320, 96, 128))


def variant(out, way, filtered, models=("plain", "augmented"), images="fly", **more):
    """A run of one way with one filter."""
    return augment(out, dataset=faces(), **changes(way, filtered, models, images), **more)


def work_in(out, way, filtered, images="fly"):
    """The steps' results of such a run."""
    config = read_augment(options(out, **changes(way, filtered, images=images)))
    return Work(config, out, given_data=faces(), given_generator=Linear())


def planes_in(out):
    return read_hyperplanes(out / "planes" / "planes.json", generator="linear")


def mirrored(work, targets):
    """Latents of the pairs, and what they become, as the steps mirror them."""
    z = pair_rows(work).values
    return z, mirror_of(work, targets)(z, ("Male",))


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
    planes = planes_in(out)
    z, other = mirrored(work_in(out, "plain-mirror", "annotators"), ("Hat", "Glasses"))
    score = planes["Male"].score(z)
    assert np.abs(score).mean() > 0.3
    assert planes["Male"].score(other) == pytest.approx(-score, abs=1e-5)
    assert other == pytest.approx(z - 2 * score[:, None] * planes["Male"].normal, abs=1e-5)
    for name in ("Hat", "Glasses"):  # which lean towards it, and are not kept
        assert np.abs(planes[name].score(other) - planes[name].score(z)).mean() > 0.1


def test_latents_on_the_plane(labelled, tmp_path):
    out = shutil.copytree(labelled, tmp_path / "out")
    result = variant(out, "onto-plane", "none")
    assert result.report.measures.models == ("plain", "augmented")
    assert result.report.oracle[0].kept_share is None
    planes = planes_in(out)
    z, other = mirrored(work_in(out, "onto-plane", "none"), ("Hat", "Glasses"))
    assert np.abs(planes["Male"].score(z)).mean() > 0.3
    assert planes["Male"].score(other) == pytest.approx(0, abs=1e-5)
    for name in ("Hat", "Glasses"):
        assert planes[name].score(other) == pytest.approx(planes[name].score(z), abs=1e-5)


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


def by_definition(z, male, halves):
    """The nearest latents with a negated protected score, and under the other group's plane the score of one's own."""
    scores, made = male.score(z), np.empty(z.shape)
    for group in (0, 1):
        rows, own, other = (scores > 0) == group, halves[group], halves[1 - group]
        normals = np.stack([male.normal, other.normal])
        change = np.stack([-2 * scores[rows], own.score(z[rows]) - other.score(z[rows])])
        made[rows] = z[rows] + np.linalg.lstsq(normals, change, rcond=None)[0].T
    return made


@pytest.mark.parametrize("target", ["Hat", "Glasses"])
def test_mirror_images_have_the_score_of_the_other_group(by_group, target):
    planes = planes_in(by_group.folder)
    halves = planes[f"{target} | 0"], planes[f"{target} | 1"]
    z, other = mirrored(work_in(by_group.folder, "domain-dependent", "oracle"), (target,))
    score = planes["Male"].score(z)
    assert planes["Male"].score(other) == pytest.approx(-score, abs=1e-5)
    own = np.where(score > 0, halves[1].score(z), halves[0].score(z))
    theirs = np.where(score > 0, halves[0].score(other), halves[1].score(other))
    assert theirs == pytest.approx(own, abs=1e-5)
    # The control: the two planes are not one.
    assert np.abs(np.where(score > 0, halves[1].score(other), halves[0].score(other)) - own).mean() > 0.02
    assert other == pytest.approx(by_definition(z, planes["Male"], halves), abs=1e-4)


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
    work, planes = work_in(disk.folder, "domain-dependent", "oracle", images="disk"), planes_in(disk.folder)
    rows = pair_rows(work)
    for target in ("Hat", "Glasses"):
        pairs = pair_dataset(work, target, (target,))
        ids = [name for name in pairs.labels().ids.tolist() if not name.endswith("-Male")]
        z = rows.of(np.array(ids))
        assert np.array_equal(pairs.images(ids), rendered(z))
        held = pairs.images([f"{name}-Male" for name in ids]).astype(int)
        other = by_definition(z, planes["Male"], (planes[f"{target} | 0"], planes[f"{target} | 1"]))
        assert np.abs(held - rendered(other)).max() <= 1
        assert np.abs(held - rendered(z)).max() > 50  # the control


def rendered(z):
    images = Linear().synthesize(torch.from_numpy(z.astype(np.float32))).permute(0, 2, 3, 1)
    return ((images + 1) * 127.5).round().numpy().astype(int)


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
    held = read_latents(tmp_path / "out" / "latents" / "latents.parquet")
    assert np.array_equal(held.of(kept.ids), own.values)  # which this generator uses as they are
    wide = ByLatent(own.ids, np.zeros((3, 5), dtype=np.float32))
    write_latents(tmp_path / "own.parquet", wide)
    with pytest.raises(InputError, match="expected latents of 12 numbers, the width of linear, found 5; name"):
        augment(tmp_path / "out", dataset=small(), latents=latents, training=TINY["training"], pairs=TINY["pairs"])


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("normalize", [True, False])
def test_latents_of_ones_own_are_those_that_the_generator_uses(tmp_path, scale, normalize):
    """An attribute planted in what the images depend on; a plane off the origin flips it at one scale of latents."""
    with seeded(0, "test"):
        module = ProgressiveGenerator(WIDTH, (8, 6), normalize=normalize)
    generator = ProgressiveLatents(module, name="sphere")
    sampled = generator.sample(500, seed=8)
    given = ByLatent(np.array([f"{at}.jpg" for at in range(500)]), sampled * np.float32(scale))
    write_latents(tmp_path / "own.parquet", given)
    config = read_augment(options(tmp_path, latents={"fit": 20, "validate": 4, "file": str(tmp_path / "own.parquet")}))
    work = Work(config, tmp_path / "out", given_generator=generator)
    work.path("latents").mkdir(parents=True)
    sample_latents(work, work.path("latents"))
    held = read_latents(tmp_path / "out" / "latents" / "latents.parquet").values[24:]
    if not normalize:
        assert np.array_equal(held, given.values)
        return
    assert held == pytest.approx(sampled, abs=1e-6)
    images = generator.synthesize(torch.from_numpy(given.values))
    assert torch.allclose(generator.synthesize(torch.from_numpy(held)), images, atol=1e-4)
    plane = Hyperplane(np.eye(WIDTH)[0], -0.8, "planted")

    def flipped(z):
        used = (one / np.sqrt((one**2).mean(axis=1, keepdims=True)) for one in (z, mirror(z, [plane])))
        before, after = (plane.score(one) > 0 for one in used)
        return (before != after).mean()

    assert flipped(held) == 1.0
    if scale != 1.0:  # the control: as they came
        assert flipped(given.values) < 0.8
