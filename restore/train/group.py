"""Several processes, or one: `torchrun --nproc-per-node N` sets the environment, DistributedDataParallel averages the gradients.

Every process draws the whole batch and keeps its own rows, so that a run is the same, to rounding, for any number of processes.
"""

import gc
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from restore.errors import UsageError


@dataclass(frozen=True)
class Group:
    """This process among `size`, and among those on its machine. The first one validates, logs and saves."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """The network as it is called: its gradients become the mean over the group."""
        return DistributedDataParallel(network) if self.size > 1 else network

    def rows(self, batch: int) -> slice:
        """The rows of the batch that are this process's own."""
        if batch % self.size:
            raise UsageError(f"a batch of {batch} cannot be shared by {self.size} processes", "a multiple of the number of processes")
        return slice(self.rank * batch // self.size, (self.rank + 1) * batch // self.size)

    def any(self, flag: bool) -> bool:
        """Whether it is so in one process at least, Ctrl-C for instance."""
        return bool(self._all(flag, dist.ReduceOp.MAX))

    def most(self, number: int) -> int:
        return int(self._all(number, dist.ReduceOp.MAX))

    def mean(self, value: float) -> float:
        return self._all(value, dist.ReduceOp.SUM) / self.size

    def _all(self, value: float, operation) -> float:
        if self.size == 1:
            return value
        number = torch.tensor(float(value), dtype=torch.float64)
        dist.all_reduce(number, operation)
        return float(number)


def join() -> Group:
    """The group that `torchrun` started this process in, or this process alone."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Group()
    if not dist.is_initialized():
        dist.init_process_group()  # gloo for tensors on the CPU, and what the device has
    return Group(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", 0)))


def leave(group: Group) -> None:
    """End what `join` began, all processes together: one that closes its connections while another still writes can bring it down."""
    if group.size > 1:
        dist.barrier()
        gc.collect()  # DistributedDataParallel is part of a cycle, and is to go before what it calls
        dist.destroy_process_group()
