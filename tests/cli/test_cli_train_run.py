"""`steelyard train`, `predict`, `visualize` as typed: tables that `audit` reads, kill and resume, two processes."""

import json
import time
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("cv2")

from train_samples import line, said, started, write_desk  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]

QUICK_AUDIT = "--rounds 1 --folds 2 --permutations 0 --bootstrap 20 --levels none --workers 1 --attackers logistic"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was trained without a stop."""
    folder = tmp_path_factory.mktemp("desk")
    write_desk(folder)
    code, out, err = said(folder, "train config.yaml --quiet")
    assert (code, err) == (0, ""), err
    assert "The run: run" in out
    return folder


def weights(run: Path, which: str) -> bytes:
    folder = run / "checkpoints"
    return (folder / json.loads((folder / "index.json").read_text())[which] / "weights.safetensors").read_bytes()


def scores(path: Path) -> tuple[list[str], np.ndarray]:
    table = pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    names = [name for name in table.column_names if name not in ("image", "split")]
    return table["image"].to_pylist(), np.stack([table[name].to_numpy() for name in names], axis=1)


def test_audit_reads_what_train_wrote_without_being_told_the_kind(desk: Path) -> None:
    files = "--labels run/labels.parquet --predictions run/predictions.parquet --protected group"
    code, out, err = said(desk, f"audit {files} {QUICK_AUDIT} --quiet --out audited")
    assert (code, err) == (0, "")
    assert "Leakage of the model's scores" in out
    assert json.loads((desk / "audited" / "report.json").read_text())["data"]["audited"] == 48


def test_predict_writes_scores_and_the_labels_beside_them(desk: Path) -> None:
    (desk / "made").mkdir()
    code, out, err = said(desk, "predict run --split test,val --out made/scores.csv --quiet")
    assert (code, err) == (0, "")
    assert out == "The scores: made/scores.csv\nThe labels: made/labels.parquet\n"
    ids, made = scores(desk / "made" / "scores.csv")
    known, first = scores(desk / "run" / "predictions.parquet")
    assert ids == known[64:]
    np.testing.assert_allclose(made, first[64:], rtol=1e-12)
    assert pyarrow.parquet.read_table(desk / "made" / "labels.parquet")["image"].to_pylist() == ids
    changed = "--checkpoint last --noise 3 --erase conv5 --out made/noisy.parquet --quiet"
    _, out, _ = said(desk, f"predict run --split test {changed}")
    assert "\nNote: erasure: fitted on 32 images for " in out
    _, noisy = scores(desk / "made" / "noisy.parquet")
    assert np.abs(noisy - first[-48:]).mean() > 1e-3


def test_predict_on_another_data_set_of_the_same_labels(desk: Path) -> None:
    (desk / "other.yaml").write_text((desk / "world.yaml").read_text().replace("train: 64", "train: 0") + "seed: 9\n")
    code, _, err = said(desk, "predict run --data other.yaml --split all --out other.parquet --quiet")
    assert (code, err) == (0, "")
    ids, _ = scores(desk / "other.parquet")
    assert len(ids) == 32 + 48


def test_the_labels_of_a_configuration_are_those_of_its_run(desk: Path) -> None:
    code, out, _ = said(desk, "data labels config.yaml --out labels.parquet --quiet")
    assert code == 0
    assert "train: 64 images" in out
    made, kept = (pyarrow.parquet.read_table(desk / path) for path in ("labels.parquet", "run/labels.parquet"))
    assert made.equals(kept)
    (desk / "balanced.yaml").write_text((desk / "config.yaml").read_text().replace("{name: sc", "{alpha: 1, name: sc"))
    assert said(desk, "data labels balanced.yaml --out balanced.parquet --quiet")[0] == 0
    assert pyarrow.parquet.read_table(desk / "balanced.parquet").num_rows < made.num_rows


def test_a_subset_that_balance_wrote_is_trained_on(desk: Path, tmp_path: Path) -> None:
    files = "--protected group --split train --alpha 1 --out subset.csv --quiet"
    assert said(desk, f"balance run/labels.parquet {files}")[0] == 0
    kept = pyarrow.csv.read_csv(desk / "subset.csv")["image"].to_pylist()
    words = f"--data.subset subset.csv --training.epochs 1 --out {tmp_path / 'run'} --quiet"
    assert said(desk, f"train config.yaml {words}")[0] == 0
    ids, _ = scores(tmp_path / "run" / "predictions.parquet")
    assert ids[:-80] == kept
    assert 0 < len(kept) < 64


def test_a_killed_run_that_goes_on_ends_with_the_same_weights_bit_by_bit(desk: Path) -> None:
    running = started(desk, "train config.yaml --out killed --quiet")
    index = desk / "killed" / "checkpoints" / "index.json"
    while not (index.exists() and json.loads(index.read_text())["step"] >= 2):
        assert running.poll() is None, running.communicate()
        time.sleep(0.005)
    running.kill()
    running.communicate()
    before = json.loads(index.read_text())
    assert not before["complete"]
    assert not (desk / "killed" / "predictions.parquet").exists()
    refused = line(desk, "train config.yaml --out killed --quiet")
    assert refused == (
        "steelyard: --out killed: expected a folder without a run, found a run; go on with it by --resume killed, or "
        "name another --out"
    )
    changed = line(desk, "train --resume killed --training.epochs 5")
    assert changed == (
        "steelyard: --training.epochs: expected 2, as killed has it, found 5; drop the change, or train anew with "
        "another --out"
    )
    code, out, err = said(desk, "train --resume killed --data.workers 0 --quiet")
    assert (code, err) == (0, "")
    assert "The run: killed" in out
    for which in ("last", "best"):
        assert weights(desk / "killed", which) == weights(desk / "run", which)
    np.testing.assert_array_equal(
        scores(desk / "killed" / "predictions.parquet")[1], scores(desk / "run" / "predictions.parquet")[1]
    )


def test_two_processes_by_the_command_predict_every_image_once(desk: Path) -> None:
    words = "--training.devices 2 --data.batch_size 8 --training.epochs 1 --objective.sampling balanced"
    done = started(desk, f"train config.yaml --out two {words} --quiet")
    out, err = done.communicate(timeout=240)
    assert done.returncode == 0, err
    assert "The run: two" in out
    ids, made = scores(desk / "two" / "predictions.parquet")
    assert ids == scores(desk / "run" / "predictions.parquet")[0]
    assert said(desk, "predict two --out alone.parquet --quiet")[0] == 0
    again, alone = scores(desk / "alone.parquet")
    assert again == ids
    np.testing.assert_allclose(made, alone, rtol=1e-4, atol=1e-5)


def test_a_run_without_a_mask_and_without_another_run_has_nothing_to_show(desk: Path) -> None:
    assert line(desk, "visualize run --out page") == (
        "steelyard: run: expected a run with a mask (objective adversarial-image) or --base RUN to compare with, found "
        "objective task alone; name another run, or give --base"
    )
    assert line(desk, "visualize run --base nowhere --out page --quiet") == (
        "steelyard: nowhere: expected the folder of a run, found no such folder; name what steelyard train wrote"
    )
    assert not (desk / "page").exists()
    code, out, _ = said(desk, "visualize run --base run --out page --quiet")
    assert (code, out) == (0, "The page: page/index.html\n")
    assert "F1 of each label" in (desk / "page" / "index.html").read_text()
