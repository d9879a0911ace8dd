"""Noise and erasure at the taps of a network."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from steelyard.base.errors import InputError, UndefinedError  # noqa: E402
from steelyard.mitigation.features.edits import erasure_edit, fit_tap_eraser, noise_edit  # noqa: E402
from steelyard.mitigation.features.leace import fit_leace  # noqa: E402
from steelyard.mitigation.features.noise import spread_of  # noqa: E402
from steelyard.models.network import Network  # noqa: E402
from steelyard.training.objective import Batch  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]


@pytest.fixture
def network():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 5, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    aliases = {"conv": "0"}
    return Network(backbone, nn.Linear(20, 4), mean=(0.5,) * 3, std=(0.2,) * 3, aliases=aliases).eval()


def batches(count=6, size=50):
    rng = np.random.default_rng(2)
    for start in range(count):
        groups = torch.from_numpy(rng.integers(0, 2, size))
        images = torch.from_numpy(rng.random((size, 3, 16, 16), dtype=np.float32)) * 0.8
        images[:, 0] += 0.2 * groups[:, None, None]
        yield Batch(images, torch.zeros(size, 4), groups, torch.arange(size) + start * size)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def seen(network, tap):
    found = [(network(b.images, taps=[tap]).taps[tap].flatten(1), b.groups) for b in batches()]
    return np.concatenate([x.numpy() for x, _ in found]), np.concatenate([g.numpy() for _, g in found])


@torch.no_grad()
def test_no_noise_leaves_the_logits_bit_for_bit(network):
    images = next(batches()).images
    own = network(images).logits
    for tap in ("embedding", "conv"):
        network.edits = {tap: noise_edit(0.0, generator())}
        assert torch.equal(network(images).logits, own)
        network.edits = {tap: noise_edit(0.1, generator())}
        assert not torch.equal(network(images).logits, own)


@torch.no_grad()
@pytest.mark.parametrize("tap", ["embedding", "conv"])
def test_noise_has_the_stated_deviation_and_follows_its_generator(network, tap):
    images = torch.cat([b.images for b in batches()])
    before = network(images, taps=[tap]).taps[tap]
    spread = spread_of(before.numpy()) if tap == "embedding" else np.arange(5, dtype=np.float32)
    edit = noise_edit(0.5, generator(3), spread=spread)
    noise = (edit(before) - before).transpose(0, 1).flatten(1)
    assert noise.std(1).numpy() == pytest.approx(0.5 * spread, rel=0.15)
    first, second = (noise_edit(0.5, generator(s))(before) for s in (3, 3))
    assert torch.equal(first, second)
    assert not torch.equal(first, noise_edit(0.5, generator(4))(before))
    drawn = generator(3)
    edit = noise_edit(0.5, drawn)
    assert not torch.equal(edit(before), edit(before)), "each batch has its own"
    assert edit(before.to(torch.bfloat16)).dtype == torch.bfloat16


@torch.no_grad()
@pytest.mark.parametrize("tap", ["embedding", "conv"])
def test_erasure_at_a_tap(network, tap):
    x, groups = seen(network, tap)
    gap = np.abs(x[groups == 0].mean(axis=0) - x[groups == 1].mean(axis=0)).max() / x.std()
    eraser = fit_tap_eraser(network, tap, batches(), 2)
    assert eraser.projection == pytest.approx(fit_leace(x, groups, 2).projection, abs=1e-5)
    network.edits = {tap: erasure_edit(eraser)}
    after, _ = seen(network, "embedding") if tap == "embedding" else (erased(network, tap), None)
    left = np.abs(after[groups == 0].mean(axis=0) - after[groups == 1].mean(axis=0)).max() / x.std()
    assert gap > 0.1, "the control: it was there"
    assert left < 1e-5
    assert after == pytest.approx(eraser(x), abs=1e-5)


def erased(network, tap):
    """A tap is read before its own edit unless the edit stands first, so look at what the edit returns."""
    found = []
    edit = network.edits[tap]
    network.edits = {tap: lambda output: found.append(edit(output)) or found[-1]}
    for batch in batches():
        network(batch.images)
    return torch.cat(found).flatten(1).numpy()


def test_large_maps_are_refused_with_the_way_out(network):
    wide = Network(nn.Conv2d(3, 8, 1), nn.Linear(8, 1), mean=(0,) * 3, std=(1,) * 3, aliases={"conv5": ""})
    wide.backbone = nn.Sequential(nn.Conv2d(3, 17, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(17, 8))
    wide.eval()
    message = r"tap '0': expected at most 4,096 .* found 17×16×16 = 4,352; use the tap 'embedding'"
    with pytest.raises(InputError, match=message):
        fit_tap_eraser(wide, "0", batches(), 2)
    with pytest.raises(UndefinedError, match="expected batches"):
        fit_tap_eraser(network, "conv", [], 2)


def test_wrong_tap_sizes_are_refused(network):
    rng = np.random.default_rng(0)
    eraser = fit_leace(rng.normal(size=(50, 20)), np.arange(50) % 2, 2)
    with pytest.raises(InputError, match=r"a tap of 20 numbers, found \(5, 2, 2, 2\)"):
        erasure_edit(eraser)(torch.zeros(1, 5, 2, 2, 2))
    with pytest.raises(InputError, match=r"spread: expected the shape of the tap \(20,\), found \(5,\)"):
        noise_edit(1.0, generator(), spread=np.ones(5))(torch.zeros(2, 20))
    with pytest.raises(InputError, match="at least 0, found -1"):
        noise_edit(-1, generator())


def test_a_network_in_training_mode_is_not_fitted_on():
    backbone = nn.Sequential(nn.Conv2d(3, 5, 3, stride=4), nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = Network(backbone, nn.Linear(5, 4), mean=(0.5,) * 3, std=(0.2,) * 3, aliases={})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for whole in (True, False):
        network.train(whole)
        backbone[1].train()
        with pytest.raises(InputError, match=r"expected a network in evaluation mode, found training mode; call"):
            fit_tap_eraser(network, "embedding", batches(), 2)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert fit_tap_eraser(network.eval(), "embedding", batches(), 2).rank == 5
