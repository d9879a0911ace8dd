"""A tiny world and runs on it, for the tests of the progressive GAN; `python progressive_world.py ROOT` kills runs.

PyTorch is loaded once and each run is a process forked from here.
"""

import signal
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from killing import forked, kill_myself
from steelyard.latent import progressive_training
from steelyard.latent.progressive_images import GrowingImages
from steelyard.latent.progressive_options import ProgressiveOptions
from steelyard.latent.progressive_training import train_progressive
from steelyard.training.launching import launch

OPTIONS = ProgressiveOptions(
    latent_dim=4,
    depths=(6, 4),
    stable_images=(24, 32),
    fade_images=(0, 24),
    batch_sizes=(4, 4),
    penalty_every=3,
    half_life=40,
    flip=True,
    grid=2,
    grid_steps=1000,
    log_steps=3,
    checkpoint_minutes=None,
    checkpoint_steps=4,
    precision="32-true",
    accelerator="cpu",
)
STEPS = 20
TWO = replace(OPTIONS, devices=2)


def coloured(n=40, side=8, *, mean=(200, 80, 40), seed=0):
    """Images of about one colour."""
    noise = np.random.default_rng(seed).normal(0, 12, (n, side, side, 3))
    return np.clip(np.array(mean) + noise, 0, 255).astype(np.uint8)


def run(folder, options=OPTIONS, images=None):
    """Train, or go on."""

    def work(fabric):
        real = GrowingImages(coloured() if images is None else images, seed=options.seed, flip=options.flip)
        return train_progressive(fabric, real, options, folder, go_on=True)

    return launch(options.engine(), work)


def spawned(fabric, root):
    """What each of two processes does; the weights of both networks, with gradients averaged and without."""
    torch.set_num_threads(1)
    made, kept, players = {}, [], progressive_training.Players
    progressive_training.Players = lambda *args, **named: kept.append(players(*args, **named)) or kept[-1]
    for name in ("averaged", "apart"):
        if name == "apart":
            progressive_training.average_gradients = lambda parameters, reduce: None
        real = GrowingImages(coloured(), seed=0, flip=True)
        train_progressive(fabric, real, TWO, root / name)
        modules = kept[-1].generator, kept[-1].critic
        made[name] = torch.cat([value.detach().flatten() for module in modules for value in module.parameters()])
    return {name: fabric.all_gather(value).numpy() for name, value in made.items()}


def killed(folder, step):
    """Train until this step is about to be made, then be killed."""
    both = progressive_training._Run._both

    def counted(self, alpha):
        if self.step == step:
            kill_myself()
        return both(self, alpha)

    progressive_training._Run._both = counted
    run(folder)


def main(root):
    torch.set_num_threads(1)
    import_module("torch.utils.tensorboard")  # loaded before the fork, for all

    assert forked(run, root / "whole") == 0
    for step in (2, 7, 13, 19):
        assert forked(killed, root / f"killed-{step}", step) == -signal.SIGKILL
        assert forked(run, root / f"killed-{step}") == 0
    assert forked(killed, root / "left", 10) == -signal.SIGKILL
    for step in (5, 15):
        assert forked(killed, root / "twice", step) == -signal.SIGKILL
    assert forked(run, root / "twice") == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
