"""PSNR and SSIM of pictures (B, C, H, W) on [0, peak], one number per picture, in float64."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError


def psnr(estimate: Tensor, x: Tensor, peak: float = 1.0, border: int = 0) -> Tensor:
    """10 log10(peak^2 / MSE) in dB, (B,); MSE over all channels, less `border` pixels at each side. Nothing is clipped or rounded."""
    estimate, x = _pair(estimate, x, border)
    return 10 * torch.log10(peak**2 / (estimate - x).square().flatten(1).mean(1))


def ssim(estimate: Tensor, x: Tensor, peak: float = 1.0, border: int = 0) -> Tensor:
    """Structural similarity, (B,): the mean of its map over valid windows and channels.

    (2 mu_a mu_b + C1)(2 s_ab + C2) / ((mu_a^2 + mu_b^2 + C1)(s_a^2 + s_b^2 + C2)), C1 = (0.01 peak)^2, C2 = (0.03 peak)^2; 11 x 11
    Gaussian windows of sigma 1.5, population variances. Wang, Bovik, Sheikh & Simoncelli, Image quality assessment, TIP 2004 (eq. 13 to 16).
    """
    luminance, structure = similarity(*_pair(estimate, x, border), peak)
    return (luminance * structure).flatten(1).mean(1)


def psnr_b(estimate: Tensor, x: Tensor, peak: float = 1.0, border: int = 0, size: int = 8) -> Tensor:
    """10 log10(peak^2 / (MSE + B)) in dB, (B,), of grey pictures: B is by how much neighbours across the edges of blocks differ more than others, in squares,
    times log2(size) / log2(min(H, W)); 0 where they do not.

    Yim & Bovik, Quality assessment of deblocked images, TIP 2011 (eq. 8 to 14).
    """
    estimate, x = _pair(estimate, x, border)
    edges, inside = [], []
    for axis in (-2, -1):
        steps = estimate.diff(dim=axis).square()
        at = (torch.arange(steps.shape[axis], device=x.device) + border) % size == size - 1
        edges.append(steps.movedim(axis, -1)[..., at].flatten(1))
        inside.append(steps.movedim(axis, -1)[..., ~at].flatten(1))
    edges, inside = torch.cat(edges, 1), torch.cat(inside, 1)
    more = (edges.mean(1) - inside.mean(1)).clamp_min(0) if edges.numel() else edges.new_zeros(len(edges))  # a picture within one block has no edges
    factor = math.log2(size) / math.log2(max(2, min(x.shape[-2:])))
    return 10 * torch.log10(peak**2 / ((estimate - x).square().flatten(1).mean(1) + factor * more))


def similarity(a: Tensor, b: Tensor, peak: float = 1.0) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM over valid windows (B, C, H - 10, W - 10), in the dtype given: luminance, and contrast times structure."""
    if min(a.shape[-2:]) < 11:
        raise RestoreError(f"SSIM of a picture of {a.shape[-2]} x {a.shape[-1]} pixels", "at least 11 x 11: the window")
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mu_a, mu_b = _window(a), _window(b)
    var_a, var_b, cov = _window(a * a) - mu_a**2, _window(b * b) - mu_b**2, _window(a * b) - mu_a * mu_b
    return (2 * mu_a * mu_b + c1) / (mu_a**2 + mu_b**2 + c1), (2 * cov + c2) / (var_a + var_b + c2)


def ciede2000(estimate: Tensor, x: Tensor) -> Tensor:
    """The CIEDE2000 difference of colours in CIE L*a*b*, (B, 3, ...) -> (B, ...), in float64, k_L = k_C = k_H = 1.

    Luo, Cui & Rigg, Color Research & Application 2001; the order of hues from Sharma, Wu & Dalal, ibid. 2005.
    """
    (first, one, two), (second, three, four) = (lab.double().unbind(1) for lab in (estimate, x))
    mean = (torch.hypot(one, two) + torch.hypot(three, four)) / 2
    stretch = 1 + (1 - (mean**7 / (mean**7 + 25.0**7)).sqrt()) / 2
    chroma, other = torch.hypot(stretch * one, two), torch.hypot(stretch * three, four)
    hue, hue_other = (torch.atan2(b, stretch * a) % (2 * math.pi) for a, b in ((one, two), (three, four)))
    grey = chroma * other == 0
    turn = (hue_other - hue + math.pi) % (2 * math.pi) - math.pi
    turn = torch.where(grey, 0.0, torch.where(turn == -math.pi, torch.where(hue_other > hue, math.pi, -math.pi), turn))
    middle = torch.where(grey, hue + hue_other, (hue + hue_other) / 2 + torch.where((hue - hue_other).abs() > math.pi, math.pi, 0.0))
    light, mean = (first + second) / 2 - 50, (chroma + other) / 2
    weight = (1 - 0.17 * torch.cos(middle - math.radians(30)) + 0.24 * torch.cos(2 * middle) + 0.32 * torch.cos(3 * middle + math.radians(6))
              - 0.20 * torch.cos(4 * middle - math.radians(63)))
    bend = torch.exp(-(((torch.rad2deg(middle) % 360 - 275) / 25) ** 2))
    blue = -torch.sin(math.radians(60) * bend) * 2 * (mean**7 / (mean**7 + 25.0**7)).sqrt()
    l = (second - first) / (1 + 0.015 * light**2 / (20 + light**2).sqrt())
    c = (other - chroma) / (1 + 0.045 * mean)
    h = 2 * (chroma * other).sqrt() * torch.sin(turn / 2) / (1 + 0.015 * mean * weight)
    return (l**2 + c**2 + h**2 + blue * c * h).clamp_min(0).sqrt()


def luma(x: Tensor) -> Tensor:
    """Y of BT.601 in studio range, (B, 1, H, W) on [16/255, 235/255]: what super-resolution and JPEG papers score; grey as it is."""
    if x.shape[1] == 1:
        return x
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=x.dtype, device=x.device).reshape(1, 3, 1, 1)
    return ((x * weights).sum(1, keepdim=True) + 16) / 255


def _pair(estimate: Tensor, x: Tensor, border: int) -> tuple[Tensor, Tensor]:
    if estimate.shape != x.shape:
        raise RestoreError(f"a picture of shape {tuple(estimate.shape)} is compared with one of {tuple(x.shape)}", "two pictures of one size")
    inside = (..., slice(border, x.shape[-2] - border), slice(border, x.shape[-1] - border))
    return estimate[inside].double(), x[inside].double()


def _window(x: Tensor) -> Tensor:
    at = torch.arange(11, dtype=x.dtype, device=x.device) - 5
    kernel = torch.exp(-(at**2) / (2 * 1.5**2))
    kernel = kernel / kernel.sum()
    flat = x.reshape(-1, 1, *x.shape[-2:])
    flat = F.conv2d(F.conv2d(flat, kernel.reshape(1, 1, 11, 1)), kernel.reshape(1, 1, 1, 11))
    return flat.reshape(*x.shape[:2], *flat.shape[-2:])
