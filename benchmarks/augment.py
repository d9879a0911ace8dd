"""Labelling generated images, and measuring what pairs changed: how often each image is made, and how long it takes.

Ramaswamy, Kim, Russakovsky, CVPR 2021, https://arxiv.org/abs/2012.01469: 26 attributes, 19,962 test images. The public
code makes every image anew for each attribute; that is run here beside the one pass, with classifiers of random
weights.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.bootstrap import IMAGES, LABELS, ROUNDS, simulated
from steelyard.jobs.augment.measures import measure_models
from steelyard.latent.annotation import Scorer, score_latents
from steelyard.latent.by_id import ByLatent, latent_ids
from steelyard.latent.generators import open_generator
from steelyard.latent.pixels import Synthesis
from steelyard.models.catalog import build_network
from steelyard.models.options import ModelOptions
from steelyard.tables import LabelTable, PredictionTable
from steelyard.training.transforms import TransformOptions

LATENTS = 1_000
BOUND = 7.0
"""Seconds that the audit may take for so many rounds, images and attributes of one model, on two cores."""


def scorer(number: int) -> Scorer:
    """A classifier of one attribute, with random weights."""
    network = build_network(ModelOptions(name="compact"), outputs=1, seed=number).eval()

    def score(images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = network(images).logits
        return logits

    transform = TransformOptions(resize=None, crop=None, flip=False)
    return Scorer((f"attribute {number}",), transform, score, (32, 32))


def report_annotation() -> None:
    """Print how often each image was made, and for how long."""
    generator = open_generator("portraits")
    latents = ByLatent(latent_ids(LATENTS), generator.sample(LATENTS, seed=0), source="the generator")
    scorers = [scorer(number) for number in range(LABELS)]
    with tempfile.TemporaryDirectory() as folder:
        once = score_latents(Synthesis(generator), latents, scorers, Path(folder) / "once")
        made, seconds, columns = 0, 0.0, []
        for one in scorers:
            again = score_latents(Synthesis(generator), latents, [one], Path(folder) / one.names[0])
            made, seconds = made + again.made, seconds + again.seconds
            columns.append(again.table.values[:, 0])
    if not np.array_equal(once.table.values, np.stack(columns, axis=1)):
        raise SystemExit("augment: one pass and a pass for each attribute differ")
    print(f"{LATENTS:,} generated images, {LABELS} classifiers of an attribute each")
    print(f"  one pass            {once.seconds:6.1f} s   each image made {once.made / LATENTS:.0f} time")
    print(f"  a pass for each     {seconds:6.1f} s   each image made {made / LATENTS:.0f} times")


def tables() -> tuple[LabelTable, PredictionTable, PredictionTable]:
    """Labels and two models' probabilities: test images as in `bootstrap`, a tenth as many to train and validate on."""
    parts = [simulated(size, LABELS, seed) for seed, size in enumerate((IMAGES, IMAGES // 10, IMAGES // 10))]
    targets, groups, scores = (np.concatenate([part[i] for part in parts]) for i in range(3))
    ids = np.array([f"{row:06d}" for row in range(len(groups))])
    splits = np.repeat(["test", "val", "train"], [len(part[1]) for part in parts])
    names = tuple(f"attribute {number}" for number in range(LABELS))
    labels = LabelTable(
        ids=ids, groups=groups, group_names=("a", "b"), protected="group", targets=targets, target_names=names,
        kind="multi", splits=splits, source="simulated",
    )  # fmt: skip
    first = PredictionTable(
        ids=ids, scores=scores, target_names=names, kind="probabilities", splits=splits, source="one"
    )
    noise = np.random.default_rng(0).normal(0, 0.05, scores.shape)
    second = PredictionTable(
        ids=ids, scores=np.clip(scores + noise, 0, 1), target_names=names, kind="probabilities", splits=splits,
        source="other",
    )  # fmt: skip
    return labels, first, second


def report_evaluation() -> None:
    """Print how long figures, differences and intervals of two models take."""
    labels, plain, other = tables()
    start = time.perf_counter()
    found = measure_models(labels, {"plain": plain, "augmented": other}, rounds=ROUNDS)
    seconds = time.perf_counter() - start
    print(f"AP, DEO, BA, KL and paired differences: 2 models, {IMAGES:,} images × {LABELS} attributes, {ROUNDS} rounds")
    print(f"  {seconds:.1f} s, {seconds / 2:.1f} s a model (wanted: {BOUND:.0f} at most); {len(found.rows)} attributes")


def main() -> None:
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"threads: {threads}")
    report_annotation()
    report_evaluation()


if __name__ == "__main__":
    main()
