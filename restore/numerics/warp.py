"""Pictures read between their samples: cubic B-splines, and the places that a homography leads to. Places are (x, y) in pixels, sample centres at whole numbers."""

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.numerics.mirror import mirrored, mirrored_index

POLE = sqrt(3) - 2  # of the inverse of the cubic B-spline's samples (1, 4, 1) / 6
REACH = 14  # samples beyond which the prefilter, POLE^n, and the four taps of the spline see nothing in float32


def coefficients(x: Tensor) -> Tensor:
    """The weights of cubic B-splines that pass through every sample of x (B, C, H, W), mirrored at its edges.

    c = x * h, h[n] = sqrt(3) POLE^|n| along each axis, cut where float32 ends. Unser, Splines: a perfect fit for signal and image processing, SPM 1999.
    """
    taps = sqrt(3) * torch.tensor([POLE ** abs(n) for n in range(2 - REACH, REACH - 1)], dtype=x.dtype, device=x.device)
    wide = mirrored(x.reshape(-1, 1, *x.shape[-2:]), REACH - 2)
    return F.conv2d(F.conv2d(wide, taps.reshape(1, 1, -1, 1)), taps.reshape(1, 1, 1, -1)).reshape(x.shape)


def sample(c: Tensor, places: Tensor) -> Tensor:
    """The spline of coefficients c (B, C, H, W) at places (B, h, w, 2), mirrored beyond the edges: (B, C, h, w)."""
    height, width = c.shape[-2:]
    whole = places.floor()
    (wx, wy), (x0, y0) = ([_weights(part) for part in (places - whole).to(c.dtype).unbind(-1)], whole.long().unbind(-1))
    flat, out = c.flatten(2), 0
    for row, down in zip(wy, range(-1, 3), strict=True):
        base = mirrored_index(y0 + down, height) * width
        line = 0
        for column, right in zip(wx, range(-1, 3), strict=True):
            index = (base + mirrored_index(x0 + right, width)).flatten(1)[:, None].expand(-1, c.shape[1], -1)
            line = line + column[:, None] * flat.gather(2, index).unflatten(2, places.shape[1:3])
        out = out + row[:, None] * line
    return out


def _weights(t: Tensor) -> tuple[Tensor, ...]:
    """The cubic B-spline at the four samples around a place t in [0, 1) after the second."""
    u = 1 - t
    return u**3 / 6, 2 / 3 - t * t * (2 - t) / 2, 2 / 3 - u * u * (2 - u) / 2, t**3 / 6


def grid(top: int, left: int, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """The places of the samples of a box, (height, width, 2) in float64."""
    y, x = torch.meshgrid(torch.arange(top, top + height, dtype=torch.float64, device=device),
                          torch.arange(left, left + width, dtype=torch.float64, device=device), indexing="ij")
    return torch.stack([x, y], -1)


def project(homography: Tensor, places: Tensor) -> Tensor:
    """Where homographies (B, 3, 3) lead places (..., 2): (B, ..., 2)."""
    flat = places.reshape(-1, 2)
    full = torch.cat([flat, torch.ones_like(flat[:, :1])], 1) @ homography.mT.to(places)
    return (full[..., :2] / full[..., 2:]).reshape(len(homography), *places.shape)


def rescaled(homography: Tensor, factor: float) -> Tensor:
    """The homography (B, 3, 3) between pictures made of area means of factor x factor samples -> the one between the pictures themselves."""
    coarse = torch.tensor([[1 / factor, 0, (1 - factor) / (2 * factor)], [0, 1 / factor, (1 - factor) / (2 * factor)], [0, 0, 1]],
                          dtype=homography.dtype, device=homography.device)
    return torch.linalg.inv(coarse) @ homography @ coarse
