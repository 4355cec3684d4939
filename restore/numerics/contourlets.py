"""Directional frame: pictures in 15 channels of their own size, from which they come back exactly.

Windows over frequency whose squares sum to 1: a low pass, and rings beyond pi / 8, pi / 4 and pi / 2 cut into 2, 4 and 8 wedges, all by Meyer's
smooth steps; so the inverse is the adjoint. The structure is that of the non-subsampled contourlets of da Cunha, Zhou & Do, TIP 2006, the windows
are not.
"""

import functools
import math

import torch
from torch import Tensor

RINGS = (math.pi / 8, math.pi / 4, math.pi / 2)
WEDGES = (2, 4, 8)
CHANNELS = 1 + sum(WEDGES)


def analyse(x: Tensor) -> Tensor:
    """(B, 1, H, W) -> (B, 15, H, W), taken as periodic."""
    return torch.fft.irfft2(torch.fft.rfft2(x) * windows(*x.shape[-2:]).to(x), s=x.shape[-2:])


def synthesise(bands: Tensor) -> Tensor:
    """The adjoint of `analyse`, and its inverse."""
    spectrum = (torch.fft.rfft2(bands) * windows(*bands.shape[-2:]).to(bands)).sum(1, keepdim=True)
    return torch.fft.irfft2(spectrum, s=bands.shape[-2:])


@functools.lru_cache(maxsize=4)
def windows(height: int, width: int) -> Tensor:
    """(15, H, W // 2 + 1) in float64, non-negative."""
    down = 2 * math.pi * torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    across = 2 * math.pi * torch.fft.rfftfreq(width, dtype=torch.float64)[None]
    radius, angle = torch.hypot(down, across), torch.atan2(down, across) % math.pi
    # a frequency and its opposite are one: at Nyquist, where both have one place, the wedge must not tell up from down
    angle = torch.where((across >= math.pi - 1e-9) | (down.abs() >= math.pi - 1e-9), torch.minimum(angle, math.pi - angle), angle)
    found, beyond = [], torch.ones_like(radius)
    for cut, wedges in zip(RINGS, (1, *WEDGES), strict=False):
        inside = torch.cos(math.pi / 2 * _step((radius / cut - 2 / 3) * 1.5))
        found += [beyond * inside * wedge for wedge in _wedges(angle, wedges)]
        beyond = beyond * torch.sin(math.pi / 2 * _step((radius / cut - 2 / 3) * 1.5))
    return torch.stack(found + [beyond * wedge for wedge in _wedges(angle, WEDGES[-1])])


def _wedges(angle: Tensor, count: int) -> list[Tensor]:
    """Windows around the angles k pi / count, whose squares sum to 1."""
    if count == 1:
        return [torch.ones_like(angle)]
    away = [(angle * count / math.pi - k + count / 2) % count - count / 2 for k in range(count)]
    return [torch.cos(math.pi / 2 * _step(part.abs())) for part in away]


def _step(t: Tensor) -> Tensor:
    """From 0 at 0 to 1 at 1, three times smooth, step(t) + step(1 - t) = 1."""
    t = t.clamp(0, 1)
    return t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)
