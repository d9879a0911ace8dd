from pathlib import Path

import pytest

pytest.importorskip("torch")

from steelyard.jobs.run_folder import new_run

pytestmark = pytest.mark.torch


def test_a_run_that_fails_at_once_takes_its_own_files_with_it_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mine.png").write_bytes(b"mine")

    def fail(folder: Path) -> None:
        with new_run(folder, "seed: 0\n"):
            assert (folder / "config.yaml").read_text() == "seed: 0\n"
            (folder / "tensorboard").mkdir()
            (folder / "tensorboard" / "events").touch()
            raise ValueError("the work")

    for folder in (tmp_path, tmp_path / "new" / "run"):
        with pytest.raises(ValueError, match="the work"):
            fail(folder)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "samples", "samples/mine.png",
    ]  # fmt: skip
