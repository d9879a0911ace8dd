"""The hidden layer between backbone and head: that of the published classifier, and none by default."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.models.catalog import build_network  # noqa: E402
from steelyard.models.network import EMBEDDING  # noqa: E402
from steelyard.models.options import ModelOptions  # noqa: E402

pytestmark = pytest.mark.torch


def build(**more):
    return build_network(ModelOptions(name="compact", width=4, **more), outputs=3, seed=7)


def images():
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_head_is_linear_relu_dropout_linear():
    network = build(hidden=20, dropout=0.5).eval()
    out = network(images(), taps=[EMBEDDING])
    first, second = network.hidden[0], network.head
    features = network.backbone((images() - network.mean) / network.std)
    by_hand = torch.relu(features @ first.weight.T + first.bias)
    assert torch.allclose(out.embedding, by_hand, atol=1e-6)
    assert torch.equal(out.taps[EMBEDDING], out.embedding)
    assert torch.allclose(out.logits, by_hand @ second.weight.T + second.bias, atol=1e-6)
    assert (out.embedding >= 0).all()
    assert network.dropout.p == 0.5
    # Dropout is between the hidden layer and the head: in training it changes the logits, not the embedding.
    network.dropout.train()
    again = network(images())
    assert torch.equal(again.embedding, out.embedding)
    assert not torch.allclose(again.logits, out.logits)


def test_the_published_classifier_has_these_widths():
    network = build_network(ModelOptions(name="resnet50", hidden=2048, dropout=0.5), outputs=1, seed=0)
    assert [tuple(layer.weight.shape) for layer in (network.hidden[0], network.head)] == [(2048, 2048), (1, 2048)]


def test_without_it_nothing_is_new():
    plain, other = build(), build(hidden=20)
    assert isinstance(plain.hidden, nn.Identity)
    assert not [name for name in plain.state_dict() if name.startswith("hidden")]
    backbone = [name for name in plain.state_dict() if name.startswith("backbone")]
    assert all(torch.equal(plain.state_dict()[name], other.state_dict()[name]) for name in backbone)


def test_it_learns_with_the_head_while_the_backbone_is_frozen():
    network = build(hidden=20)
    network.requires_grad_(True)
    network.freeze_backbone(frozen=True)
    learning = {name for name, value in network.named_parameters() if value.requires_grad}
    assert learning == {"hidden.0.weight", "hidden.0.bias", "head.weight", "head.bias"}


def test_weights_of_a_plain_network_fit_but_for_the_new_layers(tmp_path):
    plain = build()
    torch.save(plain.state_dict(), tmp_path / "plain.pth")
    other = build(hidden=20, weights=str(tmp_path / "plain.pth"))
    assert torch.equal(other.backbone.conv1[0].weight, plain.backbone.conv1[0].weight)
    assert ModelOptions(name="resnet18", hidden=9).describe() == {"model": "resnet18 hidden 9"}
    with pytest.raises(InputError, match=r"model\.hidden: expected 1 unit or more, or none, found 0; change it"):
        ModelOptions(hidden=0)
