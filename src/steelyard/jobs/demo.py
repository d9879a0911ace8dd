"""The demo: seven models on a rendered world, each audited, and one page that says what became of the amplification.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from steelyard.base.errors import InputError
from steelyard.jobs.demo_augmentation import (
    NAME,
    augmentation_chapter,
    augmentation_configuration,
    step_files,
    write_portraits,
)
from steelyard.jobs.demo_lanes import Watch, Work, do_all, lanes
from steelyard.jobs.demo_models import FAST, MODELS, ORDER, WHOLE, WORLD_FILE, DemoSize, configuration, world
from steelyard.jobs.demo_tasks import Measured, audit_noise, gallery_of, train_one
from steelyard.jobs.imsitu_chapter import ImsituChapter, imsitu_chapter
from steelyard.jobs.output import check_folder
from steelyard.reports.gallery import Gallery
from steelyard.reports.provenance import provenance
from steelyard.reports.records import dump_json, write_text
from steelyard.reports.story import ModelRow, NoisePoint, Story, results_record
from steelyard.reports.story_augmentation import AugmentationChapter, augmentation_record
from steelyard.reports.story_page import demo_page

if TYPE_CHECKING:
    from steelyard.jobs.augment.config import AugmentConfig
    from steelyard.jobs.training_config import TrainingConfig

_GALLERY_PER_GROUP = 6
_DATA = (
    "Images of a made-up world, rendered by the package: rooms with objects, the labels, and one person each. The "
    "person's group shows in face, hair, clothes and figure; some objects, and some things that no label mentions, are "
    "more frequent with one group."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo found.

    Attributes:
        story: its models, the noise, the masked images.
        imsitu: what imSitu's real labels give away.
        augmentation: what training on pairs of generated images changes.
        page: the page that shows all.
        seconds: that it took.
    """

    story: Story
    imsitu: ImsituChapter
    augmentation: AugmentationChapter
    page: Path
    seconds: float


def run_demo(
    out: Path,
    *,
    fast: bool = False,
    size: DemoSize | None = None,
    seed: int = 0,
    watch: Watch | None = None,
    command: str | Sequence[str] = "steelyard demo",
) -> Demo:
    """Render, train, audit; write `index.html`, `results.json`, the runs and the configurations that made them.

    Args:
        out: folder, made if need be; runs of an earlier demo in it are refused.
        fast: fewer images and epochs, the same models.
        size: how much is done; None is by `fast`.
        seed: of everything random.
        watch: told of each piece of work.
        command: what was run, for the provenance.

    Raises:
        InputError: the folder cannot be written to, or holds runs.
    """
    start = time.monotonic()
    size = size or (FAST if fast else WHOLE)
    folder = check_folder(out)
    if (folder / "runs").exists():
        raise InputError(f"--out {out}: expected a folder without runs, found those of an earlier demo; name another")
    write_text(folder / WORLD_FILE, yaml.safe_dump(world(size, seed), sort_keys=False))
    configs = {model.name: configuration(model, size, folder, seed) for model in MODELS}
    (folder / "configs").mkdir(exist_ok=True)
    for name, config in configs.items():
        write_text(folder / "configs" / f"{name}.yaml", config.to_yaml())
    write_portraits(size.augmentation, folder, seed)
    augment = augmentation_configuration(size.augmentation, folder, seed)
    write_text(folder / "configs" / f"{NAME}.yaml", augment.to_yaml())
    results = do_all(_works(configs, augment, size, seed), workers=lanes(), watch=watch or Watch())
    story = _story(results, size)
    made = provenance(seed=seed, inputs=[folder / WORLD_FILE], command=command, duration_s=time.monotonic() - start)
    story = replace(story, provenance=made)
    imsitu: ImsituChapter = results["imsitu"]
    augmentation: AugmentationChapter = results[NAME]
    page = folder / "index.html"
    write_text(page, demo_page(story, chapter=imsitu.context(), augmentation=augmentation))
    record = {**results_record(story), NAME: augmentation_record(augmentation), "imsitu": imsitu.record()}
    write_text(folder / "results.json", dump_json(record))
    return Demo(story=story, imsitu=imsitu, augmentation=augmentation, page=page, seconds=time.monotonic() - start)


def _works(configs: Mapping[str, "TrainingConfig"], augment: "AugmentConfig", size: DemoSize, seed: int) -> list[Work]:
    """Everything there is to do; what others wait for first, long work before short work."""
    runs = {name: Path(config.out) for name, config in configs.items()}
    first = (
        "plain",
        "alpha1",
        "adversarial-image",
        "adversarial-conv5",
        "alpha1-adversarial-conv5",
        "blackout-segment",
    )
    starts = {model.name: model.start_from for model in MODELS}
    works = [
        Work(
            name=name,
            call=train_one,
            arguments=(configs[name],),
            after=() if (start := starts[name]) is None else (start,),
            run=runs[name],
            epochs=configs[name].training.epochs,
        )
        for name in first
    ]
    works.append(Work(name=NAME, call=augmentation_chapter, arguments=(augment,), steps=step_files(augment)))
    works += [
        Work(name=f"noise {scale:g}", call=audit_noise, arguments=(runs["plain"], scale), after=("plain",))
        for scale in size.noise
    ]
    masked = "adversarial-image"
    arguments = (runs[masked], _GALLERY_PER_GROUP, seed)
    works.append(Work(name="masked images", call=gallery_of, arguments=arguments, after=(masked,)))
    works.append(Work(name="imsitu", call=_imsitu, arguments=(seed,)))
    return works


def _imsitu(seed: int) -> ImsituChapter:
    return imsitu_chapter(seed=seed, workers=1)


def _story(results: Mapping[str, Any], size: DemoSize) -> Story:
    measured: dict[str, Measured] = {model.name: results[model.name] for model in MODELS}
    sweep: dict[float, Measured] = {scale: results[f"noise {scale:g}"] for scale in size.noise}
    rows = {model.name: _row(model.name, model.title, model.what, measured[model.name]) for model in MODELS}
    scale = nearest_noise(sweep, measured["adversarial-conv5"])
    what = f"The plain model; Gaussian noise of {scale:g} standard deviations on its embedding when it predicts."
    noisy = replace(
        sweep[scale],
        # The labels and the rows that they are fitted on are those of the plain model.
        estimates={**sweep[scale].estimates, "dataset_leakage": measured["plain"].estimates["dataset_leakage"]},
    )
    rows["noise"] = _row("noise", "noise on the embedding", what, noisy)
    gallery: Gallery = results["masked images"]
    plain = measured["plain"]
    groups = tuple(next(iter(plain.counts.values())))
    return Story(
        models=tuple(rows[name] for name in ORDER),
        noise=tuple(_point(at, found) for at, found in sweep.items()),
        gallery=replace(gallery, what="the adversary at the image"),
        protected="group",
        groups=groups,
        synthetic=True,
        data=_DATA,
        counts=plain.counts,
    )


def nearest_noise(sweep: Mapping[float, Measured], model: Measured) -> float:
    """The scale of noise at which macro-F1 is nearest to a model's; the larger of two that are equally near."""
    target = model.estimates["f1_macro"].value
    return min(sweep, key=lambda scale: (abs(sweep[scale].estimates["f1_macro"].value - target), -scale))


def _row(name: str, title: str, what: str, found: Measured) -> ModelRow:
    balanced = name.startswith("alpha1")
    return ModelRow(
        name=name,
        title=title,
        what=what,
        estimates=found.estimates,
        omitted=found.omitted,
        label_leakage_of_training=found.estimates.get("dataset_leakage") if balanced else None,
        seconds=found.seconds,
    )


def _point(scale: float, found: Measured) -> NoisePoint:
    return NoisePoint(
        scale=scale,
        f1_macro=found.estimates["f1_macro"],
        amplification=found.estimates.get("amplification"),
        reason=found.omitted.get("amplification", ""),
    )
