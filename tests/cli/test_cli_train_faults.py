"""What goes wrong in `steelyard train` and `predict` is one line and exit code 2, and leaves nothing half-made."""

import pickle
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
cv2 = pytest.importorskip("cv2")

from train_samples import ADVERSARIAL, line, said, write_desk  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_desk(folder)
    assert said(folder, "train config.yaml --training.epochs 1 --quiet")[0] == 0
    return folder


@pytest.fixture
def desk(tmp_path: Path, trained: Path) -> Path:
    write_desk(tmp_path)
    shutil.copytree(trained / "run", tmp_path / "base")
    return tmp_path


def refused(folder: Path, words: str) -> str:
    """The line of a refused `train config.yaml`; no run is left behind."""
    said_line = line(folder, f"train config.yaml --quiet {words}")
    assert not (folder / "run").exists()
    return said_line.removeprefix("steelyard: ")


def checkpoint(folder: Path) -> Path:
    return next((folder / "base" / "checkpoints").glob("step-*"))


def image_table(folder: Path, *, rows: int = 40) -> None:
    """Real files of images, one of them damaged: what a download cut short leaves."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    lines = ["path,split,sex,cup,hat"]
    for row in range(rows):
        name = f"images/{row:02}.png"
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (40, 36, 3)).astype(np.uint8))
        split = ("train", "train", "val", "test")[row % 4]
        lines.append(f"{name},{split},{'ab'[row // 4 % 2]},{row % 3 == 0:d},{row % 5 == 0:d}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    damaged = folder / "images" / "05.png"
    damaged.write_bytes(damaged.read_bytes()[:100])


TABLE = "--data.name table --data.source labels.csv --data.protected sex --data.resize 32 --data.crop 32"


def test_a_corrupt_image_is_named(desk: Path) -> None:
    image_table(desk)
    said_line = refused(desk, f"{TABLE} --training.checkpoint_steps null")
    assert said_line.startswith("image 'images/05.png': images/05.png: ")
    assert "\n" not in said_line


def test_a_corrupt_image_may_be_left_out_and_is_counted(desk: Path) -> None:
    image_table(desk)
    code, out, err = said(desk, f"train config.yaml --quiet {TABLE} --data.on_bad_image skip --training.epochs 1")
    assert (code, err) == (0, "")
    assert ", 1 images left out" in out
    kept = pyarrow.parquet.read_table(desk / "run" / "labels.parquet")["path"].to_pylist()
    assert len(kept) == 39
    assert "images/05.png" not in kept


def test_a_wrong_tap_is_answered_with_those_there_are(desk: Path) -> None:
    words = ADVERSARIAL.replace("conv5", "conv6")
    assert refused(desk, f"{words} --objective.weighting none") == (
        "tap 'conv6': expected a layer of this network (conv1, conv2, conv3, conv4, conv5, embedding, conv1.0, "
        "conv1.1, conv1.2, conv1.3, conv2.0, conv2.1 and 14 more), found none (closest: 'conv5'); name one of them"
    )


def test_wrong_files_of_weights(desk: Path) -> None:
    (desk / "notes.txt").write_text("x")
    assert refused(desk, "--model.weights nothing.pth") == (
        "nothing.pth: expected a file of weights, found nothing of this name; correct the path"
    )
    torch.save({"layer.weight": torch.zeros(3)}, desk / "other.pth")
    assert refused(desk, "--model.weights other.pth").startswith("other.pth: expected weights of the network compact, ")
    (desk / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00")
    assert refused(desk, "--model.weights cut.safetensors").startswith("cut.safetensors: expected a file of weights, ")


def test_a_checkpoint_of_another_model(desk: Path) -> None:
    where = f"base/checkpoints/{checkpoint(desk).name}/weights.safetensors"
    assert refused(desk, "--start_from base --model.width 8") == (
        f"{where}: expected weights of the network compact 8 (model 'compact 8'), found model 'compact 4'; give the "
        "file of this model, or name the model of this file"
    )
    assert refused(desk, "--start_from nowhere").startswith(
        "nowhere: expected a run folder with checkpoints, found none"
    )
    config = desk / "base" / "config.yaml"
    config.write_text(config.read_text().replace("name: compact", "name: resnet18"))
    assert line(desk, "predict base --out p.parquet --quiet") == (
        f"steelyard: {where}: expected weights of the network resnet18 (model 'resnet18'), found model 'compact 4'; "
        "give the file of this model, or name the model of this file"
    )
    assert not (desk / "p.parquet").exists()


class Bomb:
    def __reduce__(self):
        return Path("exploded").touch, ()


def test_a_malicious_pickle_does_not_run(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    state = checkpoint(desk) / "state.pt"
    torch.save({"bomb": Bomb()}, state)
    line_of_predict = line(desk, "predict base --out p.parquet --quiet")
    assert line_of_predict == (
        f"steelyard: {state.relative_to(desk)}: expected tensors and plain types, found a pickle that would run code "
        "(or a damaged file); it was refused, nothing ran; do not trust this run folder"
    )
    (desk / "weights.pth").write_bytes(pickle.dumps({"head.weight": Bomb()}))
    assert refused(desk, "--model.weights weights.pth").startswith("weights.pth: expected ")
    assert not (desk / "exploded").exists()
    torch.load(state, weights_only=False)  # the control: it would have
    assert (desk / "exploded").exists()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_so(desk: Path, full_disk: Path) -> None:
    said_line = line(desk, f"train config.yaml --quiet --out {full_disk / 'run'}")
    assert said_line.startswith(f"steelyard: {full_disk / 'run'}/")
    assert "No space left on device" in said_line
    assert said_line.endswith("then resume")


def test_a_split_to_audit_without_images_is_found_before_training(desk: Path) -> None:
    (desk / "world.yaml").write_text((desk / "world.yaml").read_text().replace("test: 48", "test: 0"))
    (desk / "config.yaml").write_text((desk / "config.yaml").read_text().replace("audit: null", "audit: {}"))
    assert refused(desk, "") == (
        "--audit.split: expected a split with images (train, val), found test without any; name one of these, or leave "
        "the audit out with --no-audit"
    )


@pytest.mark.parametrize("mode", ["", "--dry-run"])
def test_nothing_to_monitor_is_found_before_training(desk: Path, mode: str) -> None:
    (desk / "world.yaml").write_text((desk / "world.yaml").read_text().replace("val: 32", "val: 0"))
    expected = "option monitor: expected last without validation images, found quality; change it"
    assert refused(desk, mode) == expected
    assert said(desk, "train config.yaml --training.monitor last --dry-run --quiet")[0] == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "--data.name scene",
            "data.name: expected coco, imsitu, celeba, table, scenes, portraits, found 'scene'; choose one",
        ),
        (
            "--data.targets a",
            "data.targets: expected with data.name celeba, table, portraits, found with scenes; drop the option",
        ),
        (
            "--data.name table --data.source t.csv",
            "data.protected: expected the column of the protected attribute of a table, found none; name it",
        ),
        (
            "--data.name table --data.source t.csv --data.protected g --data.targets c",
            "t.csv: column 'c': expected this column, named by data.targets, found 5 columns: 'image', 'path', 'g', "
            "'a', 'split'; correct data.targets or the file's header",
        ),
    ],
)
def test_faults_of_the_data_name_options_of_the_file(desk: Path, words: str, expected: str) -> None:
    (desk / "t.csv").write_text("image,path,g,a,split\nx,x.png,m,0,train\ny,y.png,f,1,train\n")
    assert refused(desk, words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("base --split tests --out p.csv", "--split: expected train, val, test or all, found 'tests'; name one of "
         "them"),
        ("base --noise -1 --out p.csv", "--noise: expected a number of 0 or more, found -1.0; change it"),
        ("base --out p.txt", "--out p.txt: expected a name that ends in .csv or .parquet"),
        ("base --out labels.parquet", "--out labels.parquet: labels.parquet beside it would be replaced by the labels; "
         "name another folder or file"),
        ("base --out no/p.csv", "--out no/p.csv: there is no folder no; make it first"),
        ("nowhere --out p.csv", "nowhere: expected the folder of a run, found no such folder; name what steelyard "
         "train wrote"),
    ],
)  # fmt: skip
def test_predict_refuses_in_one_line(desk: Path, words: str, expected: str) -> None:
    assert line(desk, f"predict {words} --quiet") == f"steelyard: {expected}"


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("image\nnobody\n", "subset.csv: expected ids of Scenes, seed 0, found others (id nobody); name a subset of "
         "this data set"),
        ("image\ntest-000000\n", "subset.csv: expected training images, found none among its ids; name a subset of "
         "the training images"),
        ("name\ntrain-000000\n", "subset.csv: expected a column of ids (image, image, id, path), found 'name'; name "
         "what steelyard balance writes"),
    ],
)  # fmt: skip
def test_a_subset_of_other_images_is_refused(desk: Path, subset: str, expected: str) -> None:
    (desk / "subset.csv").write_text(subset)
    assert refused(desk, "--data.subset subset.csv") == expected
