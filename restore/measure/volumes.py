"""NMSE, PSNR and SSIM of whole volumes (slices, H, W), as fastMRI defines them, in float64. A mean over slices of each would say something else.

Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv 1811.08839, section 5.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.io.scans import read_scan

WINDOW = 7  # of SSIM, in pixels; uniform


def volume(file: Path) -> np.ndarray:
    """The slices of a scan, (slices, H, W) in float32, the largest value 1: magnitudes, or, of Hounsfield units, attenuation."""
    scan = read_scan(file)
    slices = ((scan.array + 1000).clip(0) if scan.header.unit == "HU" else np.abs(scan.array)).astype(np.float32)
    if not slices.max() > 0:
        raise RestoreError(f"{file} is 0 throughout", "a picture")
    return slices / slices.max()


@dataclass(frozen=True)
class VolumeScores:
    """Of one volume: `nmse`, `psnr` in dB, `ssim`."""

    nmse: float
    psnr: float
    ssim: float


def scores(estimate: Tensor, x: Tensor) -> VolumeScores:
    """All three of a volume against the clean x (slices, H, W); nothing is scaled or clipped. Error: other shapes, slices under 7 x 7, an x that is 0."""
    if estimate.shape != x.shape or x.ndim != 3:
        raise RestoreError(f"a volume of shape {tuple(estimate.shape)} is compared with one of {tuple(x.shape)}", "two volumes (slices, H, W) of one shape")
    estimate, x = estimate.double(), x.double()
    if not x.abs().max() > 0:
        raise RestoreError("the volume that is compared with is 0 throughout", "a picture")
    return VolumeScores(nmse(estimate, x), psnr(estimate, x), ssim(estimate, x))


def nmse(estimate: Tensor, x: Tensor) -> float:
    """|estimate - x|^2 / |x|^2 over the volume."""
    return float((estimate - x).square().sum() / x.square().sum())


def psnr(estimate: Tensor, x: Tensor) -> float:
    """10 log10(max(x)^2 / MSE) in dB, maximum and mean over the volume."""
    return float(10 * torch.log10(x.max() ** 2 / (estimate - x).square().mean()))


def ssim(estimate: Tensor, x: Tensor) -> float:
    """The mean over slices of SSIM with the volume's maximum as peak: uniform windows, sample variances, C1 = (0.01 peak)^2, C2 = (0.03 peak)^2."""
    if min(x.shape[-2:]) < WINDOW:
        raise RestoreError(f"SSIM of slices of {x.shape[-2]} x {x.shape[-1]} pixels", f"at least {WINDOW} x {WINDOW}: the window")
    c1, c2, unbiased = (0.01 * x.max()) ** 2, (0.03 * x.max()) ** 2, WINDOW**2 / (WINDOW**2 - 1)
    values = []
    for a, b in zip(estimate[:, None], x[:, None], strict=True):
        mean_a, mean_b, aa, bb, ab = (F.avg_pool2d(part[None], WINDOW, 1) for part in (a, b, a * a, b * b, a * b))
        spread_a, spread_b, both = (unbiased * part for part in (aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b))
        values.append(((2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (spread_a + spread_b + c2))).mean())
    return float(torch.stack(values).mean())
