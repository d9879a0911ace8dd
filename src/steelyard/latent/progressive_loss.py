"""What generator and critic of a progressive GAN learn by: the Wasserstein distance with a gradient penalty.

Gulrajani et al.: Improved Training of Wasserstein GANs, https://arxiv.org/abs/1704.00028; the drift term is of Karras
et al., https://arxiv.org/abs/1710.10196, appendix A.1.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Critic = Callable[[Tensor], Tensor]
"""`[b, c, h, w]` → `[b]`."""


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean of (‖gradient‖ − 1)² at points between real and generated images; 0 where the slope is 1 everywhere.

    Args:
        critic: in float32; gradients of gradients lose too much in 16 bits.
        real: `[b, c, h, w]`.
        fake: `[b, c, h, w]`.
        mix: `[b]`, in [0, 1]: how much of each point is real.
    """
    share = mix[:, None, None, None]
    points = (share * real.detach().float() + (1 - share) * fake.detach().float()).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    # Within the root, so that the derivative at a slope of 0 is finite.
    length = (slope.square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()
    return (length - 1).square().mean()


def drift(values: Tensor) -> Tensor:
    """Mean square of the critic's values of real images: keeps them from wandering off."""
    return values.square().mean()


@torch.no_grad()
def follow(average: nn.Module, module: nn.Module, keep: float) -> None:
    """Move the parameters of an average towards a module's: `keep` of the old, 1 − `keep` of the new."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - keep)


def keep_of(images: int, half_life: float) -> float:
    """What an average keeps of itself over so many images."""
    return float(0.5 ** (images / half_life))


@torch.no_grad()
def average_gradients(parameters: Sequence[nn.Parameter], reduce: Callable[[Tensor], Tensor]) -> None:
    """Give every process the mean of all processes' gradients.

    Args:
        parameters: in the same order in each process; those without a gradient have none in any.
        reduce: the mean over processes of a flat tensor.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = reduce(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, torch.split(flat, [one.numel() for one in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
