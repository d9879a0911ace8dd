"""What balancing and the adversary at conv5 do to amplification in the demo's world: three seeds, the whole family.

Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019, https://arxiv.org/abs/1811.08489.
Slow: half an hour on two cores. The figures of the last run stand in docs/results/scenes.md.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from steelyard.jobs.demo import nearest_noise
from steelyard.jobs.demo_display import Lines
from steelyard.jobs.demo_lanes import Work, do_all, lanes
from steelyard.jobs.demo_models import MODELS, WHOLE, WORLD_FILE, configuration, world
from steelyard.jobs.demo_tasks import Measured, audit_noise, train_one
from steelyard.jobs.training_config import AuditSection, TrainingConfig

SEEDS = (0, 1, 2)
NAMES = ("plain", "adversarial-conv5", "alpha1", "alpha1-adversarial-conv5")
PAIRS = (("plain", "adversarial-conv5"), ("alpha1", "alpha1-adversarial-conv5"))
FIGURES = (
    "f1_macro",
    "model_leakage",
    "dataset_leakage_at_f1",
    "amplification",
    "amplification_decisions",
    "conditional_leakage",
    "dataset_leakage",
)
NOISE = (0.0, 0.5, 1.0, 1.5)
ATTACKERS = ("logistic", "boosting", "mlp")


def main() -> None:
    """Train, audit and compare, seed by seed."""
    found = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            results = measure(Path(folder), seed)
        found.append(results)
        _print_seed(seed, results)
    print("\nmean of the seeds")
    for before, after in PAIRS:
        for name in ("amplification", "conditional_leakage"):
            shares = [1 - _value(one, after, name) / _value(one, before, name) for one in found]
            print(f"  {after} takes {_mean(shares)} of the {name} of {before}")
        costs = [_value(one, after, "f1_macro") - _value(one, before, "f1_macro") for one in found]
        print(f"  and changes macro-F1 by {100 * np.mean(costs):+.1f} points ({_list(costs)})")


def measure(folder: Path, seed: int) -> Mapping[str, Measured]:
    """Every model and every scale of noise of one seed."""
    (folder / WORLD_FILE).write_text(yaml.safe_dump(world(WHOLE, seed)), encoding="utf-8")
    options = AuditSection(
        levels="none", rounds=2, permutations=0, bootstrap=200, threshold="f1", workers=1, attackers=ATTACKERS
    )
    configs = {
        model.name: replace(configuration(model, WHOLE, folder, seed), audit=options)
        for model in MODELS
        if model.name in NAMES
    }
    starts = {model.name: model.start_from for model in MODELS}
    works = [_training(name, configs[name], starts[name]) for name in NAMES]
    works += [
        Work(name=f"noise {scale:g}", call=_noise, arguments=(Path(configs["plain"].out), scale), after=("plain",))
        for scale in NOISE
    ]
    return do_all(works, workers=lanes(), watch=Lines())


def _noise(run: Path, scale: float) -> Measured:
    """Without the MLP, which a line to compare with does not need: a stronger attacker would only raise it."""
    return audit_noise(run, scale, attackers=())


def _training(name: str, config: TrainingConfig, start: str | None) -> Work:
    after = () if start is None else (start,)
    run = Path(config.out)
    return Work(name=name, call=train_one, arguments=(config,), after=after, run=run, epochs=config.training.epochs)


def _print_seed(seed: int, results: Mapping[str, Measured]) -> None:
    print(f"\nseed {seed}; attackers {', '.join(ATTACKERS)}")
    for name, measured in results.items():
        cells = [
            f"{figure} {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"
            for figure in FIGURES
            if (e := measured.estimates.get(figure)) is not None
        ]
        print(f"  {name:<26}" + "; ".join(cells) + f" ({measured.seconds:.0f} s)")
    sweep = {scale: results[f"noise {scale:g}"] for scale in NOISE}
    adversary = results["adversarial-conv5"]
    scale = nearest_noise(sweep, adversary)
    target = adversary.estimates["f1_macro"].value
    order = sorted(sweep.values(), key=lambda one: one.estimates["f1_macro"].value)
    line = np.interp(
        target,
        [one.estimates["f1_macro"].value for one in order],
        [one.estimates["amplification"].value for one in order],
    )
    print(
        f"  noise line at F1 {target:.3f}: {line:.3f} (nearest scale {scale:g}; beyond its ends the end counts); "
        f"adversarial-conv5: {adversary.estimates['amplification'].value:.3f}"
    )


def _value(results: Mapping[str, Measured], model: str, name: str) -> float:
    return results[model].estimates[name].value


def _mean(shares: list[float]) -> str:
    return f"{100 * np.mean(shares):.0f} % ({_list(shares)})"


def _list(values: list[float]) -> str:
    return ", ".join(f"{100 * value:.1f}" for value in values)
