"""`steelyard augment`: what it refuses, in one line, and what its help says."""

import pytest

pytest.importorskip("torch")

from steelyard.cli.main import main

pytestmark = pytest.mark.torch


def refused(capsys, words):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def test_help_names_the_steps(capsys):
    with pytest.raises(SystemExit) as left:
        main(["augment", "--help"])
    assert left.value.code == 0
    assert "classifiers, oracle, latents, labels, planes, pairs, models" in " ".join(capsys.readouterr().out.split())


def test_faults_are_one_line(capsys, tmp_path):
    file = tmp_path / "a.yaml"
    assert "a.yaml: expected a YAML file, found No such file" in refused(capsys, ["augment", str(file)])
    file.write_text("data: {source: nowhere}\nout: o\npair: {}\n")
    assert "pair: expected one of the options" in refused(capsys, ["augment", str(file)])
    file.write_text(f"data: {{source: nowhere}}\nout: {tmp_path}/o\n")
    said = refused(capsys, ["augment", str(file), "--step", "plane"])
    assert said.startswith("steelyard: --step: expected one of classifiers, oracle,")
    file.write_text(f"data: {{source: {tmp_path}/nowhere, name: celeba}}\nout: {tmp_path}/o\n")
    assert "nowhere" in refused(capsys, ["augment", str(file), "--quiet"])
