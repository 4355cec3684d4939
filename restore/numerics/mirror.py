"""Pictures continued beyond their edges."""

import torch
from torch import Tensor


def mirrored(y: Tensor, edge: int) -> Tensor:
    """`edge` pixels more at every side of (B, C, H, W), by reflection that does not repeat the edge pixel, as often as a small picture takes."""
    for axis in (-2, -1):
        size = y.shape[axis]
        at = torch.arange(-edge, size + edge, device=y.device) % max(2 * size - 2, 1)
        y = y.index_select(axis, torch.where(at < size, at, 2 * size - 2 - at))
    return y
