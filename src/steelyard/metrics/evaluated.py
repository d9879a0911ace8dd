"""What every amplification measure takes: labels, groups and predictions of the same images, and a training side."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.base.errors import InputError
from steelyard.metrics.arrays import group_codes, same_rows, target_matrices

Direction = Literal["attribute_to_target", "target_to_attribute"]
Binary = NDArray[np.uint8]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Checked arrays, labels in the same columns and groups in the same codes throughout.

    Attributes:
        targets: `[n, t]`, 0 or 1, the truth.
        groups: `[n]`, 0 … k − 1, the truth.
        predictions: `[n, t]` predicted labels, or `[n]` predicted groups for `target_to_attribute`.
        train_targets: `[m, t]`, 0 or 1; the truth itself where no training side was given.
        train_groups: `[m]`, 0 … k − 1; likewise.
        predicted_groups: `[n]`, 0 … k − 1; the true groups where none were given.
        trained: a training side was given.
        k: groups.
    """

    targets: Binary
    groups: Codes
    predictions: Binary | Codes
    train_targets: Binary
    train_groups: Codes
    predicted_groups: Codes
    trained: bool
    k: int

    def __len__(self) -> int:
        return len(self.groups)


def evaluated(
    targets: ArrayLike,
    groups: ArrayLike,
    predictions: ArrayLike,
    *,
    direction: Direction,
    train_targets: ArrayLike | None,
    train_groups: ArrayLike | None,
    predicted_groups: ArrayLike | None = None,
) -> Evaluated:
    """Check the arrays of an amplification measure.

    Raises:
        InputError: shapes, values or the direction are not as the measure says, or half a training side is given.
        UndefinedError: there is one group.
    """
    if direction not in get_args(Direction):
        raise InputError(f"direction: expected {' or '.join(get_args(Direction))}, found {direction!r}")
    if (train_targets is None) != (train_groups is None):
        raise InputError("train_targets, train_groups: expected both or neither, found one; pass both")
    labels = {"targets": targets, "train_targets": train_targets}
    people = {"groups": groups, "train_groups": train_groups, "predicted_groups": predicted_groups}
    (labels if direction == "attribute_to_target" else people)["predictions"] = predictions
    matrices, (codes, levels) = target_matrices(labels), group_codes(people)
    checked = Evaluated(
        targets=matrices["targets"],
        groups=codes["groups"],
        predictions=matrices["predictions"] if "predictions" in labels else codes["predictions"],
        train_targets=matrices.get("train_targets", matrices["targets"]),
        train_groups=codes.get("train_groups", codes["groups"]),
        predicted_groups=codes.get("predicted_groups", codes["groups"]),
        trained=train_targets is not None,
        k=len(levels),
    )
    same_rows(
        targets=checked.targets,
        groups=checked.groups,
        predictions=checked.predictions,
        predicted_groups=checked.predicted_groups,
    )
    same_rows(train_targets=checked.train_targets, train_groups=checked.train_groups)
    return checked
