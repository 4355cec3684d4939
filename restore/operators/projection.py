"""Projections: x, a square picture of attenuation in 1/mm, to y, its line integrals (B, C, view, detector), parallel or in a flat fan.

With a = (cos b, sin b) along the detector and e = (sin b, -cos b) along the central ray, the ray that meets the virtual detector through the
axis at s is A u + B v = s, (A, B) = a - s e / D; D is the distance of the source, infinite for parallel rays, u points right and v up. A ray is
summed by Joseph's method: along its main axis, with linear interpolation across it; so a pixel at (u, v) weighs

    max(0, 1 - |A u + B v - s| / max(|A|, |B|)) |(A, B)| / max(|A|, |B|)        pixel sizes.

Forward gathers pixels along rays, the adjoint gathers rays through pixels, and both know that weight alone. A view is the view within 45 degrees of 0
of a turned picture, so views that differ by quarter turns and mirrors share their indices and weights.

Joseph, An improved algorithm for reprojecting rays through pixel images, IEEE Trans. Medical Imaging 1982.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.image import Geometry
from restore.numerics import turns
from restore.operators.base import Operator

WORK = 1 << 17  # pairs of a ray and a pixel, or of a pixel and a view, at one go: what a core's cache holds
VIEWS = 16  # that a pixel gathers at one go
PLANES = 32  # pictures side by side in a table


class Projection(Operator):
    """D of tomography: line integrals of x (B, C, size, size) over pixels of `pixel` mm, along the rays of a geometry (centre: the middle if unknown).

    y (B, C, view, detector) has x's unit times mm. Differentiable; the adjoint is exact.
    """

    reach = None

    def __init__(self, geometry: Geometry, size: int, pixel: float):
        super().__init__()
        if geometry.fan and geometry.source <= size * pixel / math.sqrt(2):
            raise RestoreError(f"the source, {geometry.source:g} mm from the axis, lies inside the picture of {size} pixels of {pixel:g} mm",
                               "a source outside the picture", "check the distances of the geometry, or take a smaller --size")
        self.geometry, self.size, self.pixel, self.in_shape = geometry, size, pixel, (1, size, size)
        middle = (geometry.detectors - 1) / 2
        self.center = middle if geometry.center is None else geometry.center
        self.pitch = geometry.pitch / geometry.magnification / pixel  # of the virtual detector, in pixels
        self.bend = pixel / geometry.source if geometry.fan else 0.0  # 1 / D
        self.register_buffer("s", (torch.arange(geometry.detectors, dtype=torch.float64) - self.center) * self.pitch)
        self.groups = _grouped(geometry.angles, mirrors=abs(self.center - middle) < 1e-9)

    def out_shape(self, in_shape):
        return (in_shape[0], len(self.geometry.angles), len(self.s))

    def forward(self, x: Tensor) -> Tensor:
        return _Linear.apply(x, self._project, self._transpose)

    def adjoint(self, y: Tensor) -> Tensor:
        return _Linear.apply(y, self._transpose, self._project)

    def backproject(self, y: Tensor) -> Tensor:
        """The sum over views of y at each pixel's shadow, linear between detector pixels, over U^2 for a fan: FBP's own, smoother than the adjoint."""
        def weigh(offset: Tensor, depth: Tensor | None, main: Tensor) -> Tensor:
            hat = 1 - offset.abs_()
            return hat if depth is None else hat.div_(depth).div_(depth)
        return self._gather(y, 1, weigh)

    def _normal(self, angles: Tensor) -> tuple[Tensor, Tensor]:
        """(A, B) of each ray (view, detector)."""
        cos, sin, slant = angles.cos()[:, None], angles.sin()[:, None], self.s * self.bend
        return cos - slant * sin, sin + slant * cos

    def _length(self, angles: Tensor) -> tuple[Tensor, Tensor]:
        """max(|A|, |B|) of each ray, and its length in mm per row or column that it crosses."""
        a, b = self._normal(angles)
        main = torch.maximum(a.abs(), b.abs())
        return main, self.pixel * torch.hypot(a, b) / main

    def _project(self, x: Tensor) -> Tensor:
        y = x.new_empty(x.shape[0] * x.shape[1], len(self.geometry.angles), len(self.s))
        for planes, out in zip(x.flatten(0, 1).split(PLANES), y.split(PLANES), strict=True):
            for group in self.groups:
                self._project_group(planes, group, out)
        return y.reshape(*x.shape[:2], *y.shape[1:])

    def _project_group(self, planes: Tensor, group: "_Group", y: Tensor) -> None:
        """Row k of the turned picture, or of its transposed for rays that run across, is met at p + q k: the neighbours at both sides share the value."""
        size, wide, dtype = self.size, self.size + 2, planes.dtype
        angles = group.angles.to(planes.device)
        a, b = self._normal(angles)
        across = b.abs() > a.abs()
        crossing = bool(across.any())
        main = torch.where(across, b, a)
        q = torch.where(across, a, b) / main
        p = (size - 1) / 2 * (1 - q) + torch.where(across, -1, 1) * self.s / main
        length = self._length(angles)[1].to(dtype)
        table = torch.cat([turns.apply(planes, turn) for turn in group.turns])
        table = torch.cat([_padded(part) for part in ((table, table.mT) if crossing else (table,))], 1).T.contiguous()
        k = torch.arange(size, device=planes.device)
        rows, jump = (k * wide).to(torch.int32), (across * (size * wide + 1)).to(torch.int32)
        for part in _chunks(len(angles), size * len(self.s)):
            place = torch.addcmul((p[part] + 1).to(dtype)[..., None], q[part].to(dtype)[..., None], k.to(dtype)).clamp_(0, size + 1)
            index = torch.empty(*place.shape[:2], 2 * size, dtype=torch.int32, device=place.device)
            weight = torch.empty(*place.shape[:2], 2 * size, dtype=dtype, device=place.device)
            left, right = index[..., :size], index[..., size:]
            left.copy_(place)
            torch.sub(place, left, out=weight[..., size:])
            torch.sub(1, weight[..., size:], out=weight[..., :size])
            left += rows
            if crossing:
                left += jump[part, :, None]
            torch.add(left, 1, out=right)
            sums = F.embedding_bag(index.flatten(0, 1), table, mode="sum", per_sample_weights=weight.flatten(0, 1))
            sums = sums.reshape(*place.shape[:2], len(group.turns), len(planes)) * length[part, :, None, None]
            for number, turn in enumerate(group.turns):
                one = sums[:, :, number].permute(2, 0, 1)
                y[:, group.views[part, number]] = one.flip(-1) if turn & 4 else one

    def _transpose(self, y: Tensor) -> Tensor:
        lengths = y.new_empty(y.shape[-2:])
        farthest = 0.0
        for group in self.groups:
            main, length = self._length(group.angles.to(y.device))
            farthest = max(farthest, float(main.max()))
            for number, turn in enumerate(group.turns):
                lengths[group.views[:, number]] = (length.flip(-1) if turn & 4 else length).to(y.dtype)
        nearest = 1 - self.bend * self.size / math.sqrt(2)

        def weigh(offset: Tensor, depth: Tensor | None, main: Tensor) -> Tensor:
            offset = offset.abs_() if depth is None else offset.mul_(depth).abs_()
            return torch.sub(1, offset.mul_(self.pitch).div_(main)).clamp_min_(0)

        return self._gather(y * lengths, math.ceil(farthest / (nearest * self.pitch) - 1e-9), weigh)

    def _gather(self, y: Tensor, taps: int, weigh: Callable[[Tensor, Tensor | None, Tensor], Tensor]) -> Tensor:
        """Each pixel's sum over views of its 2 `taps` nearest samples, weighed by weigh(offset in detector pixels, U, max(|A|, |B|))."""
        x = y.new_zeros(y.shape[0] * y.shape[1], self.size, self.size)
        for planes, out in zip(y.flatten(0, 1).split(PLANES), x.split(PLANES), strict=True):
            for group in self.groups:
                self._gather_group(planes, group, out, taps, weigh)
        return x.reshape(*y.shape[:2], self.size, self.size)

    def _gather_group(self, planes: Tensor, group: "_Group", x: Tensor, taps: int, weigh: Callable) -> None:
        size, dtype, wide = self.size, planes.dtype, planes.shape[-1] + 2
        u = torch.arange(size, device=planes.device, dtype=dtype) - (size - 1) / 2
        pixels = torch.stack([u.expand(size, size).flatten(), -u[:, None].expand(size, size).flatten()], 1)
        total = planes.new_zeros(size * size, len(group.turns) * len(planes))
        for first in range(0, len(group.angles), VIEWS):
            angles, views = group.angles[first : first + VIEWS].to(planes.device), group.views[first : first + VIEWS]
            table = F.pad(torch.cat([planes[:, views[:, number]].flip(-1) if turn & 4 else planes[:, views[:, number]]
                                     for number, turn in enumerate(group.turns)]), (1, 1)).flatten(1).T.contiguous()
            main = F.pad(self._length(angles)[0].to(dtype), (1, 1), value=1.0).flatten()
            along = torch.stack([angles.cos(), angles.sin()]).to(dtype) / self.pitch
            central = torch.stack([angles.sin(), -angles.cos()]).to(dtype) * self.bend
            rows = torch.arange(len(angles), device=planes.device, dtype=torch.int32) * wide
            for block in _chunks(size * size, len(angles)):
                place = pixels[block] @ along
                depth = (pixels[block] @ central).add_(1) if self.bend else None
                place = (place if depth is None else place.div_(depth)).add_(self.center + 1)  # counted from the padding
                base, start = place.floor(), rows.expand(place.shape).contiguous()
                for tap in range(1 - taps, taps + 1):
                    near = base + tap if tap else base
                    index = near.clamp(0, wide - 1).to(torch.int32).add_(start)
                    across = main[index.flatten()].view(place.shape) if depth is not None else main[rows + 1].expand(place.shape)
                    total[block] += F.embedding_bag(index, table, mode="sum", per_sample_weights=weigh(place - near, depth, across))
        for turn, part in zip(group.turns, total.reshape(size, size, len(group.turns), -1).permute(2, 3, 0, 1), strict=True):
            x += turns.undo(part, turn)

    def __repr__(self):
        geometry = self.geometry
        return f"Projection({'fan' if geometry.fan else 'parallel'}, {len(geometry.angles)} views of {geometry.detectors}, {self.size} x {self.size})"


class _Linear(torch.autograd.Function):
    """A linear map whose gradient is its transpose."""

    @staticmethod
    def forward(context, x, apply, transpose):
        context.pair = transpose, apply
        return apply(x)

    @staticmethod
    def backward(context, gradient):
        return _Linear.apply(gradient, *context.pair), None, None


@dataclass(frozen=True)
class _Group:
    """Angles (base,) in radians, the turns of the picture that all of them are seen under, and the numbers of those views (base, turn)."""

    angles: Tensor
    turns: tuple[int, ...]
    views: Tensor


def _grouped(angles: tuple[float, ...], mirrors: bool) -> list[_Group]:
    """Views by their angle less whole quarter turns (and less its sign, where the detector is its own mirror image), then by which turns there are."""
    seen: dict[float, dict[int, int]] = defaultdict(dict)
    for view, angle in enumerate(angles):
        quarter = math.floor(angle / 90 + 0.5)
        base, turn = round(angle - 90 * quarter, 9), -quarter & 3
        if base < 0 and mirrors:
            base, turn = -base, 4 + (quarter & 3)
        while turn in seen[base]:  # the same view again
            base += 1e-9
        seen[base][turn] = view
    groups = defaultdict(list)
    for base, views in seen.items():
        groups[tuple(sorted(views))].append((base, views))
    return [_Group(torch.tensor([base for base, _ in rows], dtype=torch.float64).deg2rad(), key,
                   torch.tensor([[views[turn] for turn in key] for _, views in rows])) for key, rows in groups.items()]


def _padded(pictures: Tensor) -> Tensor:
    """Rows between two zeros, one after another, and a zero at the end: (planes, pixels)."""
    return F.pad(F.pad(pictures, (1, 1)).flatten(1), (0, 1))


def _chunks(count: int, pairs: int) -> Iterator[slice]:
    """Runs of `count` things that make about WORK pairs, each making `pairs`."""
    step = max(1, WORK // pairs)
    return (slice(first, first + step) for first in range(0, count, step))


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """Parallel rays off centre, detectors finer and coarser than pixels, a wide fan, views that repeat."""
    x = torch.randn(2, 3, 12, 12, dtype=dtype, generator=torch.Generator().manual_seed(0))
    even, odd = tuple(range(0, 180, 15)), (0.0, 10.0, 47.3, 100.0, 100.0, 220.0, 359.0)
    one = torch.randn(1, 1, 9, 9, dtype=dtype, generator=torch.Generator().manual_seed(1))
    return [(Projection(Geometry(even, 17, center=7.4), 12, 1.0), x), (Projection(Geometry(odd, 9, 2.0), 12, 0.9), x),
            (Projection(Geometry(odd, 40, 0.3), 9, 1.1), one), (Projection(Geometry(odd, 25, 1.5, 9.0, 16.0, 12.5), 12, 0.8), x)]
