"""Bursts as a hand takes them, made from a picture whose truth is known: shakes, homographies, a thing that moves, a flash. What merging makes of them."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.engine import merge
from restore.engine.run import Settings
from restore.estimate import shifts
from restore.image import Header
from restore.measure.metrics import psnr
from restore.method import Merge
from restore.numerics import warp
from restore.operators import kernels
from restore.operators.burst import Shake
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

FLASH = (1.7, 0.1)  # gain and offset of the frame with the flash
STRIDE = 0.3  # of the thing's side, from frame to frame


@dataclass(frozen=True)
class Handheld:
    """frames: (F, 3, H, W); truth: what the first one would be without shake and noise, (1, 3, H, W); thing: its box (top, left, side), or None."""

    frames: Tensor
    truth: Tensor
    homography: Tensor  # (F, 3, 3): frame(H p) shows truth(p)
    thing: tuple[int, int, int] | None
    sigma: float


def handheld(x: Tensor, count: int, side: int, generator: torch.Generator, shift: float = 20.0, degrees: float = 1.0, sigma: float = 0.01,
             moving: bool = False, flash: bool = False) -> Handheld:
    """`count` frames of x (1, 3, H, W): shakes of at most `side` pixels, each moved by up to `shift` pixels and `degrees`, but for the first.

    moving: a square, a tenth of the height across, walks to the right; flash: the last frame but one is brighter, and clipped. Nothing is rounded.
    """
    height, width = x.shape[-2:]
    ways = kernels.shakes(count, side, generator).reshape(count, 1, side, side)
    size, frames, homographies, truth = height // 10, [], [], x
    top, left = (height - size) // 2, width // 4
    for number in range(count):
        scene = x
        if moving:
            scene, at = x.clone(), left + int(number * STRIDE * size)
            scene[..., top : top + size, at : at + size] = x[..., :size, -size:].flip(-1).roll(1, 1)
        truth = scene if number == 0 else truth
        h = _random(height, width, shift, degrees, generator) if number else torch.eye(3, dtype=torch.float64)
        moved = warp.sample(warp.coefficients(scene), warp.project(torch.linalg.inv(h)[None], warp.grid(0, 0, height, width))) if number else scene
        edge = side // 2
        seen = F.conv2d(F.pad(moved, (edge,) * 4, mode="reflect").transpose(0, 1), ways[number].flip(-2, -1)[None]).transpose(0, 1)
        seen = seen + sigma * torch.randn(seen.shape, generator=generator)
        frames.append((FLASH[0] * seen + FLASH[1]).clamp(0, 1) if flash and number == count - 2 else seen)
        homographies.append(h)
    return Handheld(torch.cat(frames), truth, torch.stack(homographies), (top, left, size) if moving else None, sigma)


def _random(height: int, width: int, shift: float, degrees: float, generator: torch.Generator) -> Tensor:
    """A shift, a turn about the middle, and a trace of perspective."""
    x, y, a, p, q = (2 * torch.rand(5, generator=generator, dtype=torch.float64) - 1).tolist()
    a *= math.radians(degrees)
    middle = torch.tensor([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]], dtype=torch.float64)
    turn = torch.tensor([[math.cos(a), -math.sin(a), shift * x], [math.sin(a), math.cos(a), shift * y], [1e-5 * p, 1e-5 * q, 1]], dtype=torch.float64)
    h = middle @ turn @ torch.linalg.inv(middle)
    return h / h[2, 2]


def merged(method: Merge, burst: Handheld, align: str = "homography") -> tuple[Tensor, shifts.Alignment]:
    """(1, 3, H, W): the burst as `restore burst --reference 1` merges it, not rounded, and its alignment."""
    found = shifts.align(burst.frames.mean(1, keepdim=True), 1, align, 0)
    header = Header(*burst.frames.shape[-2:], 3, torch.empty(0).numpy().dtype)
    stack, rows = merge.Stack([frame.permute(1, 2, 0).numpy() for frame in burst.frames], header, found), []
    problem = Problem(Shake(len(stack.order), None, burst.frames.shape[1:]), Gaussian(burst.sigma))
    merge.run(method, problem, stack, rows.append, Settings())
    return torch.cat([torch.from_numpy(row) for row in rows]).permute(2, 0, 1)[None], found


def within(estimate: Tensor, burst: Handheld, edge: int = 24) -> float:
    """PSNR in dB but for `edge` pixels at each side, which not every frame sees."""
    return float(psnr(estimate, burst.truth, border=edge))


def of_thing(estimate: Tensor, burst: Handheld, around: int = 4) -> float:
    """PSNR in dB where the moving thing is in the first frame."""
    top, left, side = burst.thing
    box = (..., slice(top - around, top + side + around), slice(left - around, left + side + around))
    return float(psnr(estimate[box], burst.truth[box]))
