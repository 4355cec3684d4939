"""Orthogonal wavelets: the Daubechies filters and one level of the two-dimensional transform.

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
    low = torch.tensor(daubechies(moments), dtype=x.dtype, device=x.device)
    high = low.flip(0) * (1 - 2 * (torch.arange(len(low), device=x.device) % 2)).to(x.dtype)
    pair = torch.stack([low, high])
    rows = F.conv2d(x, pair[:, None, :, None], stride=(2, 1))
    return F.conv2d(rows, pair.repeat(2, 1)[:, None, None, :], stride=(1, 2), groups=2)
