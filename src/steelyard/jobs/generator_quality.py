"""How good a generator's images are, to a network that was trained on real ones: `steelyard generator quality`.

The Fréchet distance is that of Heusel et al., NeurIPS 2017, https://arxiv.org/abs/1706.08500, on the features of the
run's own network and not of an Inception network: compare it with the distance between real images, not with published
figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.base.random import stream
from steelyard.jobs.audit_quality import wilson
from steelyard.jobs.progress import Progress, silent
from steelyard.jobs.run_folder import kept_config, kept_task
from steelyard.jobs.run_parts import make_objective, model_name, open_data
from steelyard.latent.generator import Generator
from steelyard.latent.generators import open_generator
from steelyard.latent.pixels import Synthesis
from steelyard.latent.quality import features_of, frechet_distance, gaussian_of
from steelyard.models.catalog import build_network
from steelyard.models.network import Network
from steelyard.training.checkpoints import read_checkpoint, restore_network

DRAWS, MARGIN, BATCH = 5, 0.4, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorQuality:
    """How good generated images are.

    Attributes:
        generator: its name.
        n: images of each set that is compared: generated ones, and each half of the real ones.
        distances: Fréchet distance of each draw of n latents to one half of the real images; squared units of the
            network's features, 0 for equal ones.
        real: the same between both halves of the real images, of which no generator can be expected to fall short.
        confident: target → share of generated, and of real images with a probability below 0.1 or above 0.9.
    """

    generator: str
    n: int
    distances: tuple[float, ...]
    real: float
    confident: Mapping[str, tuple[Estimate, Estimate]]

    def __str__(self) -> str:
        mean, low, high = np.mean(self.distances), min(self.distances), max(self.distances)
        lines = [
            f"{self.generator}: Fréchet distance to real images {mean:.3g} ({low:.3g} to {high:.3g} in "
            f"{len(self.distances)} draws of {self.n:,}); real images to others {self.real:.3g}",
            "share on which the network is sure (probability below 0.1 or above 0.9): generated, real",
        ]
        wide = max(map(len, self.confident))
        lines += [f"  {name:<{wide}}  {_said(made)}  {_said(real)}" for name, (made, real) in self.confident.items()]
        return "\n".join(lines)


def measure_quality(
    source: str | Path | Generator,
    run: str | Path,
    *,
    n: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> GeneratorQuality:
    """Compare a generator's images with a run's test images, as the run's best network sees both.

    Args:
        source: what `open_generator` opens, or a generator.
        run: folder of a run of `steelyard train`, on images of the generator's size.
        n: images of each set, 2 or more; None for half of the test images.
        seed: of the latents and of which test images are in which half.
        progress: told of each stage.

    Raises:
        InputError: generator or run cannot be opened, their images differ in size, or there are too few test images.
    """
    generator = open_generator(source) if isinstance(source, str | Path) else source
    progress("reading the run's test images")
    network, targets, real = _of_run(Path(run))
    if real.shape[1:3] != generator.size:
        expected, found = " × ".join(map(str, generator.size)), " × ".join(map(str, real.shape[1:3]))
        raise InputError(f"{run}: expected a run on images of {expected}, the generator's size, found {found}")
    most = len(real) // 2
    if not 2 <= (size := most if n is None else n) <= most:
        raise InputError(f"--n: expected 2 to {most:,}, half of the run's {len(real):,} test images, found {size:,}")
    order = stream(seed, "quality").permutation(len(real))
    first, second = (real[part] for part in (order[:size], order[most : most + size]))
    reference = gaussian_of(features_of(network, _batches(first)))
    synthesis, distances = Synthesis(generator), list[float]()
    sure: list[Estimate] = []
    for draw in range(DRAWS):
        progress(f"images of draw {draw + 1} of {DRAWS}")
        images = synthesis(generator.sample(size, seed=seed + draw))
        distances.append(frechet_distance(reference, gaussian_of(features_of(network, _batches(images)))))
        sure = sure or _sure(network, images)
    sure_of_real = _sure(network, first)
    return GeneratorQuality(
        generator=generator.name,
        n=size,
        distances=tuple(distances),
        real=frechet_distance(reference, gaussian_of(features_of(network, _batches(second)))),
        confident={name: (sure[at], sure_of_real[at]) for at, name in enumerate(targets)},
    )


def _of_run(run: Path) -> tuple[Network, Sequence[str], NDArray[np.uint8]]:
    """The best network of a run, its targets, and its test images `[n, h, w, 3]` as it saw them."""
    config, task = kept_config(run), kept_task(run)
    network = build_network(config.model, outputs=make_objective(config).outputs(task), seed=config.seed)
    restore_network(network, read_checkpoint(run, "best"), model=model_name(config))
    data = open_data(config, anywhere=True)
    if "test" not in data.parts:
        raise InputError(f"{run}: expected a run with test images, found none; name another")
    if config.data.crop is not None:
        raise InputError(f"{run}: data.crop: expected null, as whole images are compared, found {config.data.crop}")
    prepared = data.parts["test"].prepared(config.data.resize)
    images = prepared.take(np.arange(len(data.parts["test"]))).images
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise InputError(f"{run}: expected test images of one size, found {len(sizes)} sizes; set data.resize")
    return network.eval(), task.target_names, np.stack(images)


def _batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))


def _sure(network: Network, images: NDArray[np.uint8]) -> list[Estimate]:
    """For each target, the share of images on which the network is sure."""
    import torch

    logits = []
    with torch.inference_mode():
        for batch in _batches(images):
            pixels = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float() / 255
            logits.append(network(pixels).logits.float().numpy())
    sure = np.abs(1 / (1 + np.exp(-np.concatenate(logits).astype(np.float64))) - 0.5) >= MARGIN
    values, low, high = wilson(sure.sum(axis=0).astype(np.float64), np.full(sure.shape[1], float(len(sure))))
    return [
        Estimate(
            name="confident", value=float(value), low=float(a), high=float(b), n=len(sure), scheme="Wilson's interval"
        )
        for value, a, b in zip(values, low, high, strict=True)
    ]


def _said(found: Estimate) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
