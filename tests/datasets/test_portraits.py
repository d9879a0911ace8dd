"""Portraits as a data set: labels as the truth says, ids, groups, settings, opened by a word or a file, commands."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.base.errors import InputError
from steelyard.cli.main import main
from steelyard.datasets.catalog import DataOptions, open_dataset
from steelyard.datasets.portraits import ATTRIBUTES, SKEWED, Portraits, PortraitsSettings, PortraitsTruth
from steelyard.tables import read_labels

N = 40_000
SMALL = "size: 32\ngroups: 3\nprobabilities:\n  hat: [0.1, 0.5, 0.9]\ntrain: 6\nval: 0\ntest: 4\nseed: 7\n"


def opened(source: str | Path, options: DataOptions | None = None) -> Portraits:
    world = open_dataset("portraits", source, options)
    assert isinstance(world, Portraits)
    return world


def frequencies(world: Portraits) -> np.ndarray[Any, np.dtype[np.float64]]:
    table = world.labels()
    return np.array([table.matrix()[table.groups == at].mean(axis=0) for at in range(len(table.group_names))])


@pytest.mark.parametrize("groups", [2, 3, 4])
@pytest.mark.parametrize("correlation", [1.0, 0.4])
def test_labels_are_as_frequent_as_the_truth_says(groups: int, correlation: float) -> None:
    world = Portraits(PortraitsSettings(groups=groups, correlation=correlation), train=N, val=0, test=0)
    table = world.labels()
    assert table.target_names == ATTRIBUTES
    assert table.group_names == ("a", "b", "c", "d")[:groups]
    shares = np.bincount(table.groups) / N
    np.testing.assert_allclose(shares, 1 / groups, atol=5 * np.sqrt(0.25 / N))
    sd = np.sqrt(0.25 * groups / N)
    np.testing.assert_allclose(frequencies(world), world.truth.label_given_group, atol=5 * sd)


def test_the_default_world_has_skewed_attributes_of_a_fair_size() -> None:
    truth = PortraitsTruth.of(PortraitsSettings())
    assert len(ATTRIBUTES) >= 8
    assert ((truth.label >= 0.25) & (truth.label <= 0.5)).all()
    in_a, in_b = truth.label_given_group.tolist()
    skew = {name: a - b for name, a, b in zip(ATTRIBUTES, in_a, in_b, strict=True)}
    assert all(0.25 < abs(skew[name]) < 0.45 for name in SKEWED)
    assert all(abs(skew[name]) < 0.25 for name in ATTRIBUTES if name not in SKEWED)
    assert {skew[name] > 0 for name in SKEWED} == {True, False}


def test_given_the_group_attributes_are_independent_and_over_all_they_are_not() -> None:
    table = Portraits(train=N, val=0, test=0).labels()
    off = ~np.eye(len(ATTRIBUTES), dtype=bool)
    within = [np.corrcoef(table.matrix()[table.groups == at].T)[off] for at in (0, 1)]
    assert np.abs(within).max() < 5 / np.sqrt(N / 2)
    assert np.abs(np.asarray(np.corrcoef(table.matrix().T))[off]).max() > 0.1


def test_without_correlation_nothing_goes_with_the_group_and_the_totals_stay() -> None:
    skewed, flat = PortraitsTruth.of(PortraitsSettings()), PortraitsTruth.of(PortraitsSettings(correlation=0.0))
    np.testing.assert_allclose(flat.label, skewed.label)
    np.testing.assert_allclose(np.ptp(flat.label_given_group, axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(flat.group_given_label, 0.5)
    beard = ATTRIBUTES.index("beard")
    assert skewed.group_given_label[beard, 0] == pytest.approx(0.55 / 0.70)


def test_faint_is_as_frequent_as_said_in_those_attributes_alone() -> None:
    world = Portraits(
        PortraitsSettings(faint=0.3, faint_attributes=["hat", "scarf"], faint_contrast=0.4), train=N, val=0, test=0
    )
    faint = world.drawn.strengths < 1.0
    np.testing.assert_allclose(faint.mean(axis=0), world.truth.faint, atol=5 * np.sqrt(0.25 / N))
    assert {ATTRIBUTES[at] for at in np.nonzero(faint)[1]} == {"hat", "scarf"}
    assert world.drawn.strengths[faint].max() <= 0.4
    hat = ATTRIBUTES.index("hat")
    there = world.drawn.labels[:, hat]
    assert abs(faint[there, hat].mean() - faint[~there, hat].mean()) < 0.03  # faintness itself says nothing


def test_more_images_or_other_splits_leave_what_there_is() -> None:
    few, many = Portraits(train=50, val=20, test=20), Portraits(train=500, val=100, test=30)
    for split, n in (("train", 50), ("val", 20), ("test", 20)):
        a, b = few.labels(split), many.labels(split)  # type: ignore[arg-type]
        assert (a.groups == b.groups[:n]).all()
        assert (a.targets == b.targets[:n]).all()
    other = Portraits(train=50, val=20, test=20, seed=1)
    assert (other.labels().targets != few.labels().targets).any()


def test_ids_splits_and_selections() -> None:
    world = Portraits(train=3, val=1, test=2)
    table = world.labels()
    assert table.ids.tolist() == ["p000001", "p000002", "p000003", "p000004", "p000005", "p000006"]
    assert table.splits is not None
    assert table.splits.tolist() == ["train"] * 3 + ["val"] + ["test"] * 2
    assert world.labels("test").ids.tolist() == ["p000005", "p000006"]
    assert world.find(["p000006", "p000001"]).tolist() == [5, 0]
    assert [chosen.images for chosen in world.selections()] == [3, 1, 2]


@pytest.mark.parametrize("wrong", ["p000000", "p000007", "p00001", "q000001", "p0000001", "p+00001", "p٠٠٠٠٠١", ""])
def test_an_id_of_no_image_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="expected ids p000001 … p000006, found") as caught:
        Portraits(train=3, val=1, test=2).find(["p000002", wrong])
    assert "\n" not in str(caught.value)


def test_the_group_may_be_a_target_among_others() -> None:
    world = opened("independent", DataOptions(protected="kin", targets=("smile", "group_b", "hat")))
    table = world.labels()
    assert (table.protected, table.target_names) == ("kin", ("smile", "group_b", "hat"))
    assert (table.matrix()[:, 1] == table.groups).all()
    assert Portraits(targets="group_b, h*,hat").target_names == ("group_b", "hat")
    assert len(Portraits(targets="*").target_names) == len(ATTRIBUTES) + 2
    plain = opened("independent").labels()
    assert (table.matrix()[:, 2] == plain.matrix()[:, ATTRIBUTES.index("hat")]).all()


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (["glases"], "found 'glases' (closest: 'glasses'); correct the name"),
        (["group_c"], "expected names or globs among beard, "),
        ("hat,,scarf", "expected names or globs among beard, "),
        ([], "expected names or globs, found none; name some, or leave it out"),
    ],
)
def test_unknown_targets(targets: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Portraits(targets=targets)
    assert said in str(caught.value)
    assert str(caught.value).startswith("Portraits: targets: expected ")


def test_words_stand_for_worlds(tmp_path: Path) -> None:
    assert opened("default").settings == PortraitsSettings()
    assert opened("independent").settings == PortraitsSettings(correlation=0.0)
    assert opened("faint").settings.faint > 0
    skewed = opened("skewed")
    assert skewed.settings.noise > 0
    assert len(skewed.labels("train")) == 600
    path = tmp_path / "world.yaml"
    path.write_text(SMALL)
    world = opened(path)
    assert (world.settings.size, world.settings.groups, world.seed, len(world)) == (32, 3, 7, 10)
    assert world.truth.label_given_group[:, ATTRIBUTES.index("hat")].tolist() == pytest.approx([0.1, 0.5, 0.9])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("trian: 5", "found 'trian' (closest: 'train'); correct the name"),
        ("", "expected names and values, found nothing; write lines such as size: 1"),
        ("size: [", "expected YAML, found while parsing"),
        ("size: 48", "Portraits: size: expected 32, 64 or 128, found 48; change this dial"),
        ("size: 64.0", "Portraits: size: expected 32, 64 or 128, found 64.0"),
        ("groups: 5", "Portraits: groups: expected a whole number from 2 to 4, found 5"),
        ("groups: true", "Portraits: groups: expected a whole number from 2 to 4, found True"),
        ("correlation: 1.5", "Portraits: correlation: expected a number from 0 to 1, found 1.5"),
        ("faint: .nan", "Portraits: faint: expected a number from 0 to 1, found nan"),
        ("noise: much", "Portraits: noise: expected a number from 0 to 0.5, found 'much'"),
        ("probabilities: 0.5", "Portraits: probabilities: expected attributes and numbers, found '0.5'"),
        ("probabilities: {hats: [0.5, 0.5]}", "probabilities: expected names among beard, "),
        ("probabilities: {hat: 0.5}", "probabilities.hat: expected a list of 2 numbers, one a group, found '0.5'"),
        ("probabilities: {hat: [0.5]}", "probabilities.hat: expected a list of 2 numbers, one a group, found '[0.5]'"),
        ("probabilities: {hat: [0.5, 1]}", "probabilities.hat: expected a number from 0.02 to 0.98, found 1;"),
        ("faint_attributes: hat", "faint_attributes: expected a list of attributes, found 'hat'"),
        ("faint_attributes: [hot]", "found 'hot' (closest: 'hat')"),
        ("train: 400000", "Portraits: train: expected 0 to 300,000 images, found 400000"),
        ("seed: -1", "Portraits: seed: expected 0 or more, found -1"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        opened(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert said in line
    assert "\n" not in line


def test_a_source_that_is_no_file_names_the_words() -> None:
    with pytest.raises(
        InputError, match="a YAML file of settings, or the word default or independent or faint or skewed"
    ):
        opened("defualt")


def test_labels_and_check_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "world.yaml", tmp_path / "labels.csv"
    path.write_text(SMALL)
    main(["data", "labels", str(path), "--dataset", "portraits", "--out", str(out), "--quiet"])
    assert capsys.readouterr().out.startswith("train: 6 images; 6 kept (")
    read, made = read_labels(out, protected="group"), opened(path).labels()
    assert read.ids.tolist() == made.ids.tolist()
    assert (read.targets == made.targets).all()
    pytest.importorskip("cv2")
    main(["data", "check", str(path), "--dataset", "portraits", "--targets", "hat,group_b", "--quiet"])
    said = capsys.readouterr().out
    assert said.startswith("portraits in Portraits, seed 7: 2 labels, any number an image\n")
    assert "10 of 10 images read whole\n  32 – 32 pixels high, 32 – 32 wide" in said
