"""The detector pixel that the axis of rotation casts its shadow on.

Parallel rays: the view half a turn away is the mirror image of the first, so their cross-correlation peaks at twice the centre; then the offset whose
small reconstruction has the least energy below 0, for a wrong centre tears edges into tails of both signs. Fan: the ray (b, g) is met again from the
other side as (b + 180 + 2 g, -g), in degrees; the centre at which the two readings differ least.

Donath et al., Automated determination of the center of rotation in tomography data, JOSA A 2006.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.image import Geometry

REACH = 4  # pixels around the first guess
LOST = 2.0  # degrees that the opposite view may be off


@dataclass(frozen=True)
class Center:
    """In detector pixels, counted from 0."""

    center: float
    detectors: int

    def describe(self) -> str:
        return f"centre of rotation {self.center:.2f} (the middle of the detector is {(self.detectors - 1) / 2:g})"


def estimate(y: Tensor, geometry: Geometry, reconstruct: Callable[[Tensor, Geometry], Tensor]) -> Center:
    """From line integrals y (1, 1, view, detector); `reconstruct` makes a small picture of them. RestoreError where no ray is met twice."""
    if geometry.fan:
        middle = (geometry.detectors - 1) / 2
        rays = _opposite(y, geometry)
        coarse = min((middle + 0.5 * k for k in range(-geometry.detectors // 8, geometry.detectors // 8 + 1)), key=rays)
        return Center(golden(rays, coarse - 0.5, coarse + 0.5), geometry.detectors)
    start, y, geometry = _mirrored(y[0, 0], geometry), *_half(y, geometry)

    def below(center: float) -> float:
        return float(reconstruct(y, geometry.replace(center=center)).clamp_max(0).square().sum())

    coarse = min((start + k for k in range(-REACH, REACH + 1)), key=below)
    return Center(_vertex(below, coarse), geometry.detectors)


def _half(y: Tensor, geometry: Geometry) -> tuple[Tensor, Geometry]:
    """The views of the first half turn: those from the other side would mend, for any centre, the tails that tell a wrong one."""
    first, way = geometry.angles[0], -1 if geometry.angles[-1] < geometry.angles[0] else 1
    kept = [number for number, angle in enumerate(geometry.angles) if way * (angle - first) % 360 < 180]
    return y[..., kept, :], geometry.replace(angles=tuple(geometry.angles[number] for number in kept))


def _mirrored(views: Tensor, geometry: Geometry) -> float:
    """Half of where the first view and the mirrored one half a turn later correlate best, to half a pixel."""
    first = geometry.angles[0]
    off = [abs((angle - first) % 360 - 180) for angle in geometry.angles]
    other = min(range(len(off)), key=off.__getitem__)
    if off[other] > LOST:
        raise RestoreError(f"no view lies within {LOST:g} degrees of half a turn from the first, so the centre of rotation cannot be found", "views over 180 degrees or more, that near to each other",
                           "say --center PIXEL")
    a, b = views[0] - views[0].mean(), (views[other] - views[other].mean()).flip(0)
    length = 2 * len(a)
    product = torch.fft.irfft(torch.fft.rfft(a, length) * torch.fft.rfft(b, length).conj(), length)
    shift = int(product.argmax())
    return (len(a) - 1 + (shift if shift < len(a) else shift - length)) / 2


def _opposite(y: Tensor, geometry: Geometry) -> Callable[[float], float]:
    """How much the readings of a full turn of a fan disagree with those from the other side, for a centre."""
    angles = torch.tensor(geometry.angles, dtype=torch.float64)
    steps = angles.diff()
    if len(steps) < 8 or (steps - steps.mean()).abs().max() > 0.01 * steps.mean().abs() or abs(float(steps.sum())) < 360 - 1.5 * abs(float(steps.mean())):
        raise RestoreError("the views are no full turn in equal steps, so the centre of rotation of a fan cannot be found", "", "say --center PIXEL")
    step = float(steps.mean())
    views = round(360 / abs(step))
    turn = torch.cat([y[..., :views, :], y[..., :1, :]], 2)
    rows = torch.arange(0, views, max(1, views // 90), dtype=torch.float64)

    def mismatch(center: float) -> float:
        s = (torch.arange(geometry.detectors, dtype=torch.float64) - center) * geometry.pitch
        fan = torch.atan2(s, torch.tensor(geometry.detector, dtype=torch.float64)).rad2deg()
        row = (rows[:, None] + (180 + 2 * fan) / step) % views
        column = (2 * center - torch.arange(geometry.detectors)).expand_as(row)
        grid = torch.stack([2 * column / (geometry.detectors - 1) - 1, 2 * row / views - 1], -1)[None].to(y)
        other = F.grid_sample(turn, grid, align_corners=True)
        inside = (column[0] >= 0) & (column[0] <= geometry.detectors - 1)
        return float((turn[..., rows.long(), :] - other)[..., inside].square().mean())

    return mismatch


def _vertex(function: Callable[[float], float], middle: float) -> float:
    """The lowest point of the parabola through a bumpy function around its minimum, by least squares over seven half pixels."""
    at = torch.arange(-1.5, 1.6, 0.5, dtype=torch.float64)
    values = torch.tensor([function(middle + float(offset)) for offset in at], dtype=torch.float64)
    flat, slope, bend = torch.linalg.lstsq(torch.stack([at**0, at, at**2], 1), values[:, None]).solution[:, 0].tolist()
    return middle + (min(max(-slope / (2 * bend), -1.5), 1.5) if bend > 0 else 0.0)


def golden(function: Callable[[float], float], low: float, high: float, width: float = 0.02) -> float:
    """Where a function with one minimum between `low` and `high` has it, by golden section."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > width:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2
