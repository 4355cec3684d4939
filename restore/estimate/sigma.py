"""The level of white noise in a picture, by two estimators that do not share a transform.

mad: diagonal detail of a Daubechies wavelet, median / 0.6745 (Donoho & Johnstone, Biometrika 1994). pca: the weakest components of the patch
covariance (Pyatykh, Hesser & Zheng, TIP 2013; Chen, Zhu & Heng, ICCV 2015), learned on one half of the picture and measured on the other.
Both look at calm patches only (`numerics.calm`).

The noise is taken to be white. Noise that has been through a demosaicing, a resampling or a JPEG coder is correlated: it has lost
its finest grain, which is what is measured here, so the level comes out lower than the standard deviation of the noise, down to 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics.calm import Limits, Patches, calm_variance, clip_limits, diagonal, principal

MARGIN = 2.5  # sigmas from black and white where clipping takes less than 1 % of the level
SMALLEST = 16  # the least height and width


@dataclass(frozen=True)
class SigmaEstimate:
    """Standard deviations per channel on the 0-255 scale: `sigma`, the value to be used, and what each estimator says."""

    sigma: tuple[float, ...]
    mad: tuple[float, ...]
    pca: tuple[float, ...]

    @property
    def disagree(self) -> bool:
        """Whether the two differ by more than 10 % and one level in some channel: the noise is then not white, or the picture all texture."""
        return any(abs(mad - pca) > max(1.0, 0.1 * max(mad, pca)) for mad, pca in zip(self.mad, self.pca))

    def describe(self) -> str:
        """The line that the user sees."""
        if self.disagree:
            return f"sigma {_levels(self.pca)} by patch PCA (used), {_levels(self.mad)} by wavelet MAD: the noise is not white, or all is texture"
        return f"sigma {_levels(self.sigma)}"


def _levels(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def estimate(y: Tensor) -> SigmaEstimate:
    """The noise level of y (1, C, H, W), [0, 1], of any range; each channel for itself, without a random number.

    Patches with NaN or Inf are left out, and so are those within 2.5 sigma of a black or a white where clipping has cut the noise.
    Large pictures are sampled on a regular grid. Errors: a side under 16 pixels, or too few patches that are finite.
    """
    if y.ndim != 4 or y.shape[0] != 1:
        raise RestoreError(f"the noise of an array of shape {tuple(y.shape)} was to be estimated", "(1, C, H, W)")
    if min(y.shape[-2:]) < SMALLEST:
        raise RestoreError(f"a picture of {y.shape[3]}x{y.shape[2]} pixels is too small to estimate its noise", f"at least {SMALLEST} pixels a side",
                           "type the level: --sigma 25")
    levels = [_levels_of(channel) for channel in y.detach().to("cpu", torch.float32).split(1, dim=1)]
    mad, pca = (tuple(level) for level in zip(*levels))
    return SigmaEstimate(pca, mad, pca)


def _levels_of(channel: Tensor) -> tuple[float, float]:
    """Of one channel (1, 1, H, W), by wavelet MAD and by patch PCA."""
    limits = clip_limits(channel)
    return (_level(diagonal(channel, limits), limits, lambda values: (values.abs().median() / 0.6745) ** 2),
            _level(principal(channel, limits), limits, lambda values: values.square().mean()))


def _level(patches: Patches, limits: Limits, measure: Callable[[Tensor], Tensor]) -> float:
    """On the 0-255 scale: first from patches without a clipped sample, then from those well inside the range."""
    if len(patches) == 0:
        raise RestoreError("the picture has too few finite samples to estimate its noise", "patches without NaN or Inf", "type the level: --sigma 25")
    sigma = sqrt(calm_variance(patches.untouched(), measure))
    room = patches.room(limits)
    inside = room >= room.topk(patches.enough).values[-1].clamp(max=MARGIN * sigma)
    return 255 * sqrt(calm_variance(patches[inside], measure))
