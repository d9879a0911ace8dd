import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from objective_worlds import at, batch_of, planted_batch, right, rows_of, started, task_of, toy_network  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.mitigation.objectives.task import TaskObjective, TaskOptions  # noqa: E402
from steelyard.mitigation.objectives.task_loss import LARGEST_WEIGHT, task_loss  # noqa: E402
from steelyard.training.objective import Task  # noqa: E402

pytestmark = pytest.mark.torch


def multi_task(positives, images):
    return Task(
        kind="multi",
        target_names=tuple(f"label {j}" for j in range(len(positives))),
        group_names=("A", "B"),
        positives=torch.tensor(positives, dtype=torch.float32),
        group_sizes=torch.tensor([1.0, 1.0]),
        images=images,
    )


@pytest.mark.parametrize("weighting", ["root", "published", "positives", "none"])
def test_the_loss_of_several_labels_is_the_sum_written_out(weighting):
    positives, images = [10, 50, 90], 100
    rng = np.random.default_rng(0)
    z, y = rng.normal(0, 3, (5, 3)), rng.integers(0, 2, (5, 3))
    loss = task_loss(multi_task(positives, images), weighting)
    terms = loss.terms(torch.from_numpy(z).float(), torch.from_numpy(y).float()).numpy()
    for i in range(5):
        for j in range(3):
            ratio = (images - positives[j]) / positives[j]
            whole = ratio if weighting == "published" else 1.0
            positive = {"root": math.sqrt(ratio), "positives": ratio}.get(weighting, 1.0)
            p = 1 / (1 + math.exp(-z[i, j]))
            expected = -whole * (positive * y[i, j] * math.log(p) + (1 - y[i, j]) * math.log(1 - p))
            assert terms[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert float(loss(torch.from_numpy(z), torch.from_numpy(y).float())) == pytest.approx(terms.mean(), rel=1e-5)


def test_the_loss_of_one_label_is_cross_entropy_whatever_the_weighting():
    z, y = np.random.default_rng(0).normal(0, 2, (6, 4)), np.array([0, 1, 2, 3, 0, 1])
    batch = batch_of(np.zeros((6, 3, 2, 2)), y, np.zeros(6))
    told = task_loss(task_of(batch, targets=4), "published").terms(torch.from_numpy(z), torch.from_numpy(y))
    expected = [math.log(np.exp(row).sum()) - row[label] for row, label in zip(z, y, strict=True)]
    np.testing.assert_allclose(told[:, 0].numpy(), expected, rtol=1e-5)


def test_labels_without_positives_or_with_hardly_any_are_held_and_named():
    loss = task_loss(multi_task([0, 1, 500_000, 1_000_000], 1_000_000), "published")
    assert loss.weight.tolist() == pytest.approx([1.0, LARGEST_WEIGHT, 1.0, 1 / LARGEST_WEIGHT])
    assert len(loss.notes) == 3
    assert "'label 0' has no positive training image" in loss.notes[0]
    assert "'label 1' has 1 positives of 1,000,000" in loss.notes[1]
    assert torch.isfinite(loss.weight).all()


def test_notes_of_the_objective_are_those_of_its_loss():
    network = toy_network(2)
    objective = started(TaskObjective(), network, multi_task([0, 5], 10))
    assert objective.notes == ("'label 0' has no positive training image: its weight is 1",)
    assert started(TaskObjective(TaskOptions(weighting="none")), network, multi_task([0, 5], 10)).notes == ()


def test_an_unknown_weighting_names_the_close_one():
    with pytest.raises(InputError, match=r"weighting: expected one of .*'publishd' \(closest: 'published'\)"):
        TaskOptions(weighting="publishd")


def test_a_step_leaves_the_gradient_of_the_loss_divided_by_accumulation():
    batch = planted_batch(16, seed=0)
    network = toy_network(3)
    objective = started(TaskObjective(), network, task_of(batch))
    objective.step(network, batch, at())
    whole = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    for half in (rows_of(batch, slice(0, 8)), rows_of(batch, slice(8, 16))):
        objective.step(network, half, at(accumulation=2))
    for one, parameter in zip(whole, network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, one)


def test_evaluation_leaves_mode_and_gradients_alone():
    batch = planted_batch(8, seed=0)
    network = toy_network(3)
    objective = started(TaskObjective(), network, task_of(batch))
    network.train()
    scores = objective.evaluate(network, batch)
    assert network.training
    assert not scores.requires_grad
    assert scores.shape == (8, 3)
    assert 0 <= right(scores, batch) <= 1
