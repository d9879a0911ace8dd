"""The light half needs no torch, and `import steelyard` needs hardly anything."""

import pkgutil
import subprocess
import sys

import pytest

import steelyard

# The only modules of the light half's folders that may import torch, when an MLP is asked for.
TRAINING = {"steelyard.leakage.mlp_training", "steelyard.leakage.mlp_network"}
# They draw, with OpenCV of the train extra; the labels of Scenes and Portraits need none of them.
DRAWING = {f"steelyard.datasets.scenes.{name}" for name in ("painting", "pen", "room", "person", "face", "objects")}
DRAWING |= {f"steelyard.datasets.portraits.{name}" for name in ("painting", "head", "wearing")}
# Jobs that train, or go on from what was trained.
_JOBS = ("dry_run", "predict", "run_folder", "run_parts", "train", "training_config", "visualize")
_DEMO = ("demo", "demo_augmentation", "demo_display", "demo_lanes", "demo_models", "demo_tasks")
_AUGMENT = (
    "config",
    "labels",
    "models",
    "networks",
    "oracle",
    "page",
    "pairs",
    "planes",
    "run",
    "steps",
    "training",
    "work",
)
_GENERATOR = ("generator", "generator_config", "generator_quality", "generator_train")
TRAINING |= {f"steelyard.jobs.{name}" for name in (*_JOBS, *_DEMO, *_GENERATOR)}
TRAINING |= {f"steelyard.jobs.augment.{name}" for name in _AUGMENT}
# The geometry of latents, and what reads and keeps them; what makes images needs torch.
_LATENT = ("by_id", "directions", "fitting", "generators", "hyperplanes", "mirroring", "real")
LIGHT = (
    *(f"steelyard.latent.{name}" for name in _LATENT),
    "steelyard.base",
    "steelyard.metrics",
    "steelyard.tables",
    "steelyard.datasets",
    "steelyard.leakage",
    "steelyard.mitigation.samples",
    "steelyard.mitigation.predictions",
    "steelyard.reports",
    "steelyard.jobs",
    "steelyard.cli",
    "steelyard.api",
)
BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "lightning"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def light_modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(steelyard.__path__, "steelyard.")]
    return [
        name
        for name in found
        if name not in TRAINING | DRAWING and any(name == part or name.startswith(f"{part}.") for part in LIGHT)
    ]


def test_the_light_half_imports_without_torch() -> None:
    modules = light_modules()
    assert {"steelyard.leakage.mlp", "steelyard.leakage.presets", "steelyard.cli.main"} <= set(modules)
    assert {f"steelyard.latent.{name}" for name in _LATENT} <= set(modules)
    done = run(f"{BLOCK}\nimport importlib\nfor name in {modules!r}:\n    importlib.import_module(name)\n")
    assert done.returncode == 0, done.stderr


def test_the_block_blocks() -> None:
    """The control: with it, what trains cannot be imported."""
    done = run(f"{BLOCK}\nimport steelyard.leakage.mlp_training")
    assert done.returncode == 1
    assert "No module named 'torch'" in done.stderr


def test_an_attack_by_mlp_without_torch_says_what_to_install() -> None:
    code = (
        f"{BLOCK}\nfrom steelyard.base.errors import MissingExtraError\n"
        "from steelyard.leakage.extras import require_torch\n"
        "try:\n    require_torch()\nexcept MissingExtraError as error:\n    print(error)"
    )
    assert run(code).stdout == "the MLP attacker needs PyTorch: pip install 'steelyard[train]'\n"


@pytest.mark.parametrize("code", ["import steelyard", "import steelyard, sys; dir(steelyard)"])
def test_importing_the_package_imports_little(code: str) -> None:
    done = run(f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})")
    heavy = {"numpy", "scipy", "sklearn", "torch", "pyarrow", "pandas", "polars", "narwhals", "jinja2", "rich"}
    assert not heavy & set(done.stdout.split())


def test_a_verdict_without_torch() -> None:
    """Nothing on the way of a default attack asks for torch, sklearn's own look-ups included."""
    code = (
        f"{BLOCK}\nimport numpy as np\nimport steelyard as sy\n"
        "from steelyard.leakage.evidence import label_evidence\n"
        "from steelyard.leakage.plan import crossfit\nfrom steelyard.leakage.search import run\n"
        "groups = np.arange(60) % 2\nplan = crossfit(groups, np.arange(60), folds=2, rounds=1, seed=0, scheme='')\n"
        "made = run([lambda _: label_evidence(groups, 'single', 2)], groups, plan, k=2)[0]\nprint(made.credit.mean())"
    )
    assert run(code).stdout == "1.0\n"
