"""The CRF against every assignment written out one by one, on numbers that no formula of it has seen."""

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steelyard.models.crf import MultiLabelCRF, SingleLabelCRF, crf_for  # noqa: E402

pytestmark = pytest.mark.torch

CASES = [("multi", 1, 2), ("multi", 6, 2), ("multi", 4, 3), ("single", 2, 2), ("single", 6, 3), ("single", 5, 2)]


def outputs(kind, targets, groups, *, images=7, scale=2.0, seed=0):
    width = crf_for(kind, targets, groups).width
    drawn = np.random.default_rng(seed).normal(0, scale, (images, width))
    return torch.from_numpy(drawn)


def enumerated(kind, targets, groups, output):
    """Every assignment (its targets, its group) and its score, from the head's numbers one by one."""
    row, found = output.tolist(), []
    for group in range(groups):
        if kind == "single":
            for category in range(targets):
                score = row[category] + row[targets + category * groups + group]
                found.append(((category, group), score))
            continue
        for labels in itertools.product((0, 1), repeat=targets):
            score = row[group]
            for place, label in enumerate(labels):
                score += row[groups + 2 * (group * targets + place) + label]
            found.append(((labels, group), score))
    return found


def probabilities(scored):
    top = max(score for _, score in scored)
    weights = [math.exp(score - top) for _, score in scored]
    return [weight / sum(weights) for weight in weights], top + math.log(sum(weights))


@pytest.mark.parametrize(("kind", "targets", "groups"), CASES)
def test_the_head_is_as_wide_as_its_potentials(kind, targets, groups):
    crf = crf_for(kind, targets, groups)
    assert crf.width == (groups + 2 * groups * targets if kind == "multi" else targets + targets * groups)
    pairs, scores = crf.potentials(outputs(kind, targets, groups))
    assert pairs.shape == ((7, groups, targets, 2) if kind == "multi" else (7, targets, groups))
    assert (scores is None) == (kind == "single")


@pytest.mark.parametrize(("kind", "targets", "groups"), CASES)
def test_partition_and_likelihood_of_every_assignment_are_those_of_the_enumeration(kind, targets, groups):
    crf, output = crf_for(kind, targets, groups), outputs(kind, targets, groups)
    for row in range(len(output)):
        scored = enumerated(kind, targets, groups, output[row])
        chances, partition = probabilities(scored)
        assert len(scored) == groups * (2**targets if kind == "multi" else targets)
        assert float(crf.log_partition(output[row : row + 1])) == pytest.approx(partition, rel=1e-12)
        whole = output[row : row + 1].expand(len(scored), -1)
        labels = torch.tensor([assignment for (assignment, _), _ in scored])
        group = torch.tensor([group for (_, group), _ in scored])
        said = crf.log_likelihood(whole, labels.double() if kind == "multi" else labels, group)
        np.testing.assert_allclose(said.exp().numpy(), chances, rtol=1e-10)
        # The control: the same numbers beside another group are another distribution.
        other = crf.log_likelihood(whole, labels, (group + 1) % groups)
        assert np.abs(other.exp().numpy() - chances).max() > 1e-3


@pytest.mark.parametrize(("kind", "targets", "groups"), CASES)
def test_marginals_are_sums_over_the_enumeration(kind, targets, groups):
    crf, output = crf_for(kind, targets, groups), outputs(kind, targets, groups)
    of_groups, logits = crf.group_log_marginals(output).exp().numpy(), crf.target_logits(output)
    of_targets = (logits.sigmoid() if kind == "multi" else logits.softmax(1)).numpy()
    for row in range(len(output)):
        scored = enumerated(kind, targets, groups, output[row])
        chances, _ = probabilities(scored)
        by_group, by_target = np.zeros(groups), np.zeros(targets)
        for ((labels, group), _), chance in zip(scored, chances, strict=True):
            by_group[group] += chance
            by_target += chance * (np.array(labels) if kind == "multi" else np.eye(targets)[labels])
        np.testing.assert_allclose(of_groups[row], by_group, rtol=1e-10)
        np.testing.assert_allclose(of_targets[row], by_target, rtol=1e-9)


@pytest.mark.parametrize(("kind", "targets", "groups"), CASES)
def test_what_is_decoded_is_the_best_of_all_assignments(kind, targets, groups):
    crf, output = crf_for(kind, targets, groups), outputs(kind, targets, groups, images=200)
    targets_found, groups_found = crf.decode(output)
    for row in range(len(output)):
        (labels, group), _ = max(enumerated(kind, targets, groups, output[row]), key=lambda one: one[1])
        assert targets_found[row].tolist() == (list(labels) if kind == "multi" else labels)
        assert int(groups_found[row]) == group


def test_the_best_assignment_is_not_the_best_of_each_alone():
    """The control of decoding: each marginal's own best is another assignment now and then."""
    crf, output = MultiLabelCRF(6, 2), outputs("multi", 6, 2, images=200)
    best = crf.decode(output)
    alone = (crf.target_logits(output) > 0).long()
    differ = (best.targets != alone).any(1) | (best.groups != crf.group_log_marginals(output).argmax(1))
    assert 10 < int(differ.sum()) < 190


@pytest.mark.parametrize(("kind", "targets", "groups"), [("multi", 3, 3), ("single", 4, 3)])
def test_gradients_are_those_of_finite_differences(kind, targets, groups):
    crf = crf_for(kind, targets, groups)
    output = outputs(kind, targets, groups, images=3).requires_grad_()
    rng = np.random.default_rng(1)
    labels = torch.from_numpy(rng.integers(0, 2, (3, targets)) if kind == "multi" else rng.integers(0, targets, 3))
    group = torch.from_numpy(rng.integers(0, groups, 3))
    assert torch.autograd.gradcheck(lambda z: crf.log_likelihood(z, labels, group), (output,))
    assert torch.autograd.gradcheck(crf.target_logits, (output,))
    assert torch.autograd.gradcheck(crf.log_partition, (output,))
    # What a likelihood's gradient is: what was seen, less what is expected; it sums to 0 over the group's scores.
    (gradient,) = torch.autograd.grad(crf.log_likelihood(output, labels, group).sum(), output)
    if kind == "multi":
        seen = torch.nn.functional.one_hot(group, groups)
        torch.testing.assert_close(gradient[:, :groups], seen - crf.group_log_marginals(output).exp().detach())


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_large_scores_stay_finite_and_near_the_exact_numbers(kind):
    crf, exact = crf_for(kind, 40, 3), outputs(kind, 40, 3, images=50, scale=3e3)
    rng = np.random.default_rng(2)
    labels = torch.from_numpy(rng.integers(0, 2, (50, 40)) if kind == "multi" else rng.integers(0, 40, 50))
    group = torch.from_numpy(rng.integers(0, 3, 50))
    output = exact.float().requires_grad_()
    for said, known in (
        (crf.log_likelihood(output, labels, group), crf.log_likelihood(exact, labels, group)),
        (crf.target_logits(output), crf.target_logits(exact)),
        (crf.log_partition(output), crf.log_partition(exact)),
        (crf.group_log_marginals(output), crf.group_log_marginals(exact)),
    ):
        assert said.dtype == torch.float32
        assert torch.isfinite(said).all()
        np.testing.assert_allclose(said.detach().numpy(), known.numpy(), rtol=1e-4, atol=0.1)
    (gradient,) = torch.autograd.grad(crf.log_likelihood(output, labels, group).sum(), output)
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().max()) > 0.5


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_half_precision_is_widened_first_and_autocast_changes_nothing(kind):
    crf, output = crf_for(kind, 5, 2), outputs(kind, 5, 2).float()
    labels = torch.ones(7, 5) if kind == "multi" else torch.ones(7, dtype=torch.int64)
    group = torch.zeros(7, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = crf.log_likelihood(output, labels, group), crf.target_logits(output)
        halved = crf.log_likelihood(output.bfloat16(), labels, group)
    assert torch.equal(inside[0], crf.log_likelihood(output, labels, group))
    assert torch.equal(inside[1], crf.target_logits(output))
    assert torch.equal(halved, crf.log_likelihood(output.bfloat16().float(), labels, group))
    assert not torch.equal(halved, inside[0])  # the control


def test_equals_go_to_the_first_group_and_to_absent_labels():
    found = MultiLabelCRF(3, 2).decode(torch.zeros(1, 14))
    assert (found.targets.tolist(), found.groups.tolist()) == ([[0, 0, 0]], [0])
    one = SingleLabelCRF(4, 3).decode(torch.zeros(1, 16))
    assert (one.targets.tolist(), one.groups.tolist()) == ([0], [0])
