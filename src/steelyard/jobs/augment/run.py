"""Augment: the whole of latent-space augmentation as steps, each skipped where its result stands.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469.

    OUT/augment.yaml       the whole configuration
    OUT/classifiers/       a run of each network that labels, thresholds.json
    OUT/oracle/            the oracle's run, judge.json
    OUT/latents/           latents.parquet: ids and latents
    OUT/labels/            scores.parquet, labels.parquet: by id
    OUT/planes/            planes.json, fitted.json
    OUT/pairs/             SET/kept.parquet; images, where they are stored
    OUT/models/            a run of each model, MODEL.parquet: scores of the real images
    OUT/report/            report.html, report.json, figures.csv
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.datasets.dataset import Dataset
from steelyard.jobs.augment.config import AugmentConfig
from steelyard.jobs.augment.labels import label_latents, sample_latents, train_classifiers
from steelyard.jobs.augment.models import train_models
from steelyard.jobs.augment.oracle import train_oracle
from steelyard.jobs.augment.page import make_report
from steelyard.jobs.augment.pairs import make_pairs
from steelyard.jobs.augment.planes import fit_planes
from steelyard.jobs.augment.steps import Step, run_steps
from steelyard.jobs.augment.work import Work
from steelyard.jobs.output import check_folder
from steelyard.jobs.progress import Progress, silent
from steelyard.latent.generator import Generator
from steelyard.reports.augment.report import AugmentReport
from steelyard.reports.records import write_text

_IMAGES = ("data", "seed", "per_attribute")
_NETWORK = ("model", "task", "training")
_SETS = ("per_attribute", "pairs.protected")

STEPS = (
    Step(
        "classifiers",
        "train the classifiers of targets and protected attributes that label generated images",
        train_classifiers,
        after=(),
        options=(*_IMAGES, *_NETWORK, *_SETS, "annotators"),
        inputs=("data", "generator"),
    ),
    Step(
        "oracle",
        "train the independent classifier that judges pairs",
        train_oracle,
        after=(),
        options=("data", "seed", "pairs.protected", "task", "oracle"),
        inputs=("data", "generator"),
    ),
    Step("latents", "sample latents", sample_latents, (), ("seed", "latents"), ("generator",)),
    Step(
        "labels",
        "make the image of each latent, once, and label it by every classifier",
        label_latents,
        after=("classifiers", "latents"),
        options=(*_SETS, "annotators"),
        inputs=("generator",),
    ),
    Step(
        "planes",
        "fit the hyperplanes of the attributes",
        fit_planes,
        after=("latents", "labels"),
        options=("seed", "latents", "per_attribute", "pairs.protected", "pairs.way", "pairs.min_class",
                 "pairs.smallest_angle"),
    ),
    Step(
        "pairs",
        "mirror the latents, filter the pairs, let the oracle judge them",
        make_pairs,
        after=("classifiers", "oracle", "latents", "labels", "planes"),
        options=("latents", "pairs", "oracle", "annotators", "per_attribute"),
        inputs=("generator",),
    ),
    Step(
        "models",
        "train on real images, and on real images and pairs",
        train_models,
        after=("classifiers", "latents", "labels", "planes", "pairs"),
        options=(*_IMAGES, *_NETWORK, "pairs", "models", "annotators"),
        inputs=("data", "generator"),
    ),
    Step(
        "report",
        "measure the models, and write the page",
        make_report,
        after=("classifiers", "oracle", "latents", "labels", "planes", "pairs", "models"),
        options=("seed", "bootstrap", "models", "per_attribute", "latents", "pairs", "pairs.shown", "oracle",
                 "annotators"),
        inputs=("data",),
    ),
)  # fmt: skip
"""In their order; `after` names the steps whose files a step reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmented:
    """What came of the command.

    Attributes:
        folder: of everything.
        report: the figures; None where the last step was not asked for.
        says: step → what came of it, in a sentence, of those that stand.
    """

    folder: Path
    report: AugmentReport | None
    says: dict[str, str]

    def __str__(self) -> str:
        if self.report is None:
            return "\n".join(f"{name}: {words}" for name, words in self.says.items())
        return f"{self.report}\n\nThe page: {self.folder / 'report' / 'report.html'}"


def run_augment(
    config: AugmentConfig,
    *,
    only: str | None = None,
    anew_from: str | None = None,
    dataset: Dataset | None = None,
    generator: Generator | None = None,
    quiet: bool = True,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.augment",
) -> Augmented:
    """Run the steps whose results do not stand; stopped anywhere and run again, it ends with the same table.

    Args:
        config: of everything; its folder is `config.out`.
        only: this step alone; those whose results it reads must stand.
        anew_from: this step and those after it, whether their results stand or not.
        dataset: real images, opened already; None opens what the configuration names.
        generator: opened already; None opens what the configuration names.
        quiet: no bars of training on stderr.
        progress: told of each stage.
        command: what was run, for provenances.

    Raises:
        InputError: data, generator, an option or a folder are not what they must be, or the disk is full.
        UndefinedError: an attribute that generated images do not show, or too few of them do.
    """
    folder = check_folder(Path(config.out))
    write_text(folder / "augment.yaml", config.to_yaml())
    work = Work(config, folder, progress, quiet, command, dataset, generator)
    done = run_steps(work, STEPS, only=only, anew_from=anew_from)
    report = AugmentReport.from_json(folder / "report" / "report.json") if "report" in done else None
    return Augmented(folder=folder, report=report, says={name: record["says"] for name, record in done.items()})
