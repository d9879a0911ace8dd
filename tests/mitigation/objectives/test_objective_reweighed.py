"""`reweighed`: the loss is the mean of weight · cross-entropy, term by term; weights that do not fit are refused."""

import math

import pytest

torch = pytest.importorskip("torch")

from objective_worlds import planted_batch, started, task_of, toy_network  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.mitigation.objectives.reweighed import ReweighedObjective, ReweighedOptions  # noqa: E402

pytestmark = pytest.mark.torch


def test_the_loss_is_the_weighted_mean_of_every_term():
    batch = planted_batch(24, seed=3)
    task = task_of(batch)
    weights = {name: [[0.5, 3.0], [2.0, 0.25]] for name in task.target_names}
    objective = ReweighedObjective(ReweighedOptions(weights=weights))
    started(objective, toy_network(objective.outputs(task)), task)
    logits = torch.randn(24, len(task.target_names), generator=torch.Generator().manual_seed(0))
    total = 0.0
    for image in range(24):
        for label, name in enumerate(task.target_names):
            present = int(batch.targets[image, label])
            chance = 1 / (1 + math.exp(-float(logits[image, label])))
            term = -math.log(chance if present else 1 - chance)
            total += weights[name][int(batch.groups[image])][present] * term
    by_hand = total / logits.numel()
    assert float(objective.loss(logits, batch)) == pytest.approx(by_hand, rel=1e-5)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.targets)
    assert float(plain) != pytest.approx(by_hand, rel=1e-2)  # the control


@pytest.mark.parametrize("weights", [{}, {"label 0": [[1.0, 1.0]]}, {"label 0": [[1.0, -1.0], [1.0, 1.0]]}])
def test_weights_that_do_not_fit_are_one_line(weights):
    task = task_of(planted_batch(24, seed=3))
    objective = ReweighedObjective(ReweighedOptions(weights=weights))
    with pytest.raises(InputError, match="expected a pair of numbers of 0 or more for each of 2 groups, for 'label 0'"):
        started(objective, toy_network(3), task)
