import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from progressive_world import coloured  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.datasets.images import read_image  # noqa: E402
from steelyard.latent.progressive_file import load_generator, save_generator  # noqa: E402
from steelyard.latent.progressive_images import GrowingImages, halved, read_squares  # noqa: E402
from steelyard.latent.progressive_loss import (  # noqa: E402
    average_gradients,
    drift,
    follow,
    gradient_penalty,
    keep_of,
)
from steelyard.latent.progressive_samples import as_grid, sphere_latents, write_png  # noqa: E402
from steelyard.models.initialising import seeded  # noqa: E402
from steelyard.models.progressive import ProgressiveGenerator  # noqa: E402
from steelyard.models.weights import save_weights  # noqa: E402

pytestmark = pytest.mark.torch


def a_generator(seed=0, **more):
    with seeded(seed, "test"):
        return ProgressiveGenerator(6, (8, 8, 4), **more)


# The losses.


def test_the_penalty_of_a_linear_critic_is_known():
    rng = np.random.default_rng(0)
    real, fake = (torch.from_numpy(rng.normal(size=(5, 3, 4, 4)).astype("float32")) for _ in range(2))
    mix = torch.from_numpy(rng.random(5).astype("float32"))
    slope = torch.from_numpy(rng.normal(size=(3, 4, 4)).astype("float32"))
    for length in (1.0, 3.0, 0.25):
        weights = (slope / slope.norm() * length).requires_grad_(True)
        penalty = gradient_penalty(lambda x, w=weights: (x * w).sum(dim=(1, 2, 3)), real, fake, mix)
        assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-5)
        penalty.backward()
        # d/dw (‖w‖ − 1)² = 2 (‖w‖ − 1) w / ‖w‖
        expected = 2 * (length - 1) * weights.detach() / length
        torch.testing.assert_close(weights.grad, expected, rtol=1e-4, atol=1e-5)


def test_the_penalty_looks_between_the_images_as_the_mix_says():
    real, fake = torch.full((4, 1, 2, 2), 3.0), torch.full((4, 1, 2, 2), -1.0)
    mix = torch.tensor([0.0, 0.25, 0.5, 1.0])
    seen = []

    def critic(x):
        seen.append(x.detach().clone())
        return x.square().sum(dim=(1, 2, 3)) / 2  # its slope at x is x

    penalty = gradient_penalty(critic, real, fake, mix)
    places = torch.tensor([-1.0, 0.0, 1.0, 3.0])
    torch.testing.assert_close(seen[0][:, 0, 0, 0], places)
    lengths = places.abs() * 2  # four pixels
    assert penalty.item() == pytest.approx((lengths - 1).square().mean().item(), abs=1e-4)


def test_the_penalty_is_finite_where_the_critic_is_flat():
    flat = torch.zeros(1, requires_grad=True)
    zeros = torch.zeros(2, 1, 2, 2)
    penalty = gradient_penalty(lambda x: (x * flat).sum(dim=(1, 2, 3)), zeros, zeros, torch.zeros(2))
    penalty.backward()
    assert penalty.item() == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(flat.grad).all()


def test_drift_is_the_mean_square():
    assert drift(torch.tensor([1.0, -3.0])).item() == 5


def test_the_average_forgets_half_in_a_half_life():
    module = torch.nn.Linear(3, 2)
    average = copy.deepcopy(module).requires_grad_(False)
    start = average.weight.clone()
    with torch.no_grad():
        module.weight.fill_(10.0)
    for _ in range(25):
        follow(average, module, keep_of(40, half_life=1000))
    torch.testing.assert_close(average.weight, (start + 10) / 2)
    follow(average, module, 0.0)
    assert torch.equal(average.weight, module.weight)


def test_averaged_gradients_are_the_mean_and_leave_out_what_has_none():
    mine, others = ([torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 3), (4,), (5,))] for _ in range(2))
    for number, parameters in enumerate((mine, others)):
        for at in (0, 2):
            parameters[at].grad = torch.full_like(parameters[at], float(number * 4 + at))
    flat = torch.cat([others[0].grad.flatten(), others[2].grad.flatten()])
    average_gradients(mine, lambda held: (held + flat) / 2)
    assert mine[1].grad is None
    assert mine[0].grad.eq(2).all()
    assert mine[2].grad.eq(4).all()


# The images.


def test_halved_images_are_means_of_squares():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    made = halved(images, 4)
    expected = np.rint(
        (images[:, ::2, ::2].astype(float) + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]) / 4
    )
    np.testing.assert_array_equal(made, expected)
    assert halved(images, 8) is images


def test_each_image_is_shown_once_in_a_round_however_batches_fall():
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), dtype=np.uint8)
    real = GrowingImages(images, seed=3, flip=False)

    def shown(first, count):
        batch = real.batch(4, 0.0, first=first, count=count)
        return ((batch[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()

    whole = shown(0, 30)
    assert [sorted(whole[at : at + 10]) for at in (0, 10, 20)] == [list(range(10))] * 3
    assert whole[:10] != whole[10:20]
    assert shown(7, 3) + shown(10, 15) + shown(25, 5) == whole[7:]
    assert shown(0, 30) == whole
    assert [0, *whole] != [0, *GrowingImages(images, seed=4, flip=False).batch(4, 0.0, first=0, count=30)[:, 0, 0, 0]]


def test_faded_images_and_flips():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    plain = GrowingImages(images, seed=0, flip=False)
    sharp, half, blurred = (plain.batch(8, alpha, first=0, count=40) for alpha in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (sharp + blurred) / 2)
    assert torch.equal(blurred[:, :, ::2, ::2], blurred[:, :, 1::2, 1::2])
    torch.testing.assert_close(blurred[:, :, ::2, ::2], torch.nn.functional.avg_pool2d(sharp, 2))
    assert sharp.min() >= -1
    assert sharp.max() <= 1
    flipped = GrowingImages(images, seed=0, flip=True).batch(8, 0.0, first=0, count=40)
    same = [torch.equal(one, two) for one, two in zip(flipped, sharp, strict=True)]
    mirrored = [torch.equal(one, two.flip(2)) for one, two in zip(flipped, sharp, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 8 < sum(mirrored) < 32


def test_squares_of_a_data_set(tmp_path):
    import cv2

    from steelyard.datasets.image_table import ImageTable

    wide = np.zeros((8, 16, 3), dtype=np.uint8)
    wide[:, 4:12] = 200  # what remains of the middle
    cv2.imwrite(str(tmp_path / "a.png"), wide)
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 4, 3), 90, dtype=np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "labels.csv").write_text("id,path,g,y\n1,a.png,m,1\n2,broken.png,w,0\n3,b.png,w,0\n")
    dataset = ImageTable(tmp_path / "labels.csv", protected="g")
    made = read_squares(dataset, dataset.labels(), 8, on_bad_image="skip")
    assert made.shape == (2, 8, 8, 3)
    assert (made[0] == 200).all()
    assert (made[1] == 90).all()
    with pytest.raises(InputError, match=r"broken\.png"):
        read_squares(dataset, dataset.labels(), 8)


# Samples and files.


def test_latents_lie_on_the_sphere_and_first_rows_do_not_depend_on_their_number():
    many = sphere_latents(50, 16, np.random.default_rng(0))
    assert many.dtype == np.float32
    np.testing.assert_allclose(np.square(many).mean(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(sphere_latents(5, 16, np.random.default_rng(0)), many[:5])


def test_grids_and_png(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    grid = as_grid(images, 3)
    assert grid.shape == (8, 18, 3)
    np.testing.assert_array_equal(grid[4:, 6:12], images[4])
    assert not grid[4:, 12:].any()
    large = as_grid(images, 3, side=9)
    np.testing.assert_array_equal(large[::2, ::2], grid)
    write_png(tmp_path / "made" / "grid.png", grid)
    np.testing.assert_array_equal(read_image(tmp_path / "made" / "grid.png"), grid)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_generator_comes_back_from_its_file(tmp_path, normalize):
    module = a_generator(normalize=normalize)
    path = tmp_path / "generator.safetensors"
    save_generator(path, module, scale=2, trained_on="4 images", steps=7)
    read = load_generator(path)
    assert (read.scale, read.alpha, read.trained_on, read.steps) == (2, 0.0, "4 images", 7)
    assert read.module.normalize == normalize
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
    assert {value.dtype for value in read.module.parameters()} == {torch.float32}
    z = torch.from_numpy(sphere_latents(64, 6, np.random.default_rng(0)))
    with torch.no_grad():
        apart = (read.module(z) - module(z)).abs()
    assert apart.mean() * 127.5 < 0.2  # of 255 steps
    assert path.stat().st_size < 2.2 * sum(value.numel() for value in module.parameters()) + 4000
    assert next(module.parameters()).requires_grad


def test_a_generator_that_is_still_growing_is_written_up_to_its_scale(tmp_path):
    module, path = a_generator(), tmp_path / "generator.safetensors"
    save_generator(path, module, scale=1, alpha=0.25)
    read = load_generator(path)
    assert read.module.depths == (8, 8)
    assert module.depths == (8, 8, 4)
    z = torch.from_numpy(sphere_latents(8, 6, np.random.default_rng(0)))
    with torch.no_grad():
        apart = read.module(z, alpha=read.alpha) - module(z, scale=1, alpha=0.25)
    assert apart.abs().max() < 0.02


def test_files_of_something_else_are_refused(tmp_path):
    other = tmp_path / "other.safetensors"
    save_weights(other, a_generator(), {"model": "resnet18"})
    with pytest.raises(InputError, match=r"progressive generator.*kind not stated"):
        load_generator(other)
    said = {"kind": "progressive generator", "latent_dim": "6", "channels": "3", "depths": "8,8", "normalize": "true",
            "scale": "1", "alpha": "0", "steps": "0"}  # fmt: skip
    save_weights(other, a_generator(), said)
    with pytest.raises(InputError, match=r"names .* not expected"):
        load_generator(other)
    for wrong in ({"depths": "8,x,4"}, {"normalize": "yes"}, {"scale": "7"}, {"alpha": "nan"}, {"latent_dim": "0"}):
        save_weights(other, a_generator(), {**said, **wrong})
        with pytest.raises(InputError, match="latent_dim"):
            load_generator(other)
    save_weights(other, a_generator(), {name: value for name, value in said.items() if name != "depths"})
    with pytest.raises(InputError, match="depths not stated"):
        load_generator(other)


def test_images_of_one_colour_are_what_the_world_says():
    assert np.abs(coloured().mean(axis=(0, 1, 2)) - (200, 80, 40)).max() < 2
