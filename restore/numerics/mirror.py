"""Pictures continued beyond their edges."""

from collections.abc import Callable

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


def repeated_index(at: Tensor, n: int) -> Tensor:
    """As `mirrored_index`, of an edge sample that is repeated."""
    return at.clamp(0, n - 1)


def padded(y: Tensor, down: int, right: int, index: Callable[[Tensor, int], Tensor] = mirrored_index) -> Tensor:
    """`down` pixels more at the bottom and `right` more at the right of (..., H, W)."""
    for axis, more in ((-2, down), (-1, right)):
        if more:
            y = y.index_select(axis, index(torch.arange(y.shape[axis] + more, device=y.device), y.shape[axis]))
    return y
