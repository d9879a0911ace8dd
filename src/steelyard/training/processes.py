"""What several processes of one run tell each other."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.models.network import Network
from steelyard.training.objective import Objective

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def of_all(fabric: "Fabric", mine: Tensor) -> Tensor:
    """`[processes, …]`, on the CPU: this tensor of every process, each of the same shape."""
    if fabric.world_size == 1:
        return mine.cpu()[None]
    mine = mine.to(fabric.device).contiguous()
    told = [torch.empty_like(mine) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(told, mine)
    return torch.stack(told).cpu()


def equalise(fabric: "Fabric", network: Network, objective: Objective) -> None:
    """Give all processes what the first has besides the parameters, which are equal as they are.

    Each process has its own running statistics of BatchNorm; those of the first count.
    """
    if fabric.world_size == 1:
        return
    for buffer in network.buffers():
        torch.distributed.broadcast(buffer, src=0)
    state = fabric.broadcast(move_data_to_device(objective.state_dict(), torch.device("cpu")))
    if fabric.global_rank > 0:
        objective.load_state_dict(state)


def require_finite(fabric: "Fabric", network: Network, objective: Objective, *, step: int) -> None:
    """See in every process that network and objective hold finite numbers only; all stop together.

    Raises:
        InputError: one does not; names the first.
    """
    held = [(f"weight {name!r}", value) for name, value in network.state_dict().items()]
    held += [(f"objective state {name!r}", value) for name, value in _tensors(objective.state_dict())]
    held = [(name, value) for name, value in held if value.is_floating_point()]
    # One answer for all: asked tensor by tensor, the device would be waited for each time.
    whole = torch.stack([torch.isfinite(value).all().to(fabric.device) for _, value in held])
    if (~(said := of_all(fabric, whole).all(0))).any():
        raise not_finite(step, held[int((~said).nonzero()[0])][0])


def not_finite(step: int, what: str) -> InputError:
    """The error that ends a run whose numbers went wrong."""
    return InputError(
        f"step {step}: {what} is not finite; training stopped, the last checkpoint stands; "
        "lower the learning rate or set a limit to the gradient (clip)"
    )


def _tensors(state: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of nested state, by its place."""
    if isinstance(state, Tensor):
        yield name, state
    elif isinstance(state, Mapping | list | tuple):
        parts = state.items() if isinstance(state, Mapping) else enumerate(state)
        for key, part in parts:
            yield from _tensors(part, f"{name}.{key}" if name else str(key))
