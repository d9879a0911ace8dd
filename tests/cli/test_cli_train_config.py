"""The configuration of `steelyard train`: read, overridden, printed, and refused in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("cv2")

from train_samples import line, said, write_desk

pytestmark = pytest.mark.torch

# Those of other verbs have their own tests.
OTHERS = ("-augment", "-generator")
CONFIGS = sorted(
    path for path in (Path(__file__).parents[2] / "configs").glob("*.yaml") if not path.stem.endswith(OTHERS)
)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    write_desk(tmp_path)
    return tmp_path


def printed(folder: Path, command: str) -> dict[str, object]:
    code, out, err = said(folder, f"{command} --print_config")
    assert (code, err) == (0, "")
    return yaml.safe_load(out)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_whole_and_prints_what_reads_back_the_same(config: Path, tmp_path: Path) -> None:
    first = printed(tmp_path, f"train {config}")
    assert first["out"] == f"runs/{config.stem}"
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(first))
    assert printed(tmp_path, f"train {again}") == first


def test_there_are_configurations_for_each_data_set() -> None:
    assert {path.stem.split("-")[0] for path in CONFIGS} == {"scenes", "coco", "imsitu", "celeba", "portraits"}


def test_what_is_typed_wins_and_everything_else_is_spelt_out(desk: Path) -> None:
    plain = printed(desk, "train config.yaml")
    typed = (
        "--objective.weighting root --training.epochs=3 --training.clip 1e-1 --data.targets a,b --seed 7 "
        "--data.resize 48 --audit.rounds 2 --model.dropout null"
    )
    made = printed(desk, f"train config.yaml {typed}")
    assert made["objective"] == {
        "name": "task", "structure": "independent", "weighting": "root", "sampling": "natural",
    }  # fmt: skip
    assert (made["training"]["epochs"], made["training"]["clip"], made["training"]["seed"]) == (3, 0.1, 7)
    assert (made["data"]["targets"], made["data"]["resize"]) == ("a,b", 48)
    assert (plain["audit"], made["audit"]["rounds"], made["audit"]["seed"]) == (None, 2, 7)
    assert plain["training"] == {**made["training"], "epochs": 2, "clip": None, "seed": 3}
    model = {"name": "compact", "weights": None, "width": 4, "dropout": None, "hidden": None}
    assert made["model"] == plain["model"] == model


def test_the_name_of_the_objective_decides_its_options_nested_ones_too(desk: Path) -> None:
    (desk / "bare.yaml").write_text("data: {source: world.yaml}\nout: run\n")
    assert printed(desk, "train bare.yaml")["objective"]["name"] == "task"
    words = "--objective.name adversarial --objective.critics.steps 2 --objective.weight 0.5"
    made = printed(desk, f"train bare.yaml {words}")["objective"]
    assert (made["name"], made["critics"]["steps"], made["weight"]) == ("adversarial", 2, 0.5)
    (desk / "taps.yaml").write_text(
        "data: {source: world.yaml}\nout: run\n"
        "objective: {name: adversarial, taps: [{tap: conv4, weight: 0.5}, {tap: conv5, critic: conv5}]}\n"
    )
    taps = printed(desk, "train taps.yaml")["objective"]["taps"]
    assert [tap["weight"] for tap in taps] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("config.yaml --objective.wieghting none", "unrecognized arguments: --objective.wieghting none; the closest "
         "option is --objective.weighting (see steelyard train --help)"),
        ("config.yaml --objective.weight 0.5", "--objective.weight: expected one of the options structure, weighting, "
         "sampling, found 'weight' (closest: 'weighting'); correct or drop it"),
        ("config.yaml --objective.name adversary", "--objective.name: expected one of task, adversarial, "
         "adversarial-image, domain-independent, group-dro, reweighed, found 'adversary' (closest: 'adversarial'); "
         "choose one"),
        ("config.yaml --training.epochs many", "--training.epochs: expected a whole number, found 'many'; correct it"),
        ("config.yaml --training.rate fast", "--training.rate: expected a number, found 'fast'; correct it"),
        ("config.yaml --data.flip maybe", "--data.flip: expected true or false, found 'maybe'; correct it"),
        ("config.yaml --data.cache disk", "--data.cache: expected one of auto, memory, none, found 'disk'; correct it"),
        ("config.yaml --data.batch_size 1", "data.batch_size: expected 2 or more, found 1; raise it"),
        ("config.yaml --seed -1", "--seed: expected 0 or more, found -1; raise it"),
        ("config.yaml --audit.split train", "--audit.split: expected one of val, test, found 'train'; correct it"),
        ("missing.yaml", "missing.yaml: expected a YAML file, found No such file or directory; correct the path"),
        ("unknown.yaml", "unknown.yaml: trainig: expected one of the options seed, data, model, objective, training, "
         "start_from, audit, out, found 'trainig' (closest: 'training'); correct or drop it"),
        ("nested.yaml", "nested.yaml: objective.critics.step: expected one of the options learning_rate, weight_decay, "
         "steps, count, restart_epochs, found 'step' (closest: 'steps'); correct or drop it"),
        ("empty.yaml", "empty.yaml: out: expected text, found nothing; give it"),
        ("list.yaml", "list.yaml: expected a mapping of options, found list; write `name: value` in each line"),
        ("null.yaml", "null.yaml: training.epochs: expected a whole number, found null; correct it"),
        ("", "steelyard train: expected CONFIG.yaml or --resume RUN, found neither; name one"),
        ("--resume .", ".: expected the folder of a run, found none with a config.yaml; name what steelyard train "
         "wrote"),
    ],
)  # fmt: skip
def test_a_refused_configuration_is_one_line(desk: Path, words: str, expected: str) -> None:
    (desk / "unknown.yaml").write_text("out: run\ntrainig: {}\n")
    (desk / "nested.yaml").write_text(
        "out: run\ndata: {source: x}\nobjective: {name: adversarial, critics: {step: 2}}\n"
    )
    (desk / "empty.yaml").write_text("{}\n")
    (desk / "list.yaml").write_text("- a\n")
    (desk / "null.yaml").write_text("out: run\ndata: {source: x}\ntraining: {epochs: null}\n")
    if "--resume" in words:
        (desk / "config.yaml").unlink()
    assert line(desk, f"train {words}") == f"steelyard: {expected}"


def test_a_dry_run_builds_everything_and_writes_nothing(desk: Path) -> None:
    before = sorted(path.name for path in desk.iterdir())
    words = "--dry-run --quiet --objective.name adversarial --objective.tap conv4 --objective.weighting none"
    code, out, _ = said(desk, f"train config.yaml {words}")
    assert code == 0
    assert "64 train, 32 val, 48 test" in out
    assert "compact" in out
    assert "images 16×3×32×32, scores 16×4" in out
    assert "conv5 48×2×2" in out
    assert "critic up to 1, all up to 2; 4 batches each" in out
    assert sorted(path.name for path in desk.iterdir()) == before
    assert "expected a layer of this network" in line(
        desk, f"train config.yaml {words.replace('conv4', 'conv9')} --objective.critic conv4"
    )


def test_without_torch_training_says_what_to_install(desk: Path) -> None:
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from steelyard.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    for words in ("train config.yaml", "predict run --out p.csv", "visualize run --out v"):
        done = subprocess.run(
            [sys.executable, "-c", code, *words.split()], cwd=desk, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "steelyard: training needs torch: pip install 'steelyard[train]'\n"
