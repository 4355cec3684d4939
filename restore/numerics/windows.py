"""Pictures worked on in square windows that overlap by half, under the root of a Hann window before and after: what is left as it is comes back as it was."""

from collections.abc import Callable

import torch
from torch import Tensor

from restore.numerics.mirror import mirrored, padded


def taper(size: int, like: Tensor) -> Tensor:
    """The root of the periodic Hann window along one axis; its squares, shifted by half, add up to 1."""
    return torch.hann_window(size, dtype=like.dtype, device=like.device).sqrt()


def work(y: Tensor, size: int, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`change` on every window of y (..., H, W); windows lie on multiples of size / 2 and reach over the edges, mirrored.

    change: (n, ..., size, size) -> (n, ..., size, size), one row of windows at a time.
    """
    half, lead, (height, width) = size // 2, y.shape[:-2], y.shape[-2:]
    y = padded(y, -height % half, -width % half)
    rows, columns = y.shape[-2] // half + 1, y.shape[-1] // half + 1
    wide = mirrored(y.reshape(1, -1, *y.shape[-2:]), half).reshape(*lead, (rows + 1) * half, (columns + 1) * half)
    root = taper(size, y)
    root = root[:, None] * root
    out = torch.zeros_like(wide).reshape(*lead, rows + 1, half, columns + 1, half)
    for row in range(rows):
        strip = wide[..., row * half : (row + 2) * half, :].unfold(-1, size, half).movedim(-2, 0)  # columns first
        done = (root * change(root * strip)).movedim(0, -2).reshape(*lead, 2, half, columns, 2, half)
        for right in (0, 1):
            out[..., row : row + 2, :, right : right + columns, :] += done[..., right, :]
    return out.reshape(wide.shape)[..., half : half + height, half : half + width]


def light(part: Tensor) -> Tensor:
    """The mean of bursts in tapered windows (..., F, C, size, size), over all but the first axes, as it was before the taper."""
    return part.mean((-4, -3, -2, -1), keepdim=True) / taper(part.shape[-1], part).mean() ** 2
