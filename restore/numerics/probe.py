"""What a network does to memory, arithmetic and neighbouring pixels, found by running it and not by declaring it."""

import weakref
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

LONGEST = 4096  # pixels of a strip: what reaches farther counts as global


@torch.no_grad()
def halo(call: Callable[[Tensor], Tensor], channels: int, step: int) -> int | None:
    """How far a NaN in one pixel travels, over every phase of `step`; None: it fills the picture (a global norm or pool).

    call: float64 CPU tensors (1, channels, H, W) -> (1, c, H, W), H and W multiples of `step`. Reach along one axis does not
    depend on the other (supports of convolutions are boxes), so strips as narrow as one step tell it.
    """
    if _reach(call, channels, step, -(-LONGEST // step) * step, 2, 0) is None:  # once is enough to know it
        return None
    size = 64
    while size <= LONGEST:
        length = -(-size // step) * step
        reaches = [_reach(call, channels, step, length, axis, phase) for axis in (2, 3) for phase in range(step)]
        if None not in reaches:
            return max(reaches)
        size *= 2
    return None


def _reach(call, channels: int, step: int, length: int, axis: int, phase: int) -> int | None:
    shape = [1, channels, step, step]
    shape[axis] = length
    y = torch.zeros(shape, dtype=torch.float64)
    at = length // 2 // step * step + phase
    y.select(axis, at).fill_(float("nan"))
    hit = torch.isnan(call(y)).transpose(0, axis).flatten(1).any(1).nonzero().flatten()
    first, last = int(hit[0]), int(hit[-1])
    return None if first == 0 or last == length - 1 else max(at - first, last - at)


def flops(call: Callable[[], object]) -> int:
    """Floating-point operations of matrix products and convolutions in one call; a multiply and an add count as two."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def peak_bytes(call: Callable[[], object]) -> int:
    """The most bytes of tensors made by `call` that live at one time. Scratch of the kernels is not seen."""
    with torch.no_grad(), _Live() as live:
        call()
    return live.peak


class _Live(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {id_of(t) for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)}
        result = function(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor) and id_of(tensor) not in given | self.seen:
                storage = tensor.untyped_storage()
                self._born(id_of(tensor), storage.nbytes())
                weakref.finalize(storage, self._died, id_of(tensor), storage.nbytes())
        return result

    def _born(self, key: int, size: int) -> None:
        self.seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _died(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


def id_of(tensor: Tensor) -> int:
    """The storage behind a tensor, so that views count once."""
    return tensor.untyped_storage()._cdata
