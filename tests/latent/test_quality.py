import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.linalg import sqrtm  # noqa: E402

from steelyard.base.errors import InputError, UndefinedError  # noqa: E402
from steelyard.latent.quality import (  # noqa: E402
    Gaussian,
    features_of,
    frechet_distance,
    gaussian_of,
    share_confident,
)
from steelyard.models.catalog import build_network  # noqa: E402
from steelyard.models.options import ModelOptions  # noqa: E402

pytestmark = pytest.mark.torch


def drawn_gaussian(seed, d=5):
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((d, d))
    return Gaussian(rng.standard_normal(d), factor @ factor.T, 100)


def test_the_distance_of_diagonal_gaussians_has_a_closed_form():
    one, two = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 1.0])
    first, second = Gaussian(np.zeros(3), np.diag(one), 9), Gaussian(np.array([1.0, 2.0, 2.0]), np.diag(two), 9)
    expected = 9.0 + np.square(np.sqrt(one) - np.sqrt(two)).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_distance_against_the_matrix_root_of_scipy(seed):
    first, second = drawn_gaussian(seed), drawn_gaussian(seed + 100)
    root = sqrtm(first.covariance @ second.covariance).real
    apart = np.square(first.mean - second.mean).sum()
    expected = apart + np.trace(first.covariance + second.covariance - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-8)


def test_the_distance_is_none_to_itself_and_stands_singular_covariances():
    one = drawn_gaussian(1)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-8)
    features = np.random.default_rng(0).standard_normal((4, 10))  # fewer rows than columns
    few = gaussian_of(features)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    moved = gaussian_of(features + 2)
    assert frechet_distance(few, moved) == pytest.approx(40, rel=1e-6)


def test_the_distance_tells_two_samples_of_one_world_from_two_worlds():
    rng = np.random.default_rng(0)
    first, again, other = (
        rng.standard_normal((500, 4)),
        rng.standard_normal((500, 4)),
        rng.standard_normal((500, 4)) * 2,
    )
    same = frechet_distance(gaussian_of(first), gaussian_of(again))
    assert same < 0.1
    assert frechet_distance(gaussian_of(first), gaussian_of(other)) == pytest.approx(4, rel=0.15)


def test_features_are_the_embedding_of_the_network():
    network = build_network(ModelOptions(name="compact", width=4), outputs=2, seed=0).eval()
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    made = features_of(network, [images[:3], images[3:]])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = network(pixels).embedding.numpy()
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="evaluation mode"):
        features_of(network.train(), [images])


def test_the_share_of_confident_images():
    probabilities = [0.02, 0.1, 0.11, 0.5, 0.89, 0.9, 1.0, 0.3]
    assert share_confident(probabilities) == 0.5
    assert share_confident(probabilities, margin=0.0) == 1
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        share_confident([0.2, float("nan")])
    with pytest.raises(UndefinedError):
        share_confident([])


def test_faults_are_said():
    with pytest.raises(UndefinedError, match="2 images"):
        gaussian_of(np.ones((1, 3)))
    with pytest.raises(InputError, match="one width"):
        frechet_distance(drawn_gaussian(0, 3), drawn_gaussian(0, 4))
