"""Samples of any generator, and what one is: `steelyard generator sample` and `inspect`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from steelyard.base.errors import InputError
from steelyard.jobs.output import output_folder
from steelyard.jobs.progress import Progress, silent
from steelyard.latent.by_id import ByLatent, latent_ids, write_latents
from steelyard.latent.generator import Generator
from steelyard.latent.generators import PROGRAMS, RUN_WEIGHTS, open_generator
from steelyard.latent.pixels import Synthesis
from steelyard.latent.progressive_samples import as_grid, write_png
from steelyard.models.progressive import ProgressiveGenerator
from steelyard.models.weights import read_weights

GRID, LATENTS, ARRAY, SINGLE = "grid.png", "latents.parquet", "images.npy", "images"
_MOST_IN_GRID = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What was drawn.

    Attributes:
        folder: with the grid, the images and the latents.
        generator: its name.
        n: images.
    """

    folder: Path
    generator: str
    n: int

    def __str__(self) -> str:
        return f"{self.n:,} images of {self.generator}: {self.folder / GRID}, latents: {self.folder / LATENTS}"


def sample_generator(
    source: str | Path | Generator,
    *,
    n: int = 64,
    seed: int = 0,
    out: str | Path,
    as_array: bool = False,
    progress: Progress = silent,
) -> Samples:
    """Draw images of a generator and write them, with their latents, by latent id.

    Args:
        source: what `open_generator` opens, or a generator.
        n: images, 1 or more.
        seed: of the latents.
        out: folder, made if need be: `grid.png` (of the first 256 at most), `latents.parquet`, and the single images.
        as_array: single images as `images.npy`, `[n, h, w, 3]`, in place of `images/g0000000.png` and so on.
        progress: told of each stage.

    Raises:
        InputError: the generator cannot be opened, or the folder not written to.
    """
    if n < 1:
        raise InputError(f"--n: expected 1 image or more, found {n}; raise it")
    generator = open_generator(source) if isinstance(source, str | Path) else source
    with output_folder(Path(out)) as folder:
        progress(f"making {n:,} images")
        latents, ids = generator.sample(n, seed=seed), latent_ids(n)
        images = Synthesis(generator)(latents)
        progress("writing")
        write_latents(folder / LATENTS, ByLatent(ids, latents))
        if as_array:
            _write_array(folder / ARRAY, images)
        else:
            for name, image in zip(ids.tolist(), images, strict=True):
                write_png(folder / SINGLE / f"{name}.png", image)
        shown = images[:_MOST_IN_GRID]
        write_png(folder / GRID, as_grid(shown, int(np.ceil(np.sqrt(len(shown)))), side=64))
    return Samples(folder=folder, generator=generator.name, n=n)


def inspect_generator(source: str | Path) -> str:
    """What a generator is, in lines of text; nothing that a file holds is run.

    Raises:
        InputError: it cannot be opened, or is a program, of which nothing can be said without running it.
    """
    text = str(source)
    program = text.partition(":")[0] in PROGRAMS
    if program or (":" in text and not Path(text).exists()):
        found = "a program" if program else "a name or a callable"
        raise InputError(
            f"{text}: expected a file of weights, a run's folder or a generator's name, found {found}, of which "
            "nothing can be said without running it; name weights"
        )
    generator = open_generator(text)
    (height, width), lines = generator.size, [f"{generator.name}"]
    lines.append(f"latents: {generator.latent_dim:,} wide; images: {width} × {height} px")
    for module in (value for value in vars(generator).values() if isinstance(value, nn.Module)):
        parameters = sum(value.numel() for value in module.parameters())
        lines.append(f"network: {_kind(module)}; {parameters:,} parameters")
    return "\n".join([*lines, *_of_file(Path(text))])


def _kind(module: nn.Module) -> str:
    if not isinstance(module, ProgressiveGenerator):
        return type(module).__name__
    depths = ", ".join(map(str, module.depths))
    latents = "normalised within" if module.normalize else "used as they are"
    return f"progressive GAN of depths {depths}; latents {latents}"


def _of_file(path: Path) -> list[str]:
    """What a file says of itself."""
    path = path / RUN_WEIGHTS if path.is_dir() else path
    if not path.is_file():
        return []
    lines = [f"file: {path} ({path.stat().st_size / 1e6:,.1f} MB)"]
    if path.suffix == ".safetensors":
        said = read_weights(path).metadata
        lines.append("; ".join(f"{name}: {value}" for name, value in said.items() if value))
    return lines


def _write_array(path: Path, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    try:
        np.save(path, images)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); make room, then go on") from None
