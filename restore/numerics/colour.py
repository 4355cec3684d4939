"""Colour spaces, on tensors (B, 3, H, W)."""

import torch
from torch import Tensor

XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))  # of linear sRGB
D65 = (0.95047, 1.0, 1.08883)


def linear(srgb: Tensor) -> Tensor:
    """sRGB on [0, 1], clipped to it, to linear light. IEC 61966-2-1."""
    srgb = srgb.clamp(0, 1)
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def encoded(light: Tensor) -> Tensor:
    """Linear light to sRGB values, not clipped: beyond white the curve goes on, below black it is straight."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def lab(srgb: Tensor) -> Tensor:
    """CIE 1976 L*a*b* (L* on [0, 100]) of sRGB on [0, 1], white D65; a grey picture (B, 1, H, W) gives L* alone."""
    light = linear(srgb)
    if srgb.shape[1] == 1:
        return 116 * _root(light) - 16
    matrix = torch.tensor(XYZ, dtype=srgb.dtype, device=srgb.device) / torch.tensor(D65, dtype=srgb.dtype, device=srgb.device)[:, None]
    x, y, z = _root(torch.einsum("ij,bjhw->bihw", matrix, light)).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def _root(t: Tensor) -> Tensor:
    """The cube root, a straight line near 0: its slope stays finite."""
    edge = (6 / 29) ** 3
    return torch.where(t > edge, t.clamp_min(edge) ** (1 / 3), t / (3 * (6 / 29) ** 2) + 4 / 29)
