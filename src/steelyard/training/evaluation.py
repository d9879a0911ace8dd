"""What a network says of all images of a source, gathered from all processes, every image once."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric.wrappers import is_wrapped
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from steelyard.base.errors import InputError, first_few
from steelyard.metrics.precision import mean_average_precision
from steelyard.models.network import Network
from steelyard.training.objective import Batch, Objective, Structured, Task
from steelyard.training.processes import of_all
from steelyard.training.sources import BatchSource
from steelyard.training.standing import Validation

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of `n` images, in the order of their rows.

    Attributes:
        rows: `[n]` rows of the label table, rising, each once.
        scores: `[n, t]` float32 logits of the targets.
        targets: `[n, t]` of 0 and 1 (multi-label) or `[n]` categories (single-label).
        outputs: `[n, o]` float32, all that the head said, where targets and group are scored together; else None.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    targets: NDArray[np.int64]
    outputs: NDArray[np.float32] | None = None


def evaluate(
    fabric: "Fabric",
    network: Network,
    objective: Objective,
    source: BatchSource,
    *,
    told: Callable[[Batch], None] | None = None,
) -> Scores:
    """Scores of all images of the source, the same in every process.

    Args:
        fabric: of the engine.
        network: as the engine set it up, or bare, on fabric's device.
        objective: gives the scores.
        source: each process's share; shares may differ in size.
        told: called after each batch.

    Raises:
        InputError: there is no image, or one came twice.
    """
    said: list[tuple[Tensor, ...]] = []
    joint = _structured(objective)
    was = network.training
    network.eval()
    try:
        # A wrapped network casts for itself.
        with torch.no_grad(), nullcontext() if is_wrapped(network) else fabric.autocast():
            for batch in source.epoch(0):
                there = to_device(batch, fabric.device)
                said.append((there.rows, there.targets.long(), *_said(network, objective, joint, there)))
                if told:
                    told(batch)
    finally:
        network.train(was)
    dtypes = (torch.int64, torch.int64, torch.float32, *((torch.float32,) if joint else ()))
    rows, targets, scores, *outputs = (
        _gathered(fabric, [parts[i] for parts in said], dtype) for i, dtype in enumerate(dtypes)
    )
    if not len(rows):
        raise InputError("evaluation: expected images, found none that could be read; check the data")
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    if (again := rows[1:][rows[1:] == rows[:-1]]).size:
        raise InputError(f"evaluation: expected every row once, found rows {first_few(again)} twice; mend the source")
    kept = outputs[0][order] if outputs else None
    return Scores(rows=rows, scores=scores[order], targets=targets[order], outputs=kept)


def predict(fabric: "Fabric", network: Network, objective: Objective, source: BatchSource) -> Scores:
    """`evaluate` for a network that has not been set up: it goes to the device first."""
    fabric.to_device(network)
    network.to(memory_format=torch.channels_last)
    return evaluate(fabric, network, objective, source)


def validate(task: Task, scores: Scores) -> Validation:
    """Quality and loss of gathered scores.

    Raises:
        InputError: a score is not finite.
    """
    logits = torch.from_numpy(scores.scores)
    if not torch.isfinite(logits).all():
        raise InputError("validation: expected finite scores, found nan or infinity; lower the learning rate")
    targets = torch.from_numpy(scores.targets)
    if task.kind == "single":
        right = (logits.argmax(1) == targets).double().mean()
        return Validation(quality=float(right), loss=float(F.cross_entropy(logits.double(), targets)))
    loss = F.binary_cross_entropy_with_logits(logits.double(), targets.double())
    quality = mean_average_precision(scores.targets, scores.scores, interval=False)
    return Validation(quality=float(quality), loss=float(loss))


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device, its images with the channels last in memory."""
    return Batch(
        images=batch.images.to(device, non_blocking=True, memory_format=torch.channels_last),
        targets=batch.targets.to(device, non_blocking=True),
        groups=batch.groups.to(device, non_blocking=True),
        rows=batch.rows.to(device, non_blocking=True),
    )


def _structured(objective: Objective) -> Structured | None:
    """The objective, where it scores targets and group together."""
    return objective if isinstance(objective, Structured) and objective.structured else None


def _said(network: Network, objective: Objective, joint: Structured | None, batch: Batch) -> tuple[Tensor, ...]:
    """Scores of a batch and, where they are of targets and group together, all that the head said; from one pass."""
    if joint is None:
        return (objective.evaluate(network, batch).float(),)
    output = joint.output(network, batch)
    return joint.scores(output).float(), output.float()


def _gathered(fabric: "Fabric", parts: list[Tensor], dtype: torch.dtype) -> NDArray[Any]:
    """The rows of all processes, one process after the other.

    Collectives need equal shapes, so shorter shares are padded and cut again; a process without any image does not
    know how wide a row is.
    """
    mine = torch.cat(parts) if parts else torch.empty(0, dtype=dtype, device=fabric.device)
    known = torch.tensor([len(mine), mine.ndim, mine.shape[-1] if mine.ndim > 1 else 0])
    told = of_all(fabric, known)
    longest, axes, width = told.amax(0).tolist()
    padded = torch.zeros((longest, width) if axes > 1 else (longest,), dtype=dtype, device=fabric.device)
    if len(mine):
        padded[: len(mine)] = mine
    shares = of_all(fabric, padded)
    return torch.cat([share[:n] for share, n in zip(shares, told[:, 0].tolist(), strict=True)]).numpy()
