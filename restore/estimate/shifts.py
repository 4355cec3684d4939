"""How the frames of a burst lie to one another, which one is the sharpest, and where they do not show the same thing."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import UsageError, nearest
from restore.numerics import register
from restore.numerics.warp import grid, project, rescaled

KINDS = ("homography", "flow", "translation", "none")
ALIKE = 0.5  # the least correlation with the reference
COMMON = 0.3  # the least share of the reference that a frame agrees with
BRIGHT = 1.25  # ratio to the median brightness from which on a frame is not made the reference
DARK = 0.6  # of the reference's light: brought up to it, a frame darker than that has more noise than it takes away
SCALE = 90  # frames are compared at a blur of the shorter side / SCALE, at least
FINE = 5.0  # pixels: shakes differ by less than that
SWING = 0.3  # of the local range: what two shakes of one scene may differ by at that blur
LEVEL = 0.012  # and what noise and coding may
WHITE = 0.99  # from here on a sample is taken for clipped


@dataclass(frozen=True)
class Alignment:
    """Of F frames: frame(H p) = gain reference(p) + offset where trust is 1.

    homography: (F, 3, 3) between full pictures; flow: (F, 2, h, w) pixels that are added to H p, or None; trust: (F, 1, h, w) on [0, 1], both over the
    reference, corners on corners. reasons: why a frame is left out, empty where it is not.
    """

    reference: int
    homography: Tensor
    flow: Tensor | None
    gain: Tensor
    offset: Tensor
    sharpness: Tensor
    trust: Tensor
    reasons: tuple[str, ...]

    @property
    def kept(self) -> list[int]:
        """The frames that are merged, the reference first."""
        return [self.reference] + [n for n, reason in enumerate(self.reasons) if not reason and n != self.reference]


def align(frames: Tensor, factor: int = 1, kind: str = "homography", reference: int | None = None) -> Alignment:
    """Align frames (F, 1, H, W) in grey, area means of factor x factor pixels of the full ones. Errors: an unknown kind, no such reference."""
    if kind not in KINDS:
        raise UsageError(f"unknown alignment {kind!r}", nearest(kind, KINDS))
    count = len(frames)
    if reference is not None and not 0 <= reference < count:
        raise UsageError(f"there is no frame {reference + 1}", f"1 to {count}, in the order in which frames are named")
    sharp, best = register.sharpness(frames), None
    for chosen in _candidates(frames, sharp) if reference is None else [reference]:
        found = _to(chosen, frames, factor, kind, sharp)
        best = found if best is None or len(found.kept) > len(best.kept) else best
        if 2 * len(best.kept) > count:  # else it may be the one that does not belong
            break
    return best


def _to(chosen: int, frames: Tensor, factor: int, kind: str, sharp: Tensor) -> Alignment:
    """To one of the frames."""
    count = len(frames)
    first = frames[chosen : chosen + 1]
    if kind == "none":
        fit = register.Fit(torch.eye(3, dtype=torch.float64).repeat(count, 1, 1), *_levels(first, frames), torch.ones(count, dtype=torch.float64))
    else:
        fit = register.homographies(first, frames, 2 if kind == "translation" else 8)
    exact = torch.arange(count) == chosen  # the reference is itself
    homography = torch.where(exact[:, None, None], torch.eye(3, dtype=torch.float64), fit.homography)
    gain, offset = torch.where(exact, 1.0, fit.gain), torch.where(exact, 0.0, fit.offset)
    flow = register.tile_flow(first, frames, homography, gain, offset) if kind == "flow" else None
    trust = agreement(first, frames, homography, flow, gain, offset)
    trust[chosen] = 1
    reasons = tuple("" if exact[n] else _reason(float(fit.correlation[n]), float(gain[n]), float(trust[n].mean())) for n in range(count))
    return Alignment(chosen, rescaled(homography, factor), None if flow is None else flow * factor, gain, offset, sharp, trust, reasons)


def _reason(correlation: float, gain: float, common: float) -> str:
    if not correlation >= ALIKE or gain < 0.05:
        return "it does not show what the reference shows"
    if gain < DARK:
        return f"it is {-math.log2(gain):.1f} stops darker than the reference: its noise would outweigh what it shows"
    if common < COMMON:
        return f"it agrees with the reference on {100 * common:.0f} % of the picture alone"
    return ""


def _candidates(frames: Tensor, sharp: Tensor) -> list[int]:
    """The sharpest frames first, at most three, of those about as bright as most."""
    bright = frames.mean((1, 2, 3))
    lit = bright[bright > 0.01 * bright.max()]  # frames of nothing are not what is usual
    ratio = (bright / (lit.median() if len(lit) else bright.new_tensor(1e-6)).clamp_min(1e-6)).clamp_min(1e-6)
    usual = torch.maximum(ratio, 1 / ratio) < BRIGHT
    return torch.where(usual, sharp, -1.0).argsort(descending=True)[: min(3, max(int(usual.sum()), 1))].tolist()


def _levels(first: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset of pictures that lie on one another, by means so wide that no shake changes them."""
    wide = max(8, min(first.shape[-2:]) // 16)
    low = F.avg_pool2d(torch.cat([first, frames]), wide, ceil_mode=True, count_include_pad=False).flatten(1).double()
    centred = low - low.mean(1, keepdim=True)
    gain = (centred[1:] * centred[0]).sum(1) / centred[0].square().sum().clamp_min(1e-12)
    return gain, low[1:].mean(1) - gain * low[0].mean()


def agreement(first: Tensor, frames: Tensor, homography: Tensor, flow: Tensor | None, gain: Tensor, offset: Tensor) -> Tensor:
    """Trust (F, 1, h, w) on [0, 1]: where a frame, brought to the reference's light, shows what the reference shows, but for its shake.

    Both are blurred until two shakes of one scene can differ by a part of the local range alone; what differs by more has moved, or was lit otherwise.
    """
    height, width = first.shape[-2:]
    scale = max(min(height, width) / SCALE, FINE)
    step = max(int(scale / 2), 1)
    small = [F.avg_pool2d(part, step, ceil_mode=True, count_include_pad=False) for part in (first, frames)]
    size = torch.tensor([width - 1.0, height - 1.0], dtype=torch.float64)
    places = torch.minimum(grid(0, 0, *small[0].shape[-2:]) * step + (step - 1) / 2, size)
    to = project(homography, places)
    if flow is not None:
        to = to + read(flow, places, height, width).permute(0, 2, 3, 1)
    inside = (torch.minimum(to, size - to).amin(-1) >= -0.5).to(frames)[:, None]
    seen = F.grid_sample(small[1], (to / size * 2 - 1).to(frames), align_corners=True, padding_mode="border")
    shape = (-1, 1, 1, 1)
    lit = (seen - offset.reshape(shape).to(seen)) / gain.clamp_min(0.05).reshape(shape).to(seen)
    blur = scale / step
    mine, theirs = _gaussian(small[0], blur), _gaussian(lit, blur)
    reach = 2 * int(2 * blur) + 1
    swing = torch.maximum(_range(mine, reach), _range(theirs, reach))
    ratio = (mine - theirs).abs() / (SWING * swing + LEVEL)
    ratio = torch.where((seen >= WHITE) & ((gain - 1).abs() > 0.05).reshape(shape), 2.0, ratio)  # clipped in other light: it says nothing
    agreed = (2.5 - 1.5 * ratio).clamp(0, 1) * inside
    around = -F.max_pool2d(-agreed, reach, 1, reach // 2)  # a shake carries what moves that far
    return _gaussian(around, blur / 2).clamp(0, 1)


def read(field: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    """A coarse field (F, c, h, w) over a picture of height x width, bilinear at places (a, b, 2): (F, c, a, b)."""
    to = places / torch.tensor([max(width - 1.0, 1.0), max(height - 1.0, 1.0)], dtype=places.dtype) * 2 - 1
    return F.grid_sample(field, to[None].expand(len(field), -1, -1, -1).to(field), align_corners=True, padding_mode="border")


def _gaussian(x: Tensor, sigma: float) -> Tensor:
    reach = max(1, min(int(3 * sigma), x.shape[-1] - 1, x.shape[-2] - 1))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=x.dtype) / sigma) ** 2)
    taps = taps / taps.sum()
    x = F.conv2d(F.pad(x, (0, 0, reach, reach), mode="replicate"), taps.reshape(1, 1, -1, 1))
    return F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="replicate"), taps.reshape(1, 1, 1, -1))


def _range(x: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(x, reach, 1, reach // 2) + F.max_pool2d(-x, reach, 1, reach // 2)
