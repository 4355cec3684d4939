"""Orthogonal wavelets: the Daubechies filters, one level of the two-dimensional transform inside the picture, and the undecimated periodic one.

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


def frame(x: Tensor, levels: int, moments: int = 1) -> list[Tensor]:
    """The undecimated periodic transform of x (B, C, H, W), real or complex, of any size: the approximation, then details (B, 3 C, H, W) from coarse to
    fine. A tight frame of bound 1: of the same norm as x, and `unframe` is its adjoint and inverse.

    A coefficient of level j is 2^-j of the orthonormal one at that place (j from 1, the finest).
    """
    found = []
    for level in range(levels):
        low, *high = (band for rows in _parted(x, -2, 2**level, moments) for band in _parted(rows, -1, 2**level, moments))
        found.append(torch.cat(high, 1))
        x = low
    return [x, *reversed(found)]


def unframe(bands: list[Tensor], moments: int = 1) -> Tensor:
    """x (B, C, H, W) from what `frame` gives."""
    x = bands[0]
    for level, high in zip(reversed(range(len(bands) - 1)), bands[1:], strict=True):
        parts = [x, *high.chunk(3, 1)]
        rows = [_joined(parts[at : at + 2], -1, 2**level, moments) for at in (0, 2)]
        x = _joined(rows, -2, 2**level, moments)
    return x


def _parted(x: Tensor, axis: int, step: int, moments: int) -> list[Tensor]:
    """Low and high band along an axis, filters spread by `step`, over sqrt(2)."""
    low, high = _filters(moments)
    bands = [low[0] * x, high[0] * x]
    for tap in range(1, 2 * moments):
        moved = x.roll(-tap * step, axis)
        bands[0].add_(moved, alpha=low[tap])
        bands[1].add_(moved, alpha=high[tap])
    return bands


def _joined(bands: list[Tensor], axis: int, step: int, moments: int) -> Tensor:
    low, high = _filters(moments)
    x = low[0] * bands[0]
    x.add_(bands[1], alpha=high[0])
    for tap in range(1, 2 * moments):
        x.add_(torch.add(low[tap] * bands[0], bands[1], alpha=high[tap]).roll(tap * step, axis))
    return x


def _filters(moments: int) -> tuple[list[float], list[float]]:
    low = [tap / 2**0.5 for tap in daubechies(moments)]
    return low, [tap * (-1) ** place for place, tap in enumerate(reversed(low))]


def _pair(x: Tensor, moments: int) -> Tensor:
    """(2, taps): the low-pass filter, and the high-pass one that belongs to it."""
    low = torch.tensor(daubechies(moments), dtype=x.dtype, device=x.device)
    return torch.stack([low, low.flip(0) * (1 - 2 * (torch.arange(len(low), device=x.device) % 2)).to(x.dtype)])

