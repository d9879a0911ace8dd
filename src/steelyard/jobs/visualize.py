"""Visualize: what an adversary hid in images, and which labels a run recognises better or worse than another.

Figures 6 and 7 of Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019,
https://arxiv.org/abs/1811.08489
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.errors import InputError, first_few
from steelyard.base.random import stream
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.images import require_cv2
from steelyard.jobs.decisions import decide
from steelyard.jobs.output import output_folder
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_folder import kept_config, kept_tables, kept_task, with_kept_subset
from steelyard.jobs.run_parts import RunData, open_data, restored
from steelyard.jobs.training_config import TrainingConfig
from steelyard.metrics.bootstrap import bootstrap_samples, percentile_interval
from steelyard.metrics.counting import Weights
from steelyard.metrics.decisions import f1_kernel
from steelyard.mitigation.objectives import OBJECTIVES
from steelyard.models.network import Network
from steelyard.reports.changes import LabelChange
from steelyard.reports.gallery import Gallery, MaskedPair
from steelyard.reports.provenance import provenance
from steelyard.reports.records import write_text
from steelyard.reports.rows import Interval
from steelyard.reports.visualize_page import visualize_page
from steelyard.tables import Joined, LabelTable
from steelyard.training.evaluation import to_device
from steelyard.training.launching import launch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_ROUNDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeOptions:
    """What to show.

    Attributes:
        per_group: masked images of each group, 1 or more.
        seed: draws the images, and the intervals.
    """

    per_group: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_group < 1:
            raise InputError(f"--per-group: expected 1 or more, found {self.per_group}; raise it")


def visualize_run(
    run: str | Path,
    *,
    base: str | Path | None = None,
    out: str | Path,
    options: VisualizeOptions | None = None,
    progress: Progress = silent,
    command: str | Sequence[str] = "steelyard.visualize",
) -> Path:
    """Write a page: masked images where the run has a mask, F1 by label where there is a run to compare with.

    Args:
        run: folder of a run.
        base: folder of another run on the same test images.
        out: folder for `index.html`, made if need be.
        options: what to show.
        progress: told of each stage.
        command: what was run, for the provenance.

    Returns:
        The page.

    Raises:
        InputError: there is nothing to show, no such run, or the runs are of other images or labels.
    """
    start, options, run = time.monotonic(), options or VisualizeOptions(), Path(run)
    config = kept_config(run)
    masked = has_mask(config)
    if not masked and base is None:
        raise InputError(
            f"{run}: expected a run with a mask (objective adversarial-image) or --base RUN to compare with, found "
            f"objective {config.objective_name} alone; name another run, or give --base"
        )
    after = kept_tables(run)
    with output_folder(Path(out)) as folder:
        changes: Sequence[LabelChange] = ()
        if base is not None:
            progress("F1 of each label, before and after")
            changes = label_changes(kept_tables(Path(base)), after, seed=options.seed)
        page = visualize_page(
            run=run.name,
            base="" if base is None else Path(base).name,
            protected=after.labels.protected,
            groups=after.labels.group_names,
            synthetic=config.data.name == "scenes",
            gallery=masked_gallery(run, options=options, progress=progress) if masked else None,
            changes=changes,
            images=len(scored_part(after)),
            provenance=provenance(seed=options.seed, command=command, duration_s=time.monotonic() - start),
        )
        write_text(folder / "index.html", page)
    return folder / "index.html"


def has_mask(config: TrainingConfig) -> bool:
    """Whether the run's objective hides pixels by a mask."""
    return hasattr(OBJECTIVES[config.objective_name].objective, "masks")


def masked_gallery(
    run: str | Path,
    *,
    dataset: Dataset | None = None,
    options: VisualizeOptions | None = None,
    progress: Progress = silent,
) -> Gallery:
    """Test images of each group, as they are and as a run's mask lets them through.

    Args:
        run: its folder; its objective has a mask.
        dataset: opened already; None opens what the run's configuration names.
        options: how many, and which.
        progress: told of each stage.

    Raises:
        InputError: no such run or checkpoint, or images that cannot be read.
    """
    run, options = Path(run), options or VisualizeOptions()
    config = with_kept_subset(kept_config(run), run)
    if not has_mask(config):
        raise InputError(f"{run}: expected a run with a mask, found objective {config.objective_name}; name another")
    data = open_data(config, dataset=dataset, progress=progress)
    progress("masking images")
    return launch(replace(config.training, devices=1, nodes=1), _gallery, _drawn(data, options), run)


def _drawn(data: RunData, options: VisualizeOptions) -> RunData:
    """A few test images of each group, group after group; where there is no test split, of the last one there is."""
    labels = data.labels.split(list(data.parts)[-1])
    rng = stream(options.seed, "gallery")
    groups = range(len(labels.group_names))
    drawn = [rng.permutation(np.flatnonzero(labels.groups == group))[: options.per_group] for group in groups]
    return replace(data, labels=labels.take(np.concatenate(drawn)))


def _gallery(fabric: "Fabric", data: RunData, run: Path) -> Gallery:
    table = data.labels
    source = data.evaluation(next(iter(data.parts)), fabric)
    network, objective = restored(fabric, data.config, kept_task(run), run, "best", size=source.size)
    masks: Callable[[Network, Tensor], Tensor] = objective.masks  # type: ignore[attr-defined]
    rows: dict[str, list[MaskedPair]] = {name: [] for name in table.group_names}
    with torch.no_grad():
        for batch in source.epoch(0):
            images = to_device(batch, fabric.device).images
            masked = images * masks(network, images)
            for at, row in enumerate(batch.rows.tolist()):
                pair = MaskedPair(_png(images[at]), _png(masked[at]), _caption(table, row))
                rows[table.group_names[table.groups[row]]].append(pair)
    return Gallery(
        tuple((group, tuple(pairs)) for group, pairs in rows.items() if pairs), what=f"masked by the run {run.name}"
    )


def _png(image: Tensor) -> bytes:
    """`[3, h, w]` in [0, 1] as a PNG file."""
    cv2 = require_cv2()
    pixels = (image.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    return bytes(data)


def _caption(table: LabelTable, row: int) -> str:
    there = np.flatnonzero(table.matrix()[row])
    return ", ".join(table.target_names[at] for at in there) or "none of the labels"


def label_changes(before: Joined, after: Joined, *, seed: int, rounds: int = _ROUNDS) -> tuple[LabelChange, ...]:
    """F1 of each label in two runs on the same test images, with paired intervals.

    Args:
        before: the run that is compared with.
        after: the run.
        seed: of the resamples.
        rounds: of the bootstrap, 2 or more.

    Returns:
        The labels that some test image has.

    Raises:
        InputError: other test images or labels.
    """
    first, second = scored_part(before), scored_part(after)
    order = _same_images(first, second)
    truth = second.labels.matrix()
    one, two = decide(first, "0.5").matrix[order], decide(second, "0.5").matrix

    def kernel(weights: Weights | None) -> NDArray[np.float64]:
        old, new = f1_kernel(truth, one, weights), f1_kernel(truth, two, weights)
        return np.stack([old, new, new - old], axis=-2)

    value = kernel(None)
    samples = bootstrap_samples(kernel, len(truth), rounds=rounds, rng=stream(seed, "bootstrap"))
    ends = percentile_interval(samples, around=value)
    low, high = np.clip(ends.low, [[0], [0], [-1]], 1), np.clip(ends.high, [[0], [0], [-1]], 1)
    changes = []
    for at, name in enumerate(second.labels.target_names):
        if np.isfinite([value[:, at], low[:, at], high[:, at]]).all():
            rows = (Interval(*map(float, (value[i, at], low[i, at], high[i, at]))) for i in range(3))
            changes.append(LabelChange(name, *rows))
    return tuple(changes)


def scored_part(joined: Joined) -> Joined:
    """The test images, or all where there are none."""
    splits = joined.labels.splits
    rows = np.flatnonzero(splits == "test") if splits is not None else np.empty(0, dtype=np.int64)
    return replace(joined, labels=joined.labels.take(rows), scores=joined.scores[rows]) if len(rows) else joined


def _same_images(first: Joined, second: Joined) -> NDArray[np.int64]:
    """Where each image of the second stands in the first.

    Raises:
        InputError: other images or targets.
    """
    if first.labels.target_names != second.labels.target_names:
        strange = [name for name in first.labels.target_names if name not in second.labels.target_names]
        found = f"others ({first_few(strange or first.labels.target_names)})"
        raise InputError(f"--base: expected a run with the same targets, found {found}; name such a run")
    place = {name: row for row, name in enumerate(first.labels.ids.tolist())}
    ids = second.labels.ids.tolist()
    if set(place) != set(ids):
        strange = sorted(set(place) ^ set(ids))
        do = "name such a run, or predict both on the same data"
        raise InputError(f"--base: expected a run with the same test images, found others ({first_few(strange)}); {do}")
    return np.array([place[name] for name in ids], dtype=np.int64)
