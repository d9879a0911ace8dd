"""What several processes of one run tell each other."""

from typing import TYPE_CHECKING

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

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
