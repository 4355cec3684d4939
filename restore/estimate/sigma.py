"""The level of white noise in a picture, by two estimators that do not share a transform.

mad: diagonal detail of a Daubechies wavelet, median / 0.6745 (Donoho & Johnstone, Biometrika 1994). pca: the weakest components of the patch
covariance (Pyatykh, Hesser & Zheng, TIP 2013; Chen, Zhu & Heng, ICCV 2015), learned on one half of the picture and measured on the other.
Both look at calm patches only (`numerics.calm`).

Noise that has been through a demosaicing, a resampling or a JPEG coder is correlated: it has lost its finest grain, which is what both
measure. So the picture is looked at again at half its size, as means of 2x2 pixels: white noise comes out there at half its level, grain
that is coarser than a pixel at more. Where twice that is clearly above the level at full size it is taken: of twelve levels tried on noisy
pictures that were coded, enlarged or demosaiced, it lies near the one at which a denoiser of white noise loses least. Grain wider than about
two pixels still reads low, and a picture that is texture all over may read high.

Film, and a JPEG coder that halves the colours, leave much the same noise in red, green and blue. A denoiser of colour takes it for independent, so
the mean of the channels is noisier than it believes, up to sqrt(3) times, and grain stays. Where the mean is clearly noisier than independent
channels would make it, all levels are raised until it is not: on photographs with such noise that gains 1 to 2.5 dB at sigma 10 to 25. What treats
the channels one by one meets the noise of one channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics.calm import MARGIN, Limits, Patches, calm_variance, clip_limits, diagonal, principal

SMALLEST = 16  # the least height and width
COARSER = 2.5  # times the level at full size, and
ABOVE = 2.0  # levels more, from which on the noise counts as correlated
SHARED = 1.25  # times the level of independent channels, and
MORE = 1.0  # level more, from which on the noise of the channels' mean counts as shared
COARSEST = 3.0  # times the level of that mean at full size, beyond which half size shows texture


@dataclass(frozen=True)
class SigmaEstimate:
    """Standard deviations on the 0-255 scale: what each estimator says of each channel, and twice what the lower of the two says at half size.

    `mean`, `half_mean`: of the channels' mean, by patch PCA and at half size, times the root of their number: what independent channels have.
    """

    mad: tuple[float, ...]
    pca: tuple[float, ...]
    half: tuple[float, ...]
    mean: float
    half_mean: float

    @property
    def sigma(self) -> tuple[float, ...]:
        """The level to be used: by patch PCA, or from half size, where that is more, if the noise is correlated; raised where channels share it."""
        full = _raised(self.pca, self.mean) if self.shared else self.pca
        half = _raised(self.half, self.half_mean) if self.shared and self.half_mean <= COARSEST * self.mean else self.half
        return tuple(map(max, full, half)) if self.correlated else full

    @property
    def shared(self) -> bool:
        """Whether the noise is much the same in all channels: texture, which is too, hardly reaches what is measured at full size."""
        return self.mean > SHARED * rms(self.pca) + MORE

    @property
    def correlated(self) -> bool:
        """Whether the noise of some channel is coarser than a pixel; less tells where it is shared."""
        return (any(half > COARSER * pca + ABOVE for pca, half in zip(self.pca, self.half, strict=True))
                or self.shared and self.half_mean > SHARED * self.mean + MORE)

    @property
    def disagree(self) -> bool:
        """Whether the two differ by more than 10 % and one level in some channel: the noise is then not white, or the picture all texture."""
        return any(abs(mad - pca) > max(1.0, 0.1 * max(mad, pca)) for mad, pca in zip(self.mad, self.pca, strict=True))

    def describe(self) -> str:
        """The line that the user sees."""
        if self.correlated:
            return (f"sigma {_levels(self.sigma)} from half size (used), {_levels(self.pca)} by patch PCA, {_levels(self.mad)} by wavelet MAD: the grain is coarser "
                    "than a pixel, as JPEG and demosaicing leave it, or all is texture; --sigma sets another level")
        if self.shared:
            return f"sigma {_levels(self.sigma)} (used): {_levels(self.pca)} of noise that is much the same in all channels, as film and JPEG leave it; --sigma sets another level"
        if self.disagree:
            return f"sigma {_levels(self.pca)} by patch PCA (used), {_levels(self.mad)} by wavelet MAD: the noise is not white, or all is texture"
        return f"sigma {_levels(self.sigma)}"


def _raised(levels: tuple[float, ...], mean: float) -> tuple[float, ...]:
    """As many times the levels as make the channels' mean as noisy as it is, if that is more."""
    independent = rms(levels)
    return tuple(level * max(mean / independent, 1.0) for level in levels) if independent else levels


def rms(levels: tuple[float, ...]) -> float:
    """The one level that stands for several."""
    return hypot(*levels) / sqrt(len(levels))


def _levels(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def estimate(y: Tensor, together: bool = True) -> SigmaEstimate:
    """The noise level of y (1, C, H, W), [0, 1], of any range, without a random number.

    together: for what treats the channels of y together; else each counts for itself, whatever noise they share.
    Patches with NaN or Inf are left out, and so are those within 2.5 sigma of a black or a white where clipping has cut the noise.
    Large pictures are sampled on a regular grid. Errors: a side under 16 pixels, or too few patches that are finite.
    """
    if y.ndim != 4 or y.shape[0] != 1:
        raise RestoreError(f"the noise of an array of shape {tuple(y.shape)} was to be estimated", "(1, C, H, W)")
    if min(y.shape[-2:]) < SMALLEST:
        raise RestoreError(f"a picture of {y.shape[3]}x{y.shape[2]} pixels is too small to estimate its noise", f"at least {SMALLEST} pixels a side",
                           "type the level: --sigma 25")
    y = y.detach().to("cpu", torch.float32)
    channels = y.shape[1]
    planes = [*y.split(1, dim=1), *([y.mean(1, keepdim=True) * sqrt(channels)] if together and channels > 1 else [])]
    mad, pca = _by_both(planes)
    half = pca if min(y.shape[-2:]) < 2 * SMALLEST else tuple(2 * min(both) for both in zip(*_by_both([F.avg_pool2d(plane, 2) for plane in planes]), strict=True))
    alone = len(planes) == channels
    return SigmaEstimate(mad[:channels], pca[:channels], half[:channels], rms(pca) if alone else pca[-1], rms(half) if alone else half[-1])


def _by_both(planes: list[Tensor]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of each plane (1, 1, H, W), by wavelet MAD and by patch PCA."""
    mad, pca = zip(*(_levels_of(plane) for plane in planes), strict=True)
    return mad, pca


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
