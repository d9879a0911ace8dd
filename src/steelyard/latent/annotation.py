"""Labels of generated images: each image is made once and scored by every classifier, then labelled by thresholds.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, section 3: a generated image has the label if its classifier scores it at or above the
threshold with the best F1 on validation images. The public code synthesises all images anew for each attribute.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.errors import InputError, UndefinedError
from steelyard.latent.by_id import ByLatent
from steelyard.latent.pixels import Images, Synthesis, Told, framed
from steelyard.latent.shards import Plan, Shards, make_shards
from steelyard.tables.messages import complaint, listed
from steelyard.training.transforms import TransformOptions, cut, resized


@dataclass(frozen=True)
class Scorer:
    """A trained classifier of one or more attributes.

    Attributes:
        names: of the t attributes that it scores.
        transform: how it sees images; scorers of equal transforms share the work.
        score: `[b, 3, h, w]` in [0, 1] → `[b, t]` logits, in evaluation mode and without gradients.
        size: images are brought to this height and width first, as those that it was trained on; None leaves them.
    """

    names: tuple[str, ...]
    transform: TransformOptions
    score: Callable[[Tensor], Tensor]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of a pass over latents.

    Attributes:
        table: ids and scores `[n, t]` (float32 logits) of all scorers' attributes.
        made: images synthesised for it in this session; n where nothing stood before, however many scorers there are.
        seconds: of making and scoring them.
    """

    table: ByLatent
    made: int
    seconds: float


def score_latents(
    synthesis: Synthesis,
    latents: ByLatent,
    scorers: Sequence[Scorer],
    folder: Path,
    *,
    mark: str = "",
    length: int = 4096,
    told: Told | None = None,
) -> Scored:
    """Make the image of each latent once, and score it by every classifier.

    Args:
        synthesis: makes the images.
        latents: ids and latents.
        scorers: classifiers, of different attributes.
        folder: for the scores, shard by shard, so that a pass goes on where it was stopped.
        mark: fingerprint of generator and scorers; shards of another, or of other latents, are made anew.
        length: latents of a shard.
        told: called with the number of images of each shard that was scored.

    Raises:
        InputError: two scorers of one attribute, latents of another width, scores that are not finite, or a full disk.
    """
    names = tuple(name for scorer in scorers for name in scorer.names)
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(
            f"classifiers: expected one of each attribute, found several of {listed(twice)}; drop all but one"
        )
    before, start = synthesis.made, time.perf_counter()

    def make(span: slice) -> NDArray[np.float32]:
        made = np.empty((span.stop - span.start, len(names)), dtype=np.float32)
        for rows, images in synthesis.batches(latents.values[span]):
            made[rows] = scores_of(images, scorers)
        if not np.isfinite(made).all():
            bad = names[int(np.flatnonzero(~np.isfinite(made).all(axis=0))[0])]
            raise InputError(f"classifier of {bad}: expected finite scores, found others; train it anew")
        return made

    plan = Plan(len(latents), length, f"{mark}-{latents.mark()}")
    make_shards(folder, plan, make, told=told)
    values = np.concatenate(list(Shards(folder).each()))
    table = ByLatent(latents.ids, values, names, source=str(folder))
    return Scored(table, synthesis.made - before, time.perf_counter() - start)


def scores_of(images: Images, scorers: Sequence[Scorer]) -> NDArray[np.float32]:
    """`[n, t]`: scores of `[n, h, w, 3]` images by all scorers, each transform done once."""
    seen: dict[tuple[TransformOptions, tuple[int, int] | None], Tensor] = {}
    parts = []
    for scorer in scorers:
        key = scorer.transform, scorer.size
        if key not in seen:
            seen[key] = as_evaluated(images, scorer.transform, scorer.size)
        said = scorer.score(seen[key]).detach().float().cpu().numpy()
        if said.shape != (len(images), len(scorer.names)):
            expected = [len(images), len(scorer.names)]
            raise InputError(
                f"classifier of {listed(scorer.names)}: expected scores {expected}, found {list(said.shape)}"
            )
        parts.append(said)
    return np.concatenate(parts, axis=1)


def as_evaluated(images: Images, transform: TransformOptions, size: tuple[int, int] | None = None) -> Tensor:
    """`[n, 3, c, d]` in [0, 1]: images as evaluation sees them: resized, cut from the middle."""
    ready = [resized(image if size is None else framed(image, size), transform.resize) for image in images]
    height, width = ready[0].shape[:2] if transform.crop is None else (transform.crop, transform.crop)
    made = np.empty((len(ready), height, width, 3), dtype=np.uint8)
    for at, image in enumerate(ready):
        if min(image.shape[0] - height, image.shape[1] - width) < 0:
            raise InputError(
                f"data.crop: expected {min(image.shape[:2])} or less, the images' own size, found {height}"
            )
        cut(image, made[at], shift=0, draw=None, flip=False)
    return torch.from_numpy(made).permute(0, 3, 1, 2).float() / 255.0


def label_scores(scores: ByLatent, thresholds: Mapping[str, float]) -> ByLatent:
    """Labels (uint8): 1 where a score is at or above the attribute's threshold.

    Args:
        scores: of every attribute.
        thresholds: attribute → threshold, on the scale of the scores; in this order the labels' columns.

    Raises:
        InputError: an attribute that was not scored.
    """
    columns = [scores.column(name) >= np.float32(threshold) for name, threshold in thresholds.items()]
    labels = np.stack(columns, axis=1).astype(np.uint8) if columns else np.empty((len(scores), 0), dtype=np.uint8)
    return ByLatent(scores.ids, labels, tuple(thresholds), source=scores.source)


def require_both(labels: ByLatent, *, least: int = 1) -> None:
    """Refuse labels of which a class is absent: their classifier never fires on generated images, or always does.

    Args:
        labels: 0 or 1.
        least: latents that each class must have.

    Raises:
        UndefinedError: names the attribute and the counts.
    """
    positives = labels.values.sum(axis=0, dtype=np.int64)
    for name, count in zip(labels.names, positives.tolist(), strict=True):
        if min(count, len(labels) - count) < least:
            what = "never fires" if count < least else "always fires"
            expected = f"{least:,} or more generated images with and without it"
            found = f"{count:,} of {len(labels):,} with it, as its classifier {what} on them"
            do = "leave the attribute out, or give a generator that shows it"
            raise UndefinedError(complaint(f"attribute {name}", "", expected=expected, found=found, do=do))
