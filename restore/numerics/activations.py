"""What stands between two layers, by name. `maxout` takes pairs of channels and leaves their larger values: the layer before it gives twice as many."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import UsageError, nearest


def maxout(x: Tensor) -> Tensor:
    """(B, 2 C, H, W) -> (B, C, H, W). Goodfellow et al., Maxout networks, ICML 2013, with two pieces."""
    return torch.maximum(*x.chunk(2, 1))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "maxout": maxout}


def find(name: str) -> Callable[[Tensor], Tensor]:
    """The activation of this name."""
    if name not in ACTIVATIONS:
        raise UsageError(f"unknown activation {name!r}", nearest(name, ACTIVATIONS))
    return ACTIVATIONS[name]


def fan(name: str) -> int:
    """How many channels a layer gives for each that is left after the activation."""
    return 2 if name == "maxout" else 1
