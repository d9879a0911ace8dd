"""Training end to end on a tiny world: what a run leaves, what it says, and that its parts are what they claim."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("cv2")

from safetensors.torch import load_file  # noqa: E402

from steelyard.api import predict  # noqa: E402
from steelyard.base.errors import InputError  # noqa: E402
from steelyard.datasets.faces import FaceBoxes  # noqa: E402
from steelyard.datasets.scenes import Scenes, ScenesSettings  # noqa: E402
from steelyard.jobs.predict import PredictOptions, predict_run  # noqa: E402
from steelyard.jobs.run_folder import config_to_resume, kept_config  # noqa: E402
from steelyard.jobs.run_pixels import require_faces  # noqa: E402
from steelyard.jobs.train import TrainedRun, run_training  # noqa: E402
from steelyard.jobs.training_config import read_config  # noqa: E402
from steelyard.jobs.visualize import VisualizeOptions, masked_gallery, visualize_run  # noqa: E402
from steelyard.models.catalog import build_network  # noqa: E402
from steelyard.models.options import ModelOptions  # noqa: E402
from steelyard.reports import AuditReport  # noqa: E402
from steelyard.tables import read_labels, read_predictions  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]

WORLD = Scenes(ScenesSettings(size=32, labels=4, tilted=2, cues=2, noise=0.02), train=96, val=48, test=64, seed=3)
AUDIT = {"levels": "none", "rounds": 1, "folds": 2, "permutations": 0, "bootstrap": 20, "workers": 1}
CONFIG: dict[str, Any] = {
    "seed": 5,
    "data": {"name": "scenes", "source": "default", "resize": None, "crop": None, "workers": 0, "batch_size": 16},
    "model": {"name": "compact", "width": 4},
    "objective": {"name": "task"},
    "training": {"epochs": 2, "rate": 5e-3, "accelerator": "cpu", "precision": "32-true"},
    "audit": {**AUDIT, "attackers": ["logistic"]},
}


def trained(out: Path, **changes: Any) -> TrainedRun:
    """A run on the world; changes are dotted names with `__`."""
    overrides = {name.replace("__", "."): value for name, value in changes.items()}
    config = read_config(CONFIG, {**overrides, "out": str(out)})
    run = run_training(config, dataset=WORLD)
    assert run is not None
    return run


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory, plain: TrainedRun) -> TrainedRun:
    changes = {"objective__name": "adversarial-image", "objective__mask__width": 4, "objective__mask__levels": 2}
    out = tmp_path_factory.mktemp("runs") / "masked"
    return trained(out, **changes, training__epochs=1, start_from=str(plain.folder), audit="null")


def test_a_run_leaves_everything_and_the_tables_fit_each_other(plain: TrainedRun) -> None:
    names = {path.name for path in plain.folder.iterdir()}
    assert names == {
        "audit", "checkpoints", "config.yaml", "labels.parquet", "metrics.jsonl", "predictions.parquet",
        "provenance.json", "tensorboard",
    }  # fmt: skip
    labels = read_labels(plain.folder / "labels.parquet", protected="group")
    predictions = read_predictions(plain.folder / "predictions.parquet", labels=labels)  # the file says its kind
    assert predictions.kind == "logits"
    assert labels.ids.tolist() == predictions.ids.tolist() == WORLD.labels().ids.tolist()
    assert labels.splits.tolist() == WORLD.labels().splits.tolist()
    np.testing.assert_array_equal(labels.targets, WORLD.labels().targets)
    np.testing.assert_array_equal(predictions.scores, plain.predictions.scores)


def test_the_predictions_are_those_of_the_best_weights_on_the_images_themselves(plain: TrainedRun) -> None:
    """By hand: the file of weights into a bare network, rendered images in one batch."""
    network = build_network(ModelOptions(name="compact", width=4), outputs=4, seed=99)
    best = json.loads((plain.folder / "checkpoints" / "index.json").read_text())["best"]
    network.load_state_dict(load_file(plain.folder / "checkpoints" / best / "weights.safetensors"))
    network.eval()
    images = torch.from_numpy(WORLD.render(np.arange(len(WORLD))).images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        logits = network(images).logits.numpy()
    np.testing.assert_allclose(plain.predictions.scores, logits, rtol=1e-4, atol=1e-5)


def test_training_learns(plain: TrainedRun) -> None:
    lines = [json.loads(line) for line in (plain.folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["losses"]["loss"] for line in lines if "val" in line]
    assert len(losses) == 2
    assert losses[1] < losses[0]
    assert plain.quality == max(line["val"]["quality"] for line in lines if "val" in line)


def test_the_audit_is_that_of_the_test_split_and_carries_intervals(plain: TrainedRun) -> None:
    report = AuditReport.from_json(plain.folder / "audit" / "report.json")
    assert plain.report is not None
    assert report.data["audited"] == 64
    assert report.estimate("model_leakage").value == plain.report.estimate("model_leakage").value
    leak = report.estimate("model_leakage")
    assert leak.low < leak.value < leak.high
    assert {file["name"] for file in report.provenance["fingerprints"]} == {"labels.parquet", "predictions.parquet"}
    said = str(plain)
    assert "images/s" in said
    assert "of the time waiting for data" in said
    assert "report.html" in said


def test_the_config_that_is_kept_reads_back_as_it_was(plain: TrainedRun) -> None:
    kept = kept_config(plain.folder)
    assert kept == read_config(CONFIG, {"out": str(plain.folder)})
    assert kept.training.seed == 5
    record = json.loads((plain.folder / "provenance.json").read_text())
    assert record["seed"] == 5
    assert {"torch", "lightning", "steelyard"} <= set(record["versions"])
    assert record["task"]["target_names"] == list(WORLD.label_names)


def test_predicting_again_gives_the_same_scores_and_noise_of_scale_0_is_none(plain: TrainedRun) -> None:
    labels, again = predict_run(plain.folder, PredictOptions(splits=("test",)), dataset=WORLD)
    test = plain.labels.splits == "test"
    assert again.ids.tolist() == labels.ids.tolist() == plain.labels.ids[test].tolist()
    np.testing.assert_array_equal(again.scores, plain.predictions.scores[test])
    _, none = predict_run(plain.folder, PredictOptions(splits=("test",), noise=0.0), dataset=WORLD)
    np.testing.assert_array_equal(none.scores, again.scores)
    spread = []
    for scale in (0.5, 2.0):
        _, noisy = predict_run(plain.folder, PredictOptions(splits=("test",), noise=scale), dataset=WORLD)
        spread.append(np.abs(noisy.scores - again.scores).mean())
    assert 0 < spread[0] < spread[1]


def test_erasure_makes_the_groups_mean_scores_equal_where_it_was_fitted(plain: TrainedRun) -> None:
    """LEACE equals the groups' means of the embedding on the validation images, and the head is linear."""

    def gap(options: PredictOptions) -> float:
        labels, made = predict_run(plain.folder, options, dataset=WORLD)
        means = [made.scores[labels.groups == group].mean(axis=0) for group in (0, 1)]
        return float(np.abs(means[0] - means[1]).max())

    before = gap(PredictOptions(splits=("val",)))
    assert gap(PredictOptions(splits=("val",), erase="embedding")) < 1e-5
    assert before > 1e-3


class Holes:
    """The world, one image at a time, some of them damaged."""

    name, source = WORLD.name, WORLD.source
    holes = frozenset(("val-000003", "test-000001", "test-000007", "test-000008", "test-000020"))

    def labels(self, split: Any = None) -> Any:
        return WORLD.labels(split)

    def image(self, image_id: str) -> np.ndarray:
        if image_id in self.holes:
            raise InputError(f"/data/{image_id}.jpg: expected an image, found an empty file; restore the file")
        return WORLD.image(image_id)


def test_images_that_cannot_be_read_are_told_wherever_the_figures_are(tmp_path: Path, plain: TrainedRun) -> None:
    config = read_config(CONFIG, {"out": str(tmp_path / "run"), "training.epochs": 1, "data.on_bad_image": "skip"})
    run = run_training(config, dataset=Holes())
    assert run is not None
    assert not Holes.holes & {*run.predictions.ids}
    assert len(run.predictions) == len(WORLD) - 5
    test = "4 of 64 test images could not be read and are left out (test-000001, test-000007, test-000008 and 1 more)"
    val = "1 of 48 val images could not be read and are left out (val-000003)"
    assert run.notes[:2] == (val, test)
    assert test in str(run)
    assert val in str(run)
    assert json.loads((run.folder / "provenance.json").read_text())["notes"] == [*run.notes]
    report = AuditReport.from_json(run.folder / "audit" / "report.json")
    assert report.notes[0] == test
    assert val not in report.notes
    assert report.data["audited"] == 60
    assert not [note for note in plain.notes if "could not be read" in note]  # the control
    assert json.loads((plain.folder / "provenance.json").read_text())["notes"] == [*plain.notes]


def test_what_a_reader_of_erased_scores_must_know_is_noted(
    plain: TrainedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    def noted(options: PredictOptions, world: Scenes = WORLD) -> list[str]:
        said: list[str] = []
        predict_run(plain.folder, options, dataset=world, note=said.append)
        return said

    few, inside = noted(PredictOptions(erase="embedding"))
    assert re.fullmatch(
        r"erasure: fitted on 48 images for \d+ directions: expect linear traces to remain on others", few
    )
    assert "in-sample" in inside
    assert noted(PredictOptions(splits=("test",), erase="embedding")) == [few]
    assert noted(PredictOptions(noise=1.0)) == []
    predict(plain.folder, splits=("test",), erase="embedding", dataset=WORLD)
    assert capsys.readouterr().out == f"{few}\n"
    more = Scenes(WORLD.settings, train=8, val=600, test=8, seed=4)
    assert noted(PredictOptions(splits=("test",), erase="embedding"), more) == []


def test_an_erasure_is_not_fitted_on_the_images_that_it_is_scored_on(plain: TrainedRun) -> None:
    without = Scenes(WORLD.settings, train=8, val=0, test=32, seed=4)
    with pytest.raises(
        InputError, match=r"^--erase: expected validation images to fit on, found none in .*; add a val"
    ):
        predict_run(plain.folder, PredictOptions(splits=("test",), erase="embedding"), dataset=without)
    predict_run(plain.folder, PredictOptions(splits=("test",), noise=1.0), dataset=without)


def test_the_noise_on_a_split_does_not_depend_on_the_others(plain: TrainedRun) -> None:
    labels, both = predict_run(plain.folder, PredictOptions(noise=1.0), dataset=WORLD)
    for split in ("val", "test"):
        _, alone = predict_run(plain.folder, PredictOptions(splits=(split,), noise=1.0), dataset=WORLD)
        np.testing.assert_array_equal(alone.scores, both.scores[labels.splits == split])
    again = predict_run(plain.folder, PredictOptions(splits=("test", "val"), noise=1.0), dataset=WORLD)[1]
    np.testing.assert_array_equal(again.scores, both.scores[labels.splits != "train"])


def test_a_balanced_run_counts_the_same_images_everywhere(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", data__alpha=1, training__epochs=1, audit="null")
    train = run.labels.split("train")
    counts = [train.targets[train.groups == group].sum(axis=0).tolist() for group in (0, 1)]
    assert counts[0] == counts[1]
    assert 0 < len(train) < 96
    whole = WORLD.labels("train")
    assert (
        whole.targets[whole.groups == 0].sum(axis=0).tolist() != whole.targets[whole.groups == 1].sum(axis=0).tolist()
    )
    kept = read_labels(tmp_path / "run" / "subset.parquet", protected="group")
    assert kept.ids.tolist() == train.ids.tolist()
    again, _ = predict_run(run.folder, dataset=WORLD)
    assert again.ids.tolist() == run.labels.ids.tolist()


def test_a_run_can_start_from_another_ones_best_weights(tmp_path: Path, plain: TrainedRun) -> None:
    """With a rate of next to nothing, the weights stay those it started from; without a start they are others."""

    def head_of(**changes: Any) -> Any:
        run = trained(tmp_path / f"{len(changes)}", training__rate=1e-30, training__epochs=1, audit="null", **changes)
        folder = run.folder / "checkpoints"
        best = json.loads((folder / "index.json").read_text())["best"]
        return load_file(folder / best / "weights.safetensors")["head.weight"]

    folder = plain.folder / "checkpoints"
    best = json.loads((folder / "index.json").read_text())["best"]
    start = load_file(folder / best / "weights.safetensors")["head.weight"]
    torch.testing.assert_close(head_of(start_from=str(plain.folder)), start, rtol=0, atol=1e-6)
    assert (head_of() - start).abs().max() > 1e-3


def test_masked_images_are_never_brighter_and_come_by_group(masked: TrainedRun) -> None:
    import cv2

    gallery = masked_gallery(masked.folder, dataset=WORLD, options=VisualizeOptions(per_group=2))
    assert [group for group, _ in gallery.rows] == list(WORLD.group_names)
    for _, pairs in gallery.rows:
        assert len(pairs) == 2
        for pair in pairs:
            before, after = (
                cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
                for data in (pair.original, pair.masked)
            )
            assert before.shape == (32, 32, 3)
            assert (after <= before).all()
            assert (after < before).any()


def test_the_page_shows_masks_and_changes_where_there_are_any(
    tmp_path: Path, plain: TrainedRun, masked: TrainedRun
) -> None:
    page = visualize_run(plain.folder, base=masked.folder, out=tmp_path / "changes")
    text = page.read_text()
    assert "F1 of each label" in text
    assert "What the mask hides" not in text
    with pytest.raises(InputError, match=r"expected a run with a mask .* or --base RUN .*, found objective task alone"):
        visualize_run(plain.folder, out=tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_run_that_goes_on_may_change_where_but_not_what(plain: TrainedRun) -> None:
    assert config_to_resume(plain.folder, None, {"data.workers": "1"}).data.workers == 1
    # Each process has random numbers of its own, so the engine goes on with as many as there were.
    with pytest.raises(InputError, match=r"--training.devices: expected 1, as .* has it, found 2; drop the change"):
        config_to_resume(plain.folder, None, {"training.devices": "2"})
    with pytest.raises(
        InputError, match=r"--training.rate: expected 0\.005, as .* has it, found 0\.1; drop the change"
    ):
        config_to_resume(plain.folder, None, {"training.rate": "0.1"})
    done = run_training(replace(kept_config(plain.folder), audit=None), resume=True, dataset=WORLD)
    assert done is not None
    np.testing.assert_array_equal(done.predictions.scores, plain.predictions.scores)


def test_other_labels_than_those_learned_are_refused(plain: TrainedRun) -> None:
    other = Scenes(ScenesSettings(size=32, labels=5, tilted=2, cues=2), train=32, val=16, test=16)
    with pytest.raises(InputError, match=r"targets: expected ball, boat, book, bottle, found 'car'"):
        predict_run(plain.folder, dataset=other)


def test_the_library_functions_do_the_same(tmp_path: Path) -> None:
    import steelyard as sy

    changes = {"training.epochs": 1, "audit": None, "out": str(tmp_path / "run")}
    run = sy.train(CONFIG, overrides=changes, dataset=WORLD)
    assert run is not None
    labels, again = sy.predict(tmp_path / "run", splits=["test"], dataset=WORLD)
    assert labels.ids.tolist() == again.ids.tolist()
    np.testing.assert_array_equal(again.scores, run.predictions.scores[-64:])


def test_faces_to_hide_are_counted_and_none_at_all_is_refused():
    world = Scenes(ScenesSettings(size=32), train=3, val=0, test=1, seed=0)
    boxes = {"train-000001": np.array([[1.0, 1.0, 9.0, 9.0]])}
    told: list[str] = []
    require_faces(FaceBoxes(boxes, "f.csv", others_have_none=True), world, "f.csv", told.append)
    assert told == ["faces in 1 of 4 images; the others stay as they are"]
    nobody = FaceBoxes({}, "f.csv", others_have_none=True)
    with pytest.raises(
        InputError, match=r"^data.faces f.csv: expected faces to hide, found none in 4 images; name boxes$"
    ):
        require_faces(nobody, world, "f.csv", told.append)
