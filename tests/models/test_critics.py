"""Critics: the layers of the paper, all of them learning."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.models import critics  # noqa: E402
from steelyard.models.critics import CRITICS, critic_for, image_critic  # noqa: E402
from steelyard.models.options import ModelOptions  # noqa: E402

pytestmark = pytest.mark.torch
SHAPES = {"vector": (20,), "conv5": (16, 4, 4), "conv4": (12, 7, 9), "image": (3, 40, 33), "image-compact": (3, 32, 33)}


def layers(module, kind):
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def evidence(shape, rows=8, seed=0):
    return torch.rand(rows, *shape, generator=torch.Generator().manual_seed(seed))


def equal(one, other):
    other = other.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("name", CRITICS)
def test_logits_of_groups_and_every_parameter_learns(name, groups):
    critic = critic_for(SHAPES[name], groups, name, seed=0)
    read = evidence(SHAPES[name]).requires_grad_()
    logits = critic(read)
    assert logits.shape == (8, groups)
    nn.functional.cross_entropy(logits, torch.arange(8) % groups).backward()
    assert all(p.requires_grad and p.grad is not None and p.grad.abs().sum() > 0 for p in critic.parameters())
    assert read.grad.abs().sum() > 0


def test_the_layers_are_those_of_the_paper():
    conv5 = critics.conv5_critic((2048, 7, 7), 2, seed=0)
    assert [(one.in_features, one.out_features) for one in layers(conv5, nn.Linear)] == [
        (100_352, 300),
        (300, 300),
        (300, 300),
        (300, 2),
    ]
    assert len(layers(conv5, nn.BatchNorm1d)) == 4
    conv4 = critics.conv4_critic((64, 14, 14), 2, seed=0)
    assert len(layers(conv4, nn.Conv2d)) == 3
    assert len(layers(conv4, nn.Linear)) == 4
    other = critics.vector_critic((10,), 4, 50, 2, seed=0)
    assert [one.out_features for one in layers(other, nn.Linear)] == [50, 4]
    assert len(layers(image_critic(2, seed=0), nn.Conv2d)) == 20, "a ResNet-18"


@pytest.mark.parametrize("name", CRITICS)
def test_the_seed_decides_and_nothing_global_moves(name):
    before = torch.random.get_rng_state()
    one, again, other = (critic_for(SHAPES[name], 2, name, seed=seed) for seed in (1, 1, 2))
    assert equal(one, again)
    assert not equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((5,), "vector"),
        ((16, 7, 7), "conv5"),
        ((8, 8, 8), "conv4"),
        ((9, 16), "conv5"),
        ((3, 64, 64), "image-compact"),
        ((3, 224, 224), "image"),
    ],
)
def test_auto_is_the_usual_critic_of_a_shape(shape, name):
    assert equal(critic_for(shape, 2, seed=4), critic_for(shape, 2, name, seed=4))


@pytest.mark.parametrize("name", ["vector", "conv5", "conv4", "image-compact"])
def test_a_planted_group_is_found_and_noise_is_not(name):
    shape, rows = SHAPES[name], 192
    noise, groups = evidence(shape, rows, seed=1), torch.arange(rows) % 2
    planted = noise.clone()
    planted[:, 0] += (2.0 if name == "vector" else 0.6) * groups.view(-1, *[1] * (len(shape) - 1))

    def accuracy(read):
        critic = critic_for(shape, 2, name, seed=0)
        adam = torch.optim.Adam(critic.parameters(), 1e-3)
        for _ in range(4):
            for batch in torch.arange(96).split(32):
                adam.zero_grad()
                nn.functional.cross_entropy(critic(read[batch]), groups[batch]).backward()
                adam.step()
        critic.eval()
        with torch.no_grad():
            return (critic(read[96:]).argmax(1) == groups[96:]).float().mean().item()

    assert accuracy(planted) > 0.75
    assert 0.3 < accuracy(noise) < 0.7


def test_an_image_critic_of_other_options():
    critic = image_critic(3, ModelOptions(name="compact", width=4), seed=0)
    assert critic(evidence((3, 32, 32))).shape == (8, 3)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: critic_for((5,), 2, "conv7", seed=0), r"expected auto, vector, conv5.*found 'conv7' \(closest: 'conv"),
        (lambda: critic_for((5,), 2, "conv5", seed=0), r"critic 'conv5': .*shape \(c, h, w\), found \(5,\)"),
        (lambda: critic_for((5, 2, 2), 2, "vector", seed=0), r"critic 'vector': .*shape \(d,\), found \(5, 2, 2\)"),
        (lambda: critic_for((5, 2, 2), 2, "image", seed=0), r"critic 'image': expected images \(3, h, w\), found"),
        (lambda: critic_for((5, 2), 2, "conv4", seed=0), r"critic 'conv4': .*found \(5, 2\)"),
        (lambda: critic_for((5,), 1, seed=0), r"expected 2 groups or more, found 1"),
        (lambda: critics.vector_critic((5,), 2, 0, seed=0), r"hidden and layers of 1 or more, found 0 and 4"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, line):
    with pytest.raises(InputError, match=line):
        make()
