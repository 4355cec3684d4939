"""The gradient of pictures by differences of neighbours, and its negative transpose."""

import torch
from torch import Tensor


def gradient(x: Tensor) -> Tensor:
    """Forward differences down and across, 0 at the last row and column: (..., H, W) -> (2, ..., H, W)."""
    p = x.new_zeros(2, *x.shape)
    p[0, ..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
    p[1, ..., :-1] = x[..., 1:] - x[..., :-1]
    return p


def divergence(p: Tensor) -> Tensor:
    """The negative transpose of `gradient`: (2, ..., H, W) -> (..., H, W)."""
    x = torch.zeros_like(p[0])
    x[..., :-1, :] += p[0, ..., :-1, :]
    x[..., 1:, :] -= p[0, ..., :-1, :]
    x[..., :-1] += p[1, ..., :-1]
    x[..., 1:] -= p[1, ..., :-1]
    return x
