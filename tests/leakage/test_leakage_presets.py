"""The published protocol on small data: its draws, its folding, its marks; and the MLP as one of the family."""

from dataclasses import replace

import numpy as np
import pytest
from leakage_worlds import World, attacked, codes_evidence, halves

from steelyard.base.errors import InputError
from steelyard.leakage.attackers import candidates
from steelyard.leakage.evidence import label_evidence, with_labels
from steelyard.leakage.measures import leakage
from steelyard.leakage.mlp import MLPSettings
from steelyard.leakage.mlp_attacker import FAMILY_SETTINGS, MLPAttacker, mlp_input
from steelyard.leakage.presets import (
    PRESETS,
    Preset,
    ProtocolRuns,
    check_two_groups,
    draw_rounds,
    folded_amplification,
    folded_leakage,
    preset_named,
    raw_leakage,
    run_preset,
)

SMALL = MLPSettings(hidden=(8,), learning_rate=1e-2, batch_size=16, epochs=6, precision="float32")
TINY = Preset("tiny", {"train": 60, "val": 30, "test": 200}, SMALL)
LEAK = World.of([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]])


def table(n: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    codes, groups = LEAK.sample(n, np.random.default_rng(seed))
    return codes, groups, dict(zip(("train", "val", "test"), np.split(np.arange(n), [n // 2, 3 * n // 4]), strict=True))


def test_the_published_presets() -> None:
    assert preset_named("wang2019-coco").sizes == {"train": 3000, "val": 1500, "test": 1500}
    assert preset_named("wang2019-imsitu").sizes == {"train": 7300, "val": 3000, "test": 3000}
    for preset in PRESETS.values():
        assert preset.settings == MLPSettings()
        assert preset.settings.hidden == (300, 300, 300)
        assert (preset.settings.learning_rate, preset.settings.weight_decay) == (5e-5, 1e-5)
        assert (preset.settings.batch_size, preset.settings.epochs) == (128, 100)
    with pytest.raises(InputError) as caught:
        preset_named("wang2019")
    assert str(caught.value) == "--preset: there is no 'wang2019'; choose from wang2019-coco, wang2019-imsitu"


def test_draws_are_balanced_redrawn_and_truncation_is_said() -> None:
    _, groups, splits = table()
    drawn, note = draw_rounds(TINY, groups, splits, rounds=3, seed=0)
    smallest = int(np.bincount(groups[splits["test"]]).min())
    assert note == f"test: {smallest} images of each group in place of 200"
    for rows in drawn:
        for name, size in (("train", 60), ("val", 30), ("test", smallest)):
            found = getattr(rows, name)
            assert np.bincount(groups[found]).tolist() == [size, size]
            assert set(found.tolist()) <= set(splits[name].tolist())
    assert drawn[0].train.tolist() != drawn[1].train.tolist()


def test_three_groups_are_refused() -> None:
    check_two_groups(TINY, 2)
    with pytest.raises(InputError) as caught:
        check_two_groups(TINY, 3)
    assert str(caught.value) == "--preset tiny: the published protocol knows two groups, found 3; leave --preset out"


def test_missing_rows_are_refused() -> None:
    codes, groups, splits = table()
    with pytest.raises(InputError) as caught:
        run_preset(TINY, lambda _: (codes, 4), groups, {**splits, "val": splits["val"][:0]}, k=2, rounds=1, seed=0)
    assert str(caught.value) == (
        "--preset tiny: needs train, val and test rows, and val has none; "
        "leave --preset out, or give a split column with all three"
    )
    one_group = {**splits, "val": splits["val"][groups[splits["val"]] == 0]}
    with pytest.raises(InputError) as caught:
        run_preset(TINY, lambda _: (codes, 4), groups, one_group, k=2, rounds=1, seed=0)
    assert str(caught.value) == (
        "--preset tiny: needs images of every group, and val has none of group number 2 of 2; "
        "leave --preset out, or add some"
    )


def test_folding_is_marked_and_spread_as_published() -> None:
    accuracy = np.array([0.45, 0.52, 0.61])
    runs = ProtocolRuns(accuracy, 400, "tiny")
    folded = np.array([0.55, 0.52, 0.61])
    found = folded_leakage("dataset_leakage", runs, of="labels")
    assert found.value == pytest.approx(folded.mean())
    assert found.sd_attacker == pytest.approx(folded.std(ddof=0))
    assert found.folded
    assert found.scheme == "tiny; accuracy folded around one half"
    assert "above one half without any leakage" in found.note
    raw = raw_leakage("model_leakage", runs, of="scores")
    assert (raw.value, raw.sd_attacker) == (pytest.approx(accuracy.mean()), pytest.approx(accuracy.std(ddof=1)))
    assert not raw.folded
    half = 1.959964 * np.hypot(np.sqrt(raw.value * (1 - raw.value) / 400), accuracy.std(ddof=1) / np.sqrt(3))
    assert (raw.low, raw.high) == pytest.approx((raw.value - half, raw.value + half))
    data = ProtocolRuns(np.array([0.5, 0.5, 0.5]), 400, "data")
    assert folded_amplification(runs, data).value == pytest.approx(folded.mean() - 0.5)
    alone = raw_leakage("x", ProtocolRuns(np.array([0.99]), 20, "one"), of="scores")
    assert (alone.sd_attacker, alone.varied, alone.high) == (None, ("images",), 1.0)


@pytest.mark.torch
def test_the_protocol_finds_a_planted_leak() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    codes, groups, splits = table(1200)
    runs = run_preset(TINY, lambda _: (codes, 4), groups, splits, k=2, rounds=3, seed=0)
    assert runs.accuracy.shape == (3,)
    assert runs.scheme.startswith("tiny: MLP fitted on train, snapshot by validation accuracy, scored on test")
    assert "images of each group in place of 200" in runs.scheme
    assert runs.n == 2 * int(np.bincount(groups[splits["test"]]).min())
    found = folded_leakage("dataset_leakage", runs, of="labels")
    assert found.low <= LEAK.bayes() <= found.high
    again = run_preset(TINY, lambda _: (codes, 4), groups, splits, k=2, rounds=3, seed=0)
    assert again.accuracy.tolist() == runs.accuracy.tolist()
    blind = run_preset(TINY, lambda _: (codes * 0, 4), groups, splits, k=2, rounds=2, seed=0)
    assert blind.accuracy.tolist() == [0.5, 0.5]  # the control


@pytest.mark.torch
@pytest.mark.parametrize("form", ["codes", "matrix", "with decisions"])
def test_the_mlp_joins_the_family_by_name(form: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    codes, groups, _ = table(600, seed=1)
    evidence = codes_evidence(codes, 4)
    hot = label_evidence(np.eye(4, dtype=np.uint8)[codes], "multi", 4)
    if form != "codes":
        evidence = hot if form == "matrix" else with_labels(evidence, hot)
    (attacker,) = candidates(evidence, ("mlp",))
    assert isinstance(attacker, MLPAttacker)
    assert attacker.settings == FAMILY_SETTINGS
    small = replace(attacker, settings=replace(SMALL, epochs=10))
    fit, rest = np.arange(300), np.arange(300, 600)
    shares = small.fit(evidence.take(fit), groups[fit], k=2, seed=0).predict_proba(evidence.take(rest))
    assert shares.sum(axis=1) == pytest.approx(1.0)
    right = (shares.argmax(axis=1) == groups[rest]).mean()
    assert abs(right - LEAK.bayes()) < 0.06
    read, categories = mlp_input(evidence)
    assert (read.ndim, categories) == ((1, 4) if form == "codes" else (2, None))


@pytest.mark.torch
def test_the_mlp_finds_a_planted_leak_in_a_search() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    codes, groups, _ = table(600, seed=2)
    made = attacked(codes_evidence(codes, 4), groups, halves(groups, 0, 1), 2, names=("mlp",))
    found = leakage("x", made, of="labels")
    assert found.low <= LEAK.bayes() <= found.high
    assert found.low > 0.6
    assert set(made.chosen) == {"mlp"}
