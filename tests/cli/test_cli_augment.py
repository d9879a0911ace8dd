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


def test_the_whole_configuration_is_printed_and_nothing_is_done(capsys, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(f"data: {{source: default, name: portraits}}\ngenerator: {{}}\nout: {tmp_path}/o\n")
    main(["augment", str(file), "--print_config"])
    said = capsys.readouterr().out
    assert "smallest_angle: 5.0" in said
    assert not (tmp_path / "o").exists()
    again = tmp_path / "b.yaml"
    again.write_text(said)
    main(["augment", str(again), "--print_config"])
    assert capsys.readouterr().out == said


def test_yaml_that_is_none_names_the_line(capsys, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("seed: 1\ndata: {source: x\nout: o\n")
    assert "a.yaml: line 3, column 4: expected YAML, found expected ',' or '}'" in refused(
        capsys, ["augment", str(file)]
    )
