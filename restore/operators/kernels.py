"""Blur kernels (h, w), not negative, sum 1, made from words: gaussian:1.6, disk:3, motion:15@30, airy:4, shake:25@7. Pixels and degrees."""

import math
from functools import cache

import torch
from torch import Tensor

from restore.errors import UsageError, nearest

FINE = 16  # samples per pixel along each axis where a shape is drawn
PATH = 400  # samples of a path in time
LARGEST = 501  # the side of a kernel at most


def make(words: str) -> Tensor:
    """The kernel that words stand for, in float32. UsageError for other words."""
    name, _, rest = words.partition(":")
    size, _, second = rest.partition("@")
    if name not in MAKERS:
        raise UsageError(f"unknown kernel {words!r}", nearest(name, MAKERS) + ", or a file that exists", "as --kernel gaussian:1.6, disk:3, motion:15@30, airy:4 or kernel.png")
    try:
        value, extra = float(size), float(second or 0)
    except ValueError:
        value = extra = math.nan
    least, most = 3 if name == "shake" else 1 / FINE, (LARGEST - 1) / WIDE.get(name, 2)
    if not (least <= value <= most and math.isfinite(extra)):
        raise UsageError(f"the kernel {words!r} cannot be made", f"{FORMS[name]}, {least:g} to {most:g} pixels")
    return MAKERS[name](value, extra).float()


def is_made(words: str) -> bool:
    """Whether words are meant to name a kernel that is made, rather than a file."""
    return words.partition(":")[0] in MAKERS and ":" in words


def normalised(kernel: Tensor) -> Tensor:
    """A kernel as it may come from a file: negative samples are 0, the sum 1, sides odd (zeros are added below and to the right)."""
    kernel = kernel.clamp_min(0)
    if kernel.ndim != 2 or not 0 < kernel.numel() or max(kernel.shape) > LARGEST:
        raise UsageError(f"an array of shape {tuple(kernel.shape)} is no kernel", f"(h, w) up to {LARGEST} pixels")
    if not torch.isfinite(kernel).all() or not float(kernel.sum()) > 0:
        raise UsageError("the kernel holds NaN or Inf, or nothing above 0", "finite numbers with a sum above 0")
    kernel = torch.nn.functional.pad(kernel, (0, 1 - kernel.shape[1] % 2, 0, 1 - kernel.shape[0] % 2))
    return kernel / kernel.sum()


def gaussian(sigma: float, _: float = 0) -> Tensor:
    """exp(-r^2 / (2 sigma^2)), cut at 4 sigma."""
    at = torch.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1, dtype=torch.float64)
    bell = torch.exp(-((at / sigma) ** 2) / 2)
    return _unit(bell[:, None] * bell)


def disk(radius: float, _: float = 0) -> Tensor:
    """Defocus: an even disk, pixels of its rim by the share that it covers."""
    y, x = _fine(math.ceil(radius))
    return _pixels((x**2 + y**2 <= radius**2).double())


def motion(length: float, degrees: float = 0) -> Tensor:
    """A straight path of `length` pixels and one pixel wide, `degrees` counter-clockwise from the horizontal."""
    y, x = _fine(math.ceil(length / 2 + 0.5))
    angle = math.radians(degrees)
    along, across = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return _pixels(((along.abs() <= length / 2) & (across.abs() <= 0.5)).double())


def airy(radius: float, _: float = 0) -> Tensor:
    """Diffraction by a round aperture: (2 J1(v) / v)^2, its first zero at `radius`, cut after the third ring."""
    y, x = _fine(math.ceil(3.3 * radius))
    v = (3.8317 / radius * (x**2 + y**2).sqrt()).clamp_min(1e-9)
    return _pixels((2 * torch.special.bessel_j1(v) / v) ** 2)


def shake(side: float, seed: float = 0) -> Tensor:
    """One `shakes` by a seed."""
    return shakes(1, _odd(side), torch.Generator().manual_seed(int(seed)))[0, 0].double()


def shakes(count: int, side: int, generator: torch.Generator, device: torch.device | str = "cpu", least: float = 1.0) -> Tensor:
    """Kernels of a hand that shakes, (count, 1, side, side): x(t) and y(t), t on [0, 1], are Gaussian processes of covariance
    s^2 (1 + a) exp(-a), a = sqrt(3) |t - t'| / 0.3, s = side / 4; drawn with bilinear weights, centred, shrunk where they would leave the
    square. `least`: shakes are made smaller by factors from it to 1, drawn evenly. Schuler, Hirsch, Harmeling & Schoelkopf, Learning to deblur, TPAMI 2016 (section 3).
    """
    path = side / 4 * (_root().to(device) @ torch.randn(count, PATH, 2, generator=generator, device=device, dtype=torch.float32))
    path = path - path.mean(1, keepdim=True)
    path = path * ((side / 2 - 1.5) / path.abs().amax((1, 2), keepdim=True)).clamp(max=1)
    if least < 1:
        path = path * (least + (1 - least) * torch.rand(count, 1, 1, generator=generator, device=device))
    path = path + side // 2
    base = path.floor()
    share = path - base
    flat = torch.zeros(count, side * side, device=device)
    for down in (0, 1):
        for right in (0, 1):
            weight = (share[..., 0] if down else 1 - share[..., 0]) * (share[..., 1] if right else 1 - share[..., 1])
            place = (base[..., 0] + down) * side + base[..., 1] + right
            flat.scatter_add_(1, place.long(), weight)
    return (flat / flat.sum(1, keepdim=True)).reshape(count, 1, side, side)


def various(count: int, side: int, generator: torch.Generator, device: torch.device | str = "cpu", least: float = 1.0) -> Tensor:
    """`shakes`, each with a chance of a half a Gaussian, a disk or a straight path instead, whose width is a share of `side` from `least` to 1, drawn evenly."""
    if side < 7:
        raise UsageError(f"kernels of any kind of {side} pixels", "7 at least")
    found = shakes(count, side, generator, device, least)
    for one, (kind, share, turn) in zip(found, torch.rand(count, 3, generator=generator, device=device).tolist(), strict=True):
        width = side * (least + (1 - least) * share)
        if kind < 0.5:
            made = (gaussian(width / 10), disk(max(width / 2 - 0.5, 0.5)), motion(max(width - 1, 1), 180 * turn))[int(6 * kind)]
            before = [(side - n) // 2 for n in made.shape]
            one.zero_()[0, before[0] : before[0] + made.shape[0], before[1] : before[1] + made.shape[1]] = made
    return found


@cache
def _root() -> Tensor:
    t = torch.linspace(0, 1, PATH, dtype=torch.float64)
    a = 3**0.5 * (t[:, None] - t).abs() / 0.3
    return torch.linalg.cholesky((1 + a) * torch.exp(-a) + 1e-8 * torch.eye(PATH, dtype=torch.float64)).float()


def _odd(side: float) -> int:
    return int(side) | 1


def _fine(reach: int) -> tuple[Tensor, Tensor]:
    at = (torch.arange((2 * reach + 1) * FINE, dtype=torch.float64) + 0.5) / FINE - reach - 0.5
    return at[:, None], at[None]


def _pixels(fine: Tensor) -> Tensor:
    """Means over pixels; empty borders are cut off evenly."""
    side = fine.shape[0] // FINE
    kernel = fine.reshape(side, FINE, side, FINE).mean((1, 3))
    while kernel.shape[0] > 1 and not (kernel[0].any() or kernel[-1].any() or kernel[:, 0].any() or kernel[:, -1].any()):
        kernel = kernel[1:-1, 1:-1]
    return _unit(kernel)


def _unit(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()


MAKERS = {"gaussian": gaussian, "disk": disk, "motion": motion, "airy": airy, "shake": shake}
WIDE = {"gaussian": 8, "airy": 6.6}  # times the size that is said, where the side is not at most twice as long
FORMS = {"gaussian": "gaussian:SIGMA", "disk": "disk:RADIUS", "motion": "motion:LENGTH@DEGREES", "airy": "airy:RADIUS", "shake": "shake:SIDE@SEED"}
