"""The script that draws the strip of the docs, and the strip that stands there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from steelyard.mitigation.pixels import PIXEL_CHANGES

cv2 = pytest.importorskip("cv2", reason="pixels are changed by OpenCV, of the train extra")

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pixel_strip", ROOT / "scripts" / "pixel_strip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_strip_of_the_docs_is_what_the_script_draws(script: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "strip.png"
    script.main(["scenes", str(IMAGES / "pixels.yaml"), "train-000006", "--out", str(out)])
    made, shipped = cv2.imread(str(out)), cv2.imread(str(IMAGES / "pixels.png"))
    panel = 192 + script.GAP
    assert made.shape == shipped.shape == (192 + script.GAP + script.LINE, panel * (1 + len(PIXEL_CHANGES)), 3)
    # Another version of OpenCV may smooth a line otherwise.
    assert np.abs(made.astype(int) - shipped).mean() < 2.0
    panels = [shipped[:, panel * at : panel * (at + 1)] for at in range(1 + len(PIXEL_CHANGES))]
    for at, one in enumerate(panels):
        for other in panels[:at]:
            assert np.abs(one[:192].astype(int) - other[:192]).mean() > 1.0


def test_changes_that_a_data_set_does_not_allow_are_said(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.full((40, 30, 3), 90, dtype=np.uint8))[1].tobytes())
    root = tmp_path / "data"
    (root / "img_align_celeba").mkdir(parents=True)
    (tmp_path / "a.png").rename(root / "img_align_celeba" / "a.png")
    (root / "list_attr_celeba.txt").write_text("2\nMale Smiling\na.png 1 -1\nc.png -1 1\n")
    (root / "list_eval_partition.txt").write_text("a.png 0\nc.png 0\n")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,left,top,right,bottom\na.png,10,10,20,20\n")
    out = tmp_path / "strip.png"
    script.main(["celeba", str(root), "a.png", "--faces", str(boxes), "--out", str(out)])
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in said] == [name for name in PIXEL_CHANGES if name != "blackout-face"]
    made = cv2.imread(str(out))
    large = 180 + script.GAP  # six times as large, so that the name has room
    assert made.shape == (240 + script.GAP + script.LINE, 2 * large, 3)
    assert (made[64:124, large + 64 : large + 124] == 0).all()
    assert (made[64:124, 64:124] == 90).all()
    with pytest.raises(SystemExit, match=r"expected one of its 2 image ids, found 'b.png'"):
        script.main(["celeba", str(root), "b.png", "--out", str(out)])
