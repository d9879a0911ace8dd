import dataclasses

import pytest

torch = pytest.importorskip("torch")

from objective_worlds import at, planted_batch, rows_of, started, task_of, toy_network  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.mitigation.objectives import OBJECTIVES, PRESETS, build_objective  # noqa: E402
from steelyard.mitigation.objectives.adversarial import AdversarialOptions, Tap  # noqa: E402
from steelyard.mitigation.objectives.adversarial_image import AdversarialImageOptions, MaskOptions  # noqa: E402
from steelyard.mitigation.objectives.critic import CriticOptions  # noqa: E402
from steelyard.mitigation.objectives.group_dro import GroupDROOptions  # noqa: E402
from steelyard.mitigation.objectives.reweighed import ReweighedOptions  # noqa: E402
from steelyard.mitigation.objectives.task import TaskOptions  # noqa: E402

pytestmark = pytest.mark.torch

TWO = CriticOptions(count=2, restart_epochs=2, steps=2)
CASES = {
    "task": None,
    "adversarial": AdversarialOptions(taps=(Tap(tap="conv5"), Tap(tap="embedding")), critics=TWO),
    "adversarial-image": AdversarialImageOptions(mask=MaskOptions(width=4, levels=2), critics=TWO),
    "domain-independent": None,
    "group-dro": GroupDROOptions(rate=0.3),
    "reweighed": ReweighedOptions(weights={f"label {at}": [[0.5, 2.0], [1.5, 0.25]] for at in range(3)}),
}

CRFS = {
    "task": TaskOptions(structure="crf"),
    "adversarial": AdversarialOptions(structure="crf", taps=(Tap(tap="conv5"), Tap(tap="logits")), critics=TWO),
    "adversarial-image": AdversarialImageOptions(
        structure="crf", mask=MaskOptions(width=4, levels=2), critics=CriticOptions(restart_epochs=2)
    ),
}
ALL = [*CASES.items(), *CRFS.items()]
NAMES = [*CASES, *(f"{name}-crf" for name in CRFS)]


def test_every_objective_is_resumed_below():
    assert set(CASES) == set(OBJECTIVES)


def trained(objective, network, optimiser, batch, steps):
    for step in steps:
        network.train()
        optimiser.zero_grad()
        rows = torch.arange(step * 8, step * 8 + 8)
        objective.step(network, rows_of(batch, rows), at(epoch=step, step=step, fraction=step / 6))
        optimiser.step()


def flat(state):
    """Every number of a nested state, by its place."""
    if isinstance(state, dict):
        return {f"{key}/{inner}": value for key, held in state.items() for inner, value in flat(held).items()}
    if isinstance(state, list | tuple):
        return flat(dict(enumerate(state)))
    return {"": state}


@pytest.mark.parametrize(("name", "options"), ALL, ids=NAMES)
def test_three_steps_saved_and_three_more_are_six_steps(name, options, tmp_path):
    batch = planted_batch(48, seed=0)
    task, outcomes = task_of(batch), []
    for stop in (None, 3):
        objective = build_objective(name, options)
        network = toy_network(objective.outputs(task))
        started(objective, network, task)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        trained(objective, network, optimiser, batch, range(stop or 6))
        if stop:
            kept = {"o": objective.state_dict(), "n": network.state_dict(), "a": optimiser.state_dict()}
            torch.save(kept, tmp_path / "state.pt")
            kept = torch.load(tmp_path / "state.pt", weights_only=True)
            objective = build_objective(name, options)
            network = toy_network(objective.outputs(task), seed=5)
            # Another seed: what is gone on with must come out of the file.
            started(objective, network, task, seed=5)
            optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
            objective.load_state_dict(kept["o"])
            network.load_state_dict(kept["n"])
            optimiser.load_state_dict(kept["a"])
            trained(objective, network, optimiser, batch, range(3, 6))
        outcomes.append(flat({"objective": objective.state_dict(), "network": network.state_dict()}))
    one, other = outcomes
    assert one.keys() == other.keys()
    for place, value in one.items():
        same = torch.equal(value, other[place]) if isinstance(value, torch.Tensor) else value == other[place]
        assert same, place


@pytest.mark.parametrize(("name", "options"), ALL, ids=NAMES)
def test_a_setup_moves_no_other_random_draw_than_its_seed(name, options):
    batch = planted_batch(48, seed=0)
    states = []
    for _ in range(2):
        objective = build_objective(name, options)
        network = toy_network(objective.outputs(task_of(batch)))
        states.append(flat(started(objective, network, task_of(batch), seed=3).state_dict()))
    for place, value in states[0].items():
        assert (
            value == states[1][place] if not isinstance(value, torch.Tensor) else torch.equal(value, states[1][place])
        )


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_the_papers_and_make_their_objective(name):
    preset = PRESETS[name]
    build_objective(preset.objective, preset.options)
    assert preset.options.weighting == "published"
    expected = {"coco": 2.0, "imsitu": 1.0, "image": 5.0, "task": None}[name.split("-")[1]]
    assert getattr(preset.options, "weight", None) == expected
    if name == "wang2019-image":
        assert preset.options.keep == 0.1


def test_an_unknown_name_gets_the_close_one_and_foreign_options_are_refused():
    with pytest.raises(InputError, match=r"found 'adverserial' \(closest: 'adversarial'\)"):
        build_objective("adverserial")
    with pytest.raises(InputError, match="objective task: expected TaskOptions, found GroupDROOptions"):
        build_objective("task", GroupDROOptions())


def test_rows_have_options_with_defaults_a_line_and_a_paper():
    for row in OBJECTIVES.values():
        assert dataclasses.is_dataclass(row.options())
        assert row.paper.startswith("https://arxiv.org/abs/")
        assert "\n" not in row.summary
