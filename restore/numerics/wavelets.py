"""Orthogonal wavelets: the Daubechies filters, one level of the two-dimensional transform inside the picture, and all levels of the periodic one.

Daubechies, Ten Lectures on Wavelets, 1992.
"""

from functools import cache
from math import comb

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@cache
def daubechies(moments: int) -> tuple[float, ...]:
    """The low-pass filter of 2 `moments` taps, norm 1, sum sqrt(2), extremal phase (chapter 6.1); its high-pass has that many vanishing moments.

    h(z) = c (1 + z)^N prod (z - z_i), with z_i the roots inside the unit circle of sum_k C(N-1+k, k) ((2 - z - 1/z) / 4)^k.
    """
    roots = []
    for y in np.roots([comb(moments - 1 + k, k) for k in reversed(range(moments))]):
        pair = np.roots([1, 4 * y - 2, 1])
        roots.append(pair[np.argmin(abs(pair))])
    taps = np.real(np.poly([-1.0] * moments + roots))
    return tuple(float(tap) for tap in taps / np.linalg.norm(taps))


def split(x: Tensor, moments: int = 4) -> Tensor:
    """One level of the transform of x (B, 1, H, W): (B, 4, h, w), approximation and horizontal, vertical, diagonal detail.

    Only where the filters lie inside the picture: h = (H - 2 moments) // 2 + 1. White noise stays white, of the same level, in all four.
    """
    pair = _pair(x, moments)
    rows = F.conv2d(x, pair[:, None, :, None], stride=(2, 1))
    return F.conv2d(rows, pair.repeat(2, 1)[:, None, None, :], stride=(1, 2), groups=2)


def decompose(x: Tensor, levels: int, moments: int = 4) -> list[Tensor]:
    """The orthonormal periodic transform of x (B, C, H, W), real, H and W multiples of 2^levels: the approximation (B, C, h, w), then details
    (B, C, 3, h, w) from coarse to fine. Of the same norm as x; `compose` inverts it and is its adjoint."""
    found = []
    for _ in range(levels):
        count, channels, height, width = x.shape
        pair = _pair(x, moments)
        down, across = (torch.arange(side + pair.shape[1] - 2, device=x.device) % side for side in (height, width))
        rows = F.conv2d(x.reshape(-1, 1, height, width)[:, :, down], pair[:, None, :, None], stride=(2, 1))
        both = F.conv2d(rows.reshape(-1, 1, height // 2, width)[..., across], pair[:, None, None, :], stride=(1, 2))
        both = both.reshape(count, channels, 4, height // 2, width // 2)
        x = both[:, :, 0]
        found.append(both[:, :, 1:])
    return [x, *reversed(found)]


def compose(bands: list[Tensor], moments: int = 4) -> Tensor:
    """x (B, C, H, W) from what `decompose` gives."""
    x = bands[0]
    for details in bands[1:]:
        count, channels, _, height, width = details.shape
        pair = _pair(x, moments)
        both = torch.cat([x[:, :, None], details], 2).reshape(-1, 2, height, width)
        rows = _wrapped(F.conv_transpose2d(both, pair[:, None, None, :], stride=(1, 2)), -1, 2 * width)
        x = _wrapped(F.conv_transpose2d(rows.reshape(-1, 2, height, 2 * width), pair[:, None, :, None], stride=(2, 1)), -2, 2 * height)
        x = x.reshape(count, channels, 2 * height, 2 * width)
    return x


def _pair(x: Tensor, moments: int) -> Tensor:
    """(2, taps): the low-pass filter, and the high-pass one that belongs to it."""
    low = torch.tensor(daubechies(moments), dtype=x.dtype, device=x.device)
    return torch.stack([low, low.flip(0) * (1 - 2 * (torch.arange(len(low), device=x.device) % 2)).to(x.dtype)])


def _wrapped(x: Tensor, axis: int, size: int) -> Tensor:
    """What lies beyond `size` along an axis is added to the beginning, as often as it takes."""
    kept = x.narrow(axis, 0, size).clone()
    for first in range(size, x.shape[axis], size):
        more = min(size, x.shape[axis] - first)
        kept.narrow(axis, 0, more).add_(x.narrow(axis, first, more))
    return kept
