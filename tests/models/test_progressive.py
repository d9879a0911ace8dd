import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.models.initialising import seeded  # noqa: E402
from steelyard.models.progressive import (  # noqa: E402
    EqualisedConv2d,
    EqualisedLinear,
    ProgressiveCritic,
    ProgressiveGenerator,
    minibatch_deviation,
    pixel_norm,
)

pytestmark = pytest.mark.torch

DEPTHS = (8, 6, 5)


@pytest.fixture
def generator():
    with seeded(0, "test"):
        return _with_biases(ProgressiveGenerator(7, DEPTHS))


@pytest.fixture
def critic():
    with seeded(1, "test"):
        return _with_biases(ProgressiveCritic(DEPTHS))


def _with_biases(module):
    """Biases begin as 0 and would hide a factor that is missing on them."""
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name.endswith("bias"):
                value.normal_()
    return module


def _drawn(*shape):
    return torch.from_numpy(np.random.default_rng(3).standard_normal(shape).astype("float32"))


def slow_images(generator, z):
    """The last scale's images as section 5 of the public models' description says it, step by step."""

    def layer(x, module):
        fan_in = module.weight[0].numel()
        if module.weight.dim() == 2:
            made = x @ module.weight.T + module.bias
        else:
            made = functional.conv2d(x, module.weight, None, padding=module.weight.shape[2] // 2)
            made = made + module.bias[None, :, None, None]
        return made * math.sqrt(2 / fan_in)

    def leaky(x):
        return torch.where(x < 0, 0.2 * x, x)

    def normed(x):
        return x / torch.sqrt((x**2).mean(dim=1, keepdim=True) + 1e-8)

    if generator.normalize:
        z = normed(z)
    x = normed(leaky(layer(z, generator.dense)).reshape(len(z), -1, 4, 4))
    x = normed(leaky(layer(x, generator.blocks[0][0])))
    for block in list(generator.blocks)[1:]:
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        for one in block:
            x = normed(leaky(layer(x, one)))
    return layer(x, generator.to_rgb[-1])


@pytest.mark.parametrize("normalize", [True, False])
def test_the_generator_is_what_the_public_models_compute(generator, normalize):
    generator.normalize = normalize
    generator, z = generator.double(), _drawn(5, 7).double()  # pixel norm makes much of rounding where all is near 0
    with torch.no_grad():
        torch.testing.assert_close(generator(z), slow_images(generator, z), rtol=1e-9, atol=1e-9)


def test_a_factor_on_the_weights_alone_would_be_seen(generator):
    # The control of the test above: without the factor on the bias, images differ.
    z = _drawn(5, 7)
    with torch.no_grad():
        before = generator(z)
        for name, value in generator.named_parameters():
            if name.endswith("bias"):
                value.mul_(2)
        assert (generator(z) - before).abs().max() > 0.1


@pytest.mark.parametrize(
    ("layer", "shape"), [(EqualisedConv2d(6, 4, 3), (2, 6, 5, 5)), (EqualisedLinear(6, 4), (2, 6))]
)
def test_equalised_layers_scale_output_and_bias(layer, shape):
    fan_in = math.prod(layer.weight.shape[1:])
    x = _drawn(*shape)
    with torch.no_grad():
        layer.bias.fill_(3.0)
        zero = layer(torch.zeros(shape))
        torch.testing.assert_close(zero, torch.full_like(zero, 3 * math.sqrt(2 / fan_in)))
        plain = functional.conv2d(x, layer.weight, padding=1) if x.dim() == 4 else x @ layer.weight.T
        torch.testing.assert_close(layer(x) - zero, plain * math.sqrt(2 / fan_in), rtol=1e-5, atol=1e-5)


def test_equalised_layers_begin_with_unit_weights():
    with seeded(5, "test"):
        layer = EqualisedConv2d(32, 32, 3)
    assert layer.weight.std().item() == pytest.approx(1, abs=0.03)
    assert not layer.bias.any()


def test_pixel_norm_gives_every_place_a_mean_square_of_one():
    made = pixel_norm(_drawn(3, 5, 4, 4) * 40)
    torch.testing.assert_close(made.square().mean(1), torch.ones(3, 4, 4))
    assert not pixel_norm(torch.zeros(1, 5, 2, 2)).any()  # and no division by zero


def test_latents_of_any_length_give_the_same_image_only_where_they_are_normalised(generator):
    z = _drawn(2, 7)
    with torch.no_grad():
        torch.testing.assert_close(generator(z), generator(3 * z), rtol=1e-4, atol=1e-5)
        generator.normalize = False
        assert (generator(z) - generator(3 * z)).abs().max() > 0.01


@pytest.mark.parametrize(("images", "group"), [(8, 4), (6, 3), (5, 1), (2, 2)])
def test_the_deviation_of_a_batch_against_a_loop(images, group):
    x = _drawn(images, 3, 4, 4)
    expected = []
    for i in range(images):
        # Images i mod (images / group) belong together.
        others = [x[j] for j in range(images) if j % (images // group) == i % (images // group)]
        stacked = torch.stack(others)
        deviation = ((stacked - stacked.mean(0)).square().mean(0) + 1e-8).sqrt()
        expected.append(deviation.mean())
        assert len(others) == group
    made = minibatch_deviation(x)
    assert made.shape == (images, 4, 4, 4)
    assert torch.equal(made[:, :3], x)
    torch.testing.assert_close(made[:, 3], torch.stack(expected)[:, None, None].expand(-1, 4, 4))


def test_the_critic_sees_that_images_of_a_batch_are_alike(critic):
    x = _drawn(4, 3, 16, 16)
    with torch.no_grad():
        alone, among = critic(x[:1].expand(4, -1, -1, -1)), critic(x)
    torch.testing.assert_close(alone, alone[:1].expand(4))
    assert (among[0] - alone[0]).abs() > 1e-4


@pytest.mark.parametrize("scale", [1, 2])
def test_fading_begins_with_the_scale_before_and_ends_with_the_new_one(generator, critic, scale):
    z, side = _drawn(4, 7), 4 * 2**scale
    with torch.no_grad():
        before, after = generator(z, scale=scale - 1), generator(z, scale=scale)
        enlarged = before.repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(generator(z, scale=scale, alpha=1.0), enlarged)
        middle = generator(z, scale=scale, alpha=0.25)
        torch.testing.assert_close(middle, 0.25 * enlarged + 0.75 * after)
        assert after.shape == (4, 3, side, side)
        images = _drawn(4, 3, side, side)
        small = functional.avg_pool2d(images, 2)
        torch.testing.assert_close(critic(images, scale=scale, alpha=1.0), critic(small, scale=scale - 1))
        torch.testing.assert_close(
            critic(images, scale=scale, alpha=1e-7), critic(images, scale=scale), atol=1e-4, rtol=0
        )
        assert (critic(images, scale=scale, alpha=1.0) - critic(images, scale=scale)).abs().max() > 1e-3


def test_layers_above_the_scale_at_work_get_no_gradient(generator, critic):
    critic(generator(_drawn(4, 7), scale=1), scale=1).sum().backward()
    got = {name for module in (generator, critic) for name, value in module.named_parameters() if value.grad is None}
    assert {name.rpartition(".")[0] for name in got} == {
        "blocks.2.0", "blocks.2.1", "to_rgb.0", "to_rgb.2", "blocks.1.0", "blocks.1.1", "from_rgb.0", "from_rgb.2"
    }  # fmt: skip


def test_sizes_of_the_public_128_pixel_model():
    with torch.device("meta"):
        model = ProgressiveGenerator(512, (512, 512, 512, 512, 256, 128))
        assert model(torch.empty(2, 512)).shape == (2, 3, 128, 128)
    assert model.size == 128
    assert model.dense.weight.shape == (8192, 512)
    assert model.blocks[4][0].weight.shape == (256, 512, 3, 3)
    assert model.to_rgb[5].weight.shape == (3, 128, 1, 1)


@pytest.mark.parametrize(
    ("latent_dim", "depths", "said"), [(0, (8,), "latent_dim"), (4, (), "depths"), (4, (8, 0), "depths")]
)
def test_shapes_that_are_none_are_refused(latent_dim, depths, said):
    with pytest.raises(InputError, match=said):
        ProgressiveGenerator(latent_dim, depths)
