"""What an objective asks of the groups of its training images."""

import torch
from torch import Tensor

from steelyard.base.errors import InputError, first_few
from steelyard.training.objective import Sampling, Task


def require_groups(task: Task, objective: str, *, instead: str = "the objective 'task'") -> None:
    """Check that there are two groups or more, each with training images.

    Args:
        task: what is learned.
        objective: its name, for the message.
        instead: what may be chosen that asks nothing of the groups, for the message.

    Raises:
        InputError: there are not.
    """
    empty = [name for name, count in zip(task.group_names, task.group_sizes.tolist(), strict=True) if count == 0]
    if len(task.group_names) < 2 or empty:
        found = f"none of {first_few(map(repr, empty))}" if empty else f"{len(task.group_names)} group"
        raise InputError(
            f"objective {objective}: expected training images of two groups or more, found {found}; "
            f"choose another protected attribute or split, or {instead}"
        )


def group_weights(task: Task, sampling: Sampling) -> Tensor:
    """`[k]` weights by which each group counts alike: 1 where batches are balanced, else n / (k · images of it)."""
    if sampling == "balanced":
        return torch.ones(len(task.group_names))
    return task.images / (len(task.group_names) * task.group_sizes.float())
