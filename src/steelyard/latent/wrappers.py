"""Generators of several kinds, each made one `Generator`: latents as its hyperplanes see them, checked images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.latent.generator import Latents
from steelyard.latent.progressive_samples import on_sphere, sphere_latents
from steelyard.models.dcgan import DcganGenerator
from steelyard.models.progressive import ProgressiveGenerator, side_of
from steelyard.tables.messages import one_line, quoted

Call = Callable[[Tensor], Any]

_MAPPED = 256  # rows that a mapping is given at a time, always as many, so that a row does not depend on their number


class ProgressiveLatents:
    """A progressive GAN; its latents have the root mean square 1 (trap R11: they are not the raw draws).

    Mirrored latents lie a little off that sphere. A network that normalises brings them back to it, as the published
    one does, which changes scores a little; with `normalize=False` they are used as they are.
    """

    def __init__(
        self,
        module: ProgressiveGenerator,
        *,
        name: str,
        scale: int | None = None,
        alpha: float = 0.0,
        normalize: bool | None = None,
        device: str = "cpu",
    ) -> None:
        """Take the network as it is.

        Args:
            module: trained; put into evaluation mode and onto the device.
            name: in one line.
            scale: of its images; None for the last.
            alpha: weight of the scale before.
            normalize: whether the network divides latents by their root mean square; None leaves it as it is.
            device: of PyTorch.
        """
        self.name, self._device = name, device
        self._module = module.eval().requires_grad_(False).to(device)
        self._scale = module.scales - 1 if scale is None else scale
        self._alpha = alpha
        if normalize is not None:
            self._module.normalize = normalize
        self.latent_dim = module.latent_dim
        self.size = (side_of(self._scale), side_of(self._scale))

    def sample(self, n: int, *, seed: int) -> Latents:
        """`[n, d]`: normal draws, each divided by its root mean square."""
        return sphere_latents(n, self.latent_dim, stream(seed, "latents"))

    def as_used(self, z: Latents) -> Latents:
        """`[n, d]`: each latent divided by its root mean square, where the network does so."""
        return on_sphere(z) if self._module.normalize else z

    def synthesize(self, z: Tensor) -> Tensor:
        """`[n, 3, h, w]` in [−1, 1].

        Raises:
            InputError: latents of another width, or images that are not finite.
        """
        with torch.no_grad():
            images = self._module(
                taken(z, self.latent_dim, self.name).to(self._device), scale=self._scale, alpha=self._alpha
            )
        return checked(images, len(z), self.size, self.name)


class DcganLatents:
    """A DCGAN; its latents are normal draws."""

    def __init__(self, module: DcganGenerator, *, name: str, device: str = "cpu") -> None:
        """Take the network as it is; it is put into evaluation mode and onto the device."""
        self.name, self._device = name, device
        self._module = module.eval().requires_grad_(False).to(device)
        self.latent_dim, self.size = module.latent_dim, (module.size, module.size)

    def sample(self, n: int, *, seed: int) -> Latents:
        """`[n, d]`: normal draws."""
        return normal_latents(n, self.latent_dim, seed)

    def synthesize(self, z: Tensor) -> Tensor:
        """`[n, 3, h, w]` in [−1, 1].

        Raises:
            InputError: latents of another width, or images that are not finite.
        """
        with torch.no_grad():
            images = self._module(taken(z, self.latent_dim, self.name).to(self._device))
        return checked(images, len(z), self.size, self.name)


class CallableGenerator:
    """Anything that makes images `[n, 3, h, w]` of latents `[n, d]`.

    With a mapping (z → w, as StyleGANs have it) latents are w: hyperplanes live where the images are made from.
    """

    def __init__(
        self, call: Call, latent_dim: int, *, name: str, mapping: Call | None = None, device: str = "cpu"
    ) -> None:
        """Make a trial image, to see its size.

        Args:
            call: latents to images; a module is put into evaluation mode and onto the device.
            latent_dim: width of the normal draws z.
            name: in one line.
            mapping: `[n, latent_dim]` → `[n, d]`; None where the call takes z itself.
            device: of PyTorch.

        Raises:
            InputError: what comes out is not what it must be.
        """
        if latent_dim < 1:
            raise InputError(f"generator.latent_dim: expected 1 or more, found {latent_dim}; raise it")
        self.name, self._device, self._drawn = name, device, latent_dim
        for part in (call, mapping):
            if isinstance(part, nn.Module):
                part.eval().to(device)
        self._call, self._mapping = call, mapping
        self.latent_dim = latent_dim
        trial = self.sample(1, seed=0)
        self.latent_dim = trial.shape[1]
        made = self._images(torch.from_numpy(trial))
        if made.dim() != 4 or made.shape[:2] != (1, 3):
            raise InputError(f"{name}: expected images [1, 3, h, w] of 1 latent, found {list(made.shape)}; mend it")
        self.size = (int(made.shape[2]), int(made.shape[3]))
        checked(made, 1, self.size, name)

    def sample(self, n: int, *, seed: int) -> Latents:
        """`[n, d]`: normal draws, mapped where there is a mapping.

        Raises:
            InputError: the mapping gives something else than `[n, d]`, or fails.
        """
        drawn = normal_latents(n, self._drawn, seed)
        if self._mapping is None:
            return drawn
        mapped = [self._mapped(drawn[start : start + _MAPPED]) for start in range(0, n, _MAPPED)]
        return np.concatenate(mapped) if mapped else np.empty((0, self.latent_dim), dtype=np.float32)

    def synthesize(self, z: Tensor) -> Tensor:
        """`[n, 3, h, w]` in [−1, 1].

        Raises:
            InputError: latents of another width, or images of another size or not finite.
        """
        return checked(self._images(taken(z, self.latent_dim, self.name)), len(z), self.size, self.name)

    def _mapped(self, part: Latents) -> Latents:
        assert self._mapping is not None
        whole = np.zeros((_MAPPED, self._drawn), dtype=np.float32)
        whole[: len(part)] = part
        made = _called(self._mapping, torch.from_numpy(whole).to(self._device), f"{self.name}: mapping")
        if made.dim() != 2 or len(made) != _MAPPED or not bool(torch.isfinite(made).all()):
            found = f"{list(made.shape)}, finite or not"
            raise InputError(f"{self.name}: mapping: expected finite [{_MAPPED}, d], found {found}; mend it")
        return np.asarray(made.float().cpu().numpy()[: len(part)], dtype=np.float32)

    def _images(self, z: Tensor) -> Tensor:
        return _called(self._call, z.to(self._device), self.name)


def normal_latents(n: int, d: int, seed: int) -> Latents:
    """`[n, d]`: normal draws; the first rows do not depend on n."""
    return stream(seed, "latents").standard_normal((n, d), dtype=np.float32)


def taken(z: Tensor, latent_dim: int, name: str) -> Tensor:
    """Latents `[n, latent_dim]` as float32.

    Raises:
        InputError: they are of another width.
    """
    if z.dim() != 2 or z.shape[1] != latent_dim:
        found = list(z.shape)
        raise InputError(
            f"latents: expected [n, {latent_dim}], the width of {name}, found {found}; sample them from it"
        )
    return z.float()


def checked(images: Tensor, n: int, size: tuple[int, int], name: str) -> Tensor:
    """Images `[n, 3, h, w]` on the CPU in float32, clamped to [−1, 1].

    Raises:
        InputError: they have another shape, or are not finite.
    """
    if images.shape != (n, 3, *size):
        raise InputError(f"{name}: expected images {[n, 3, *size]}, found {list(images.shape)}; mend the generator")
    images = images.detach().float().cpu()
    if not bool(torch.isfinite(images).all()):
        raise InputError(f"{name}: expected finite images, found NaN or infinity; mend the generator or its latents")
    return images.clamp(-1.0, 1.0)


def _called(call: Call, z: Tensor, name: str) -> Tensor:
    with torch.no_grad():
        try:
            made = call(z)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:  # what a network of other shapes raises
            found = f"{quoted(type(error).__name__)} ({one_line(error, longest=120)})"
            raise InputError(f"{name}: expected images of latents {list(z.shape)}, found {found}; mend it") from error
    if not isinstance(made, Tensor) or not made.is_floating_point():
        found = str(made.dtype) if isinstance(made, Tensor) else type(made).__name__
        raise InputError(f"{name}: expected a tensor of floats, found {found}; wrap what gives it")
    return made
