"""Losses by name: loss(estimate, x) -> a number, for pictures (B, C, H, W) in sRGB on [0, 1]."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.measure.metrics import similarity
from restore.numerics.colour import lab

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from fine to coarse


def charbonnier(estimate: Tensor, x: Tensor, epsilon: float = 1e-3) -> Tensor:
    """mean sqrt((estimate - x)^2 + epsilon^2): l1, round at 0. Charbonnier et al., ICIP 1994."""
    return ((estimate - x).square() + epsilon**2).sqrt().mean()


def ms_ssim(estimate: Tensor, x: Tensor) -> Tensor:
    """1 - prod_j mean(cs_j)^(w_j), times mean(l cs)^(w_M) at the last scale; scales are halved by 2 x 2 means while 11 pixels are left, five at most.

    Wang, Simoncelli & Bovik, Multiscale structural similarity for image quality assessment, Asilomar 2003 (eq. 7); the weights of fewer scales
    are divided by their sum, and negative means count as 0.
    """
    scales = min(len(WEIGHTS), (min(x.shape[-2:]) // 11).bit_length())
    if not scales:
        raise RestoreError(f"MS-SSIM of patches of {x.shape[-2]} x {x.shape[-1]} pixels", "at least 11 x 11: its window")
    total = 1.0
    for scale, weight in enumerate(WEIGHTS[:scales], 1):
        luminance, structure = similarity(estimate, x)
        term = (luminance * structure if scale == scales else structure).flatten(1).mean(1)
        total = total * term.clamp_min(1e-6) ** (weight / sum(WEIGHTS[:scales]))
        estimate, x = F.avg_pool2d(estimate, 2), F.avg_pool2d(x, 2)
    return 1 - torch.mean(total)


def lab_l1(estimate: Tensor, x: Tensor) -> Tensor:
    """mean |difference| / 100 in CIE L*a*b* (D65), clipped to [0, 1] before; grey pictures in L* alone.

    The colour half of Schwartz, Giryes & Bronstein, DeepISP, TIP 2019.
    """
    return (lab(estimate) - lab(x)).abs().mean() / 100


def decibels(estimate: Tensor, x: Tensor) -> Tensor:
    """Minus the mean PSNR over the pictures, in units of 10 dB: every picture counts alike, whatever its noise. MSE + (1/1000)^2 keeps it finite.

    Chen, Chu, Zhang & Sun, Simple baselines for image restoration, ECCV 2022 (the loss of its code).
    """
    return torch.log10((estimate - x).square().flatten(1).mean(1) + 1e-6).mean()


def deepisp(estimate: Tensor, x: Tensor) -> Tensor:
    """lab / 2 + ms-ssim of L* / 2. Schwartz, Giryes & Bronstein, DeepISP, TIP 2019 (section III-C)."""
    return lab_l1(estimate, x) / 2 + ms_ssim(lab(estimate)[:, :1] / 100, lab(x)[:, :1] / 100) / 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss, "l1": F.l1_loss, "charbonnier": charbonnier, "ms-ssim": ms_ssim, "lab": lab_l1, "psnr": decibels,
    "deepisp": deepisp}
