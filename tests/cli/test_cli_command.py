"""The command as such: help, what goes to stdout and stderr, YAML, debugging, interruption, and what it imports."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_samples import MULTI, QUICK, SINGLE, Run, audit, call

import steelyard.jobs.audit
import steelyard.jobs.training_extra
from steelyard.cli.main import VERBS, main
from steelyard.jobs.progress import on_stderr
from steelyard.metrics.catalog import CATALOG
from steelyard.reports import AuditReport


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_exits_with_0_and_speaks_on_stdout(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*verb.split(), "--help"])
    out, err = capsys.readouterr()
    assert stop.value.code == 0
    assert err == ""
    assert "usage: steelyard" in out
    assert "default: null" not in out  # defaults that are nothing are not shown
    if verb == "":
        assert all(name in out for name in VERBS)


def test_without_the_extra_train_still_explains_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steelyard.jobs.training_extra, "_NEEDED", ("no_such_package",))
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert "--resume RUN" in out
    assert "--objective.weight" not in out.partition("options:")[2]
    assert "pip install 'steelyard[train]'" in " ".join(out.split())
    for words in (["run.yaml"], ["run.yaml", "--objective.weight", "0.5"], []):
        with pytest.raises(SystemExit) as stop:
            main(["train", *words])
        said = "steelyard: training needs no_such_package: pip install 'steelyard[train]'\n"
        assert (stop.value.code, *capsys.readouterr()) == (2, "", said)


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert "usage: steelyard" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    main(["--version"])
    assert capsys.readouterr().out.strip() == version("steelyard")


def test_an_unknown_verb_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["adit"])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert "'adit'" in err


def test_figures_go_to_stdout_and_progress_to_stderr(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    command = f"{SINGLE} {QUICK.replace('--quiet', '')}"
    call(f"{command} --out {tmp_path}/loud")
    loud = capsys.readouterr()
    call(f"{command} --quiet --out {tmp_path}/quiet")
    quiet = capsys.readouterr()
    stages = loud.err.splitlines()
    assert len(stages) >= 3
    assert all(line.startswith("[") and " s] " in line for line in stages)
    assert quiet.err == ""
    assert loud.out.replace("loud", "quiet") == quiet.out
    report = AuditReport.from_json(tmp_path / "quiet" / "report.json")
    assert quiet.out == f"{report}\n\nThe page: {tmp_path / 'quiet' / 'report.html'}\n"


def test_a_terminal_gets_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with on_stderr() as progress:
        progress("first stage")
        progress("second stage")
    assert "first stage" in screen.getvalue()
    assert "second stage" in screen.getvalue()


def test_options_may_stand_before_the_verbs_own_and_debug_on_either_side(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    for command in (f"--debug {SINGLE}", f"{SINGLE} --debug"):
        with pytest.raises(SystemExit) as stop:
            call(f"{command} --protected nobody --out {tmp_path}/x")
        err = capsys.readouterr().err
        assert stop.value.code == 2
        assert err.startswith("Traceback (most recent call last):")
        assert err.splitlines()[-1].startswith("steelyard: labels.csv: column 'nobody': expected this column")
    call(f"audit {QUICK} --target verb --out {tmp_path}/y --protected sex --labels labels.csv")
    assert (tmp_path / "y" / "report.json").is_file()


def test_options_from_yaml_are_those_of_the_command_line(
    desk: Path, tmp_path: Path, audited: Callable[[str], Run]
) -> None:
    given = tmp_path / "run.yaml"
    given.write_text(
        "labels: labels.csv\nprotected: sex\ntargets: [o*, never]\npredictions: objects_test.csv\nkind: logits\n"
        "levels: [3]\nattackers:\n- logistic\nrounds: 7\n",
        encoding="utf-8",
    )
    run = audit(desk, f"audit --config {given} --rounds 2", tmp_path / "out")
    assert run.report["estimates"] == audited("objects, test").report["estimates"]
    assert run.report["curve"] == audited("objects, test").report["curve"]
    command = run.report["provenance"]["command"]
    assert "--targets o*,never " in command
    assert "--rounds 2 " in command  # the command line, which comes after the file, wins
    assert "--config" not in command


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rounds: many\n", "--rounds: expected a whole number, found 'many'"),
        ("colour: red\n", "colour"),
        ("rounds: [3\n", "config"),
        ("just words\n", "just words"),
        (None, "run.yaml"),
    ],
)
def test_a_faulty_yaml_file_is_one_line(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    given = tmp_path / "run.yaml"
    if text is not None:
        given.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        call(f"{SINGLE} --config {given} --out {tmp_path}/out")
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stop_with", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_audit_leaves_no_folder_behind(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_with: type[BaseException]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise stop_with

    monkeypatch.chdir(desk)
    monkeypatch.setattr(steelyard.jobs.audit, "measure_labels", interrupted)
    (tmp_path / "there").mkdir()
    for folder in ("there/new/deep", "there"):
        with pytest.raises((SystemExit, RuntimeError)) as stop:
            call(f"{SINGLE} --quiet --out {tmp_path / folder}")
        if stop_with is KeyboardInterrupt:
            assert isinstance(stop.value, SystemExit)
            assert stop.value.code == 130
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_a_page_that_fails_leaves_the_folder_as_it_was(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(desk, MULTI, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def failing(*_: object, **__: object) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr("steelyard.reports.page.audit_page", failing)
    with pytest.raises(SystemExit) as left:
        audit(desk, MULTI, tmp_path / "out")
    assert left.value.code == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_the_catalogue_is_printed_in_words_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["catalog", "metrics", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [row.name for row in CATALOG]
    main(["catalog", "metrics"])
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if not line.startswith(" ")] == [row.name for row in CATALOG]
    assert [line.strip() for line in printed[1::3]] == [row.answers for row in CATALOG]
    assert "range -1 … 1, ideal 0" in printed[printed.index("amplification") + 2]


SCRIPT = """
import sys
import steelyard
heavy = {"torch", "sklearn", "pyarrow", "pandas", "polars", "plotly", "scipy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from steelyard.cli.main import main
for words in (["--help"], ["audit", "--help"]):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0
assert not heavy & set(sys.modules), heavy & set(sys.modules)
import steelyard.api
assert "torch" not in sys.modules
"""


def run_python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_import_and_help_load_nothing_heavy() -> None:
    done = run_python("-c", SCRIPT)
    assert done.returncode == 0, done.stderr


def test_a_terminal_without_greek_still_gets_its_figures(desk: Path, tmp_path: Path) -> None:
    command = f"balance {desk}/labels.csv --protected sex --target verb --alpha 2 --quiet --out {tmp_path}/kept.csv"
    code = f"from steelyard.cli.main import main; main({command.split()!r})"
    done = run_python("-c", code, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "kept " in done.stdout
    assert "?" in done.stdout  # the arrows of the table
    assert (tmp_path / "kept.csv").is_file()


@pytest.mark.skipif(os.name != "posix", reason="pipes are closed otherwise there")
def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "from steelyard.cli.main import main; main(['catalog', 'metrics', '--json'])"
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
