"""Losses by name: loss(estimate, x) -> a number, for pictures (B, C, H, W)."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def charbonnier(estimate: Tensor, x: Tensor, epsilon: float = 1e-3) -> Tensor:
    """mean sqrt((estimate - x)^2 + epsilon^2): l1, round at 0. Charbonnier et al., ICIP 1994."""
    return ((estimate - x).square() + epsilon**2).sqrt().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": F.mse_loss, "l1": F.l1_loss, "charbonnier": charbonnier}
