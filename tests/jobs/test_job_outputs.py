"""Where results go: refused before the work, and taken back where the work fails."""

from pathlib import Path

import pandas as pd
import pytest

from steelyard.base.errors import InputError
from steelyard.jobs.output import check_file, check_folder, output_folder


def test_a_folder_is_made_with_its_parents_and_kept_after_success(tmp_path: Path) -> None:
    with output_folder(tmp_path / "a" / "b") as folder:
        (folder / "report.json").write_text("{}")
    assert (tmp_path / "a" / "b" / "report.json").is_file()


def test_folders_made_for_work_that_fails_go_again(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ZeroDivisionError), output_folder(tmp_path / "mine" / "a" / "b"):
        raise ZeroDivisionError
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    with pytest.raises(ZeroDivisionError), output_folder(tmp_path / "mine"):
        raise ZeroDivisionError
    assert (tmp_path / "mine").is_dir()  # it was there before


def test_what_was_written_before_the_failure_stays(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        (folder / "report.json").write_text("{}")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), output_folder(tmp_path / "a") as folder:
        work(folder)
    assert (tmp_path / "a" / "report.json").is_file()


@pytest.mark.parametrize("below", ["", "/deeper", "/deeper/still"])
def test_a_file_is_no_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    path = Path(f"{tmp_path}/file{below}")
    for refuse in (check_folder, lambda p: output_folder(p).__enter__()):
        with pytest.raises(InputError) as error:
            refuse(path)
        assert str(error.value) == f"--out {path}: expected a folder, found a file; name another"
    assert (tmp_path / "file").is_file()


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # the superuser may write anywhere
    with pytest.raises(InputError) as error:
        check_folder(tmp_path)
    assert str(error.value) == f"--out {tmp_path}: cannot be written to; name another folder"
    with pytest.raises(InputError) as error:
        check_file(tmp_path / "kept.csv")
    assert str(error.value) == f"--out {tmp_path}/kept.csv: the folder {tmp_path} cannot be written to; name another"


def test_a_file_may_be_new_or_replaced_but_not_the_input(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    assert check_file(labels, inputs=(str(labels),)) == labels  # neither is there: reading will complain
    labels.write_text("image\n")
    assert check_file(labels) == labels
    assert check_file(tmp_path / "kept.csv", inputs=(labels, pd.DataFrame({"a": [1]}))) == tmp_path / "kept.csv"
    (tmp_path / "link.csv").symlink_to(labels)
    for path in (labels, tmp_path / "link.csv", tmp_path / "x" / ".." / "labels.csv"):
        if path.parent.name == "..":
            (tmp_path / "x").mkdir()
        with pytest.raises(InputError, match="expected a new file, found the input itself; name another"):
            check_file(path, inputs=(labels,))
