import json
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.cli.main import main  # noqa: E402
from steelyard.datasets.images import read_image  # noqa: E402
from steelyard.jobs.generator import sample_generator  # noqa: E402
from steelyard.jobs.generator_config import read_generator_config  # noqa: E402
from steelyard.latent.by_id import read_latents  # noqa: E402
from steelyard.latent.generators import open_generator  # noqa: E402
from steelyard.latent.pixels import to_uint8  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(root, **training):
    import cv2

    rng = np.random.default_rng(0)
    (root / "images").mkdir(exist_ok=True)
    rows = ["id,path,g,y,split"]
    for at in range(12):
        cv2.imwrite(str(root / f"images/{at}.png"), rng.integers(0, 256, (10, 8, 3), dtype=np.uint8))
        rows.append(f"i{at},images/{at}.png,{'mw'[at % 2]},{at % 3 % 2},{'test' if at > 9 else 'train'}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    small = {
        "latent_dim": 5, "depths": [6, 4], "stable_images": [8, 8], "fade_images": [0, 8], "batch_sizes": [4, 4],
        "grid": 2, "log_steps": 2, "precision": "32-true",
    }  # fmt: skip
    data = {"source": str(root / "labels.csv"), "protected": "g"}
    made = {"data": data, "training": {**small, **training}, "out": str(root / "run")}
    (root / "generator.yaml").write_text(yaml.safe_dump(made))
    return str(root / "generator.yaml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("generator")
    main(["generator", "train", config(root), "--quiet", "--training.half_life", "100"])
    return root


def fails(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["generator", *words])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def test_training_writes_a_run(trained):
    run = trained / "run"
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert kept["training"]["half_life"] == 100
    assert kept["data"]["split"] == "train"
    record = json.loads((run / "provenance.json").read_text())
    assert record["images"] == 10
    assert "torch" in record["versions"]
    assert open_generator(run).size == (8, 8)
    assert read_generator_config(run / "config.yaml").to_dict() == kept


def test_samples_and_their_latents_belong_together(trained, capsys):
    out = trained / "samples"
    main(["generator", "sample", str(trained / "run"), "--n", "5", "--seed", "3", "--out", str(out), "--quiet"])
    assert "5 images" in capsys.readouterr().out
    table = read_latents(out / "latents.parquet")
    assert table.ids.tolist() == [f"g000000{at}" for at in range(5)]
    generator = open_generator(trained / "run")
    np.testing.assert_array_equal(table.values, generator.sample(5, seed=3))
    expected = to_uint8(generator.synthesize(torch.from_numpy(table.values)))
    for name, image in zip(table.ids, expected, strict=True):
        np.testing.assert_array_equal(read_image(out / f"images/{name}.png"), image)
    assert read_image(out / "grid.png").shape == (2 * 64, 3 * 64, 3)
    main(["generator", "sample", str(trained / "run/generator.safetensors"), "--n", "5", "--seed", "3", "--as-array",
          "--out", str(trained / "array"), "--quiet"])  # fmt: skip
    np.testing.assert_array_equal(np.load(trained / "array/images.npy"), expected)
    assert not (trained / "array/images").exists()


def test_inspect_says_what_a_file_holds(trained, capsys):
    main(["generator", "inspect", str(trained / "run")])
    said = capsys.readouterr().out
    parameters = sum(value.numel() for value in open_generator(trained / "run")._module.parameters())
    for words in ("5 wide", "8 × 8 px", "depths 6, 4", f"{parameters:,} parameters", "10 train images"):
        assert words in said, words


def test_a_complete_run_can_be_resumed_and_nothing_changes(trained, capsys):
    before = (trained / "run/generator.safetensors").stat().st_mtime_ns
    main(["generator", "train", "--resume", str(trained / "run"), "--quiet"])
    assert (trained / "run/generator.safetensors").stat().st_mtime_ns == before
    assert "6 steps" in capsys.readouterr().out


def test_faults_are_one_line(trained, tmp_path, capsys):
    run, file = str(trained / "run"), str(trained / "generator.yaml")
    assert "expected a folder without a run" in fails(capsys, "train", file, "--quiet")
    assert "neither; name one" in fails(capsys, "train")
    assert "folder of a generator's run" in fails(capsys, "train", "--resume", str(tmp_path))
    assert "--training.rate: expected 0.001" in fails(capsys, "train", "--resume", run, "--training.rate", "0.5")
    fresh = ("train", file, "--out", str(tmp_path / "new"), "--quiet")
    assert "training.rate: expected a number" in fails(capsys, *fresh, "--training.rate", "fast")
    assert "option depths" in fails(capsys, *fresh, "--training.depths", "6,0")
    assert "closest option is --training.rate" in fails(capsys, *fresh, "--training.ratte", "1")
    assert "none.csv: expected" in fails(capsys, *fresh, "--data.source", str(tmp_path / "none.csv"))
    assert not (tmp_path / "new").exists()
    assert "which is not there" in fails(capsys, "inspect", str(tmp_path / "none.pth"))
    assert "--training.rate: expected with train" in fails(capsys, "inspect", run, "--training.rate", "1")
    assert "--as-array: expected with sample" in fails(capsys, "train", file, "--as-array")
    assert "name its file" in fails(capsys, "inspect")
    assert "--out: expected a folder" in fails(capsys, "sample", run)
    assert "running it" in fails(capsys, "inspect", "torchscript:model.pt")
    assert "running it" in fails(capsys, "inspect", "package.module:make")
    out = ("--out", str(tmp_path / "samples"))
    assert "1 or more" in fails(capsys, "sample", run, "--n", "0", *out)
    assert "expected" in fails(capsys, "sample", str(tmp_path / "none"), *out)
    assert not (tmp_path / "samples").exists()


def test_options_of_the_file_are_checked(tmp_path):
    held = yaml.safe_load(Path(config(tmp_path)).read_text())
    with pytest.raises(InputError, match=r"data\.limit: expected 2 images or more"):
        read_generator_config({**held, "data": {**held["data"], "limit": 1}})
    with pytest.raises(InputError, match=r"data\.sorce.*closest: 'source'"):
        read_generator_config({**held, "data": {"sorce": "x"}})
    with pytest.raises(InputError, match="seed: expected 0 or more"):
        read_generator_config({**held, "seed": -1})
    with pytest.raises(InputError, match="data: expected a mapping"):
        read_generator_config({**held, "data": 3}, {"data.limit": "4"})
    made = read_generator_config(held, {"training.depths": "6,4", "seed": "7", "data.limit": "4"})
    assert (made.training.seed, made.training.depths, made.data.limit) == (7, (6, 4), 4)


def test_no_images_are_no_samples(trained, tmp_path):
    with pytest.raises(InputError, match="1 image or more"):
        sample_generator(trained / "run", n=0, out=tmp_path)
