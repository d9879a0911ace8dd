"""What measurements and classifiers find in Scenes: the leak of the labels, the cues in the pixels, the objects."""

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.datasets.scenes import Looks, Scenes, ScenesSettings
from steelyard.leakage.evidence import label_evidence
from steelyard.leakage.measures import leakage
from steelyard.leakage.plan import crossfit, holdout
from steelyard.leakage.search import run
from steelyard.mitigation.samples import balance
from steelyard.tables import LabelTable

NO_LOOKS = Looks(face=0.0, hair=0.0, clothing=0.0, silhouette=0.0)


def label_leakage(table: LabelTable) -> Estimate:
    """Cross-fitted within a table without splits, else fitted on train and scored on test."""
    rows, k = np.arange(len(table)), len(table.group_names)
    if table.splits is None or len(set(table.splits)) == 1:
        plan = crossfit(table.groups, rows, folds=5, rounds=2, seed=0, scheme="cross-fitted")
    else:
        fit, score = np.flatnonzero(table.splits == "train"), np.flatnonzero(table.splits == "test")
        plan = holdout(table.groups, fit, score, rounds=2, seed=0, scheme="train to test")
    evidence = label_evidence(table.targets, table.kind, len(table.target_names))
    return leakage("dataset_leakage", run([lambda _: evidence], table.groups, plan, k=k)[0], of="labels")


@pytest.mark.parametrize("groups", [2, 3])
def test_skewed_as_rendered(groups: int) -> None:
    """At the default dials labels leak, and as much as their probabilities say."""
    world = Scenes(ScenesSettings(groups=groups), train=6000, val=0, test=3000)
    found = label_leakage(world.labels())
    assert found.low > 1 / groups + 0.1
    assert found.low - 0.01 < world.truth.dataset_leakage() < found.high + 0.03  # an attacker may fall short of it


def test_without_tilt_labels_do_not_leak() -> None:
    found = label_leakage(Scenes(ScenesSettings(correlation=0.0), train=6000, val=0, test=3000).labels())
    assert found.low < 0.5 < found.high


def test_balanced_labels_are_at_chance_each() -> None:
    train = Scenes().labels("train")
    kept = train.take(balance(train.targets, train.groups, alpha=1, rng=stream(0, "balance")).kept)
    sizes = [train.groups.tolist().count(group) for group in (0, 1)]
    before = np.array([train.targets[train.groups == group].sum(axis=0) for group in (0, 1)])
    after = np.array([kept.targets[kept.groups == group].sum(axis=0) for group in (0, 1)])
    assert abs(sizes[0] - sizes[1]) < 200
    assert np.abs(before[0] / before[1] - 1)[:6].min() > 0.5  # the control
    assert np.array_equal(after[0], after[1])
    assert len(kept) > 0.55 * len(train)


def test_balanced_by_the_tilted_label_nothing_is_left_in_all_labels_together() -> None:
    """As an image has at most one tilted label, balancing that one is enough."""
    world = Scenes()
    train = world.labels("train")
    tilted = train.targets[:, : world.truth.tilted]
    one = np.where(tilted.any(axis=1), tilted.argmax(axis=1), world.truth.tilted)
    kept = balance(one, train.groups, alpha=1, rng=stream(0, "balance")).kept
    found = label_leakage(train.take(kept))
    assert found.low < 0.5 < found.high
    assert label_leakage(train).low > 0.6  # the control


def pixels(world: Scenes) -> NDArray[np.float64]:
    """`[n, 768]` the images at 16 × 16."""
    images = world.render(range(len(world))).images
    n, h, _, _ = images.shape
    step = h // 16
    return np.asarray(images.reshape(n, 16, step, 16, step, 3).mean(axis=(2, 4)).reshape(n, -1) / 255.0)


def accuracy_of_group(settings: ScenesSettings) -> float:
    """A linear classifier of the group on small images, on images that it has not seen."""
    from sklearn.linear_model import RidgeClassifier

    world = Scenes(settings, train=1500, val=0, test=800)
    x, groups, fit, score = pixels(world), world.labels().groups, world.rows("train"), world.rows("test")
    model = RidgeClassifier(alpha=20.0).fit(x[fit], groups[fit])
    return float(model.score(x[score], groups[score]))


def test_cues_give_the_group_away_in_pixels_though_labels_do_not() -> None:
    pytest.importorskip("cv2", reason="Scenes are drawn by OpenCV, of the train extra")
    dials = {"correlation": 0.0, "looks": NO_LOOKS}
    with_cues = ScenesSettings(**dials)  # type: ignore[arg-type]
    without = ScenesSettings(**dials, cue_strength=0.0)  # type: ignore[arg-type]
    assert Scenes(with_cues).truth.dataset_leakage() == pytest.approx(0.5)
    assert accuracy_of_group(with_cues) > 0.7
    assert 0.44 < accuracy_of_group(without) < 0.56  # the control: ± 3.4 standard errors


@pytest.mark.parametrize("look", ["face", "hair", "clothing", "silhouette"])
def test_every_look_gives_the_group_away_in_pixels(look: str) -> None:
    pytest.importorskip("cv2", reason="Scenes are drawn by OpenCV, of the train extra")
    looks = Looks(**{name: float(name == look) for name in ("face", "hair", "clothing", "silhouette")})
    assert accuracy_of_group(ScenesSettings(correlation=0.0, cue_strength=0.0, looks=looks)) > 0.56


def colours(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`[n, 216]` how many pixels have each of 6 × 6 × 6 colours, on a logarithmic scale."""
    codes = (images.astype(np.int64) * 6 // 256) @ np.array([36, 6, 1])
    counts = np.stack([np.bincount(code.ravel(), minlength=216) for code in codes])
    return np.log1p(counts)


def test_objects_can_be_learned() -> None:
    """From colours alone, without noise, the presence of every label is seen better than by guessing."""
    pytest.importorskip("cv2", reason="Scenes are drawn by OpenCV, of the train extra")
    from sklearn.linear_model import Ridge
    from sklearn.metrics import average_precision_score

    settings = ScenesSettings(correlation=0.0, cues=0, noise=0.01, occlusion=0.0, clutter=0, object_size=0.1)
    world = Scenes(settings, train=1500, val=0, test=800)
    x, fit, score = colours(world.render(range(len(world))).images), world.rows("train"), world.rows("test")
    y = world.labels().targets.astype(float)
    shuffled = np.random.default_rng(0).permutation(y[fit])
    found = average_precision_score(y[score], Ridge(alpha=30.0).fit(x[fit], y[fit]).predict(x[score]), average=None)
    control = average_precision_score(y[score], Ridge(alpha=30.0).fit(x[fit], shuffled).predict(x[score]))
    assert np.all(found > 1.3 * settings.prevalence)
    assert found.mean() > 2 * settings.prevalence
    assert control < 1.3 * settings.prevalence
