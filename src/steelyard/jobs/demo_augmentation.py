"""The demo's chapter on pairs of generated images: latent-space augmentation at a small size, on rendered faces.

Ramaswamy, Kim, Russakovsky: Fair Attribute Classification through Latent Space De-biasing, CVPR 2021,
https://arxiv.org/abs/2012.01469
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from steelyard.base.errors import UndefinedError
from steelyard.datasets.portraits.settings import SKEWED
from steelyard.datasets.portraits.world_file import WORLDS
from steelyard.jobs.augment.config import AugmentConfig, read_augment
from steelyard.jobs.augment.run import STEPS, run_augment
from steelyard.jobs.augment.steps import DONE
from steelyard.latent.generators import PORTRAITS
from steelyard.reports.records import write_text
from steelyard.reports.story_augmentation import AugmentationChapter

NAME = "augmentation"
PAGE = f"{NAME}/report/report.html"
_FACES, _INDEPENDENT = "portraits.yaml", "portraits-independent.yaml"
_SIDE = 32  # of the images that the shipped generator makes
_WIDTH = 8  # half of the other models': the images are half as wide


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSize:
    """How much the chapter does.

    Attributes:
        train: real images to train on.
        val: real images to choose thresholds on.
        test: real images that both models are scored on.
        epochs: of the classifiers, plain and augmented alike.
        oracle_train: images of the independent world that the oracle learns from.
        oracle_epochs: of the oracle.
        fit: latents that hyperplanes are fitted on.
        validate: latents that their accuracy is found on.
        pairs: latents that make pairs.
        judged: pairs that the oracle judges.
    """

    train: int = 3_000
    val: int = 600
    test: int = 3_000
    epochs: int = 5
    oracle_train: int = 3_000
    oracle_epochs: int = 3
    fit: int = 2_000
    validate: int = 1_000
    pairs: int = 1_500
    judged: int = 500


def augmentation_configuration(size: AugmentationSize, folder: Path, seed: int) -> AugmentConfig:
    """What `steelyard augment` is told.

    Args:
        size: how much is done.
        folder: of the demo; everything lies in its `augmentation/`, the worlds beside it.
        seed: of everything random.
    """
    training = {
        "rate": 6e-3,
        "optimiser": "adamw",
        "weight_decay": 0.01,
        "schedule": "onecycle",
        "warmup": 0.3,
        "monitor": "last",
        "accelerator": "cpu",
    }
    return read_augment(
        {
            "seed": seed,
            "data": {
                "name": "portraits",
                "source": str(folder / _FACES),
                "targets": list(SKEWED),
                "resize": None,
                "crop": None,
                "flip": False,
                "batch_size": 32,
                "workers": 0,
                "cache": "memory",
            },
            "generator": {"source": PORTRAITS},
            "model": {"name": "compact", "width": _WIDTH},
            "task": {"weighting": "none"},
            "training": {**training, "epochs": size.epochs},
            "latents": {"fit": size.fit, "validate": size.validate, "pairs": size.pairs},
            "pairs": {"way": "mirror", "images": "fly"},
            "oracle": {
                "source": str(folder / _INDEPENDENT),
                "model": {"name": "compact", "width": _WIDTH},
                "training": {**training, "epochs": size.oracle_epochs},
                "pairs": size.judged,
            },
            "models": ["plain", "augmented"],
            "bootstrap": 200,
            "out": str(folder / NAME),
        }
    )


def write_portraits(size: AugmentationSize, folder: Path, seed: int) -> None:
    """Write both worlds: one in which attributes are faint, and the oracle's, in which nothing goes with the group."""
    # Another seed: the oracle is independent, so it has seen none of the faces that the classifiers see.
    oracle = {"train": size.oracle_train, "val": size.val, "test": size.val, "seed": seed + 1}
    real = {"train": size.train, "val": size.val, "test": size.test, "seed": seed}
    for name, world, numbers in ((_FACES, "faint", real), (_INDEPENDENT, "independent", oracle)):
        settings: Mapping[str, Any] = {"size": _SIDE, **WORLDS[world], **numbers}
        write_text(folder / name, yaml.safe_dump(settings, sort_keys=False))


def augmentation_chapter(config: AugmentConfig) -> AugmentationChapter:
    """Run all steps; where too few generated images show an attribute, the chapter says so."""
    try:
        done = run_augment(config, command=["steelyard", "augment", f"{NAME}.yaml"])
    except UndefinedError as error:
        return AugmentationChapter(report=None, reason=str(error))
    return AugmentationChapter(report=done.report, page=PAGE)


def step_files(config: AugmentConfig) -> tuple[Path, ...]:
    """The files that appear, one by one, as the steps are done."""
    return tuple(Path(config.out) / step.name / DONE for step in STEPS)
