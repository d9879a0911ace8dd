import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import progressive_world  # noqa: E402
from progressive_world import OPTIONS, STEPS, TWO, coloured, run, spawned  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from killing import run_script  # noqa: E402
from steelyard.base.errors import InputError  # noqa: E402
from steelyard.datasets.images import read_image  # noqa: E402
from steelyard.latent.progressive_file import load_generator  # noqa: E402
from steelyard.latent.progressive_images import GrowingImages  # noqa: E402
from steelyard.latent.progressive_options import plan_growth  # noqa: E402
from steelyard.latent.progressive_samples import grid_latents  # noqa: E402
from steelyard.latent.progressive_training import WEIGHTS, train_progressive  # noqa: E402
from steelyard.training.checkpoints import read_checkpoint, read_index  # noqa: E402
from steelyard.training.launching import launch  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    index = run(folder)
    return folder, index


def _state(folder):
    checkpoint = read_checkpoint(folder, "last")
    return {
        **{f"average.{name}": value for name, value in checkpoint.weights.items()},
        **{f"{part}.{n}": value for part in ("generator", "critic") for n, value in checkpoint.state[part].items()},
    }


def test_a_run_grows_and_leaves_what_it_promises(whole):
    folder, index = whole
    assert index.step == STEPS
    assert index.complete
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines][-1] == STEPS
    assert {line["size"] for line in lines} == {4, 8}
    assert all({"distance", "drift", "generator"} <= set(line["losses"]) for line in lines)
    assert [path.name for path in sorted((folder / "samples").iterdir())] == [
        "step-00000006-4px.png", "step-00000012-8px.png", "step-00000020-8px.png",
    ]  # fmt: skip
    read = load_generator(folder / WEIGHTS)
    assert (read.scale, read.alpha, read.steps) == (1, 0.0, STEPS)
    assert any(path.name.startswith("events") for path in (folder / "tensorboard").iterdir())


def test_the_last_grid_is_what_the_file_of_the_generator_makes(whole):
    folder, _ = whole
    grid = read_image(folder / "samples" / "step-00000020-8px.png")
    with torch.no_grad():
        made = load_generator(folder / WEIGHTS).module(grid_latents(4, 4, seed=0))
    tiles = grid.reshape(2, 8, 2, 8, 3).transpose(0, 2, 1, 3, 4).reshape(4, 8, 8, 3)
    expected = ((made.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    assert np.abs(tiles - expected).max() <= 1.5  # of 255: weights in half precision, and rounding


def test_the_schedule_in_steps():
    first, second = plan_growth(OPTIONS, 1)
    assert (first.fade, first.steps, second.fade, second.steps) == (0, 6, 6, 14)
    assert (second.steps_before, second.images_before) == (6, 24)
    alphas = [second.alpha(step) for step in range(second.steps)]
    assert alphas == pytest.approx([11 / 12, 9 / 12, 7 / 12, 5 / 12, 3 / 12, 1 / 12] + [0] * 8)
    assert [growth.steps for growth in plan_growth(OPTIONS, 2)] == [3, 7]
    assert [growth.images for growth in plan_growth(replace(OPTIONS, critic_steps=3), 2)] == [24, 24]


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """Runs that were killed; all but `left` have gone on to their end."""
    root = tmp_path_factory.mktemp("kills")
    run_script(progressive_world.__file__, root)
    return root


def test_a_killed_run_that_goes_on_ends_with_the_same_bits(kills):
    expected = _state(kills / "whole")
    log = (kills / "whole" / "metrics.jsonl").read_text()
    for name in ("killed-2", "killed-7", "killed-13", "killed-19", "twice"):
        found = _state(kills / name)
        assert all(torch.equal(found[key], value) for key, value in expected.items()), name
        lines = [json.loads(line) for line in (kills / name / "metrics.jsonl").read_text().splitlines()]
        assert lines[-1]["step"] == STEPS
        steps = [line["step"] for line in lines]
        assert steps == sorted(set(steps)), name
        files = [load_file(kills / run / WEIGHTS) for run in (name, "whole")]
        assert all(torch.equal(files[0][key], value) for key, value in files[1].items()), name
    assert log.count("\n") >= STEPS // OPTIONS.log_steps


def test_another_seed_gives_other_weights(whole, tmp_path):
    # The control of the test above: bits do differ where anything does.
    run(tmp_path / "run", replace(OPTIONS, seed=1))
    expected, found = _state(whole[0]), _state(tmp_path / "run")
    assert not torch.equal(found["average.dense.weight"], expected["average.dense.weight"])


def test_a_complete_run_is_left_alone_and_another_one_not_mixed_with_it(whole, tmp_path):
    folder, index = whole
    before = (folder / WEIGHTS).stat().st_mtime_ns
    assert run(folder) == index
    assert (folder / WEIGHTS).stat().st_mtime_ns == before

    def anew(fabric):
        return train_progressive(fabric, GrowingImages(coloured(), seed=0, flip=True), OPTIONS, folder)

    with pytest.raises(InputError, match="expected a new run folder"):
        launch(OPTIONS.engine(), anew)


def test_a_run_goes_on_only_with_its_own_options(kills):
    folder = kills / "left"
    assert not read_index(folder).complete
    with pytest.raises(InputError, match=r"rate: expected 0\.002, found 0\.001"):
        run(folder, replace(OPTIONS, rate=2e-3))
    with pytest.raises(InputError, match="real images: expected 39, found 40"):
        run(folder, images=coloured(39))


def test_two_processes_average_gradients_and_stay_equal(tmp_path):
    told = launch(TWO.engine(), spawned, tmp_path)
    first, second = told["averaged"]
    np.testing.assert_array_equal(first, second)
    # The control: each has its own images and latents, so that without the averaging they part.
    assert np.abs(np.subtract(*told["apart"])).max() > 1e-3
    assert read_index(tmp_path / "averaged").step == STEPS // 2


def test_a_generator_learns_the_colour_of_its_images(tmp_path):
    # The control: before training, and trained on another colour, it does not make this one.
    options = replace(
        OPTIONS, depths=(12, 12), stable_images=(1600, 1600), fade_images=(0, 800), batch_sizes=(16, 16), rate=3e-3,
        penalty_every=1, half_life=300, checkpoint_steps=None, log_steps=50,
    )  # fmt: skip
    red, blue = (200, 80, 40), (40, 80, 200)
    means = {}
    for name, colour in (("red", red), ("blue", blue)):
        run(tmp_path / name, options, coloured(64, mean=colour))
        with torch.no_grad():
            made = load_generator(tmp_path / name / WEIGHTS).module(grid_latents(64, 4, seed=9))
        means[name] = ((made.mean(dim=(0, 2, 3)) + 1) * 127.5).numpy()
    assert np.abs(means["red"] - red).max() < 30, means
    assert np.abs(means["blue"] - blue).max() < 30, means


def test_weights_that_blow_up_end_the_run_with_one_line(tmp_path):
    with pytest.raises(InputError, match="not finite; training stopped"):
        run(tmp_path / "run", replace(OPTIONS, rate=1e30))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depths": ()}, "option depths"),
        ({"batch_sizes": (4,)}, "option batch_sizes: expected one number for each of 2 scales"),
        ({"fade_images": (8, 8)}, "option fade_images: expected 0 at the first scale"),
        ({"batch_sizes": (4, 1)}, "option batch_sizes: expected 2 or more"),
        ({"beta2": 1.0}, "option beta2"),
        ({"devices": 0}, "option devices"),
    ],
)
def test_options_that_are_none_are_refused(change, said):
    with pytest.raises(InputError, match=said):
        replace(OPTIONS, **change)
