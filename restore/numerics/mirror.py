"""Pictures continued beyond their edges."""

import torch
from torch import Tensor


def mirrored(y: Tensor, edge: int) -> Tensor:
    """`edge` pixels more at every side of (B, C, H, W), by reflection that does not repeat the edge pixel, as often as a small picture takes."""
    for axis in (-2, -1):
        y = y.index_select(axis, mirrored_index(torch.arange(-edge, y.shape[axis] + edge, device=y.device), y.shape[axis]))
    return y


def mirrored_index(at: Tensor, n: int) -> Tensor:
    """Which of n samples stands at places `at`, before the first and beyond the last too."""
    at = at % max(2 * n - 2, 1)
    return torch.where(at < n, at, 2 * n - 2 - at)
