"""The steps of a classical development, each on tensors (B, C, H, W): hot pixels, highlights, tone, sharpness."""

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.image import Space
from restore.numerics import colour
from restore.numerics.mirror import mirrored

SAME = tuple((down, right) for down in (-2, 0, 2) for right in (-2, 0, 2) if (down, right) != (0, 0))  # the next samples of a colour in any mosaic
BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))
AROUND = tuple((down, right) for down in (-2, -1, 1, 2) for right in (-2, -1, 1, 2) if abs(down) != abs(right)) + ((-3, 0), (3, 0), (0, -3), (0, 3))
REACH = 3  # pixels that these see
STICKS_OUT = 0.02  # of white, and
TIMES = 1.0  # spreads of the neighbours: by how much more a hot pixel is brighter than the brightest of them
DEVIATIONS = 3.0  # of the noise, likewise
FOLLOWS = 0.05  # share of it by which the pixels beside stand out too, where it is light
SPAN = 8  # pixels to every side, over which the two greens are compared
UNLIKE = 0.05  # no sensor's greens differ by more
NEAR_CLIP = 0.95  # from here on a sample is no longer taken at its word
GREY = 0.18  # of white: where automatic exposure puts the logarithmic mean, unless
BRIGHT = 0.99  # of the pixels would then not be
LIMIT = 1.0  # under white
STRONGEST = 16.0  # factor of exposure
TOE = 1e-3  # of white
KNEE = 0.6  # of white: where the shoulder begins
CONTRAST = 0.5  # share of the S-curve
NODES = 129  # of a curve that is matched
ROOT = 1 / 2.4  # of linear light: shadows get as many of them as the eye gives them
SOFT = 1.0  # pixels, of the Gaussian that is taken away in sharpening
EDGE = 3  # pixels that it reaches


def repair(y: Tensor, noise: Callable[[Tensor], Tensor] = torch.zeros_like) -> Tensor:
    """A mosaic without hot and dead pixels: one that sticks out of the eight next samples of its colour takes their median.

    Light that falls on one pixel falls on the pixels beside it too, whatever their colours: where these stand out as well, it is kept.
    noise: its standard deviation at a level; what it may have done is left to the denoiser.
    """
    height, width = y.shape[-2:]
    wide = _continued(y)

    def moved(places: tuple[tuple[int, int], ...]) -> list[Tensor]:
        return [wide[..., REACH + down : REACH + down + height, REACH + right : REACH + right + width] for down, right in places]

    around = moved(SAME)
    low, high = reduce(torch.minimum, around), reduce(torch.maximum, around)
    margin = STICKS_OUT + TIMES * (high - low) + DEVIATIONS * noise(high)
    at = ((y > high + margin) | (y < low - margin)).nonzero(as_tuple=True)  # few

    def there(places: tuple[tuple[int, int], ...]) -> Tensor:
        return torch.stack([part[at] for part in moved(places)])

    median = there(SAME).median(0).values
    out = y[at] - median
    alone = (there(BESIDE).mean(0) - there(AROUND).mean(0)) * out.sign() < FOLLOWS * out.abs()
    repaired = y.clone()
    repaired[at] = torch.where(alone, median, y[at])
    return repaired


def _continued(y: Tensor) -> Tensor:
    """REACH more samples to every side: those two cells further inside, so that none is its own neighbour, as it is in a mirror."""
    for dim in (-2, -1):
        size = y.shape[dim]
        at = torch.arange(-REACH, size + REACH, device=y.device)
        y = y.index_select(dim, torch.where(at < 0, at + 4, torch.where(at < size, at, at - 4)).clamp(0, size - 1))
    return y


def levelled(y: Tensor, first: int, second: int) -> Tensor:
    """A mosaic whose two greens, at these places of the cell, are as bright as each other around every one of them: what leaks over from red and blue
    beside them makes them unlike, and flat places show a grid. Both go half the way. Means are taken around the same pixel, so slopes do not matter.
    """
    height, width = y.shape[-2:]
    means, places, wide = [], [], mirrored(y, SPAN)
    for place in (first, second):
        at = torch.zeros(2, 2, dtype=y.dtype, device=y.device).flatten().index_fill(0, torch.tensor(place, device=y.device), 1).reshape(2, 2)
        mask = at.roll((SPAN, SPAN), (0, 1)).repeat(-(-wide.shape[-2] // 2), -(-wide.shape[-1] // 2))[: wide.shape[-2], : wide.shape[-1]]
        means.append(_box(wide * mask) / _box(mask[None, None]))
        places.append(mask[SPAN : SPAN + height, SPAN : SPAN + width])
    ratio = (means[0].clamp_min(1e-4) / means[1].clamp_min(1e-4)).clamp(1 - UNLIKE, 1 + UNLIKE).sqrt()
    return y * (1 - places[0] - places[1] + places[0] / ratio + places[1] * ratio)


def _box(t: Tensor) -> Tensor:
    """Means over 2 SPAN + 1 pixels a side."""
    return F.avg_pool2d(F.avg_pool2d(t, (2 * SPAN + 1, 1), 1), (1, 2 * SPAN + 1), 1)


def balance(c: Tensor, gains: Tensor, rebuild: bool = True) -> Tensor:
    """Camera values (B, 3, H, W) on [0, 1] times gains (3,), the least of them 1.

    What the sensor clipped is taken as bright as the colours that it did not clip, if that is brighter, and where it clipped all as neutral;
    without `rebuild` everything is clipped where the first colour is.
    """
    gains = gains.to(c).reshape(1, 3, 1, 1)
    v = c * gains
    if not rebuild:
        return v.clamp_max(1)
    clipped = ((c - NEAR_CLIP) / (1 - NEAR_CLIP)).clamp(0, 1)
    known = 1 - clipped
    others = (v * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp_min(1e-6)
    v = v + clipped * (others - v).clamp_min(0) * known.amax(1, keepdim=True)
    return torch.lerp(v, v.amax(1, keepdim=True), clipped.amin(1, keepdim=True))


def toned(light: Tensor, toe: float | Tensor = TOE) -> Tensor:
    """sign(y) (sqrt(|y| + toe) - sqrt(toe)): nearly how light looks, straight around black, where noise goes to both sides."""
    return light.sign() * ((light.abs() + toe) ** 0.5 - toe**0.5)


def untoned(v: Tensor, toe: float | Tensor = TOE) -> Tensor:
    """The inverse of `toned`."""
    return v.sign() * ((v.abs() + toe**0.5).square() - toe)


def coloured(v: Tensor, matrix: Tensor) -> Tensor:
    """Every pixel through a matrix (3, 3)."""
    return torch.einsum("ij,bjhw->bihw", matrix.to(v), v)


def exposure(light: Tensor) -> Tensor:
    """(B,) factors that put the logarithmic mean of the light of a picture at GREY, and no more than the brightest of it above LIMIT.

    Nothing is made darker than takes the brightest to LIMIT: snow, and what the sensor clipped, stay white.
    """
    luminance = (light * torch.tensor([0.2126, 0.7152, 0.0722]).to(light).reshape(1, 3, 1, 1)).sum(1).flatten(1).clamp_min(1e-4)
    bright = light.amax(1).flatten(1).kthvalue(max(1, int(BRIGHT * luminance.shape[1])), 1).values
    most = LIMIT / bright.clamp_min(1e-4)
    return torch.minimum((GREY / luminance.log().mean(1).exp()).maximum(most.clamp_max(1)), most).clamp(1 / STRONGEST, STRONGEST)


def filmic(light: Tensor, space: Space) -> Tensor:
    """Linear light to a picture: highlights above KNEE roll off towards white, the curve of the space, then more contrast by an S-curve."""
    light = light.clamp_min(0)
    over = (light - KNEE).clamp_min(0) / (1 - KNEE)
    t = encoded(torch.where(light > KNEE, KNEE + (1 - KNEE) * (1 - torch.exp(-over)), light), space)
    return torch.lerp(t, t * t * (3 - 2 * t), CONTRAST)


def matching(light: Tensor, seen: Tensor) -> Tensor:
    """The curve, as NODES of (light ** ROOT, value) in (2, NODES), that gives linear light the distribution of the values of another picture."""
    shares = torch.linspace(0, 1, NODES, dtype=torch.float64)
    ours = light.clamp_min(0).pow(ROOT).flatten().double().sort().values
    theirs = seen.flatten().double().sort().values
    return torch.stack([values[(shares * (len(values) - 1)).round().long()] for values in (ours, theirs)]).float()


def through(light: Tensor, curve: Tensor) -> Tensor:
    """Linear light by a curve that `matching` found, straight between its nodes."""
    at, value = curve.to(light)
    u = light.clamp_min(0).pow(ROOT)
    right = torch.searchsorted(at, u.contiguous()).clamp(1, len(at) - 1)
    share = ((u - at[right - 1]) / (at[right] - at[right - 1]).clamp_min(1e-6)).clamp(0, 1)
    return torch.lerp(value[right - 1], value[right], share)


def encoded(light: Tensor, space: Space) -> Tensor:
    """Linear light, clipped to [0, 1], by the curve of the space."""
    light = light.clamp(0, 1)
    if space.gamma:
        return light ** (1 / space.gamma)
    return colour.encoded(light)


def sharpened(x: Tensor, amount: float) -> Tensor:
    """x + amount (luminance - its Gaussian): unsharp masking, alike in all colours."""
    at = torch.arange(-EDGE, EDGE + 1).to(x)
    kernel = torch.exp(-(at**2) / (2 * SOFT**2))
    kernel = kernel / kernel.sum()
    luminance = (x * torch.tensor([0.2126, 0.7152, 0.0722]).to(x).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    wide = mirrored(luminance, EDGE)
    blurred = F.conv2d(F.conv2d(wide, kernel.reshape(1, 1, -1, 1)), kernel.reshape(1, 1, 1, -1))
    return x + amount * (luminance - blurred)
