"""Four measures of every label from one set of resamples: ranking, opportunity, amplification, divergence.

The measures of Ramaswamy, Kim, Russakovsky, CVPR 2021, https://arxiv.org/abs/2012.01469, section 4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.metrics.counting import Floats, Weights, blocks, unit_weights
from steelyard.metrics.directional import directional_kernel
from steelyard.metrics.divergence import score_divergence_kernel
from steelyard.metrics.opportunity import (
    opportunity_difference_kernel,
    opportunity_range_kernel,
    reference_group,
)
from steelyard.metrics.precision import average_precision_kernel

_ENTRIES = 2**24  # weights used at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPanel:
    """Four measures per label: `[rounds, t]` each, or `[t]` without weights; NaN where one is undefined.

    Attributes:
        average_precision: of the scores.
        opportunity: TPR(other group) − TPR(reference group, the larger) for two groups; for more, largest −
            smallest.
        directional_amplification: attribute to target, mean over groups of y·Δ.
        score_divergence: in nats; NaN throughout without probabilities.
    """

    average_precision: Floats
    opportunity: Floats
    directional_amplification: Floats
    score_divergence: Floats


def label_panel(
    targets: NDArray[np.uint8],
    groups: NDArray[np.int64],
    scores: Floats,
    decisions: NDArray[np.uint8],
    *,
    k: int,
    probabilities: Floats | None = None,
    signs: NDArray[np.int8] | None = None,
    weights: Weights | None = None,
) -> LabelPanel:
    """Evaluate the four measures of all labels on the same resamples.

    Args:
        targets: `[n, t]`, 0 or 1.
        groups: `[n]`, 0 … k − 1.
        scores: `[n, t]`, finite; ranked for average precision.
        decisions: `[n, t]`, 0 or 1.
        k: groups.
        probabilities: `[n, t]`, the scores as probabilities, for the divergence.
        signs: `[k, t]`, from `direction_signs` of the training labels; None takes them from the resampled
            truth.
        weights: `[n, rounds]` from `draw_weights`, or None for the values on the images as they are.
    """
    reference = reference_group(groups, k)
    drawn = unit_weights(len(targets), weights)
    parts = []
    for block in blocks(drawn.shape[1], max(1, _ENTRIES // len(targets))):
        some = drawn[:, block]
        if k == 2:
            gap = opportunity_difference_kernel(
                targets, groups, decisions, k=k, group=1 - reference, reference=reference, weights=some
            )
        else:
            gap = opportunity_range_kernel(targets, groups, decisions, k=k, weights=some)
        ranked = average_precision_kernel(targets, scores, some)
        amplified = directional_kernel(targets, groups, decisions, k=k, signs=signs, per_label=True, weights=some)
        if probabilities is None:
            divergence = np.full_like(ranked, np.nan)
        else:
            divergence = score_divergence_kernel(targets, groups, probabilities, k=k, weights=some)
        parts.append(np.stack([ranked, gap, amplified, divergence]))
    joined = np.concatenate(parts, axis=1)
    ranked, gap, amplified, divergence = joined if weights is not None else joined[:, 0]
    return LabelPanel(
        average_precision=ranked,
        opportunity=gap,
        directional_amplification=amplified,
        score_divergence=divergence,
    )
