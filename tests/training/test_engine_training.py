import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engine_world import SIZE, FakeSource, Plain, WithCritic, task_of, tiny_network  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.training.checkpoints import read_checkpoint, read_index  # noqa: E402
from steelyard.training.engine import train  # noqa: E402
from steelyard.training.evaluation import Scores, evaluate, predict, validate  # noqa: E402
from steelyard.training.launching import launch  # noqa: E402
from steelyard.training.options import TrainingOptions  # noqa: E402
from steelyard.training.stages import share_of_rate  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]


def options(**changed):
    base = {"epochs": 2, "rate": 1e-2, "precision": "32-true", "accelerator": "cpu", "checkpoint_minutes": None}
    return TrainingOptions(**{**base, **changed})


def run(folder, chosen, *, network=None, objective=None, n=48, single=False, val=True, hook=None, **more):
    """A run in this process: result, network, objective."""
    network, objective = network or tiny_network(), objective or Plain()
    train_source = FakeSource(n, training=True, single=single, hook=hook)
    val_source = FakeSource(30, training=False, seed=1, single=single) if val else None

    def work(fabric):
        task = task_of(train_source)
        return train(
            fabric, network, objective, task, train_source, val_source, chosen, folder, size=SIZE, model="tiny", **more
        )

    return launch(chosen, work), network, objective


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("single", [False, True])
def test_it_learns_what_an_untrained_network_does_not_know(tmp_path, single):
    start = launch(options(), quality_of, tiny_network(), single)
    result, network, _ = run(tmp_path / "run", options(epochs=8), single=single, n=96)
    end = launch(options(), quality_of, network, single)
    assert start < 0.75
    assert end > 0.95
    assert result.index.complete
    assert result.index.quality >= end - 1e-9


def quality_of(fabric, network, single):
    source = FakeSource(30, training=False, seed=1, single=single)
    objective = Plain()
    objective.setup(fabric, network, task_of(source), SIZE)
    return validate(task_of(source), predict(fabric, network, objective, source)).quality


@pytest.mark.parametrize("name", ["adam", "adamw"])
@pytest.mark.parametrize("accumulation", [1, 4])
def test_the_weights_are_those_of_a_plain_loop(tmp_path, name, accumulation):
    chosen = options(
        optimiser=name, accumulation=accumulation, clip=0.05, weight_decay=0.01, schedule="cosine", warmup=0.3
    )
    _, network, _ = run(tmp_path, chosen, network=tiny_network(dropout=0))
    oracle = tiny_network(dropout=0).train()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    optimiser = kind(oracle.parameters(), weight_decay=0.01)
    source = FakeSource(48, training=True)
    for epoch in range(2):
        batches = list(source.epoch(epoch))
        for first in range(0, 6, accumulation):
            group = batches[first : first + accumulation]
            optimiser.zero_grad()
            for batch in group:
                loss = F.binary_cross_entropy_with_logits(oracle(batch.images).logits, batch.targets)
                (loss / len(group)).backward()
            torch.nn.utils.clip_grad_norm_(oracle.parameters(), 0.05)
            done = (epoch * 6 + first) / 12
            climb = 0.04 + 0.96 * done / 0.3
            fall = 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7))
            optimiser.param_groups[0]["lr"] = 1e-2 * (climb if done < 0.3 else fall)
            optimiser.step()
    for (place, mine), theirs in zip(network.state_dict().items(), oracle.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, msg=lambda text, place=place: f"{place}: {text}", rtol=1e-4, atol=1e-6)
    moved = [not torch.equal(a, b) for a, b in zip(oracle.parameters(), tiny_network().parameters(), strict=True)]
    assert all(moved)


def test_the_head_learns_before_a_backbone_that_stands_still_with_its_batchnorm(tmp_path):
    before = tiny_network().state_dict()
    _, network, _ = run(tmp_path / "head", options(head_epochs=2, epochs=0))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("backbone."), name
    _, network, objective = run(tmp_path / "all", options(head_epochs=1, epochs=1))
    for name, value in network.state_dict().items():
        assert not torch.equal(value, before[name]), name
    assert [progress.stage for progress in objective.seen] == ["head"] * 6 + ["all"] * 6
    assert [progress.step for progress in objective.seen] == list(range(12))
    assert [progress.fraction for progress in objective.seen] == pytest.approx([i / 6 for i in range(6)] * 2)


def test_the_critic_learns_alone_while_the_network_stands_still(tmp_path):
    weights, critics = [], []

    class Watched(WithCritic):
        def step(self, network, batch, progress):
            weights.append({name: value.clone() for name, value in network.state_dict().items()})
            critics.append(self.critic.state_dict()["0.weight"].clone())
            if progress.stage == "critic":
                assert not any(module.training for module in network.modules())
            return super().step(network, batch, progress)

    run(tmp_path, options(epochs=1), objective=Watched())
    assert len(weights) == 12
    assert all(torch.equal(weights[0][name], weights[6][name]) for name in weights[0])
    assert not torch.equal(critics[0], critics[6])
    assert not torch.equal(weights[6]["head.weight"], weights[7]["head.weight"])


class Scripted(Plain):
    """An objective whose validation is as good as the script says."""

    def __init__(self, accuracies, ready=lambda progress: True):
        super().__init__()
        self.script, self.asked, self.is_ready = list(accuracies), 0, ready

    def evaluate(self, network, batch):
        right = torch.arange(len(batch)) < self.script[self.asked] * len(batch)
        wrong = (batch.targets + 1) % 3
        self.asked += int(batch.rows.max()) == 29
        return F.one_hot(torch.where(right, batch.targets, wrong), 3).float()

    def ready(self, progress):
        return self.is_ready(progress)


@pytest.mark.parametrize(
    ("changed", "accuracies", "epochs", "best"),
    [
        ({"patience": 2}, [0.2, 0.6, 0.5, 0.6, 0.9], 4, 2),
        ({"patience": 2, "monitor": "loss"}, [0.2, 0.6, 0.5, 0.6, 0.9], 4, 2),
        ({}, [0.2, 0.6, 0.5, 0.9, 0.1], 5, 4),
        ({"monitor": "last"}, [0.2, 0.6, 0.5, 0.9, 0.1], 5, 5),
    ],
)
def test_patience_and_the_best_epoch(tmp_path, changed, accuracies, epochs, best):
    result, network, _ = run(tmp_path, options(epochs=5, **changed), objective=Scripted(accuracies), single=True)
    assert (result.index.step, result.index.best) == (6 * epochs, f"step-{6 * best:08d}")
    kept = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert kept == {"index.json", result.index.last, result.index.best}
    last = read_checkpoint(tmp_path, "last")
    assert all(torch.equal(last.weights[name], value) for name, value in network.state_dict().items())
    differs = not torch.equal(read_checkpoint(tmp_path, "best").weights["head.weight"], last.weights["head.weight"])
    assert differs == (best != epochs)


def test_an_epoch_that_is_not_ready_is_not_the_best_and_costs_no_patience(tmp_path):
    def ready(progress):
        assert 0 < progress.fraction <= 1
        return progress.fraction > 0.5

    objective = Scripted([0.9, 0.8, 0.1, 0.3, 0.2, 0.2], ready)
    result, _, _ = run(tmp_path / "a", options(epochs=6, patience=2), objective=objective, single=True)
    assert (result.index.step, result.index.best) == (36, "step-00000024")
    objective = Scripted([0.9, 0.8], lambda progress: False)
    result, _, _ = run(tmp_path / "b", options(epochs=2, patience=1), objective=objective, single=True)
    assert (result.index.step, result.index.best) == (12, "step-00000012")


def test_the_best_is_looked_for_in_the_last_stage_only(tmp_path):
    chosen = options(head_epochs=3, epochs=2, patience=1)
    result, _, _ = run(tmp_path, chosen, objective=Scripted([0.9, 0.9, 0.2, 0.3]), single=True)
    assert (result.index.step, result.index.best) == (6 * 4, "step-00000024")
    assert [line["stage"] for line in lines_of(tmp_path)] == ["head", "head", "all", "all"]


@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_loss_that_is_not_finite_stops_with_one_line(tmp_path, accumulation):
    class Breaks(Plain):
        def step(self, network, batch, progress):
            losses = super().step(network, batch, progress)
            return {**losses, "second": torch.tensor(math.nan if progress.step == 7 else 1.0)}

    with pytest.raises(InputError, match=r"^step 7: loss 'second' is not finite; [^\n]*$"):
        run(tmp_path, options(epochs=3, accumulation=accumulation), objective=Breaks())
    assert read_index(tmp_path).step == 6


@pytest.mark.parametrize("what", ["gradient", "statistics", "state"])
@pytest.mark.parametrize("last", [False, True])
def test_weights_that_are_not_finite_are_not_saved_though_every_loss_is(tmp_path, what, last):
    """At a step that is saved, within an epoch or at the end of one without validation."""
    broken = 11 if last else 7

    class Breaks(Plain):
        kept = torch.zeros(2)

        def step(self, network, batch, progress):
            losses = super().step(network, batch, progress)
            if progress.step == broken and what == "gradient":
                network.head.bias.grad[1] = math.nan
            elif progress.step == broken and what == "statistics":
                network.backbone[1].running_var[2] = math.inf
            elif progress.step == broken:
                self.kept = torch.tensor([0.0, math.inf])
            return losses

        def state_dict(self):
            return {"inner": [{"kept": self.kept}]}

    name = {
        "gradient": "weight 'head.bias'",
        "statistics": r"weight 'backbone\.1\.running_var'",
        "state": r"objective state 'inner\.0\.kept'",
    }[what]
    chosen = options(epochs=3, monitor="last", checkpoint_steps=None if last else 2)
    with pytest.raises(InputError, match=rf"^step {broken + 1}: {name} is not finite; [^\n]*stands[^\n]*$"):
        run(tmp_path, chosen, objective=Breaks(), val=False)
    assert read_index(tmp_path).step == 6
    for which in ("last", "best"):
        checkpoint = read_checkpoint(tmp_path, which)
        assert all(torch.isfinite(value).all() for value in checkpoint.weights.values())
        assert checkpoint.state["standing"]["position"]["step"] == 6


def test_the_generators_of_the_process_are_left_alone_and_the_seed_decides(tmp_path):
    torch.manual_seed(5)
    before, weights = torch.get_rng_state(), []
    for number, seed in enumerate((0, 0, 1)):
        _, network, _ = run(tmp_path / str(number), options(seed=seed), objective=WithCritic())
        weights.append(network.state_dict()["head.weight"])
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.distributed.is_initialized()


def test_the_log_has_a_line_per_window_and_epoch(tmp_path):
    result, _, _ = run(tmp_path, options(log_steps=4), objective=WithCritic())
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == [4, 6, 8, 12, 16, 18]
    assert [line["stage"] for line in lines] == ["critic"] * 2 + ["all"] * 4
    assert ["val" in line for line in lines] == [False, False, False, True, False, True]
    assert set(lines[0]["losses"]) == {"critic"}
    assert set(lines[-1]["losses"]) == {"critic", "task"}
    assert result.index.quality == max(line["val"]["quality"] for line in lines if "val" in line)
    assert all(line["images_per_s"] > 0 for line in lines)
    assert list((tmp_path / "tensorboard").iterdir())
    assert 0 <= result.waited <= 1


def test_bf16_on_a_processor_learns_too(tmp_path):
    result, network, _ = run(tmp_path, options(precision="bf16-mixed", epochs=8), n=96)
    assert network.head.weight.dtype == torch.float32
    assert result.index.quality > 0.95


def test_rates_of_the_schedules():
    flat, wave = options(warmup=0.5), options(schedule="onecycle", warmup=0.25)
    assert [share_of_rate(flat, done) for done in (0, 0.25, 0.5, 0.9)] == pytest.approx([0.04, 0.52, 1, 1])
    assert [share_of_rate(wave, done) for done in (0, 0.125, 0.25, 1)] == pytest.approx([0.04, 0.52, 1, 1e-4])
    assert share_of_rate(options(schedule="cosine"), 0.5) == pytest.approx(0.5)
    assert share_of_rate(options(), 0.0) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epochs": 0}, "option epochs: expected 1 or more where head_epochs is 0, found 0; change it"),
        ({"rate": math.nan}, "option rate: expected a positive number, found nan; change it"),
        ({"optimiser": "sgd"}, "option optimiser: expected one of adam, adamw, found sgd; change it"),
        ({"schedule": "onecycle"}, "option warmup: expected more than 0 with schedule onecycle, found 0.0; change it"),
        ({"patience": 0}, "option patience: expected 1 or more, or none, found 0; change it"),
        (
            {"patience": 1, "monitor": "last"},
            "option monitor: expected quality or loss where patience is given, found last; change it",
        ),
        ({"accumulation": 0}, "option accumulation: expected 1 or more, found 0; change it"),
        ({"clip": 0.0}, "option clip: expected a positive number, or none, found 0.0; change it"),
    ],
)
def test_wrong_options_say_so_in_one_line(changed, said):
    with pytest.raises(InputError) as caught:
        options(**changed)
    assert str(caught.value) == said


def test_wrong_data_say_so_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^option monitor: expected last without validation images, found quality"):
        run(tmp_path, options(), val=False)
    with pytest.raises(InputError, match=r"^training images: expected at least one batch, found none"):
        run(tmp_path, options(), n=5)
    result, _, _ = run(tmp_path, options(monitor="last"), val=False)
    assert result.index.quality is None
    with pytest.raises(InputError, match=r"expected a new run folder, found a run of 12 steps; resume it"):
        run(tmp_path, options())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"^option devices: expected at most 0, the CUDA devices"):
        run(tmp_path, options(accelerator="cuda"))


def test_evaluation_refuses_a_row_that_comes_twice_and_no_images():
    class Twice(FakeSource):
        def epoch(self, epoch, *, start=0):
            yield from super().epoch(epoch)
            yield from super().epoch(epoch)

    def work(fabric, source):
        objective = Plain()
        objective.setup(fabric, tiny_network(), task_of(source), SIZE)
        return evaluate(fabric, tiny_network(), objective, source)

    with pytest.raises(InputError, match=r"found rows 0, 1, 2 and 6 more twice"):
        launch(options(), work, Twice(9, training=False))
    scores = launch(options(), work, FakeSource(9, training=False))
    assert isinstance(scores, Scores)
    assert scores.rows.tolist() == list(range(9))
    assert scores.scores.dtype == np.float32
