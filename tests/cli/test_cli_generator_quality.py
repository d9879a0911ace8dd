import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

import cv2  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.cli.main import main  # noqa: E402
from steelyard.jobs.generator_quality import measure_quality  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("torch_on_one_thread")]


class Painter:
    """Latents are the mean colour of an image, so that a generator of the real ones is known."""

    name, latent_dim, size = "painter", 1, (32, 32)

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def sample(self, n, *, seed):
        return np.random.default_rng(seed).normal(size=(n, 1)).astype(np.float32)

    def synthesize(self, z):
        return (0.5 * torch.tanh(z) + self.shift)[:, :, None, None].expand(-1, 3, 32, 32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("quality")
    (root / "images").mkdir()
    painter, rows = Painter(), ["id,path,g,y,split"]
    z = painter.sample(160, seed=9)
    images = ((painter.synthesize(torch.from_numpy(z)).permute(0, 2, 3, 1).numpy() + 1) * 127.5).round()
    for at, image in enumerate(images.astype(np.uint8)):
        cv2.imwrite(str(root / f"images/{at}.png"), image)
        split = "test" if at >= 80 else "train" if at >= 20 else "val"
        rows.append(f"i{at},images/{at}.png,{'mw'[at % 2]},{int(z[at, 0] > 0)},{split}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    data = {
        "source": str(root / "labels.csv"),
        "protected": "g",
        "resize": None,
        "crop": None,
        "batch_size": 20,
        "workers": 0,
    }
    training = {"epochs": 6, "rate": 0.01, "precision": "32-true"}
    config = {"data": data, "model": {"name": "compact", "width": 4}, "training": training, "out": str(root / "run")}
    (root / "run.yaml").write_text(yaml.safe_dump(config))
    main(["train", str(root / "run.yaml"), "--no-audit", "--quiet"])
    return root / "run"


def test_a_generator_of_the_same_images_is_as_near_as_other_real_images_and_another_is_not(run):
    same, other = measure_quality(Painter(), run), measure_quality(Painter(shift=0.4), run)
    assert same.n == 40
    assert max(same.distances) < 20 * same.real + 1e-3
    assert min(other.distances) > 5 * max(same.distances), "the control"
    made, real = same.confident["y"]
    assert abs(made.value - real.value) < 0.3
    assert made.low <= made.value <= made.high
    assert "Fréchet distance to real images" in str(same)


def test_what_does_not_fit_is_one_line(run, capsys):
    class Larger(Painter):
        size = (64, 64)

        def synthesize(self, z):
            return super().synthesize(z).repeat(1, 1, 2, 2)

    with pytest.raises(InputError, match="expected a run on images of 64 × 64, the generator's size, found 32 × 32"):
        measure_quality(Larger(), run)
    with pytest.raises(InputError, match="expected 2 to 40, half of the run's 80 test images, found 41"):
        measure_quality(Painter(), run, n=41)
    for words, said in (((), "--run: expected a run"), (("--out", "x"), "--out: expected with train or sample")):
        with pytest.raises(SystemExit) as end:
            main(["generator", "quality", "nothing.safetensors", *words])
        assert end.value.code == 2
        assert said in capsys.readouterr().err
