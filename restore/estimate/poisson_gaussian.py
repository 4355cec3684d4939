"""The noise of a sensor, var(y) = a x + b, from one picture.

After Foi, Trimeche, Katkovnik & Egiazarian (Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data, TIP 2008): measure
the noise where the picture is calm, at every intensity, and fit the line. Here the measurements are the weakest principal components of patches
(`numerics.calm`) instead of wavelet detail on level sets, and what counts as calm follows from the line itself: patches are sorted by their
liveliness over a x + b, as many of the calmest are taken as on average are no livelier than that, the line is fitted again, and so on.

The noise must be white and its scale linear: y is raw data or a picture made linear, not a developed one. What the picture does not show cannot
be fitted: b asks for darkness (a x not far above b), a for calm places of more than one intensity.
"""

from dataclasses import dataclass
from math import inf, sqrt

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics.calm import MARGIN, STEEPEST, Limits, Patches, calm_variance, clip_limits, principal

COUNT = 100_000  # patches to look at
BINS = 24  # of intensity, equally filled, for the first line
LEAST = 200  # patches, and
SHARE = 0.005  # share of them, that make an estimate
SMALLEST = 64  # the least height and width
PASSES = 20
TINY = 1e-14  # a variance far under one level of 16 bits


@dataclass(frozen=True)
class PoissonGaussianEstimate:
    """Per channel: `peak`, photons at intensity 1, and `sigma` on the 0-255 scale; the same as `a` = 1 / peak and `b` = (sigma / 255)^2."""

    peak: tuple[float, ...]
    sigma: tuple[float, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]

    def describe(self, peak: bool = True, sigma: bool = True) -> str:
        """The line that the user sees, of what was looked for."""
        return ", ".join([f"peak {_list(self.peak)} photons"] * peak + [f"sigma {_list(self.sigma)}"] * sigma)


def _list(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in values)


def estimate(y: Tensor, read_noise: bool = True) -> PoissonGaussianEstimate:
    """a and b of each channel of y (1, C, H, W), nominal [0, 1], each channel for itself; without `read_noise` b is 0: Poisson noise.

    a >= 0 and b >= 0; where no noise grows with the intensity, a is 0 and the peak infinite. Patches with NaN or Inf, or near a black or a white
    where clipping has cut the noise, are left out. Errors: a side under 64 pixels, too few patches that are finite.
    """
    if y.ndim != 4 or y.shape[0] != 1:
        raise RestoreError(f"the noise of an array of shape {tuple(y.shape)} was to be estimated", "(1, C, H, W)")
    if min(y.shape[-2:]) < SMALLEST:
        raise RestoreError(f"a picture of {y.shape[3]}x{y.shape[2]} pixels is too small to fit its noise to", f"at least {SMALLEST} pixels a side",
                           "type the level: --peak 1000 --sigma 2")
    lines = [_fit(channel, not read_noise) for channel in y.detach().to("cpu", torch.float32).split(1, dim=1)]
    a, b = (tuple(part) for part in zip(*lines))
    return PoissonGaussianEstimate(tuple(1 / slope if slope else inf for slope in a), tuple(255 * sqrt(offset) for offset in b), a, b)


def _fit(channel: Tensor, through_zero: bool) -> tuple[float, float]:
    black, white = clip_limits(channel)
    limits = (-inf if through_zero else black, white)  # photons are never fewer than none: no clipping
    patches = principal(channel, limits, COUNT)
    if len(patches) < LEAST:
        raise RestoreError("the picture has too few finite samples to fit its noise to", "patches without NaN or Inf", "type the level: --peak 1000 --sigma 2")
    line = _start(patches.untouched(), through_zero)
    for _ in range(PASSES):
        last, line = line, _refine(patches, limits, line, through_zero)
        if all(abs(new - old) <= 1e-3 * new for new, old in zip(line, last)):
            break
    return line


def _start(patches: Patches, through_zero: bool) -> tuple[float, float]:
    """The line of least relative deviations through one variance for each bin of intensities."""
    bins = [patches[part] for part in patches.mean.argsort().chunk(BINS)]
    mean = torch.stack([part.mean.mean() for part in bins])
    variance = torch.tensor([calm_variance(part, lambda values: values.square().mean()) for part in bins], dtype=torch.float64)
    variance = variance.clamp_min(0.01 * variance.median())
    fit = variance
    for _ in range(PASSES):
        fit = fit.clamp_min(TINY)
        a, b = _line(mean, variance, 1 / (fit.square() * (variance / fit - 1).abs().clamp_min(0.05)), through_zero)
        fit = a * mean + b
    return a, b


def _refine(patches: Patches, limits: Limits, line: tuple[float, float], through_zero: bool) -> tuple[float, float]:
    """The line of least squares through the patches that are calm by the line so far."""
    variance = (line[0] * patches.mean.clamp_min(0) + line[1]).clamp_min(TINY)
    enough = max(LEAST, int(SHARE * len(patches)))
    inside = patches.room(limits) >= MARGIN * variance.sqrt()
    if inside.sum() >= enough:
        patches, variance = patches[inside], variance[inside]
    lively = patches.lively / variance
    order = lively.argsort()
    lively = lively[order]
    taken = int((lively.cumsum(0) <= torch.arange(1, len(lively) + 1)).sum())
    order = order[: max(taken, enough)]
    mean, variance, energy = patches.mean[order], variance[order], patches.values[order].square().mean(1)
    if taken < enough:  # all is texture: continue the measured energy down to where it would be calm
        lively = lively[:enough]
        spread = lively - lively.mean()
        slope = float((spread * energy / variance).sum() / spread.square().sum().clamp_min(TINY))
        energy = energy - min(max(slope, 0.0), STEEPEST) * (lively - 1) * variance
    return _line(mean, energy, 1 / variance.square(), through_zero)


def _line(x: Tensor, v: Tensor, weight: Tensor, through_zero: bool) -> tuple[float, float]:
    """a, b >= 0 of least squares in v = a x + b."""
    total, first, second, level, moment = (float((weight * part).sum()) for part in (torch.ones_like(x), x, x * x, v, v * x))
    spread = total * second - first * first
    if not through_zero and spread > 1e-12 * total * second:
        a, b = (total * moment - first * level) / spread, (second * level - first * moment) / spread
        if b >= 0:
            return (a, b) if a >= 0 else (0.0, max(level / total, 0.0))
    return max(moment / second, 0.0) if second > 0 else 0.0, 0.0
