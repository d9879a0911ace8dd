from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from progressive_world import OPTIONS, coloured  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.latent.progressive_file import load_generator  # noqa: E402
from steelyard.latent.progressive_guide import Guide  # noqa: E402
from steelyard.latent.progressive_images import GrowingImages  # noqa: E402
from steelyard.latent.progressive_samples import sphere_latents  # noqa: E402
from steelyard.latent.progressive_training import WEIGHTS, train_progressive  # noqa: E402
from steelyard.training.launching import launch  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]


def skewed(n=20_000):
    """Three labels that go with a group, the last column; given the group they are independent."""
    rng = np.random.default_rng(0)
    group = rng.random(n) < 0.4
    chances = np.where(group[:, None], [0.6, 0.1, 0.3], [0.2, 0.5, 0.3])
    return np.column_stack([rng.random((n, 3)) < chances, group]).astype(int)


def test_labels_of_latents_are_as_frequent_and_go_together_as_those_of_images():
    labels = skewed()
    guide = Guide.of(labels, latent_dim=32)
    z = torch.from_numpy(sphere_latents(100_000, 32, np.random.default_rng(1)))
    shown = guide.wanted(z).numpy()
    assert np.abs(shown.mean(axis=0) - labels.mean(axis=0)).max() < 0.02
    together = np.corrcoef(labels.T)
    assert np.abs(np.corrcoef(shown.T) - together).max() < 0.03
    assert np.abs(together - np.eye(4)).max() > 0.3, "the control: they do go together"


def test_each_label_is_a_side_of_a_hyperplane_and_no_two_are_one():
    labels = skewed()
    labels = np.column_stack([labels, labels[:, 3]])  # the group twice
    guide = Guide.of(labels, latent_dim=8)
    assert np.allclose(np.linalg.norm(guide.mix, axis=1), 1)
    angle = np.degrees(np.arccos(np.clip(guide.mix @ guide.mix.T, -1, 1)))[3, 4]
    assert 2 < angle < 20
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (guide.wanted(z).numpy() == (z.numpy()[:, :5] @ guide.mix.T > guide.cuts)).all()


@pytest.mark.parametrize(
    ("labels", "dim", "said"),
    [
        (np.eye(3), 2, "latents as wide as the 3 labels, found 2"),
        (np.column_stack([[0, 1, 0], [1, 1, 1]]), 4, "label 1: expected images with and without it"),
    ],
)
def test_labels_that_guide_nothing_are_refused(labels, dim, said):
    with pytest.raises(InputError, match=said):
        Guide.of(labels, latent_dim=dim)


def learned(folder, guide):
    """Share of latents whose image has the colour of the side on which they lie."""
    labels = np.arange(40)[:, None] % 2
    red, blue = coloured(mean=(220, 60, 60)), coloured(mean=(60, 60, 220), seed=1)
    images = np.where(labels[:, :, None, None] == 1, red, blue)
    options = replace(
        OPTIONS, guide=guide, depths=(8,), stable_images=(6400,), fade_images=(0,), batch_sizes=(8,), rate=3e-3,
        half_life=200, flip=False, checkpoint_steps=None,
    )  # fmt: skip

    def work(fabric):
        small = images[:, ::2, ::2]
        train_progressive(fabric, GrowingImages(small, seed=0, flip=False, labels=labels), options, folder)

    launch(options.engine(), work)
    z = torch.from_numpy(sphere_latents(400, OPTIONS.latent_dim, np.random.default_rng(3)))
    with torch.no_grad():
        made = load_generator(folder / WEIGHTS).module(z).mean(dim=(2, 3)).numpy()
    wanted = Guide.of(labels, latent_dim=OPTIONS.latent_dim).wanted(z).numpy()[:, 0]
    return float(((made[:, 0] > made[:, 2]) == wanted).mean())


def test_a_guided_generator_shows_a_label_on_its_side_and_another_does_not(tmp_path):
    assert learned(tmp_path / "guided", guide=5.0) > 0.9
    assert abs(learned(tmp_path / "free", guide=0.0) - 0.5) < 0.25, "the control: no side was asked for"
