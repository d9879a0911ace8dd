import copy
import math

import pytest

torch = pytest.importorskip("torch")

from objective_worlds import (  # noqa: E402
    at,
    attacked,
    batch_of,
    drive,
    planted_batch,
    right,
    rows_of,
    started,
    task_of,
    toy_network,
)
from torch.nn import functional  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.mitigation.objectives.adversarial import (  # noqa: E402
    AdversarialObjective,
    AdversarialOptions,
    Tap,
)
from steelyard.mitigation.objectives.critic import CriticOptions, ramped  # noqa: E402
from steelyard.mitigation.objectives.task import TaskObjective  # noqa: E402
from steelyard.mitigation.objectives.task_loss import task_loss  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]


def adversary(network, batch, groups=2, **options):
    objective = AdversarialObjective(AdversarialOptions(**options))
    return started(objective, network, task_of(batch, groups))


def critic_of(objective):
    ((critic,),) = objective.critics.values()
    return critic.network


def parameters_of(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("tap", ["conv5", "embedding", "logits"])
@pytest.mark.parametrize("against", ["reversal", "confusion"])
def test_the_network_gets_the_tasks_gradient_and_lambda_times_the_critics(tap, against):
    batch = planted_batch(32, seed=0, groups=3)
    network = toy_network(3)
    objective = adversary(network, batch, 3, tap=tap, weight=0.7, against=against, ramp=0.0)
    before = copy.deepcopy(network)
    objective.step(network, batch, at())
    # The critic has made its step before the network is graded against it.
    seen = before(batch.images, taps=("conv5", "embedding"))
    told = critic_of(objective)(seen.logits if tap == "logits" else seen.taps[tap])
    task = task_loss(task_of(batch, 3), "root")(seen.logits, batch.targets)
    if against == "reversal":
        other = -functional.cross_entropy(told, batch.groups)
    else:
        other = (math.log(1 / 3) - functional.log_softmax(told, 1)).mean()
    wanted = list(before.parameters())
    of_task = torch.autograd.grad(task, wanted, retain_graph=True)
    of_critic = torch.autograd.grad(other, wanted, allow_unused=True)
    moved = 0.0
    for parameter, a, b in zip(network.parameters(), of_task, of_critic, strict=True):
        b = torch.zeros_like(a) if b is None else b
        torch.testing.assert_close(parameter.grad, a + 0.7 * b, rtol=1e-4, atol=1e-6)
        moved += float(b.abs().sum())
    assert moved > 0.01


def test_the_critic_learns_as_if_alone_whatever_lambda():
    batch = planted_batch(32, seed=0)
    after = []
    for weight in (0.0, 9.0):
        network = toy_network(3)
        objective = adversary(network, batch, tap="embedding", weight=weight, critics=CriticOptions(steps=2))
        alone = copy.deepcopy(critic_of(objective))
        with torch.no_grad():
            evidence = network(batch.images, taps=("embedding",)).taps["embedding"]
        objective.step(network, batch, at())
        after.append(parameters_of(critic_of(objective)))
    adam = torch.optim.Adam(alone.parameters(), lr=1e-3, fused=True)
    for _ in range(2):
        adam.zero_grad()
        functional.cross_entropy(alone(evidence), batch.groups).backward()
        adam.step()
    assert equal(after[0], after[1])
    for one, other in zip(after[0], alone.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_networks_pass_makes_no_gradient_for_the_critic():
    batch = planted_batch(16, seed=0)
    objective = adversary(toy_network(3), batch, tap="embedding")
    ((critic,),) = objective.critics.values()
    evidence = torch.randn(16, 24, requires_grad=True)
    critic.against(evidence, batch.groups, "reversal").backward()
    assert float(evidence.grad.abs().sum()) > 0
    assert all(parameter.grad is None and parameter.requires_grad for parameter in critic.network.parameters())


def test_natural_batches_weigh_groups_by_their_inverse_size():
    batch = batch_of(torch.rand(8, 3, 16, 16), torch.zeros(8, 3), [0, 0, 0, 0, 0, 0, 1, 1])
    network = toy_network(3)
    objective = adversary(network, batch, tap="embedding", sampling="natural")
    ((critic,),) = objective.critics.values()
    assert objective.sampling == "natural"
    evidence = torch.randn(8, 24)
    with torch.no_grad():
        losses = functional.cross_entropy(critic.network(evidence), batch.groups, reduction="none")
    by_hand = (losses[:6].mean() + losses[6:].mean()) / 2
    assert float(-critic.against(evidence, batch.groups, "reversal").detach()) == pytest.approx(
        float(by_hand), rel=1e-5
    )
    assert float(by_hand) != pytest.approx(float(losses.mean()), rel=1e-3)


def test_one_forward_pass_of_the_network_per_batch():
    batch = planted_batch(16, seed=0)
    network = toy_network(3)
    passes = []
    network.backbone.register_forward_hook(lambda *_: passes.append(1))
    taps = (Tap(tap="conv5"), Tap(tap="embedding"))
    objective = adversary(network, batch, taps=taps, critics=CriticOptions(steps=3, count=2))
    passes.clear()
    losses = objective.step(network, batch, at())
    assert len(passes) == 1
    assert {"loss", "task", "critic", "critic_accuracy", "critic_accuracy/conv5", "weight"} <= set(losses)


def test_stages_decide_who_learns():
    batch = planted_batch(16, seed=0)
    network = toy_network(3)
    objective = adversary(network, batch, tap="embedding")
    network.train()
    critic = parameters_of(critic_of(objective))
    objective.step(network, batch, at("head"))
    assert equal(critic, parameters_of(critic_of(objective)))
    assert network.head.weight.grad is not None
    network.zero_grad()
    losses = objective.step(network, batch, at("critic"))
    assert not equal(critic, parameters_of(critic_of(objective)))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training
    assert set(losses) == {"critic", "critic_accuracy"}


def test_lambda_rises_along_the_curve_and_the_objective_is_ready_at_its_end():
    assert ramped(2.0, 0.0, 0.0) == 2.0
    assert ramped(2.0, 0.5, 0.0) == 0.0
    assert ramped(2.0, 0.5, 0.1) == pytest.approx(2.0 * (2 / (1 + math.exp(-10 * 0.2)) - 1))
    assert ramped(2.0, 0.5, 0.499) == pytest.approx(2.0, rel=1e-3)
    objective = AdversarialObjective(AdversarialOptions(ramp=0.5))
    assert not objective.ready(at(fraction=0.4))
    assert objective.ready(at(fraction=0.5))
    assert AdversarialObjective(AdversarialOptions(ramp=0.0)).ready(at(fraction=0.0))


def test_critics_of_one_place_start_afresh_in_turn():
    options = CriticOptions(count=2, restart_epochs=4)
    assert [options.start_of(0, epoch) for epoch in range(10)] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert [options.start_of(1, epoch) for epoch in range(10)] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert CriticOptions(count=2).start_of(1, 99) == 0
    batch = planted_batch(16, seed=0)
    network = toy_network(3)
    objective = adversary(network, batch, tap="embedding", critics=CriticOptions(restart_epochs=2))
    ((critic,),) = objective.critics.values()
    first = parameters_of(critic.network)
    critic.start(1)
    fresh = parameters_of(critic.network)
    assert not equal(first, fresh)
    critic.learn(torch.randn(16, 24), batch.groups)
    critic.start(1)
    assert not equal(fresh, parameters_of(critic.network))
    critic.start(0)
    assert equal(first, parameters_of(critic.network))
    assert not critic.state_dict()["optimiser"]["state"]


@pytest.fixture(scope="module")
def trained():
    """A network that has learned the task, and what it gives away."""
    train, test = planted_batch(1024, seed=1), planted_batch(4000, seed=2)
    network = toy_network(3)
    drive(started(TaskObjective(), network, task_of(train)), network, train, epochs=8)
    return network, train, test


def leaks(network, batch):
    with torch.no_grad():
        seen = network(batch.images, taps=("conv5", "embedding")).taps
    return {tap: attacked(seen[tap], batch.groups) for tap in seen}


# Measured: 0.94 before; after, 0.55 to 0.60 over four seeds with either form; the task at 1.00 throughout.
@pytest.mark.parametrize(("against", "weight"), [("reversal", 1.0), ("confusion", 1.0), ("reversal", 0.0)])
def test_the_tap_forgets_the_group_and_keeps_the_task(trained, against, weight):
    network, train, test = copy.deepcopy(trained[0]), *trained[1:]
    assert leaks(network, test)["embedding"] > 0.85
    critics = CriticOptions(learning_rate=2e-3, steps=3, restart_epochs=3)
    objective = adversary(network, train, tap="embedding", weight=weight, against=against, critics=critics)
    drive(objective, network, train, epochs=12, critic_epochs=2, rate=1e-3)
    leak = leaks(network, test)["embedding"]
    assert leak < 0.65 if weight else leak > 0.85
    assert right(objective.evaluate(network, test), test) > 0.98


def test_critics_at_two_taps_clear_both(trained):
    network, train, test = copy.deepcopy(trained[0]), *trained[1:]
    before = leaks(network, test)
    taps = (Tap(tap="conv5", weight=1.0), Tap(tap="embedding", weight=0.5))
    critics = CriticOptions(learning_rate=2e-3, steps=2)
    objective = adversary(network, train, taps=taps, weight=1.0, against="confusion", critics=critics)
    drive(objective, network, train, epochs=12, critic_epochs=2, rate=1e-3)
    after = leaks(network, test)
    assert min(before.values()) > 0.85
    assert after["embedding"] < 0.7
    assert after["conv5"] < before["conv5"]
    assert right(objective.evaluate(network, test), test) > 0.98


def test_what_does_not_suit_is_refused_in_one_line():
    batch = planted_batch(16, seed=0)
    with pytest.raises(InputError, match="tap 'layer9'"):
        adversary(toy_network(3), batch, tap="layer9")
    with pytest.raises(InputError, match="vector"):
        adversary(toy_network(3), batch, tap="conv5", critic="vector")
    with pytest.raises(InputError, match="either tap and critic or taps"):
        AdversarialOptions(tap="conv5", taps=(Tap(tap="embedding"),))
    with pytest.raises(InputError, match="each tap once"):
        AdversarialOptions(taps=(Tap(tap="conv5"), Tap(tap="conv5")))
    with pytest.raises(InputError, match=r"ramp: expected a number in \[0, 1\], found 1.5"):
        AdversarialOptions(ramp=1.5)
    with pytest.raises(InputError, match=r"critics\.steps: expected a whole number of 1 or more, found 0"):
        CriticOptions(steps=0)
    with pytest.raises(InputError, match="learning_rate: expected a number above 0"):
        CriticOptions(learning_rate=0)
    alone = rows_of(batch, batch.groups == 0)
    with pytest.raises(InputError, match="none of 'B'"):
        adversary(toy_network(3), alone, tap="conv5")
