"""imSitu's labels: the official form in small, every rule; and the plain table of labels."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import BOY, DOG, MAN, SERVICEMAN, WOMAN, change_json

from steelyard.base.errors import InputError
from steelyard.datasets.agents import DISAGREE, NO_GROUP, SOME_ABSTAIN, agent_group
from steelyard.datasets.imsitu import Imsitu

NOUNS = {MAN: 0, BOY: 0, WOMAN: 1}


def groups(data: Imsitu) -> dict[str, str]:
    table = data.labels()
    return dict(zip(table.ids.tolist(), (table.group_names[group] for group in table.groups), strict=True))


def test_verbs_groups_and_splits(imsitu: Path) -> None:
    data = Imsitu(imsitu)
    table = data.labels()
    assert groups(data) == {
        "cooking_1.jpg": "woman",
        "cooking_3.jpg": "woman",  # the one annotator who names a listed noun
        "driving_1.jpg": "man",
        "driving_3.jpg": "man",
        "cooking_4.jpg": "woman",  # the serviceman, whose third gloss is "man", is not listed
        "cooking_5.jpg": "man",
    }
    assert table.target_names == ("cooking", "driving")
    assert table.targets.tolist() == [0, 0, 1, 1, 0, 0]
    assert table.splits is not None
    assert table.splits.tolist() == ["train"] * 3 + ["val"] * 2 + ["test"]
    assert (table.kind, table.target_column, table.protected) == ("single", "verb", "gender")


def test_kept_and_dropped_are_counted(imsitu: Path) -> None:
    assert list(map(str, Imsitu(imsitu).selections())) == [
        "train: 5 images; 1 whose agent no annotator gives a listed noun; 1 on whose agent the annotators disagree; 3 "
        "kept (1 man + 2 woman)",
        "val: 2 images; 0 whose agent no annotator gives a listed noun; 0 on whose agent the annotators disagree; 2 "
        "kept (1 man + 1 woman)",
        "test: 2 images; 0 whose agent no annotator gives a listed noun; 1 on whose agent the annotators disagree; 1 "
        "kept (1 man + 0 woman)",
    ]


def test_rules(imsitu: Path) -> None:
    majority = groups(Imsitu(imsitu, rule="majority"))
    assert majority == {**groups(Imsitu(imsitu)), "cooking_2.jpg": "woman"}
    assert set(groups(Imsitu(imsitu, rule="unanimous"))) == {
        *("cooking_1.jpg", "driving_1.jpg", "driving_3.jpg", "cooking_5.jpg"),
    }
    assert Imsitu(imsitu, rule="unanimous").selections()[0].dropped == {NO_GROUP: 1, DISAGREE: 1, SOME_ABSTAIN: 1}


def slow(agents: tuple[str, ...], rule: str) -> int | str:
    votes = [{"m": 0, "w": 1}[agent] for agent in agents if agent in "mw"]
    if not votes:
        return NO_GROUP
    for group in (0, 1):
        share = votes.count(group) / len(votes)
        if (rule == "majority" and share > 0.5) or (rule == "agree" and share == 1):
            return group
        if rule == "unanimous" and share == 1:
            return group if len(votes) == 3 else SOME_ABSTAIN
    return DISAGREE


def cases() -> Iterator[tuple[tuple[str, ...], str]]:
    yield from product(product("mwx", repeat=3), ("agree", "majority", "unanimous"))


def test_every_vote_of_three() -> None:
    for agents, rule in cases():
        frames = [{"agent": {"m": MAN, "w": WOMAN, "x": DOG}[agent]} for agent in agents]
        assert agent_group(frames, NOUNS, rule) == slow(agents, rule), (agents, rule)  # type: ignore[arg-type]
    assert agent_group([{"place": MAN}, {}, {}], NOUNS, "agree") == NO_GROUP  # a verb without an agent


def test_other_nouns_by_id_or_first_gloss(imsitu: Path) -> None:
    data = Imsitu(imsitu, words={"armed": [SERVICEMAN], "adult": ["Woman", "man"], "child": ["male child"]})
    found = groups(data)
    assert data.labels().group_names == ("adult", "armed", "child")
    assert found["driving_2.jpg"] == "armed"
    assert found["driving_3.jpg"] == "child"
    assert found["cooking_2.jpg"] == "adult"  # a man and a woman are both adults here
    assert "driving_1.jpg" not in found  # a man, a boy


def test_a_list_of_verbs(imsitu: Path) -> None:
    data = Imsitu(imsitu, verbs=["cooking"])
    assert data.labels().target_names == ("cooking",)
    assert data.selections()[0].dropped == {"of verbs that are not listed": 2, NO_GROUP: 0, DISAGREE: 1}
    with pytest.raises(InputError) as caught:
        Imsitu(imsitu, verbs=["cooking", "drivin"]).labels()
    assert str(caught.value) == (
        f"{imsitu}: --verbs: expected verbs among the 2 there, found 'drivin' (closest: 'driving'); correct the list"
    )


def test_images_in_one_folder_or_one_a_verb(imsitu: Path, tmp_path: Path) -> None:
    data = Imsitu(imsitu)
    assert data.image_path("cooking_1.jpg") == imsitu / "images" / "cooking_1.jpg"
    (imsitu / "of500_images" / "cooking").mkdir(parents=True)
    (imsitu / "of500_images" / "cooking" / "cooking_1.jpg").touch()
    assert data.image_path("cooking_1.jpg") == imsitu / "of500_images" / "cooking" / "cooking_1.jpg"
    assert Imsitu(imsitu, images=tmp_path).image_path("cooking_1.jpg") == tmp_path / "cooking_1.jpg"
    with pytest.raises(InputError, match=r"expected one of its 6 image ids, found 'cooking_2\.jpg' \(closest: "):
        data.image_path("cooking_2.jpg")  # dropped


def give_boxes(content: dict[str, Any]) -> None:
    for record in content.values():
        record.update(height=40, width=60, bb={"agent": [5, 6, 20, 30], "place": [-1, -1, -1, -1]})
    content["driving_1.jpg"]["bb"]["agent"] = [-1, -1, -1, -1]


def test_boxes_of_agents(imsitu: Path) -> None:
    change_json(imsitu / "train.json", give_boxes)
    data = Imsitu(imsitu)
    people = data.people("cooking_1.jpg")
    assert (people.size, people.boxes.tolist(), people.masks) == ((40, 60), [[5, 6, 20, 30]], None)
    assert people.mask().sum() == 15 * 24
    assert len(data.people("driving_1.jpg")) == 0
    with pytest.raises(InputError) as caught:
        data.people("driving_3.jpg")  # of dev.json, which has none
    assert str(caught.value) == (
        f"{imsitu}: image driving_3.jpg: expected boxes, found none; take the files of SWiG, which give 'bb', 'height' "
        "and 'width'"
    )


FAULTS: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "no verb": (
        "dev.json",
        lambda content: content["driving_3.jpg"].pop("verb"),
        "image driving_3.jpg: expected 'verb', text, found none; this is not the official file, or it was changed",
    ),
    "no frames": (
        "train.json",
        lambda content: content["driving_1.jpg"].pop("frames"),
        "image driving_1.jpg: expected 'frames', a list, found none; this is not the official file, or it was changed",
    ),
    "no nouns": (
        "imsitu_space.json",
        lambda content: content.pop("nouns"),
        "expected 'nouns', an object, found none; this is not the official file, or it was changed",
    ),
    "an image in two files": (
        "test.json",
        lambda content: content.update({"cooking_1.jpg": content["cooking_5.jpg"]}),
        "image cooking_1.jpg: expected each image in one file, found it in train.json, too; use the official files",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_annotation_files(imsitu: Path, fault: str) -> None:
    file, change, line = FAULTS[fault]
    change_json(imsitu / file, change)
    with pytest.raises(InputError) as caught:
        Imsitu(imsitu).labels()
    assert str(caught.value) == f"{imsitu / file}: {line}"


def test_a_list_in_place_of_an_object(imsitu: Path) -> None:
    (imsitu / "dev.json").write_text("[]")
    with pytest.raises(InputError) as caught:
        Imsitu(imsitu).labels()
    assert str(caught.value) == (
        f"{imsitu / 'dev.json'}: expected an object of image names, found list; use the official file"
    )


def test_wrong_options(imsitu: Path) -> None:
    with pytest.raises(InputError) as caught:
        Imsitu(imsitu, rule="any")
    assert str(caught.value) == "--rule: expected agree, majority, unanimous, found 'any'; name one"
    with pytest.raises(InputError) as caught:
        Imsitu(imsitu, words={"man": ["man"], "robot": ["robot"]}).labels()
    assert str(caught.value) == (
        f"{imsitu / 'imsitu_space.json'}: nouns: expected those of --words, found none like 'robot'; take noun ids or "
        "first glosses from it"
    )


def test_missing_files_are_named(imsitu: Path, tmp_path: Path) -> None:
    (imsitu / "dev.json").unlink()
    (imsitu / "imsitu_space.json").unlink()
    with pytest.raises(InputError) as caught:
        Imsitu(imsitu)
    assert str(caught.value) == (
        f"{imsitu}: expected the layout of imSitu, found no dev.json, no imsitu_space.json; put them there from "
        "imsitu.org"
    )
    with pytest.raises(InputError) as caught:
        Imsitu(tmp_path / "nowhere")
    assert str(caught.value) == (
        f"{tmp_path / 'nowhere'}: expected a folder in the layout of imSitu, found nothing of this name; correct the "
        "path"
    )


PLAIN = "image,split,gender,verb\na.jpg,train,man,x\nb.jpg,train,woman,x\nc.jpg,dev,man,y\nd.jpg,test,woman,z\n"


def test_a_plain_table_of_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(PLAIN)
    for source in (tmp_path, tmp_path / "labels.csv"):
        data = Imsitu(source)
        assert groups(data) == {"a.jpg": "man", "b.jpg": "woman", "c.jpg": "man", "d.jpg": "woman"}
        assert data.image_path("c.jpg") == tmp_path / "images" / "c.jpg"
        assert str(data.selections()[0]) == "train: 2 images; 2 kept (1 man + 1 woman)"
    few = Imsitu(tmp_path, verbs=["z", "x"]).labels()
    assert (few.ids.tolist(), few.target_names, few.targets.tolist()) == (
        ["a.jpg", "b.jpg", "d.jpg"],
        ("x", "z"),
        [0, 0, 1],
    )
    with pytest.raises(InputError) as caught:
        Imsitu(tmp_path, rule="majority")
    assert str(caught.value) == (
        f"{tmp_path}: expected frames for --words and --rule, found labels.csv alone, whose groups are given; drop the "
        "option"
    )


def test_the_real_table_of_labels(real_imsitu: Path) -> None:
    table = Imsitu(real_imsitu).labels()
    counts = {"train": [14_199, 10_102], "val": [4_457, 3_273], "test": [4_517, 3_152]}
    assert len(table.target_names) == 211
    for split in ("train", "val", "test"):
        assert np.bincount(table.split(split).groups).tolist() == counts[split]  # type: ignore[arg-type]
