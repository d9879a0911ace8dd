"""The whole of `steelyard augment` on a world with planted planes: what it finds, what it skips, what it refuses."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from augment_world import PLANES, Faces, Linear, options, truth_of  # noqa: E402

from steelyard.base.errors import InputError, UndefinedError  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.run import STEPS, run_augment  # noqa: E402
from steelyard.latent.by_id import ByLatent, read_columns, read_latents, write_latents  # noqa: E402
from steelyard.latent.hyperplanes import read_hyperplanes  # noqa: E402
from steelyard.reports.augment.figures import ALL  # noqa: E402
from steelyard.tables import read_predictions  # noqa: E402

pytestmark = pytest.mark.torch
JUDGE = {
    "model": {"name": "compact", "width": 6},
    "training": {"epochs": 5, "rate": 1e-2, "schedule": "cosine", "monitor": "last", "precision": "32-true"},
}
NAMES = [step.name for step in STEPS]


def augment(out, *, dataset=None, generator=None, only=None, anew_from=None, told=None, **changes):
    config = read_augment(options(out, **changes))
    return run_augment(
        config,
        dataset=dataset or Faces(),
        generator=generator or Linear(),
        only=only,
        anew_from=anew_from,
        progress=told or (lambda stage: None),
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("augment") / "out"
    generator = Linear()
    result = augment(out, generator=generator, oracle=JUDGE)
    return out, generator, result


def record(out, step):
    return json.loads((out / step / "step.json").read_text())


def test_latents_get_the_labels_that_their_images_show(done):
    out, _, _ = done
    latents, labels = read_latents(out / "latents" / "latents.parquet"), read_columns(out / "labels" / "labels.parquet")
    assert latents.ids[123] == "g0000123"
    truth = truth_of(latents.values)
    for at, name in enumerate(("Male", "Hat", "Glasses")):
        right = labels.of(latents.ids)[:, labels.names.index(name)] == truth[:, at]
        assert right.mean() > 0.85, name
    # The control: the labels of other latents are right by chance only.
    assert abs((np.roll(labels.column("Male"), 7) == truth[:, 0]).mean() - 0.5) < 0.1


def test_planes_are_the_planted_ones(done):
    out, _, _ = done
    found = read_hyperplanes(out / "planes" / "planes.json", generator="linear")
    for name, planted in zip(("Male", "Hat", "Glasses"), PLANES, strict=True):
        assert found[name].normal @ planted > 0.9
        others = [abs(found[name].normal @ other) for other in PLANES if not np.array_equal(other, planted)]
        assert max(others) < 0.7  # the control


def test_one_pass_over_the_images_labels_every_attribute(done):
    out, _, _ = done
    labelled = record(out, "labels")["record"]
    assert labelled["passes"] == 1.0
    assert labelled["images"] == 1000
    assert len(read_columns(out / "labels" / "scores.parquet").names) == 3


def test_the_oracle_sees_most_flipped_and_kept_and_page_has_all(done):
    out, _, result = done
    rows = {row.kept: row for row in result.report.oracle}
    assert set(rows) == {"Hat", "Glasses"}
    for row in rows.values():
        assert row.flip.value > 0.7
        assert row.keep.value > 0.7
        assert row.flip.low < row.flip.value < row.flip.high
    assert (out / "report" / "report.html").read_text(encoding="utf-8").count("data:image/png") >= 4
    assert {plane.name for plane in result.report.planes} == {"Male", "Hat", "Glasses"}


def test_the_augmented_classifier_depends_less_on_the_group(done):
    out, _, result = done
    overall = result.report.measures.row(ALL)
    plain, other = (overall.figure("deo_absolute", model).value for model in ("plain", "augmented"))
    assert plain > 0.05  # the control: there was something to lower
    assert other < plain
    assert overall.difference("kl", "augmented").high < 0
    assert overall.difference("ap", "augmented").value > -0.02
    # Under the labels, scores of the two groups part less than before.
    faces = Faces().labels()
    gaps = {}
    for model in ("plain", "augmented"):
        table = read_predictions(out / "models" / f"{model}.parquet", labels=faces)
        rows = np.flatnonzero(faces.splits == "test")
        place = {name: at for at, name in enumerate(table.ids.tolist())}
        scores = table.scores[[place[name] for name in faces.ids[rows].tolist()]]
        gap = []
        for t in (0, 1):
            for present in (0, 1):
                part = faces.targets[rows, t] == present
                groups = faces.groups[rows]
                gap.append(abs(scores[part & (groups == 0), t].mean() - scores[part & (groups == 1), t].mean()))
        gaps[model] = np.mean(gap) / scores.std()
    assert gaps["augmented"] < 0.8 * gaps["plain"]


def test_a_second_run_does_nothing(done):
    out, _, _ = done
    before = {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != "augment.yaml"
    }
    said = []
    generator = Linear()
    augment(out, generator=generator, oracle=JUDGE, told=said.append)
    assert [line.partition(":")[0] for line in said] == NAMES
    assert all(": stands (" in line for line in said)
    assert generator.made == 3  # by which the generator is known
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != "augment.yaml"}
    assert before == after


@pytest.fixture
def copied(done, tmp_path):
    import shutil

    return Path(shutil.copytree(done[0], tmp_path / "copy"))


def begun(said):
    """Steps that were done, not found standing."""
    heads = [line.partition(": ") for line in said]
    return [name for name in NAMES if any(head == name and not rest.startswith("stands") for head, _, rest in heads)]


def test_only_what_an_option_decides_is_done_again(copied):
    said = []
    augment(copied, oracle=JUDGE, bootstrap=30, told=said.append)
    assert begun(said) == ["report"]
    said.clear()
    augment(copied, oracle=JUDGE, bootstrap=30, pairs={"shown": 3}, told=said.append)
    assert begun(said) == ["report"]
    said.clear()
    augment(copied, oracle=JUDGE, bootstrap=30, pairs={"shown": 3}, data={"cache": "auto"}, told=said.append)
    assert begun(said) == []  # says where the work is done
    (copied / "planes" / "planes.json").write_text("{}")
    said.clear()
    augment(copied, oracle=JUDGE, bootstrap=30, pairs={"shown": 3}, told=said.append)
    assert begun(said) == ["planes"]  # damaged, made again, and the same: what follows stands


def test_a_step_alone_and_from_a_step_on(copied, tmp_path):
    said = []
    augment(copied, oracle=JUDGE, only="planes", anew_from="planes", told=said.append)
    assert begun(said) == ["planes"]
    said.clear()
    augment(copied, oracle=JUDGE, anew_from="report", told=said.append)
    assert begun(said) == ["report"]
    with pytest.raises(
        InputError, match=r"--step planes: expected what it reads, found none of 'latents', 'labels'; run"
    ):
        augment(tmp_path / "empty", only="planes")
    with pytest.raises(
        InputError, match=r"--from: expected one of classifiers, .*, found 'plane' \(closest: 'planes'\)"
    ):
        augment(tmp_path / "empty", anew_from="plane")


def test_pairs_that_the_labelling_classifiers_agree_on_are_better_pairs(copied):
    augment(copied, oracle=JUDGE, pairs={"filter": "annotators"}, only="pairs")
    for row in record(copied, "pairs")["record"]["rates"]:
        value = {name: held["value"] for name, held in row.items() if isinstance(held, dict)}
        assert 0.3 < value["kept_share"] < 1
        assert value["flip_after"] > value["flip"]
        assert value["keep_after"] > value["keep"]


TINY = {"training": {"epochs": 3}, "latents": {"fit": 120, "validate": 80, "pairs": 40}, "pairs": {"min_class": 3}}


def small():
    return Faces(sizes=(96, 64, 64))


def table_of(out):
    return (out / "report" / "figures.csv").read_bytes()


def test_stored_pairs_train_the_same_model_as_pairs_on_the_fly(tmp_path):
    fly = augment(tmp_path / "fly", dataset=small(), per_attribute=True, **TINY)
    pairs = {**TINY["pairs"], "images": "disk"}
    disk = augment(tmp_path / "disk", dataset=small(), per_attribute=True, **{**TINY, "pairs": pairs})
    assert table_of(fly.folder) == table_of(disk.folder)
    for model in ("plain", "augmented"):
        assert (fly.folder / "models" / f"{model}.parquet").read_bytes() == (
            disk.folder / "models" / f"{model}.parquet"
        ).read_bytes()
    assert len(list((disk.folder / "pairs").glob("*/images/*.npy"))) == 2  # mirror images of each attribute
    assert len(list((disk.folder / "pairs" / "images").glob("*.npy"))) == 1  # the latents' own are shared
    # One classifier of each attribute, and what they score is one pass all the same.
    assert {path.name for path in (fly.folder / "classifiers").iterdir() if path.is_dir()} == {"Male", "Hat", "Glasses"}
    assert record(fly.folder, "labels")["record"]["images"] == 240


@pytest.mark.parametrize(
    ("way", "filtered"), [("plain-mirror", "annotators"), ("onto-plane", "none"), ("domain-dependent", "oracle")]
)
def test_variants_run_to_their_page(tmp_path, way, filtered):
    more = {"latents": {"fit": 240, "validate": 80, "pairs": 60}, "training": {"epochs": 3}}
    pairs = {"way": way, "filter": filtered, "min_class": 3}
    oracle = {**JUDGE, "training": {**JUDGE["training"], "epochs": 2}}
    models = ["plain", "augmented", "pairs-only", "reweighed"] if way == "plain-mirror" else ["plain", "augmented"]
    result = augment(
        tmp_path,
        dataset=Faces(sizes=(320, 96, 128)),
        per_attribute=way == "domain-dependent",
        pairs=pairs,
        oracle=oracle,
        models=models,
        **more,
    )
    assert result.report.measures.models == tuple(models)
    row = result.report.oracle[0]
    if filtered == "none":
        assert row.kept_share is None
    else:
        assert 0 < row.kept_share.value < 1
    if filtered == "oracle":
        assert row.flip_after.value == row.keep_after.value == 1.0


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
