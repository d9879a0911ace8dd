"""The file of a trained progressive generator: half-precision safetensors that say how the generator is built.

No code of the file is run. Half precision halves the file; what it changes in an image is below one step of 8 bits.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steelyard.base.errors import InputError
from steelyard.models.initialising import seeded
from steelyard.models.progressive import ProgressiveGenerator
from steelyard.models.weights import read_weights, require_fit, require_metadata, save_weights
from steelyard.tables.messages import complaint, quoted

KIND = "progressive generator"


@dataclass(frozen=True, slots=True)
class GeneratorFile:
    """A trained generator as it was read.

    Attributes:
        module: in float32 and evaluation mode; only the scales up to the one it was trained to are there.
        scale: the last scale that was trained, which it makes images of.
        alpha: weight of the scale before; 0 once the scale is faded in.
        trained_on: which images, in words.
        steps: of training.
    """

    module: ProgressiveGenerator
    scale: int
    alpha: float
    trained_on: str
    steps: int


def save_generator(
    path: str | Path,
    module: ProgressiveGenerator,
    *,
    scale: int,
    alpha: float = 0.0,
    trained_on: str = "",
    steps: int = 0,
) -> None:
    """Write a generator, replacing the file in one step.

    Args:
        path: `.safetensors`; its folder must be there.
        module: in float32; stays as it is.
        scale: the last scale that was trained; scales above it are left out.
        alpha: weight of the scale before.
        trained_on: which images, in words.
        steps: of training.

    Raises:
        InputError: the folder is not there, not writable or full.
    """
    shape = {"latent_dim": str(module.latent_dim), "channels": str(module.channels)}
    shape["depths"] = ",".join(map(str, module.depths[: scale + 1]))
    shape["normalize"] = str(module.normalize).lower()
    about = {"scale": str(scale), "alpha": repr(alpha), "trained_on": trained_on, "steps": str(steps)}
    save_weights(path, up_to(module, scale).half(), {"kind": KIND, **shape, **about})


def load_generator(path: str | Path) -> GeneratorFile:
    """Read what `save_generator` wrote.

    Raises:
        InputError: no such file, one of something else, or one whose weights do not fit what it says of itself.
    """
    held = read_weights(path)
    what = "a progressive generator"
    require_metadata(path, held.metadata, {"kind": KIND}, what)
    said = held.metadata
    try:
        normalize = {"true": True, "false": False}[said["normalize"]]
        latent_dim, channels, scale, steps = (int(said[name]) for name in ("latent_dim", "channels", "scale", "steps"))
        depths, alpha = tuple(int(depth) for depth in said["depths"].split(",")), float(said["alpha"])
        if not 0 <= alpha <= 1 or scale != len(depths) - 1:
            raise ValueError
    except (KeyError, ValueError):
        raise _strange(path, said) from None
    with seeded(0, "generator file"):
        module = ProgressiveGenerator(latent_dim, depths, channels=channels, normalize=normalize)
    tensors = {name: value.float() for name, value in held.tensors.items()}
    require_fit(path, tensors, module.state_dict(), what)
    module.load_state_dict(tensors)
    return GeneratorFile(module.eval().requires_grad_(False), scale, alpha, said.get("trained_on", ""), steps)


def up_to(module: ProgressiveGenerator, scale: int) -> ProgressiveGenerator:
    """A copy of a generator without the scales above one."""
    part = copy.deepcopy(module)
    part.depths = part.depths[: scale + 1]
    part.blocks, part.to_rgb = part.blocks[: scale + 1], part.to_rgb[: scale + 1]
    return part


def _strange(path: str | Path, said: Mapping[str, str]) -> InputError:
    names = ("latent_dim", "channels", "depths", "normalize", "scale", "alpha", "steps")
    found = ", ".join(f"{name} {quoted(said[name]) if name in said else 'not stated'}" for name in names)
    expected = "how the generator is built (the last scale is that of the last depth)"
    return InputError(complaint(str(path), "", expected=expected, found=found, do="save it anew"))
