"""By what generator and data are known again: what changes images changes the mark, where the work is done does not."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from augment_world import Faces, Linear, options  # noqa: E402
from torch import nn  # noqa: E402

from steelyard.datasets.portraits import Portraits, PortraitsSettings  # noqa: E402
from steelyard.jobs.augment.config import read_augment  # noqa: E402
from steelyard.jobs.augment.work import Work  # noqa: E402
from steelyard.latent.progressive_file import save_generator  # noqa: E402
from steelyard.models.initialising import seeded  # noqa: E402
from steelyard.models.progressive import ProgressiveGenerator  # noqa: E402

pytestmark = pytest.mark.torch


class Bright(nn.Module):
    """A user's generator, by its class path."""

    latent_dim = 4

    def __init__(self, gain=0.5):
        super().__init__()
        self.gain = gain

    def forward(self, z):
        return torch.tanh(self.gain * z[:, :3, None, None].expand(-1, 3, 8, 8))


def doubled(z):
    return 2 * z


def mark(tmp_path, given=None, **changes):
    return Work(read_augment(options(tmp_path / "out", **changes)), tmp_path, given_generator=given).generator_mark


def save(path, seed=0, by=0.0, steps=1):
    with seeded(seed, "test"):
        module = ProgressiveGenerator(10, (8, 6))
    with torch.no_grad():
        for value in module.parameters():
            value.mul_(1 + by)
    path.parent.mkdir(exist_ok=True)
    save_generator(path, module, scale=1, trained_on="noise", steps=steps)
    return str(path)


def test_weights_are_known_by_their_content(tmp_path):
    source = save(tmp_path / "a" / "generator.safetensors")
    known = mark(tmp_path, generator={"source": source})
    assert mark(tmp_path, generator={"source": source}) == known
    assert mark(tmp_path, generator={"source": source, "device": "cpu:0"}) == known
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    assert mark(tmp_path, generator={"source": str(tmp_path / "moved" / "generator.safetensors")}) == known
    others = [
        mark(tmp_path, generator={"source": source, "normalize": False}),
        mark(tmp_path, generator={"source": source}, pairs={"noise": 0.1}),
        mark(tmp_path, generator={"source": save(tmp_path / "b" / "generator.safetensors", by=0.01)}),
        mark(tmp_path, generator={"source": "portraits"}),
    ]
    assert len({known, *others}) == 5


def test_a_run_that_was_trained_further_is_another_generator(tmp_path):
    save(tmp_path / "run" / "generator.safetensors")
    known = mark(tmp_path, generator={"source": str(tmp_path / "run")})
    assert mark(tmp_path, generator={"source": str(tmp_path / "run")}) == known
    save(tmp_path / "run" / "generator.safetensors", by=1e-3, steps=2)
    assert mark(tmp_path, generator={"source": str(tmp_path / "run")}) != known


def test_a_program_is_known_by_its_content(tmp_path):
    path = tmp_path / "bright.pt"
    marks = []
    for gain in (0.5, 0.5001):
        with pytest.warns((FutureWarning, DeprecationWarning), match=r"torch\.jit"):
            torch.jit.trace(Bright(gain), torch.zeros(2, 4)).save(str(path))
        section = {"source": f"torchscript:{path}", "latent_dim": 4}
        marks += [mark(tmp_path, generator=section), mark(tmp_path, generator={**section, "device": "cpu:0"})]
    assert marks[0] == marks[1] != marks[2] == marks[3]


class Changed(Linear):
    """The linear world, with something done to latents, weights or images."""

    def __init__(self, weights=None, latents=None, images=None):
        super().__init__()
        self.change, self.look = latents, images
        if weights is not None:
            self.waves, self.planes = weights(self.waves), weights(self.planes)

    def synthesize(self, z):
        images = super().synthesize(z if self.change is None else self.change(z))
        return images if self.look is None else self.look(images)


def on_sphere(z):
    """Of the same images where latents lie on the sphere."""
    return z / z.square().mean(dim=1, keepdim=True).sqrt()


class Sphere(Changed):
    def sample(self, n, *, seed):
        return on_sphere(torch.from_numpy(super().sample(n, seed=seed))).numpy()


def scrambled(images):
    order = torch.randperm(32 * 32, generator=torch.Generator().manual_seed(0))
    return images.flatten(2)[:, :, order].reshape(images.shape)


def last_bit(images):
    return images + 1e-6 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))


def test_a_generator_without_a_file_is_known_by_its_images(tmp_path):
    known = mark(tmp_path, Changed())
    assert mark(tmp_path, Changed()) == known
    assert mark(tmp_path, Changed(images=last_bit)) == known
    assert mark(tmp_path, Changed(), pairs={"noise": 0.1}) != known
    others = {
        "upside down": Changed(images=lambda images: images.flip(2)),
        "left and right": Changed(images=lambda images: images.flip(3)),
        "scrambled": Changed(images=scrambled),
        "colours": Changed(images=lambda images: images.roll(1, dims=1)),
        "a hundredth": Changed(weights=lambda weights: 1.01 * weights),
        "latents": Changed(latents=lambda z: z.roll(1, dims=1)),
    }
    marks = {name: mark(tmp_path, generator) for name, generator in others.items()}
    assert len({known, *marks.values()}) == 7, marks


def test_what_it_does_off_the_sphere_counts(tmp_path):
    free, brought = Sphere(), Sphere(latents=on_sphere)
    z = torch.from_numpy(free.sample(20, seed=0))
    assert torch.allclose(free.synthesize(z), brought.synthesize(z), atol=1e-5)  # on it they are the same
    assert mark(tmp_path, free) != mark(tmp_path, brought)
    assert mark(tmp_path, free) == mark(tmp_path, Sphere())


def test_a_callable_is_known_by_its_images_and_how_it_is_made(tmp_path, monkeypatch):
    section = {"source": f"{__name__}:Bright"}
    known = mark(tmp_path, generator=section)
    assert mark(tmp_path, generator={**section, "device": "cpu:0"}) == known
    others = [
        mark(tmp_path, generator={**section, "arguments": {"gain": 0.51}}),
        mark(tmp_path, generator={**section, "mapping": f"{__name__}:doubled"}),
    ]
    assert len({known, *others}) == 3
    monkeypatch.setattr(Bright, "forward", lambda self, z: -torch.tanh(z[:, :3, None, None].expand(-1, 3, 8, 8)))
    assert mark(tmp_path, generator=section) != known  # the module was edited


def data_mark(tmp_path, given=None, **data):
    section = {"source": "faces", "name": None, **data}
    return Work(read_augment(options(tmp_path / "out", data=section)), tmp_path, given_data=given).data_mark


WORLD = "train: 8\nval: 8\ntest: 8\nsize: 32\nnoise: 0.0\n"


def test_a_rendered_world_is_known_by_its_dials(tmp_path):
    path, section = tmp_path / "world.yaml", {"name": "portraits", "source": str(tmp_path / "world.yaml")}
    path.write_text(WORLD)
    known = data_mark(tmp_path, **section)
    path.write_text(f"# the same\n{WORLD}")
    assert data_mark(tmp_path, **section) == known
    path.write_text(WORLD.replace("0.0", "0.3"))
    assert data_mark(tmp_path, **section) != known
    given = [Portraits(PortraitsSettings(size=32, noise=noise), train=8, val=8, test=8) for noise in (0.0, 0.3)]
    assert np.array_equal(given[0].labels().targets, given[1].labels().targets)  # what the labels do not say
    assert data_mark(tmp_path, given[0]) == known != data_mark(tmp_path, given[1])


def test_a_scenes_world_too(tmp_path):
    path = tmp_path / "world.yaml"
    marks = []
    for noise in ("0.0", "0.0", "0.2"):
        path.write_text(f"train: 200\nval: 8\ntest: 8\nnoise: {noise}\n")
        marks.append(data_mark(tmp_path, name="scenes", source=str(path)))
    assert marks[0] == marks[1] != marks[2]


def test_a_table_is_known_by_its_file(tmp_path):
    rows = {"image": list("abcdef"), "path": [f"{name}.png" for name in "abcdef"], "gender": ["f", "m"] * 3,
            "hat": [0, 1, 1, 1, 0, 0], "split": ["train", "val", "test"] * 2}  # fmt: skip
    for name in "abcdefg":
        (tmp_path / f"{name}.png").touch()
    section = {"name": "table", "source": str(tmp_path / "labels.csv"), "protected": "gender"}
    marks = []
    for frame in (rows, rows, {**rows, "path": [f"{name}.png" for name in "abcdeg"]}):
        pd.DataFrame(frame).to_csv(tmp_path / "labels.csv", index=False)
        marks.append(data_mark(tmp_path, **section))
    assert marks[0] == marks[1] != marks[2]  # an image of another file, of the same labels


def test_data_that_are_given_are_known_by_their_labels(tmp_path):
    faces = Faces(sizes=(20, 20, 20))
    known = data_mark(tmp_path, faces)
    assert data_mark(tmp_path, Faces(sizes=(20, 20, 20))) == known
    faces.table = replace(faces.table, targets=1 - faces.table.targets)
    assert data_mark(tmp_path, faces) != known
