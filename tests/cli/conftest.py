"""The made-up world, written once; and audits of it, each run once and shared by the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import threadpoolctl
from cli_samples import MULTI, SINGLE, Run, audit, write_world

AUDITS: dict[str, list[str]] = {
    "verbs": SINGLE,
    "objects": MULTI,
    "verbs, test": [*SINGLE, *"--predictions verbs_test.csv --kind logits".split()],
    "verbs, all splits": [
        *SINGLE,
        *"--predictions verbs_all.csv --kind logits --predicted-protected seen".split(),
    ],
    "verbs, no split": [
        *"audit --labels unsplit.csv --protected sex --target verb".split(),
        *"--predictions verbs_all.csv --kind logits".split(),
    ],
    "verbs, decisions": [*SINGLE, *"--predictions verbs_decisions.csv --kind decisions".split()],
    "objects, test": [*MULTI, *"--predictions objects_test.csv --kind logits".split()],
    "objects, f1": [*MULTI, *"--predictions objects_probabilities.csv --kind probabilities --threshold f1".split()],
    "objects, calibrated": [*MULTI, *"--predictions objects_valtest.csv --kind logits --threshold calibrated".split()],
    "objects, val only": [*MULTI, *"--predictions objects_val.csv --kind probabilities --threshold f1".split()],
    "objects, decisions": [
        *MULTI,
        *"--predictions objects_decisions.csv --kind decisions --predicted-protected seen".split(),
    ],
    "objects, below the floor": [*MULTI, *"--predictions objects_hopeless.csv --kind logits".split()],
    "three groups, verbs": [
        *"audit --labels labels.csv --protected place --target verb".split(),
        *"--predictions verbs_test.csv --kind logits".split(),
    ],
    "three groups, objects": [
        *"audit --labels labels.csv --protected place --targets o*".split(),
        *"--predictions objects_test.csv --kind logits".split(),
    ],
    "no curve, no p-value": [*SINGLE, *"--levels none --permutations 0".split()],
    "one round": [*SINGLE, *"--predictions verbs_test.csv --kind logits --rounds 1".split()],
    "default family": [
        *MULTI,
        *"--predictions objects_test.csv --kind logits --attackers logistic,boosting --levels none".split(),
        *"--rounds 1 --permutations 1".split(),
    ],
}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Fits this small wait longer for other threads than they take."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every table."""
    folder = tmp_path_factory.mktemp("desk")
    write_world(folder)
    return folder


@pytest.fixture(scope="session")
def audited(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The audit of this name, run at its first use."""
    runs: dict[str, Run] = {}

    def run(name: str) -> Run:
        if name not in runs:
            runs[name] = audit(desk, AUDITS[name], tmp_path_factory.mktemp("out") / "report")
        return runs[name]

    return run
