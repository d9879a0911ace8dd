"""The public format of progressive GANs, restated: the network in plain operations, and its files as they are."""

import sys
import types
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch.nn import functional

MODULE = "models.utils.config"


def draw_tensors(latent_dim, depths, *, seed, channels=3):
    """A generator's tensors by their names in a file: `layer.module.weight`, as its wrappers of layers have it."""
    rng = torch.Generator().manual_seed(seed)

    def layer(*shape):
        return torch.randn(*shape, generator=rng), torch.randn(shape[0], generator=rng) * 0.3

    layers = {"formatLayer": layer(16 * depths[0], latent_dim), "groupScale0.0": layer(depths[0], depths[0], 3, 3)}
    for s, (before, depth) in enumerate(pairwise(depths)):
        layers[f"scaleLayers.{s}.0"] = layer(depth, before, 3, 3)
        layers[f"scaleLayers.{s}.1"] = layer(depth, depth, 3, 3)
    for s, depth in enumerate(depths):
        # Values of about [−1, 1], as a trained network has them.
        layers[f"toRGBLayers.{s}"] = tuple(0.4 * part for part in layer(channels, depth, 1, 1))
    named = {}
    for name, (weight, bias) in layers.items():
        named[f"{name}.module.weight"], named[f"{name}.module.bias"] = weight, bias
    return named


def images_by_hand(tensors, z, *, alpha=0.0, equalised=True, kind=torch.float32):
    """What the public network makes of latents, step by step, in the order in which it computes."""
    tensors = {name: value.to(kind) for name, value in tensors.items()}
    scales = sum(name.startswith("toRGBLayers") for name in tensors) // 2

    def through(name, x):
        weight, bias = tensors[f"{name}.module.weight"], tensors[f"{name}.module.bias"]
        fan_in = weight[0].numel()
        linear = weight.dim() == 2
        x = x @ weight.T + bias if linear else functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        return x * (2 / fan_in) ** 0.5 if equalised else x

    def leaky(x):
        return torch.where(x > 0, x, 0.2 * x)

    def normed(x):
        return x * ((x**2).mean(dim=1, keepdim=True) + 1e-8).rsqrt()

    def doubled(x):
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    x = leaky(through("formatLayer", normed(z.to(kind))))
    x = normed(x.reshape(len(z), -1, 4, 4))
    x = normed(leaky(through("groupScale0.0", x)))
    old = None
    for s in range(scales):
        if s == scales - 2:
            old = doubled(through(f"toRGBLayers.{s}", x))
        if s < scales - 1:
            x = doubled(x)
            for c in (0, 1):
                x = normed(leaky(through(f"scaleLayers.{s}.{c}", x)))
    made = through(f"toRGBLayers.{scales - 1}", x)
    return made if old is None else alpha * old + (1 - alpha) * made


@contextmanager
def settings_class(module=MODULE, name="BaseConfig"):
    """A class of settings that can be pickled under this name; afterwards it cannot be imported."""
    parts = module.split(".")
    paths = [".".join(parts[: i + 1]) for i in range(len(parts))]
    made = type(name, (), {"__module__": module})
    for path in paths:
        sys.modules[path] = types.ModuleType(path)
    setattr(sys.modules[module], name, made)
    try:
        yield made
    finally:
        for path in paths:
            del sys.modules[path]


def write_zoo(path, networks, latent_dim, depths, *, module=MODULE, old=True, prefix="", **changed):
    """A file as the public code writes it; `old` is the format that torch.save had then."""
    with settings_class(module) as settings:
        config = settings()
        told = {
            "depthScale0": depths[0],
            "initBiasToZero": True,
            "leakyReluLeak": 0.2,
            "depthOtherScales": list(depths[1:]),
            "perChannelNormalization": True,
            "alpha": 0.0,
            "miniBatchStdDev": True,
            "equalizedlR": True,
            "noiseVectorDim": latent_dim,
            "dimOutput": 3,
            "attribKeysOrder": None,
            "categoryVectorDim": 0,
            "weightConditionG": 0.0,
            "latentVectorDim": latent_dim,
            "lossCriterion": "WGANGP",
            "learningRate": 0.001,
            "lambdaGP": 10.0,
        }
        vars(config).update(told | changed)
        states = {
            name: {f"{prefix}{key}": value for key, value in tensors.items()} for name, tensors in networks.items()
        }
        discriminator = {"decisionLayer.module.weight": torch.randn(1, depths[0])}
        torch.save(
            {"config": config, "netD": discriminator, **states, "tmp": settings()},
            path,
            _use_new_zipfile_serialization=not old,
        )
    return path
