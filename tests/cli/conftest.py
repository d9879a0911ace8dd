"""The made-up world, written once; and audits of it, each run once and shared by the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import threadpoolctl
from cli_samples import AUDITS, Run, audit, write_world


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
