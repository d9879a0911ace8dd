"""Annotation: one pass for any number of classifiers, scores that each would give alone, labels by thresholds."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steelyard.base.errors import InputError, UndefinedError  # noqa: E402
from steelyard.latent.annotation import (  # noqa: E402
    Scorer,
    as_evaluated,
    label_scores,
    require_both,
    score_latents,
    scores_of,
)
from steelyard.latent.by_id import ByLatent, latent_ids  # noqa: E402
from steelyard.latent.pixels import Synthesis, framed, to_uint8  # noqa: E402
from steelyard.metrics.thresholds import f1_optimal_threshold  # noqa: E402
from steelyard.training.transforms import TransformOptions  # noqa: E402

pytestmark = pytest.mark.torch
WHOLE = TransformOptions(resize=None, crop=None)


class Blocks:
    """A generator of 8 by 8 images: the left half as bright as z₀, the right as z₁."""

    name, latent_dim, size = "blocks", 3, (8, 8)

    def __init__(self):
        self.made = []

    def sample(self, n, *, seed):
        return np.random.default_rng(seed).uniform(-1, 1, size=(n, 3)).astype(np.float32)

    def synthesize(self, z):
        self.made.append(len(z))
        images = torch.zeros(len(z), 3, 8, 8)
        images[..., :4], images[..., 4:] = z[:, 0, None, None, None], z[:, 1, None, None, None]
        return images


def left(images):
    return images[..., :4].mean(dim=(1, 2, 3))[:, None]


def both(images):
    return torch.cat([left(images), images[..., 4:].mean(dim=(1, 2, 3))[:, None]], dim=1)


def latents(n=37, seed=0):
    return ByLatent(latent_ids(n), Blocks().sample(n, seed=seed))


def test_a_pixel_is_the_rounded_place_in_one_fixed_range():
    values = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    image = values.view(1, 1, 1, 7).expand(1, 3, 1, 7)
    assert to_uint8(image)[0, 0, :, 0].tolist() == [0, 0, 64, 128, 191, 255, 255]
    # A dim image stays dim: nothing is stretched by its own minimum and maximum.
    assert set(to_uint8(0.1 * image).ravel().tolist()) <= set(range(100, 170))


def test_all_classifiers_score_in_one_pass(tmp_path):
    generator = Blocks()
    scorers = [Scorer(("left",), WHOLE, left), Scorer(("one", "other"), WHOLE, both), Scorer(("more",), WHOLE, left)]
    scored = score_latents(Synthesis(generator, batch=10), latents(), scorers, tmp_path, length=16)
    assert sum(generator.made) == scored.made == 37
    assert scored.table.names == ("left", "one", "other", "more")
    z = latents().values
    assert np.allclose(scored.table.column("left"), (z[:, 0] + 1) / 2, atol=0.003)
    assert np.allclose(scored.table.column("other"), (z[:, 1] + 1) / 2, atol=0.003)
    # The control: one pass for each classifier, as the public code does, makes three times the images.
    control = Blocks()
    for at, scorer in enumerate(scorers):
        score_latents(Synthesis(control, batch=10), latents(), [scorer], tmp_path / str(at))
    assert sum(control.made) == 3 * 37


def test_a_stopped_pass_goes_on_at_the_first_missing_shard(tmp_path):
    whole = score_latents(Synthesis(Blocks()), latents(), [Scorer(("a",), WHOLE, left)], tmp_path / "whole", length=8)
    stopping = Blocks()

    def stop(images):
        if sum(stopping.made) > 20:
            raise KeyboardInterrupt
        return left(images)

    with pytest.raises(KeyboardInterrupt):
        score_latents(Synthesis(stopping), latents(), [Scorer(("a",), WHOLE, stop)], tmp_path / "part", length=8)
    generator = Blocks()
    scored = score_latents(Synthesis(generator), latents(), [Scorer(("a",), WHOLE, left)], tmp_path / "part", length=8)
    assert sum(generator.made) == 37 - 16
    assert np.array_equal(scored.table.values, whole.table.values)
    again = Blocks()
    score_latents(Synthesis(again), latents(), [Scorer(("a",), WHOLE, left)], tmp_path / "part", mark="x", length=8)
    assert sum(again.made) == 37  # of another mark, nothing stands


def test_scores_of_other_latents_are_not_taken_for_these(tmp_path):
    """As many latents under the same mark: of other values, or the same values under other ids."""
    scorer, first, other = Scorer(("a",), WHOLE, left), latents(), latents(seed=1)
    moved = ByLatent(latent_ids(37, start=5), first.values)
    for table, made in ((first, 37), (first, 0), (other, 37), (first, 37), (moved, 37)):
        generator = Blocks()
        scored = score_latents(Synthesis(generator), table, [scorer], tmp_path, mark="m", length=8)
        assert sum(generator.made) == made
        assert np.allclose(scored.table.column("a"), (table.values[:, 0] + 1) / 2, atol=0.003)


def test_an_image_is_seen_as_evaluation_sees_it():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(2, 12, 12, 3), dtype=np.uint8)
    seen = as_evaluated(images, TransformOptions(resize=None, crop=8))
    assert np.array_equal(
        seen.numpy(), images[:, 2:10, 2:10].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    )
    assert as_evaluated(images, TransformOptions(resize=24, crop=16)).shape == (2, 3, 16, 16)
    with pytest.raises(InputError, match="expected 12 or less"):
        as_evaluated(images, TransformOptions(crop=20))


def test_a_frame_keeps_the_middle_and_the_proportions():
    image = np.zeros((30, 60, 3), dtype=np.uint8)
    image[:, 15:45] = 200
    assert (framed(image, (10, 10)) == 200).all()
    assert framed(image, (30, 60)) is image
    assert framed(image, (15, 30)).shape == (15, 30, 3)
    assert framed(image, (40, 20)).shape == (40, 20, 3)


def test_labels_are_those_at_or_above_the_threshold_of_validation():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 200)
    scores = (truth + rng.normal(scale=0.6, size=200)).astype(np.float32)
    threshold = f1_optimal_threshold(truth, scores.astype(np.float64))
    table = ByLatent(latent_ids(200), np.stack([scores, -scores], axis=1), ("a", "b"))
    labels = label_scores(table, {"b": -10.0, "a": threshold})
    assert labels.names == ("b", "a")
    assert np.array_equal(labels.column("a"), scores >= np.float32(threshold))
    assert labels.column("b").all()
    # The score at the threshold is one of them (a strict cut would lose it).
    assert labels.column("a")[scores == np.float32(threshold)].all()


def test_a_classifier_that_never_or_always_fires_is_one_line():
    table = ByLatent(latent_ids(4), np.array([[0, 1], [0, 1], [0, 0], [0, 1]], dtype=np.uint8), ("Hat", "Male"))
    with pytest.raises(UndefinedError, match="attribute Hat: expected 1 or more generated images with and without it, "
                       "found 0 of 4 with it, as its classifier never fires on them; leave"):  # fmt: skip
        require_both(table)
    turned = ByLatent(table.ids, 1 - table.values, table.names)
    with pytest.raises(UndefinedError, match="found 4 of 4 with it, as its classifier always fires"):
        require_both(turned)
    require_both(ByLatent(table.ids, table.values[:, 1:], ("Male",)))


def test_faults_of_scorers_and_latents_are_one_line(tmp_path):
    scorer = Scorer(("a",), WHOLE, left)
    with pytest.raises(InputError, match="expected one of each attribute, found several of 'a'"):
        score_latents(Synthesis(Blocks()), latents(), [scorer, scorer], tmp_path)
    wide = ByLatent(latent_ids(2), np.zeros((2, 4), dtype=np.float32))
    with pytest.raises(InputError, match="expected rows of 3 numbers, the width of blocks, found 2 by 4; sample"):
        score_latents(Synthesis(Blocks()), wide, [scorer], tmp_path)
    broken = Scorer(("a",), WHOLE, lambda images: left(images) * float("nan"))
    with pytest.raises(InputError, match="classifier of a: expected finite scores"):
        score_latents(Synthesis(Blocks()), latents(), [broken], tmp_path)
    with pytest.raises(InputError, match=r"expected scores \[2, 3\], found \[2, 1\]"):
        scores_of(np.zeros((2, 8, 8, 3), dtype=np.uint8), [Scorer(("a", "b", "c"), WHOLE, left)])
