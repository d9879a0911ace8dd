import copy
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from objective_worlds import PATCH, at, drive, planted_batch, right, rows_of, started, task_of, toy_network  # noqa: E402
from torch.nn import functional  # noqa: E402

from steelyard.mitigation.objectives.adversarial_image import (  # noqa: E402
    AdversarialImageObjective,
    AdversarialImageOptions,
    MaskOptions,
)
from steelyard.mitigation.objectives.passes import plain  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]

SMALL = MaskOptions(width=4, levels=2, learning_rate=2e-2)


def masker(network, batch, **options):
    objective = AdversarialImageObjective(AdversarialImageOptions(mask=SMALL, **options))
    return started(objective, network, task_of(batch))


def mask_of(objective):
    return plain(objective._mask)


@pytest.mark.parametrize("against", ["reversal", "confusion"])
def test_loss_and_gradients_are_those_of_the_formula(against):
    batch = planted_batch(16, seed=0)
    network = toy_network(3)
    objective = masker(network, batch, weight=3.0, keep=0.4, against=against, ramp=0.0, weighting="none")
    before, mask = copy.deepcopy(network), copy.deepcopy(mask_of(objective))
    losses = objective.step(network, batch, at())
    # The critic has made its step before mask and network are graded against it.
    m = mask(batch.images)
    masked = m * batch.images
    z = before(masked).logits
    told = objective.critics[0].network(masked)
    task = functional.binary_cross_entropy_with_logits(z, batch.targets)
    if against == "reversal":
        other = -functional.cross_entropy(told, batch.groups)
    else:
        other = (math.log(1 / 2) - functional.log_softmax(told, 1)).mean()
    pixels, masked_pixels = batch.images.numpy(), masked.detach().numpy()
    hidden = sum(abs(a - b) for a, b in zip(pixels.ravel(), masked_pixels.ravel(), strict=True)) / pixels.size
    loss = 0.4 * (batch.images - masked).abs().mean() + task + 3.0 * other
    assert float(losses["loss"]) == pytest.approx(float(loss.detach()), rel=1e-4)
    assert float(losses["hidden"]) == pytest.approx(float(hidden), rel=1e-4)
    loss.backward()
    for one, other_network in ((network, before), (mask_of(objective), mask)):
        for a, b in zip(one.parameters(), other_network.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5)


def test_evaluation_shows_the_network_masked_images_and_0_is_black():
    batch = planted_batch(8, seed=0)
    network = toy_network(3).eval()
    objective = masker(network, batch)
    masks = objective.masks(network, batch.images)
    assert masks.shape == (8, 1, 16, 16)
    assert 0 <= float(masks.min()) <= float(masks.max()) <= 1
    scores = objective.evaluate(network, batch)
    with torch.no_grad():
        torch.testing.assert_close(scores, network(masks * batch.images).logits)
        mask_of(objective).last.bias.fill_(-1e4)
        black = network(torch.zeros_like(batch.images)).logits
    torch.testing.assert_close(objective.evaluate(network, batch), black)


def test_stages_decide_who_learns():
    batch = planted_batch(16, seed=0)
    network = toy_network(3)
    objective = masker(network, batch)

    def parts():
        modules = (mask_of(objective), objective.critics[0].network)
        return [torch.cat([p.detach().flatten() for p in module.parameters()]) for module in modules]

    mask, critic = parts()
    objective.step(network, batch, at("critic"))
    assert torch.equal(mask, parts()[0])
    assert not torch.equal(critic, parts()[1])
    assert all(parameter.grad is None for parameter in network.parameters())
    critic = parts()[1]
    assert "critic" not in objective.step(network, batch, at("head"))
    assert not torch.equal(mask, parts()[0])
    assert torch.equal(critic, parts()[1])
    assert not objective.ready(at(fraction=0.1))


# Measured over three seeds with λ: 0.00 to 0.07 in the patch, 0.39 to 0.85 outside; without: 0.99 in both.
@pytest.mark.parametrize("weight", [5.0, 0.0])
def test_the_mask_hides_the_patch_that_tells_the_group(weight):
    train, test = planted_batch(2048, seed=2), planted_batch(500, seed=12)
    network = toy_network(3, seed=2)
    objective = masker(network, train, weight=weight, against="confusion", ramp=0.0)
    if not weight:
        train = rows_of(train, np.arange(1024))
    drive(objective, network, train, epochs=2, critic_epochs=1, batch_size=32)
    masks = objective.masks(network, test.images)[:, 0]
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[PATCH, PATCH] = False
    inside_mean, outside_mean = float(masks[:, ~outside].mean()), float(masks[:, outside].mean())
    if weight:
        assert inside_mean < 0.2
        assert inside_mean < outside_mean - 0.25
    else:
        assert inside_mean > 0.9
    assert right(objective.evaluate(network, test), test) > 0.97
