"""The demo trains its seven models, audits them on the same images, and tells what it found; here at a tiny size."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.base.estimate import Estimate  # noqa: E402
from steelyard.cli.main import main  # noqa: E402
from steelyard.datasets.portraits.world_file import open_portraits  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.run import run_augment  # noqa: E402
from steelyard.jobs.demo import nearest_noise, run_demo  # noqa: E402
from steelyard.jobs.demo_augmentation import (  # noqa: E402
    PAGE,
    AugmentationSize,
    augmentation_chapter,
    augmentation_configuration,
    write_portraits,
)
from steelyard.jobs.demo_display import epochs_done, far_text  # noqa: E402
from steelyard.jobs.demo_lanes import Watch, Work, do_all, how_far  # noqa: E402
from steelyard.jobs.demo_models import FAST, MODELS, ORDER, WHOLE, DemoSize, configuration  # noqa: E402
from steelyard.jobs.demo_tasks import Measured  # noqa: E402
from steelyard.jobs.run_folder import kept_config  # noqa: E402
from steelyard.jobs.training_config import read_config  # noqa: E402
from steelyard.reports.story_text import story_text  # noqa: E402
from steelyard.tables import read_labels  # noqa: E402

pytestmark = pytest.mark.torch

NAMES = {
    "plain",
    "alpha1",
    "blackout-segment",
    "noise",
    "adversarial-conv5",
    "adversarial-image",
    "alpha1-adversarial-conv5",
}
TINY = DemoSize(
    train=240,
    val=80,
    test=160,
    epochs=1,
    balanced_epochs=1,
    further_epochs=1,
    image_epochs=1,
    noise=(0.0, 1.0),
    rounds=1,
    augmentation=AugmentationSize(
        train=240,
        val=80,
        test=160,
        epochs=4,
        oracle_train=160,
        oracle_epochs=2,
        fit=160,
        validate=60,
        pairs=40,
        judged=20,
    ),
)
FIGURES = ("amplification", "conditional_leakage", "model_leakage", "dataset_leakage", "f1_macro")


KILLED = """
import os, pathlib, sys, time
from steelyard.jobs.demo_lanes import Watch, Work, do_all

def wait(path):
    part = pathlib.Path(path + ".part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    time.sleep(600)

if __name__ == "__main__":
    do_all([Work(name="w", call=wait, arguments=(sys.argv[1],))], workers=1, watch=Watch())
"""


class Events(Watch):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def begun(self, work: Work) -> None:
        self.seen.append(f"begun {work.name}")

    def done(self, work: Work, result: object) -> None:
        self.seen.append(f"done {work.name}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    events = Events()
    demo = run_demo(tmp_path_factory.mktemp("demo") / "made", size=TINY, watch=events)
    return demo, events


def test_results_hold_the_seven_models_with_every_figure(made):
    demo, _ = made
    results = json.loads((demo.page.parent / "results.json").read_text(encoding="utf-8"))
    assert {model["name"] for model in results["models"]} == NAMES
    for model in results["models"]:
        for name in FIGURES:
            figure = model[name]
            assert set(figure) >= {"value", "low", "high"}
            if figure["value"] is None:
                assert figure["reason"]
            else:
                assert figure["low"] <= figure["value"] <= figure["high"]
    assert [point["scale"] for point in results["noise_curve"]] == list(TINY.noise)


def test_noise_of_scale_nothing_is_the_plain_model(made):
    demo, _ = made
    still = demo.story.noise[0]
    assert still.f1_macro.value == demo.story.estimate("plain", "f1_macro").value
    moved = demo.story.noise[1]
    assert moved.f1_macro.value != still.f1_macro.value, "the control: noise changes the figure"


def test_all_models_are_scored_on_the_same_images_and_balanced_ones_learn_from_fewer(made):
    demo, _ = made
    runs = demo.page.parent / "runs"
    ids = {}
    for name in NAMES - {"noise"}:
        table = read_labels(runs / name / "labels.parquet", protected="group")
        ids[name] = {split: set(table.ids[table.splits == split]) for split in ("train", "test")}
    assert all(found["test"] == ids["plain"]["test"] for found in ids.values())
    assert len(ids["plain"]["test"]) == TINY.test
    assert ids["alpha1"]["train"] < ids["plain"]["train"]
    assert ids["alpha1-adversarial-conv5"]["train"] == ids["alpha1"]["train"]


def test_results_hold_the_chapter_on_pairs_with_every_figure(made):
    demo, _ = made
    folder = demo.page.parent
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))["augmentation"]
    assert set(found["measures"]) == {"ap", "deo_absolute", "ba_absolute", "kl"}
    for measure, figures in found["measures"].items():
        assert set(figures) == {"plain", "augmented", "difference"}
        gap = figures["augmented"]["value"] - figures["plain"]["value"]
        assert figures["difference"]["value"] == pytest.approx(gap, abs=1e-12), measure
    for row in found["oracle"]:
        assert row["pairs"] == TINY.augmentation.judged
        assert all(0 <= row[name]["low"] <= row[name]["value"] <= row[name]["high"] <= 1 for name in ("flip", "keep"))
    assert [row["kept"] for row in found["oracle"]] == found["attributes"]
    assert (folder / found["page"]).is_file()
    assert f'href="{PAGE}"' in demo.page.read_text(encoding="utf-8")


def test_the_chapter_on_pairs_is_run_again_by_its_configuration_without_any_work(made):
    demo, _ = made
    folder = demo.page.parent
    steps = sorted((folder / "augmentation").glob("*/step.json"))
    before = [path.stat().st_mtime_ns for path in steps]
    again = run_augment(read_augment(folder / "configs" / "augmentation.yaml"))
    assert [path.stat().st_mtime_ns for path in steps] == before
    assert len(steps) == 8
    assert again.report.measures == demo.augmentation.report.measures


def test_the_oracle_of_the_pairs_learns_from_other_faces_than_the_classifiers(tmp_path):
    write_portraits(TINY.augmentation, tmp_path, 3)
    real, other = (open_portraits(tmp_path / f"{name}.yaml") for name in ("portraits", "portraits-independent"))
    assert real.settings.faint > 0
    assert (other.settings.faint, other.settings.correlation) == (0, 0)
    assert real.settings.size == other.settings.size == 32
    assert real.seed != other.seed


def test_a_chapter_that_is_undefined_says_why_and_the_demo_goes_on(tmp_path):
    size = replace(TINY.augmentation, fit=20, validate=4, epochs=1)
    write_portraits(size, tmp_path, 0)
    config = augmentation_configuration(size, tmp_path, 0)
    chapter = augmentation_chapter(replace(config, pairs=replace(config.pairs, min_class=21)))
    assert chapter.report is None
    assert "21" in chapter.reason
    assert chapter.sentences()[0].startswith("No figures came of this run: ")


def test_a_model_begins_after_the_one_that_it_starts_from(made):
    _, events = made
    for model in MODELS:
        if model.start_from:
            assert events.seen.index(f"done {model.start_from}") < events.seen.index(f"begun {model.name}")


def test_configurations_lie_beside_the_runs_and_are_those_that_were_run(made):
    demo, _ = made
    folder = demo.page.parent
    for model in MODELS:
        written = read_config(folder / "configs" / f"{model.name}.yaml")
        assert written == kept_config(folder / "runs" / model.name)


def test_page_and_text_name_every_model(made):
    demo, _ = made
    html, text = demo.page.read_text(encoding="utf-8"), story_text(demo.story)
    for row in demo.story.models:
        assert row.title in text
        assert row.title in html
    assert html.count("data:image/png;base64,") >= 4, "the masked images"
    assert not re.search(r'(src|href)="https?://(?!arxiv|doi|openaccess)', html), "nothing is loaded"
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_folder_with_runs_is_refused(made, capsys):
    demo, _ = made
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--fast", "--quiet", "--out", str(demo.page.parent)])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "expected a folder without runs" in said


def test_fast_has_fewer_images_and_epochs_but_all_models(tmp_path):
    for name in ("train", "val", "test", "rounds"):
        assert getattr(FAST, name) < getattr(WHOLE, name)
    for name in ("train", "val", "test", "oracle_train", "fit", "validate", "pairs", "judged"):
        assert getattr(FAST.augmentation, name) < getattr(WHOLE.augmentation, name)
    assert len(FAST.noise) < len(WHOLE.noise)
    assert {*ORDER} == NAMES == {model.name for model in MODELS} | {"noise"}
    for model in MODELS:
        fast, whole = (configuration(model, size, tmp_path, 0) for size in (FAST, WHOLE))
        assert fast.objective == whole.objective


def _measured(f1: float) -> Measured:
    return Measured(estimates={"f1_macro": Estimate(name="f1_macro", value=f1, low=f1, high=f1, n=10)})


def test_noise_is_the_scale_whose_quality_is_nearest():
    sweep = {0.0: _measured(0.8), 1.0: _measured(0.7), 2.0: _measured(0.5)}
    assert nearest_noise(sweep, _measured(0.69)) == 1.0
    assert nearest_noise(sweep, _measured(0.95)) == 0.0
    assert nearest_noise(sweep, _measured(0.6)) == 2.0, "the larger of two that are equally near"


def test_work_waits_for_what_it_needs_and_the_first_error_comes_through():
    works = [Work(name="b", call=max, arguments=(1, 2), after=("a",)), Work(name="a", call=min, arguments=(1, 2))]
    events = Events()
    assert do_all(works, workers=2, watch=events) == {"a": 1, "b": 2}
    assert events.seen == ["begun a", "done a", "begun b", "done b"]
    with pytest.raises(InputError, match=r"^it is said$"):
        do_all([Work(name="c", call=_fail, arguments=())], workers=1, watch=events)


def _fail() -> None:
    raise InputError("it is said")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(KILLED, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "pid")])
    while not (tmp_path / "pid").exists() and parent.poll() is None:
        time.sleep(0.1)
    worker = int((tmp_path / "pid").read_text(encoding="utf-8"))
    assert _lives(worker), "the control"
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not _lives(worker):
            return
        time.sleep(0.1)
    pytest.fail("the worker goes on")


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text(encoding="utf-8")


def test_how_far_a_run_is():
    work = Work(name="a", call=max, arguments=(), epochs=3)
    within = {"stage": "all", "epoch": 1, "images_per_s": 1200.0}
    assert epochs_done(within) == 1
    assert far_text(work, within) == "epoch 2 of 3, 1,200 images/s"
    assert epochs_done({**within, "val": {}}) == 2
    assert far_text(work, {**within, "epoch": 2, "val": {}}) == "predicting and auditing"
    assert far_text(work, {**within, "stage": "critic"}) == "its critic learns"


def test_how_far_work_in_steps_is(tmp_path):
    steps = tuple(tmp_path / name / "step.json" for name in ("latents", "pairs"))
    work = Work(name="a", call=max, arguments=(), steps=steps)
    said = []
    for path in steps:
        said.append(far_text(work, how_far(work)))
        path.parent.mkdir()
        path.write_text("{}", encoding="utf-8")
    assert said == ["latents, 0 of 2 steps done", "pairs, 1 of 2 steps done"]
    assert epochs_done(how_far(work)) == 2
