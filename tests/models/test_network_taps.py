"""Taps, edits and freezing of networks, against passes written out by hand."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.models.catalog import build_network  # noqa: E402
from steelyard.models.network import EMBEDDING, Network  # noqa: E402
from steelyard.models.options import ModelOptions  # noqa: E402

pytestmark = pytest.mark.torch
ALIASES = {"conv2": "layer1", "conv3": "layer2", "conv4": "layer3", "conv5": "layer4"}


@pytest.fixture(scope="module")
def images():
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    return build_network(ModelOptions(name="resnet18"), outputs=5, seed=3).eval()


@pytest.fixture
def small():
    return build_network(ModelOptions(name="compact", width=8), outputs=3, seed=3)


def hooks(network):
    return sum(len(module._forward_hooks) for module in network.modules())


def batch_norms(module):
    return [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@torch.no_grad()
def test_taps_are_the_layers_of_a_pass_by_hand(network, images):
    body = network.backbone
    x = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    normalised = body.bn1(body.conv1(x))
    x = body.maxpool(torch.relu(normalised))
    by_hand = {}
    for alias, layer in ALIASES.items():
        x = body.get_submodule(layer)(x)
        by_hand[alias] = by_hand[layer] = x
    by_hand["embedding"] = x.mean((2, 3))
    by_hand["bn1"] = normalised
    out = network(images, taps=list(by_hand))
    assert set(out.taps) == set(by_hand)
    for tap, value in by_hand.items():
        torch.testing.assert_close(out.taps[tap], value, atol=1e-5, rtol=1e-5)
    for alias, layer in ALIASES.items():
        assert torch.equal(out.taps[alias], out.taps[layer])
    assert torch.equal(out.embedding, out.taps[EMBEDDING])
    assert torch.equal(out.logits, network.head(out.embedding))
    assert hooks(network) == 0


@torch.no_grad()
def test_a_tap_stays_what_it_was_though_the_next_layer_works_in_place(network, images):
    kept = []
    handle = network.backbone.bn1.register_forward_hook(lambda module, inputs, output: kept.append(output))
    network(images)
    handle.remove()
    assert (kept[0] >= 0).all(), "control: without the copy the ReLU has changed it"
    assert (network(images, taps=["bn1"]).taps["bn1"] < 0).any()


def test_gradients_reach_the_layers_before_a_tap_and_come_from_those_after(network, images):
    out = network(images, taps=["conv4"])
    tap = out.taps["conv4"]
    tap.retain_grad()
    out.logits.sum().backward(retain_graph=True)
    assert tap.grad.abs().sum() > 0
    network.zero_grad()
    tap.sum().backward()
    assert network.backbone.layer3[0].conv1.weight.grad.abs().sum() > 0
    assert network.backbone.layer4[0].conv1.weight.grad is None


def test_a_wrong_tap_lists_the_names_in_one_line_and_leaves_nothing_behind(network, images):
    with pytest.raises(InputError, match=r"tap 'conv6'.*conv2, conv3, conv4, conv5, embedding, conv1") as caught:
        network(images, taps=["conv4", "conv6"])
    assert "\n" not in str(caught.value)
    assert "closest: 'conv" in str(caught.value)
    assert hooks(network) == 0
    for wrong in ("", "layer1.7", "fc.weight", "layer4.0.relu.x"):
        with pytest.raises(InputError, match="expected a layer of this network"):
            network.layer(wrong)
    network.train()
    with pytest.raises(InputError):
        network.tap_shapes(["conv6"], (64, 64))
    assert all(module.training for module in network.modules())


@torch.no_grad()
def test_layers_that_run_twice_or_never_or_give_no_tensor_are_refused(network, images):
    with pytest.raises(InputError, match=r"'layer1.0.relu': expected a layer that runs once"):
        network(images, taps=["layer1.0.relu"])
    network.edits["layer1.0.relu"] = torch.sigmoid
    with pytest.raises(InputError, match=r"'layer1.0.relu': expected a layer that runs once"):
        network(images)
    network.edits.clear()
    network.backbone.spare = nn.Identity()
    with pytest.raises(InputError, match=r"'spare': expected a layer that runs, found one that does not"):
        network(images, taps=["spare"])

    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = Pair()

        def forward(self, x):
            return self.pair(x)[0].mean((2, 3))

    odd = Network(Body(), nn.Linear(3, 2), mean=[0.5] * 3, std=[0.25] * 3, aliases={})
    with pytest.raises(InputError, match=r"'pair': expected a layer that gives a tensor, found a tuple"):
        odd(images, taps=["pair"])
    assert hooks(network) == hooks(odd) == 0


@torch.no_grad()
def test_edits_change_what_comes_after_them_and_nothing_before(network, images):
    taps = ["conv3", "conv4", "conv5", EMBEDDING]
    before = network(images, taps=taps)
    noise = torch.randn(before.embedding.shape, generator=torch.Generator().manual_seed(2))

    network.edits[EMBEDDING] = lambda embedding: embedding + noise
    noisy = network(images, taps=taps)
    assert torch.equal(noisy.taps["conv5"], before.taps["conv5"])
    assert torch.equal(noisy.embedding, before.embedding + noise)
    assert torch.equal(noisy.taps[EMBEDDING], noisy.embedding)
    torch.testing.assert_close(noisy.logits, before.logits + noise @ network.head.weight.T, atol=1e-4, rtol=1e-4)

    network.edits = {"conv4": lambda value: 0.5 * value}
    halved = network(images, taps=taps)
    assert torch.equal(halved.taps["conv3"], before.taps["conv3"])
    assert torch.equal(halved.taps["conv4"], 0.5 * before.taps["conv4"])
    torch.testing.assert_close(halved.taps["conv5"], network.backbone.layer4(0.5 * before.taps["conv4"]))
    assert (halved.logits - before.logits).abs().max() > 1e-3

    network.edits = {}
    assert torch.equal(network(images).logits, before.logits)


def steps(network, images, count=3):
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(count):
        adam.zero_grad()
        network(images).logits.square().sum().backward()
        adam.step()


def test_a_frozen_backbone_keeps_its_statistics_bit_by_bit(small, images):
    small.train()
    small.freeze_backbone(frozen=True)
    small.train()  # what a training loop says again after each evaluation
    before, head = state_of(small.backbone), small.head.weight.detach().clone()
    steps(small, images)
    assert equal(before, small.backbone.state_dict())
    assert not torch.equal(head, small.head.weight)
    assert not any(layer.training for layer in batch_norms(small.backbone))
    assert small.head.training

    small.freeze_backbone(frozen=False)
    assert all(parameter.requires_grad for parameter in small.parameters())
    steps(small, images)
    after = small.backbone.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert set(changed) == set(before), "control: without the freeze every parameter and statistic moves"


def test_freezing_in_evaluation_stays_in_evaluation(small):
    small.eval()
    small.freeze_backbone(frozen=True)
    small.freeze_backbone(frozen=False)
    assert not any(module.training for module in small.modules())


def test_shapes_of_taps_are_those_of_a_pass_and_leave_the_network_as_it_was(small, images):
    small.train()
    small.backbone.conv3.eval()
    modes, before = [module.training for module in small.modules()], state_of(small)
    taps = ["conv1", "conv2", "conv3", "conv4", "conv5", "pool", EMBEDDING]
    shapes = small.tap_shapes(taps, (64, 64))
    assert [module.training for module in small.modules()] == modes
    assert equal(before, small.state_dict())
    passed = copy.deepcopy(small).eval()(images, taps=taps).taps
    assert shapes == {tap: tuple(value.shape[1:]) for tap, value in passed.items()}
    assert shapes["conv5"][1:] == (4, 4)
    control = copy.deepcopy(small)
    control(images)
    assert not equal(before, control.state_dict())


@torch.no_grad()
def test_black_is_0_whatever_the_network_normalises_by(small, images):
    masked = images * (torch.arange(64) < 32)
    out = small.eval()(masked, taps=["conv1.0"])
    black = (torch.zeros(1, 3, 8, 8) - small.mean) / small.std
    inside = small.backbone.conv1[0](black)[0, :, 4, 4]
    torch.testing.assert_close(out.taps["conv1.0"][0, :, 30, 48], inside)
