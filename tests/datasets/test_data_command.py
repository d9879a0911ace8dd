"""`steelyard data`: what it prints and writes, and one line with exit code 2 for everything that is wrong."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from dataset_samples import file_name

from steelyard.base.errors import InputError
from steelyard.cli.main import main
from steelyard.datasets.catalog import READERS, DataOptions, open_dataset, recognise
from steelyard.tables import read_labels


def fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, said.err
    return lines[0].removeprefix("steelyard: ")


@pytest.fixture
def images(coco: Path) -> Path:
    """COCO with the images that count."""
    pytest.importorskip("cv2")
    from image_samples import fill

    fill(coco / "train2017", [file_name(n) for n in (1, 2, 6)])
    fill(coco / "val2017", [file_name(n) for n in (11, 12)])
    return coco


# --- check


@pytest.mark.torch
def test_a_whole_data_set(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "check", str(images)])
    said = capsys.readouterr()
    assert said.out == (
        f"coco in {images}: 3 labels, any number an image\n\n"
        "Images that count\n"
        "  train: 7 images; 1 without a person; 2 whose captions name no group; 1 whose captions name both groups; 3 "
        "kept (2 man + 1 woman)\n"
        "  val: 3 images; 0 without a person; 0 whose captions name no group; 1 whose captions name both groups; 2 "
        "kept (1 man + 1 woman)\n\n"
        "Labels\n"
        "  train: 66.7 % man, 33.3 % woman; 1.33 labels an image; 3 of 3 labels occur\n"
        "    in one group alone: car, bottle\n"
        "  val: 50.0 % man, 50.0 % woman; 1.00 labels an image; 2 of 3 labels occur\n"
        "    no image has dog\n"
        "    in one group alone: car, bottle\n\n"
        "Image files\n"
        "  5 of 5 images read whole\n"
        "  40 – 40 pixels high, 60 – 60 wide\n"
    )
    assert "reading images" in said.err
    main(["data", "check", str(images), "--quiet", "--dataset", "coco", "--year", "2017"])
    assert capsys.readouterr().err == ""


@pytest.mark.torch
def test_missing_and_damaged_images_are_named(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from image_samples import picture, write_picture

    train = images / "train2017"
    (train / file_name(1)).unlink()
    broken = train / file_name(2)
    broken.write_bytes(broken.read_bytes()[:300])
    write_picture(train / file_name(6), picture(60, 40))
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(images), "--quiet"])
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.err == (
        f"steelyard: {images}: no file for 1 image ({train / file_name(1)}); 2 images cannot be read ({broken}, "
        f"{train / file_name(6)})\n"
    )
    assert said.out.endswith(
        "Image files\n"
        "  2 of 5 images read whole\n"
        "  40 – 40 pixels high, 60 – 60 wide\n"
        "  1 not there:\n"
        f"    {train / file_name(1)}\n"
        "  2 cannot be read:\n"
        f"    {broken}: expected an image, found a file that breaks off after 300 bytes; restore the file, or take its "
        "row out of the labels\n"
        f"    {train / file_name(6)}: expected 40 by 60 pixels, as annotated, found 60 by 40; use the original image\n"
    )


@pytest.mark.torch
def test_a_missing_folder_is_named_with_what_belongs_there(celeba: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = celeba / "img_align_celeba"
    assert fails(["data", "check", str(celeba)], capsys) == (f"{celeba}: no folder {folder}, where 6 images belong")


@pytest.mark.torch
def test_many_damaged_images_are_counted(celeba: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = celeba / "img_align_celeba"
    folder.mkdir()
    for number in range(1, 7):
        (folder / f"00000{number}.jpg").write_text("no image")
    with pytest.raises(SystemExit):
        main(["data", "check", str(celeba), "--quiet"])
    said = capsys.readouterr()
    named = ", ".join(str(folder / f"00000{number}.jpg") for number in (1, 2, 3))
    assert said.err == f"steelyard: {celeba}: 6 images cannot be read ({named} and 3 more)\n"
    assert "  0 of 6 images read whole\n  6 cannot be read:\n" in said.out
    assert said.out.endswith("  and 1 more\n")


@pytest.mark.torch
def test_a_table_of_images(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from image_samples import fill

    fill(table, ["a/one.png", "a/two.png", "b/three.png", "b/four.png"])
    main(["data", "check", str(table / "labels.csv"), "--protected", "age", "--quiet"])
    assert "4 of 4 images read whole" in capsys.readouterr().out


@pytest.mark.torch
def test_real_celeba_is_whole(real_celeba: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "check", str(real_celeba), "--protected", "Male", "--quiet"])
    out = capsys.readouterr().out
    assert "8,000 of 8,000 images read whole\n  109 – 109 pixels high, 89 – 89 wide" in out
    assert "train: 6,000 images; 6,000 kept (2,528 Male + 3,472 not Male)" in out


# --- labels


def test_labels_that_an_audit_reads(coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "labels.parquet"
    main(["data", "labels", "--dataset", "coco", str(coco), "--protected", "sex", "--out", str(out)])
    said = capsys.readouterr().out
    assert said.startswith("train: 7 images; 1 without a person; ")
    assert said.endswith(f"\nThe labels: {out}\n")
    made, read = open_dataset("coco", coco).labels(), read_labels(out, protected="sex")
    assert read.ids.tolist() == made.ids.tolist()
    assert read.target_names == made.target_names
    assert (read.targets == made.targets).all()
    assert (read.groups == made.groups).all()
    assert read.splits is not None
    assert made.splits is not None
    assert (read.splits == made.splits).all()


def test_options_reach_the_readers(imsitu: Path, coco: Path, celeba: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    main(["data", "labels", str(imsitu), "--rule", "majority", "--verbs", "cooking", "--out", str(out)])
    assert pd.read_csv(out)["image"].tolist() == [f"cooking_{n}.jpg" for n in (1, 2, 3, 4, 5)]
    words = "child=boys,girl;adult=man,men,mother"
    main(["data", "labels", str(coco), "--words", words, "--out", str(out)])
    assert pd.read_csv(out)["gender"].tolist() == ["adult", "adult", "child", "adult", "child"]
    (tmp_path / "words.txt").write_text("child = boys, girl\n\nadult = man, men, mother\n")
    main(["data", "labels", str(coco), "--words", f"@{tmp_path / 'words.txt'}", "--out", str(out)])
    assert pd.read_csv(out)["gender"].tolist() == ["adult", "adult", "child", "adult", "child"]
    main(["data", "labels", str(celeba), "--protected", "Young", "--targets", "Bald,Smiling", "--out", str(out)])
    assert pd.read_csv(out).columns.tolist() == ["image", "split", "Young", "Bald", "Smiling"]


def test_options_from_a_yaml_file(coco: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    config = tmp_path / "data.yaml"
    config.write_text("words:\n  child: [boys, girl]\n  adult: [man, men, mother]\nyear: 2017\n")
    main(["data", "labels", str(coco), "--config", str(config), "--out", str(out)])
    assert pd.read_csv(out)["gender"].tolist() == ["adult", "adult", "child", "adult", "child"]


# --- what is wrong


def test_wrong_commands(coco: Path, celeba: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "labels.csv")
    said = {
        f"labels {coco}": "--out: expected a file with labels only, found none; name it",
        f"check {coco} --out {out}": f"--out: expected a file with labels only, found --out {out} with check; drop it",
        f"labels {coco} --out {tmp_path}/x.txt": (
            f"--out {tmp_path}/x.txt: expected a name that ends in .csv or .parquet"
        ),
        f"labels {coco} --out {tmp_path}/no/x.csv": (
            f"--out {tmp_path}/no/x.csv: there is no folder {tmp_path}/no; make it first"
        ),
        f"check {coco} --dataset cocoa": (
            "--dataset: expected coco, imsitu, celeba, table, scenes, portraits, found 'cocoa'; choose one"
        ),
        f"check {coco} --year 2015": "--year: expected 2014 or 2017, found 2015",
        f"check {coco} --verbs cooking": ("--verbs: expected with --dataset imsitu, found with coco; drop the option"),
        f"check {celeba} --id image": "--id: expected with --dataset table, found with celeba; drop the option",
        f"check {coco} --words man": "--words: expected GROUP=word,word parted by ';', found 'man'; correct it",
        f"check {coco} --words a=x;a=y": "--words: expected each group once, found 'a' twice; join its words",
        f"check {coco} --words @{tmp_path}/w": (
            f"--words @{tmp_path}/w: expected a list, found No such file or directory; correct the path"
        ),
        f"check {tmp_path}/none": (f"{tmp_path}/none: expected a folder, found nothing of this name; correct the path"),
        f"check {coco}/annotations/captions_val2017.json": (
            "--protected: expected the column of the protected attribute of a table, found none; name it"
        ),
    }
    for words, line in said.items():
        assert fails(["data", *words.split(), "--quiet"], capsys) == line
    assert not Path(out).exists()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        recognise(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: expected the layout of coco (annotations/instances_*.json and captions_*.json); imsitu "
        "(train.json, dev.json, test.json, imsitu_space.json); celeba (list_attr_celeba.txt, "
        "list_eval_partition.txt); table (labels.csv with a column of paths), found none of these files; put them "
        "there, or name the data set with --dataset to see what is missing"
    )


# --- the catalogue


def test_data_sets_are_recognised(coco: Path, imsitu: Path, celeba: Path, table: Path, tmp_path: Path) -> None:
    found = [recognise(folder) for folder in (coco, imsitu, celeba, table, table / "labels.csv")]
    assert found == ["coco", "imsitu", "celeba", "table", "table"]
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "labels.csv").write_text("image,split,gender,verb\na.jpg,train,man,x\n")
    assert recognise(plain) == "imsitu"


def test_every_option_of_the_catalogue_is_one_of_its_reader() -> None:
    import inspect
    from importlib import import_module

    taken = set()
    for reader in READERS.values():
        made = getattr(import_module(f"steelyard.datasets.{reader.module}"), reader.cls)
        assert set(inspect.signature(made).parameters) == {"source", *reader.options}
        taken |= reader.options
    assert taken == set(DataOptions.__dataclass_fields__)


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "lightning", "cv2", "pycocotools"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""


def light(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", f"{BLOCK}\n{code}"], capture_output=True, text=True, check=False)


def test_labels_need_no_image_library(coco: Path, celeba: Path, imsitu: Path) -> None:
    done = light(
        "from steelyard.datasets.catalog import open_dataset\n"
        "import steelyard.jobs.data, steelyard.cli.data, steelyard.datasets.checking\n"
        f"print([len(open_dataset(None, one).labels()) for one in {[str(coco), str(celeba), str(imsitu)]!r}])"
    )
    assert done.stdout == "[5, 6, 6]\n", done.stderr


def test_what_needs_one_says_what_to_install(coco: Path) -> None:
    check = light(f"from steelyard.cli import main\nmain(['data', 'check', {str(coco)!r}])")
    assert (check.returncode, check.stderr) == (
        2,
        "steelyard: reading images needs OpenCV: pip install 'steelyard[train]'\n",
    )
    people = light(
        "from steelyard.datasets.coco import Coco\nfrom steelyard.base.errors import MissingExtraError\n"
        f"try:\n    Coco({str(coco)!r}).people({file_name(1)!r})\nexcept MissingExtraError as error:\n    print(error)"
    )
    assert people.stdout == "person segments need pycocotools: pip install 'steelyard[train]'\n", people.stderr
