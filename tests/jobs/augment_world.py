"""A world with planted truth: images are a linear rendering of latents, attributes are planes in them."""

import numpy as np
import torch

from steelyard.datasets.dataset import by_split, rows_of
from steelyard.tables.label_table import LabelTable

WIDTH, SIDE = 12, 32
NAMES = ("Male", "Hat", "Glasses")
SPOTS = ((2, 2), (2, 18), (18, 2))
STRENGTH = (0.6, 0.16, 0.16)


def directions():
    """`[3, d]` unit normals: the targets' lean towards the protected one's, as in a real generator's latents."""
    basis = np.linalg.qr(np.random.default_rng(5).normal(size=(WIDTH, WIDTH)))[0]
    leaning = [basis[0], 0.5 * basis[0] + basis[1], 0.3 * basis[0] + basis[2]]
    return np.stack([one / np.linalg.norm(one) for one in leaning])


PLANES = directions()


def truth_of(latents):
    """`[n, 3]`: on which side of the planted planes latents lie."""
    return (latents @ PLANES.T > 0).astype(np.uint8)


class Linear:
    """A generator whose images show three spots, each as bright as its plane's score says, and waves of the rest."""

    name = "linear"
    latent_dim = WIDTH
    size = (SIDE, SIDE)

    def __init__(self):
        self.calls, self.made = 0, 0
        rng = np.random.default_rng(9)
        waves = rng.normal(size=(WIDTH, 3, 4, 4)).astype(np.float32)
        waves -= np.einsum("kd,kchw->dchw", PLANES.astype(np.float32), np.einsum("kd,dchw->kchw", PLANES, waves))
        self.waves = torch.from_numpy(np.kron(waves, np.ones((1, 1, 8, 8), dtype=np.float32))).reshape(WIDTH, -1)
        self.planes = torch.from_numpy(PLANES.astype(np.float32))

    def sample(self, n, *, seed):
        return np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(np.float32)

    def synthesize(self, z):
        self.calls, self.made = self.calls + 1, self.made + len(z)
        images = 0.06 * (z @ self.waves).reshape(-1, 3, SIDE, SIDE)
        bright = torch.tanh(4 * z @ self.planes.T)
        for at, ((top, left), strength) in enumerate(zip(SPOTS, STRENGTH, strict=True)):
            images[:, :, top : top + 12, left : left + 12] += (strength * bright[:, at])[:, None, None, None]
        return images.clamp(-1, 1)


class Faces:
    """Real images: the same rendering with noise, in which targets go with the protected attribute more than before."""

    name, source = "faces", "faces"

    def __init__(self, sizes=(480, 160, 320), skew=0.7, seed=3):
        rng = np.random.default_rng(seed)
        n = sum(sizes)
        z = rng.normal(size=(n, WIDTH)).astype(np.float32)
        for target in (1, 2):
            scores = z @ PLANES.T
            wrong = (scores[:, target] > 0) != (scores[:, 0] > 0)
            turned = wrong & (rng.random(n) < skew)
            # Turned about within what is at right angles to the protected direction, so that this one stays.
            free = PLANES[target] - (PLANES[target] @ PLANES[0]) * PLANES[0]
            free /= np.linalg.norm(free)
            shift = 2 * scores[:, target] / (PLANES[target] @ free)
            z[turned] -= (shift[turned, None] * free).astype(np.float32)
        noise = rng.normal(scale=14.0, size=(n, SIDE, SIDE, 3))
        made = (Linear().synthesize(torch.from_numpy(z)).permute(0, 2, 3, 1).numpy() + 1) * 127.5
        self.pixels = (made + noise).clip(0, 255).astype(np.uint8)
        labels = truth_of(z)
        ids = np.array([f"{at:05d}.png" for at in range(n)])
        self.place = {name: at for at, name in enumerate(ids.tolist())}
        self.table = LabelTable(
            ids=ids,
            groups=1 - labels[:, 0].astype(np.int64),
            group_names=("Male", "not Male"),
            targets=labels[:, 1:],
            target_names=NAMES[1:],
            kind="multi",
            splits=np.repeat(["train", "val", "test"], sizes),
            protected="Male",
            source="faces",
            id_column="image",
        )

    def labels(self, split=None):
        return rows_of(self.table, split)

    def selections(self):
        return by_split(self.table)

    def image(self, image_id):
        return self.pixels[self.place[image_id]]


def options(out, **changes):
    """A tiny configuration; sections in `changes` are merged."""
    made = {
        "seed": 1,
        "data": {
            "source": "faces", "resize": None, "crop": None, "flip": False, "batch_size": 32, "workers": 0,
            "cache": "memory",
        },
        "generator": {},
        "model": {"name": "compact", "width": 4},
        "task": {"weighting": "none"},
        "training": {
            "epochs": 4, "rate": 1e-2, "schedule": "cosine", "monitor": "last", "accelerator": "cpu",
            "precision": "32-true",
        },
        "latents": {"fit": 400, "validate": 200, "pairs": 400},
        "pairs": {"shown": 2},
        "bootstrap": 40,
        "out": str(out),
    }  # fmt: skip
    for name, value in changes.items():
        made[name] = {**made[name], **value} if isinstance(value, dict) and isinstance(made.get(name), dict) else value
    return made
