"""Callables that stand for users' generators, good and bad, importable by their class path."""

import torch
from torch import nn


class Painter(nn.Module):
    """Images of 8 × 8 whose brightness is the first latent; with BatchNorm, which would mix images in training mode."""

    def __init__(self, latent_dim=5, gain=1.0):
        super().__init__()
        self.latent_dim, self.gain = latent_dim, gain
        self.normed = nn.BatchNorm2d(3)

    def forward(self, z):
        return self.normed(self.gain * z[:, :1, None, None].expand(-1, 3, 8, 8))


def paint(z):
    return torch.tanh(z[:, :3, None, None].expand(-1, 3, 4, 6))


def double(z):
    return 2 * z


def grey(z):
    return torch.zeros(len(z), 1, 4, 4)


def numbers(z):
    return [1.0]


def whole(z):
    return torch.zeros(len(z), 3, 4, 4, dtype=torch.uint8)


def nothing(z):
    return torch.full((len(z), 3, 4, 4), torch.nan)


def one_only(z):
    """Of the right shape for one image, and wrong for more: a squeeze too many."""
    return torch.zeros(1, 3, 4, 4)


def narrow(z):
    return z @ torch.zeros(7, 3)


NUMBER = 3
