"""Convolutions on small maps: the values and gradients of `nn.Conv2d`, whichever way they take."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from steelyard.models.catalog import ModelOptions, build_network  # noqa: E402
from steelyard.models.small_maps import LARGEST, SmallMapConv2d, speed_small_maps  # noqa: E402

pytestmark = pytest.mark.torch

SHAPES = [
    # inputs, outputs, kernel, stride, padding, height, width
    (5, 7, 3, 1, 1, 1, 1),
    (5, 7, 3, 1, 1, 2, 2),
    (6, 4, 3, 1, 1, 4, 4),
    (4, 6, 3, 2, 1, 8, 7),
    (4, 6, 1, 2, 0, 7, 8),
    (4, 6, 1, 1, 0, 2, 8),
    (3, 5, (5, 3), (2, 1), (2, 0), 5, 6),
    (3, 4, 7, 4, 3, 13, 10),
]


def pair(*shape, bias: bool = True) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution and its copy on the faster way."""
    inputs, outputs, kernel, stride, padding = shape
    usual = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
    other = copy.deepcopy(usual)
    speed_small_maps(other)
    assert type(other) is SmallMapConv2d
    return usual, other


def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the calls of `linear`, by which the faster way is seen."""
    seen: list[int] = []
    real = nn.functional.linear

    def counted(*args):
        seen.append(1)
        return real(*args)

    monkeypatch.setattr(nn.functional, "linear", counted)
    return seen


def passes(layer: nn.Conv2d, images: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of images and parameters."""
    images = images.detach().requires_grad_()
    out = layer(images)
    return [out, *torch.autograd.grad((out * weights).sum(), [images, *layer.parameters()])]


@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_the_convolution(shape, bias, format, monkeypatch) -> None:
    torch.manual_seed(0)
    *layer, height, width = shape
    usual, other = (one.to(memory_format=format) for one in pair(*layer, bias=bias))
    images = torch.randn(3, layer[0], height, width).to(memory_format=format)
    weights = torch.randn_like(usual(images))
    seen = products(monkeypatch)
    expected = passes(usual, images, weights)
    assert not seen
    found = passes(other, images, weights)
    assert seen == [1]
    for one, true in zip(found, expected, strict=True):
        assert one.shape == true.shape
        assert torch.allclose(one, true, rtol=1e-5, atol=1e-5)


def test_half_precision_rounds_as_the_convolution_does() -> None:
    torch.manual_seed(1)
    usual, other = pair(32, 16, 3, 1, 1)
    images = torch.randn(8, 32, 2, 2)
    weights = torch.randn(8, 16, 2, 2)
    exact = passes(usual, images, weights)
    with torch.autocast("cpu", torch.bfloat16):
        found, half = passes(other, images, weights), passes(usual, images, weights)
    assert found[0].dtype == torch.bfloat16
    for one, conv, true in zip(found, half, exact, strict=True):
        assert one.dtype == conv.dtype
        error, allowed = ((part.float() - true).abs().max() / true.abs().max() for part in (one, conv))
        assert error <= 2 * allowed + 1e-3
        assert allowed > 1e-4  # half precision it was


@pytest.mark.parametrize(("side", "small"), [(4, True), (5, False)])
def test_large_maps_take_the_usual_way(side: int, small: bool, monkeypatch) -> None:
    assert LARGEST == 16
    usual, other = pair(3, 4, 3, 1, 1)
    images = torch.randn(2, 3, side, side)
    seen = products(monkeypatch)
    assert torch.allclose(other(images), usual(images), atol=1e-5)
    assert bool(seen) is small


def test_a_map_that_is_too_small_is_still_an_error() -> None:
    _, other = pair(3, 4, 5, 1, 0)
    with pytest.raises(RuntimeError):
        other(torch.randn(2, 3, 2, 2))


def test_unusual_convolutions_stay_as_they_are() -> None:
    class Own(nn.Conv2d):
        pass

    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        Own(4, 4, 3),
    )
    kinds = [type(layer) for layer in layers]
    speed_small_maps(layers)
    assert [type(layer) for layer in layers] == kinds


def test_a_network_learns_the_same_from_small_images() -> None:
    torch.manual_seed(2)
    network = build_network(ModelOptions(name="resnet18"), outputs=3, seed=0).double()
    usual = copy.deepcopy(network)
    changed = [layer for layer in usual.modules() if type(layer) is SmallMapConv2d]
    assert len(changed) == 20
    for layer in changed:
        layer.__class__ = nn.Conv2d
    assert list(usual.state_dict()) == list(network.state_dict())
    images, weights = torch.rand(4, 3, 64, 64).double(), torch.randn(4, 3).double()
    for one in (network, usual):
        (one(images).logits * weights).sum().backward()
    for (name, found), true in zip(network.named_parameters(), usual.parameters(), strict=True):
        assert torch.allclose(found.grad, true.grad, rtol=1e-6, atol=1e-9), name
