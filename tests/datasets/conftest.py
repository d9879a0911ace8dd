"""Small data sets in the published layouts, written by the tests; and the real ones, where there are any."""

import os
from pathlib import Path

import pytest
from dataset_samples import write_celeba, write_coco, write_imsitu, write_table


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "coco")


@pytest.fixture
def imsitu(tmp_path: Path) -> Path:
    return write_imsitu(tmp_path / "imsitu")


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    return write_celeba(tmp_path / "celeba")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table")


def _real(folder: str) -> Path:
    root = os.environ.get("STEELYARD_DATA")
    if not root:
        pytest.skip("STEELYARD_DATA does not name a folder of real data")
    return Path(root) / folder


@pytest.fixture
def real_coco() -> Path:
    return _real("coco-mini")


@pytest.fixture
def real_celeba() -> Path:
    return _real("celeba")


@pytest.fixture
def real_imsitu() -> Path:
    return _real("imsitu")
