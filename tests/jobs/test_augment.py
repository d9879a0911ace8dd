"""The whole of `steelyard augment` on a world with planted planes: what it finds, what it skips, a step alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from augment_runs import JUDGE, NAMES, augment, begun, record  # noqa: E402
from augment_world import PLANES, Faces, Linear, options, truth_of  # noqa: E402

import steelyard as sy  # noqa: E402
from steelyard.base.errors import InputError  # noqa: E402
from steelyard.latent.by_id import read_columns, read_latents  # noqa: E402
from steelyard.latent.hyperplanes import read_hyperplanes  # noqa: E402
from steelyard.reports.augment.figures import ALL  # noqa: E402
from steelyard.tables import read_predictions  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("augment") / "out"
    generator = Linear()
    result = augment(out, generator=generator, oracle=JUDGE)
    return out, generator, result


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
    assert generator.made == 6  # by which the generator is known
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != "augment.yaml"}
    assert before == after


def test_the_python_function_is_the_command(done):
    out, _, result = done
    again = sy.augment(options("elsewhere", oracle=JUDGE), out=out, dataset=Faces(), generator=Linear())
    assert again.folder == out
    assert again.says == result.says
    assert again.report == result.report
    assert str(out / "report" / "report.html") in str(again)
    alone = sy.augment(options(out, oracle=JUDGE), only="planes", dataset=Faces(), generator=Linear())
    assert alone.report is None
    assert list(alone.says) == ["classifiers", "oracle", "latents", "labels", "planes"]


@pytest.fixture
def copied(done, tmp_path):
    return Path(shutil.copytree(done[0], tmp_path / "copy"))


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
