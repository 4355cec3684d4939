"""Registration of frames to a reference, all at once, coarse to fine: a translation, a homography, a flow of tiles.

A homography H (3, 3) leads places of the reference to places of the frame: frame(H p) shows what reference(p) shows. Brightness may differ by a
gain and an offset. Pictures are (F, 1, H, W) in grey.
"""

from math import ceil, sqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.numerics.mirror import mirrored
from restore.numerics.warp import grid, project, rescaled

COARSEST = 24  # the least side of a level of the pyramid
SEARCH = 192  # the side from which on a level is fine enough for phase correlation
POINTS = 20_000  # that a homography is fitted to, spread over the picture
STEPS = 20  # of Gauss-Newton per level, at most
COHERENT = 0.985  # correlation of the finest detail of a level that shows it free of blur
LIGHT = 1  # the finest level that gains and offsets are taken from
TILE = 16  # pixels of a level between two vectors of a flow
STILL = 0.005  # pixels of a level: a smaller step ends it


class Fit(NamedTuple):
    """Of each frame: `homography` (F, 3, 3), `gain` and `offset` (F,) with frame = gain reference + offset, `correlation` (F,) with the reference."""

    homography: Tensor
    gain: Tensor
    offset: Tensor
    correlation: Tensor


def pyramid(x: Tensor) -> list[Tensor]:
    """x (F, 1, H, W), then halves of halves (area means), down to a side of COARSEST."""
    levels = [x]
    while min(levels[-1].shape[-2:]) >= 2 * COARSEST:
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


def phase_correlation(reference: Tensor, frames: Tensor) -> Tensor:
    """Translations (F, 2), x and y in pixels, by the highest peak of F^-1[A* B / |A* B|] under a Hann window, with a parabola through the peak.

    Up to half the picture. High frequencies, where noise and blur rule, count little. Kuglin & Hines, 1975.
    """
    height, width = frames.shape[-2:]
    window = torch.hann_window(height, False, dtype=frames.dtype)[:, None] * torch.hann_window(width, False, dtype=frames.dtype)
    a, b = (torch.fft.fft2((x - x.mean((-2, -1), keepdim=True)) * window.to(x)) for x in (reference, frames))
    cross = a.conj() * b
    low = torch.exp(-(torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.fftfreq(width) ** 2) / (2 * 0.15**2)).to(frames)
    peaks = torch.fft.ifft2(cross / cross.abs().clamp_min(1e-12) * low).real[:, 0]
    at = peaks.flatten(1).argmax(1)
    y, x, every = at // width, at % width, torch.arange(len(frames), device=frames.device)

    def fine(before: Tensor, here: Tensor, after: Tensor) -> Tensor:
        return (0.5 * (before - after) / (before - 2 * here + after).clamp_max(-1e-12)).clamp(-0.5, 0.5)
    centre = peaks[every, y, x]
    dx = fine(peaks[every, y, (x - 1) % width], centre, peaks[every, y, (x + 1) % width])
    dy = fine(peaks[every, (y - 1) % height, x], centre, peaks[every, (y + 1) % height, x])
    return torch.stack([(x + width // 2) % width - width // 2 + dx, (y + height // 2) % height - height // 2 + dy], 1)


def homographies(reference: Tensor, frames: Tensor, free: int = 8) -> Fit:
    """The homography of each frame, by phase correlation and then Gauss-Newton on a pyramid. free: 2 leaves a translation, 8 all of it.

    min over H, gain, offset of sum_p w(p) (frame(H p) - gain reference(p) - offset)^2, w robust (Geman-McClure) and 0 where H p lies outside.
    Frames may be blurred, each by its own kernel: the finer a level, the more it aligns what the kernels happen to have in common instead of their
    centres. So a frame stops at the level whose detail does not correlate with the reference's but for noise.
    Inverse compositional: Baker & Matthews, Lucas-Kanade 20 years on, IJCV 2004; gain and offset as in Evangelidis & Psarakis, TPAMI 2008.
    """
    levels = list(zip(pyramid(reference), pyramid(frames), strict=True))
    start = next((n for n in reversed(range(len(levels))) if min(levels[n][0].shape[-2:]) >= SEARCH), 0)
    shift = phase_correlation(*levels[start]).double()
    found = torch.eye(3, dtype=torch.float64, device=frames.device).repeat(len(frames), 1, 1)
    found[:, :2, 2] = _better(*levels[start], shift)
    for level in range(start, len(levels) - 1):
        found = rescaled(found, 0.5)
    level_noise, best, going = noise(reference), None, torch.ones(len(frames), dtype=torch.bool, device=frames.device)
    for level in reversed(range(len(levels))):
        first, others = levels[level]
        fit = _descend(_smooth(first), _smooth(others), found, 2 if level == len(levels) - 1 else free)
        if level < len(levels) - 2:
            going = going & (_coherence(first, others, fit.homography, level_noise / 4**level) >= COHERENT)
        fresh = fit._replace(homography=rescaled(fit.homography, 2**level))
        if best is not None:
            if level < LIGHT:  # noise on the reference would make every gain too small
                fresh = fresh._replace(gain=best.gain, offset=best.offset)
            fresh = Fit(*(torch.where(going.reshape(-1, *[1] * (new.ndim - 1)), new, old) for new, old in zip(fresh, best, strict=True)))
        best = fresh
        found = rescaled(best.homography, 0.5 ** (level - 1))
    return best


def _better(reference: Tensor, frames: Tensor, shift: Tensor) -> Tensor:
    """The shift, or none where the frame correlates better as it lies."""
    found = torch.eye(3, dtype=torch.float64, device=frames.device).repeat(2, len(frames), 1, 1)
    found[1, :, :2, 2] = shift
    places, values, _ = _points(_smooth(reference))
    score = [_correlation(*_read(_smooth(frames), h, places), values) for h in found]
    return torch.where((score[1] > score[0])[:, None], shift, 0)


def tile_flow(reference: Tensor, frames: Tensor, homography: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """What is to be added to H p, (F, 2, h, w) in pixels, one vector for every TILE pixels, corners on corners: tiles that overlap by half, each
    moved by Gauss-Newton, coarse to fine, held back where there is no texture. After Hasinoff et al., Burst photography, SIGGRAPH Asia 2016 (section 4).
    """
    levels = list(zip(pyramid(reference), pyramid(frames), strict=True))[:4]
    flow = torch.zeros(len(frames), 2, 2, 2, dtype=frames.dtype, device=frames.device)
    for level, (first, others) in reversed(list(enumerate(levels))):
        first, others, (height, width) = _smooth(first), _smooth(others), first.shape[-2:]
        tiles = [max(2, ceil(size / TILE)) for size in (height, width)]
        gx, gy = _slopes(first)
        base = project(rescaled(homography, 0.5**level), grid(0, 0, height, width, frames.device))
        size = torch.tensor([width - 1.0, height - 1.0], device=frames.device)
        for _ in range(3):
            moved = base + F.interpolate(flow, (height, width), mode="bilinear", align_corners=True).permute(0, 2, 3, 1) / 2**level
            seen = F.grid_sample(others, (moved / size * 2 - 1).to(frames), align_corners=True, padding_mode="border")
            rest = first - (seen - offset.to(seen).reshape(-1, 1, 1, 1)) / gain.to(seen).clamp_min(0.05).reshape(-1, 1, 1, 1)
            sums = _tiles(torch.cat([part.expand_as(rest) for part in (gx * gx, gx * gy, gy * gy, gx * rest, gy * rest)], 1), tiles)
            xx, xy, yy, xr, yr = sums.unbind(1)
            hold = 1e-4 + 0.05 * (xx + yy)
            xx, yy = xx + hold, yy + hold
            step = torch.stack([yy * xr - xy * yr, xx * yr - xy * xr], 1) / (xx * yy - xy * xy)[:, None]
            flow = F.interpolate(flow, tiles, mode="bilinear", align_corners=True) + step.clamp(-1, 1) * 2**level
            flow = F.avg_pool2d(F.pad(flow, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return flow


def _tiles(x: Tensor, tiles: list[int]) -> Tensor:
    """Means of x (F, c, H, W) over tiles that overlap, centres spread from corner to corner: (F, c, h, w)."""
    return F.avg_pool2d(F.pad(F.adaptive_avg_pool2d(x, tiles), (1, 1, 1, 1), mode="replicate"), 3, 1)


def _smooth(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    x = F.conv2d(mirrored(x, 2), taps.reshape(1, 1, 5, 1))
    return F.conv2d(x, taps.reshape(1, 1, 1, 5))


def detail(x: Tensor) -> Tensor:
    """The band of pictures (F, 1, H, W) about two pixels wide."""
    blurred = _smooth(x)
    return blurred - _smooth(_smooth(_smooth(blurred)))


DETAIL = float(detail(F.pad(torch.ones(1, 1, 1, 1), (16,) * 4)).square().sum())  # what is left of the variance of white noise


def noise(x: Tensor) -> Tensor:
    """The variance of white noise in pictures (F, 1, H, W), from the median of their second difference along both axes: (F,). Immerkaer, CVIU 1996."""
    mask = torch.tensor([1.0, -2.0, 1.0], dtype=x.dtype, device=x.device)
    seen = F.conv2d(x, (mask[:, None] * mask).reshape(1, 1, 3, 3))
    return (1.4826 * seen.abs().flatten(1).median(1).values / 6).square().double()


def sharpness(frames: Tensor) -> Tensor:
    """(F,): energy of fine detail, less that of white noise (as the frame with the least says), over the variance; brightness does not matter."""
    energy = detail(frames).square().mean((1, 2, 3)).double() - noise(frames).min() * DETAIL
    return energy.clamp_min(0) / frames.var((1, 2, 3)).double().clamp_min(1e-9)


def _coherence(reference: Tensor, frames: Tensor, homography: Tensor, variance: Tensor) -> Tensor:
    """The correlation of detail where the reference has most, less what noise of this variance does to it: (F,)."""
    first, others = detail(reference), detail(frames)
    places, _, _ = _points(_smooth(first.abs()))
    values, inside = _read(others, homography, places)
    own = _read(first, torch.eye(3, dtype=torch.float64, device=frames.device)[None], places)[0][0]
    kept = [1 - (variance * DETAIL / part.square().mean(-1).clamp_min(1e-12)).clamp(0, 0.75) for part in (own, values)]
    return _correlation(values, inside, own) / (kept[0] * kept[1]).sqrt()


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of (..., H, W) across and down, 0 at the border."""
    return F.pad((x[..., 2:] - x[..., :-2]) / 2, (1, 1)), F.pad((x[..., 2:, :] - x[..., :-2, :]) / 2, (0, 0, 1, 1))


def _points(reference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Places (N, 2) where the reference (1, 1, H, W) changes most, one in every cell, with its values (N,) and gradients (N, 2) there."""
    height, width = reference.shape[-2:]
    gx, gy = _slopes(reference)
    cell = max(1, ceil(sqrt(height * width / POINTS)))
    at = F.max_pool2d(gx.square() + gy.square(), cell, return_indices=True)[1].flatten()
    places = torch.stack([at % width, at // width], 1).double()
    return places, reference.flatten()[at].double(), torch.stack([gx.flatten()[at], gy.flatten()[at]], 1).double()


def _read(frames: Tensor, homography: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """The frames' values (F, N) where the homographies lead the places, bilinear, and whether that is inside."""
    size = torch.tensor([frames.shape[-1] - 1, frames.shape[-2] - 1], dtype=torch.float64, device=frames.device)
    to = project(homography, places) / size * 2 - 1
    inside = (to.abs() <= 1).all(-1)
    return F.grid_sample(frames, to[:, :, None].to(frames.dtype), align_corners=True, padding_mode="border")[:, 0, :, 0].double(), inside


def _correlation(values: Tensor, inside: Tensor, reference: Tensor) -> Tensor:
    """Over the points that lie inside: (F,)."""
    weight = inside / inside.sum(1, keepdim=True).clamp_min(1)
    a, b = (x - (weight * x).sum(1, keepdim=True) for x in (values, reference.expand_as(values)))
    return (weight * a * b).sum(1) / ((weight * a * a).sum(1) * (weight * b * b).sum(1)).clamp_min(1e-20).sqrt()


def _descend(reference: Tensor, frames: Tensor, found: Tensor, free: int) -> Fit:
    """Gauss-Newton on one level from `found`. A step that would leave too few points inside is not taken."""
    places, values, gradient = _points(reference)
    height, width = reference.shape[-2:]
    scale = max(height, width) / 2
    unit = torch.tensor([[1 / scale, 0, -(width - 1) / 2 / scale], [0, 1 / scale, -(height - 1) / 2 / scale], [0, 0, 1]], dtype=torch.float64, device=frames.device)
    (u, v), (gx, gy) = project(unit[None], places)[0].unbind(1), (gradient * scale).unbind(1)
    along = u * gx + v * gy
    columns = [gx, gy, gx * u, gx * v, gy * u, gy * v, -along * u, -along * v][:free]
    system = torch.stack([*columns, values, torch.ones_like(values)], 1)
    weight, answer = None, None
    for _ in range(STEPS):
        seen, inside = _read(frames, found, places)
        weight = inside.double() if weight is None else weight * inside
        weighted = system * weight[..., None]
        normal = weighted.mT @ system
        normal = normal + 1e-9 * torch.diag_embed(normal.diagonal(dim1=1, dim2=2)) + 1e-12 * torch.eye(free + 2, dtype=torch.float64, device=frames.device)
        answer = torch.linalg.solve(normal, weighted.mT @ seen[..., None])[..., 0]
        rest = (seen - answer @ system.mT).abs()
        spread = 1.4826 * torch.where(inside, rest, torch.nan).nanmedian(1, keepdim=True).values.nan_to_num(1.0).clamp_min(1e-4)
        weight = inside / (1 + (rest / (3 * spread)) ** 2) ** 2
        step = answer[:, :free] / answer[:, free : free + 1].clamp_min(0.05)
        step = torch.where((inside.double().mean(1) > 0.1)[:, None], step, 0).clamp(-0.2, 0.2)
        found = found @ torch.linalg.inv(unit) @ torch.linalg.inv(_matrix(step)) @ unit
        found = found / found[:, 2:, 2:]
        if float((step.abs().amax(1) * scale).max()) < STILL:
            break
    seen, inside = _read(frames, found, places)
    return Fit(found, answer[:, free], answer[:, free + 1], _correlation(seen, inside, values))


def _matrix(step: Tensor) -> Tensor:
    """I + the change that parameters (F, 2 or 8) stand for: translation, then the linear part row by row, then the perspective."""
    full = F.pad(step, (0, 8 - step.shape[1]))
    rows = torch.stack([full[:, 2], full[:, 3], full[:, 0], full[:, 4], full[:, 5], full[:, 1], full[:, 6], full[:, 7], torch.zeros_like(full[:, 0])], 1)
    return rows.reshape(-1, 3, 3) + torch.eye(3, dtype=step.dtype, device=step.device)
