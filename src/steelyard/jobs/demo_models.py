"""The demo's world and its models, each an ordinary training configuration.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard.jobs.demo_augmentation import AugmentationSize
from steelyard.jobs.training_config import TrainingConfig, read_config

WORLD_FILE = "world.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSize:
    """How much the demo does.

    Attributes:
        train: images to train on, before balancing.
        val: images to choose thresholds on.
        test: images that every model is scored on.
        epochs: of the models that start from nothing.
        balanced_epochs: the same on the balanced subset, which is smaller.
        further_epochs: of the adversaries, which start from a trained model.
        image_epochs: of the adversary at the image.
        noise: scales of the noise on the embedding.
        rounds: of the attackers in each audit.
        augmentation: of the chapter on pairs of generated images.
    """

    train: int = 6_000
    val: int = 1_000
    test: int = 5_000
    epochs: int = 10
    balanced_epochs: int = 12
    further_epochs: int = 6
    image_epochs: int = 3
    noise: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
    rounds: int = 3
    augmentation: AugmentationSize = field(default_factory=AugmentationSize)


WHOLE = DemoSize()
FAST = DemoSize(
    train=2_400,
    val=600,
    test=1_300,
    epochs=11,
    balanced_epochs=13,
    further_epochs=6,
    image_epochs=3,
    noise=(0.0, 0.5, 1.0),
    rounds=1,
    augmentation=AugmentationSize(
        train=1_000,
        val=250,
        test=800,
        epochs=5,
        oracle_train=800,
        oracle_epochs=3,
        fit=500,
        validate=200,
        pairs=250,
        judged=200,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoModel:
    """One model of the demo that is trained.

    Attributes:
        name: fixed; its run's folder has it.
        title: for readers.
        what: how it is trained, in one sentence.
        objective: the section of that name.
        data: what its data section adds.
        epochs: field of `DemoSize` with its number of epochs.
        start_from: model that it starts from.
    """

    name: str
    title: str
    what: str
    objective: Mapping[str, Any]
    epochs: str
    data: Mapping[str, Any] | None = None
    start_from: str | None = None


_CONV5 = {
    "name": "adversarial",
    "tap": "conv5",
    "weight": 0.2,
    "ramp": 0.5,
    "critic_epochs": 1,
    "critics": {"steps": 2, "learning_rate": 1e-3},
}
_IMAGE = {
    "name": "adversarial-image",
    "weight": 0.1,
    "keep": 0.1,
    "against": "confusion",
    "critic": "image-compact",
    "ramp": 0.5,
    "critic_epochs": 1,
    "mask": {"width": 8, "levels": 3, "scale": 2, "learning_rate": 5e-3},
}

MODELS = (
    DemoModel(
        name="plain",
        title="plain",
        what="Trained on the images as they come.",
        objective={"name": "task"},
        epochs="epochs",
    ),
    DemoModel(
        name="alpha1",
        title="balanced (α = 1)",
        what="Trained on the largest subset in which every label is equally frequent in both groups.",
        objective={"name": "task"},
        data={"alpha": 1.0},
        epochs="balanced_epochs",
    ),
    DemoModel(
        name="blackout-segment",
        title="person blacked out",
        what="Trained and tested on images in which the person's pixels are black.",
        objective={"name": "task"},
        data={"pixels": "blackout-segment"},
        epochs="epochs",
    ),
    DemoModel(
        name="adversarial-conv5",
        title="adversary at conv5",
        what="Starts from plain and goes on training against a critic that reads the group from the last map.",
        objective=_CONV5,
        epochs="further_epochs",
        start_from="plain",
    ),
    DemoModel(
        name="adversarial-image",
        title="adversary at the image",
        what="Starts from plain and goes on training behind a mask, which learns to hide the group from a critic.",
        objective=_IMAGE,
        epochs="image_epochs",
        start_from="plain",
    ),
    DemoModel(
        name="alpha1-adversarial-conv5",
        title="balanced, adversary at conv5",
        what="Starts from the balanced model and goes on training, on its images, against a critic at the last map.",
        objective=_CONV5,
        data={"alpha": 1.0},
        epochs="further_epochs",
        start_from="alpha1",
    ),
)
"""In the order in which they are trained; `noise` changes `plain` and is not trained."""

ORDER = (
    "plain",
    "blackout-segment",
    "noise",
    "adversarial-image",
    "adversarial-conv5",
    "alpha1",
    "alpha1-adversarial-conv5",
)
"""In the order in which they are shown."""


def world(size: DemoSize, seed: int) -> dict[str, Any]:
    """The settings of the demo's world: labels go with groups, and so do cues that no label mentions."""
    return {
        "correlation": 0.25,
        "cue_strength": 0.6,
        "noise": 0.15,
        "train": size.train,
        "val": size.val,
        "test": size.test,
        "seed": seed,
    }


def configuration(model: DemoModel, size: DemoSize, folder: Path, seed: int) -> TrainingConfig:
    """The training configuration of one model.

    Args:
        model: which.
        size: how much is done.
        folder: of the demo; runs lie in `runs/`, the world in `world.yaml`.
        seed: of everything random.
    """
    fresh = model.start_from is None
    data = {"name": "scenes", "source": str(folder / WORLD_FILE), "resize": None, "crop": None, "batch_size": 64}
    source = {
        "seed": seed,
        "data": {**data, "workers": 0, "cache": "memory", **(model.data or {})},
        "model": {"name": "compact"},
        "objective": dict(model.objective),
        "training": {
            "epochs": getattr(size, model.epochs),
            "rate": 6e-3 if fresh else 1e-3,
            "optimiser": "adamw",
            "weight_decay": 0.01,
            "schedule": "onecycle" if fresh else "cosine",
            "warmup": 0.3 if fresh else 0.0,
            "monitor": "last",
            "accelerator": "cpu",
        },
        "start_from": None if fresh else str(folder / "runs" / str(model.start_from)),
        "audit": {
            "levels": "none",
            "rounds": size.rounds,
            "permutations": 0,
            "bootstrap": 200,
            "threshold": "f1",
            "workers": 1,
        },
        "out": str(folder / "runs" / model.name),
    }
    return read_config(source)
