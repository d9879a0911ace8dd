"""The mask network: any size, the right range, an open start, and that it can learn to hide."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.models.mask_unet import MaskUNet  # noqa: E402

pytestmark = pytest.mark.torch


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(64, 64), (50, 37), (1, 1), (17, 16), (5, 96)])
def test_any_size_and_always_from_0_to_1(size):
    mask = MaskUNet(4, seed=0)(images(3, 3, *size))
    assert mask.shape == (3, 1, *size)
    assert mask.dtype == torch.float32
    assert ((mask >= 0) & (mask <= 1)).all()


@pytest.mark.parametrize("training", [True, False])
def test_it_starts_near_1(training):
    mask = MaskUNet(8, seed=1).train(training)(images(4, 3, 48, 48))
    assert abs(mask.mean() - 0.98) < 0.01
    assert mask.min() > 0.9
    assert mask.std() > 0, "it reads the image from the first"


@torch.no_grad()
def test_odd_sides_are_padded_by_their_edge():
    network, odd = MaskUNet(4, seed=0).eval(), images(2, 3, 21, 30)
    padded = torch.cat([odd, odd[:, :, -1:].expand(-1, -1, 11, -1)], dim=2)
    padded = torch.cat([padded, padded[..., -1:].expand(-1, -1, -1, 2)], dim=3)
    assert padded.shape[-2:] == (32, 32)
    torch.testing.assert_close(network(odd), network(padded)[..., :21, :30])


def test_gradients_reach_every_parameter_and_the_image():
    network, given = MaskUNet(4, seed=0), images(2, 3, 32, 32).requires_grad_()
    (network(given) * images(2, 1, 32, 32, seed=3)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert given.grad.abs().sum() > 0


def test_the_seed_decides_and_nothing_global_moves():
    before = torch.random.get_rng_state()
    one, again, other = (MaskUNet(4, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_learns_to_hide_a_bright_spot_and_keep_the_rest():
    network = MaskUNet(8, 2, seed=0)
    adam = torch.optim.Adam(network.parameters(), 2e-2)
    generator = torch.Generator().manual_seed(0)
    spots = torch.zeros(16, 1, 24, 24)
    for row, (y, x) in enumerate(torch.randint(0, 18, (16, 2), generator=generator).tolist()):
        spots[row, :, y : y + 6, x : x + 6] = 1.0
    given = 0.3 * images(16, 3, 24, 24) + 0.7 * spots
    for _ in range(50):
        adam.zero_grad()
        functional.binary_cross_entropy(network(given), 1 - spots).backward()
        adam.step()
    mask = network(given)
    assert mask[spots == 1].mean() < 0.2
    assert mask[spots == 0].mean() > 0.9


@torch.no_grad()
def test_under_autocast_the_mask_keeps_its_precision():
    network, given = MaskUNet(4, seed=0).eval(), images(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        mask = network(given)
    assert mask.dtype == torch.float32
    torch.testing.assert_close(mask, network(given), atol=5e-3, rtol=0)


@pytest.mark.parametrize("options", [{"width": 0}, {"levels": 0}, {"start": 1.0}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(InputError, match="mask: expected"):
        MaskUNet(**options, seed=0)


@pytest.mark.parametrize("size", [(32, 32), (21, 30), (7, 5)])
def test_a_coarse_mask_covers_the_image_and_is_smooth_between_its_places(size: tuple[int, int]) -> None:
    network, given = MaskUNet(4, 2, scale=4, seed=0).eval(), images(2, 3, *size)
    mask = network(given)
    assert mask.shape == (2, 1, *size)
    assert ((mask > 0) & (mask < 1)).all()
    # By hand: the image averaged over 4 by 4 pixels, the mask of that at scale 1, interpolated before the sigmoid.
    below, right = -size[0] % 16, -size[1] % 16
    padded = torch.nn.functional.pad(given, (0, right, 0, below), mode="replicate")
    coarse = padded.unfold(2, 4, 4).unfold(3, 4, 4).mean(dim=(-1, -2))
    fine = MaskUNet(4, 2, seed=0).eval()
    fine.load_state_dict(network.state_dict())
    logits = torch.logit(fine(coarse).double()).float()
    wanted = torch.nn.functional.interpolate(logits, scale_factor=4, mode="bilinear").sigmoid()
    assert torch.allclose(mask, wanted[..., : size[0], : size[1]], atol=1e-5)
    assert not torch.allclose(mask, fine(given), atol=1e-5), "the control: another scale is another mask"
