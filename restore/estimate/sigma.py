"""The level of white noise in a picture, by two estimators that do not share a transform.

Both split the picture into small patches, and each patch into two sets of coefficients of an orthonormal basis: some that texture hardly reaches,
which are measured, and the rest, which says how calm the patch is. Under white noise the two sets are independent, so choosing patches by the
one leaves no trace in the other. The patches taken are those no livelier than noise of the measured level; where even the calmest
few are livelier, the measured energy is continued along a line down to where they would not be.

mad: diagonal detail of a Daubechies wavelet, median / 0.6745 (Donoho & Johnstone, Biometrika 1994). pca: the weakest components of the patch
covariance (Pyatykh, Hesser & Zheng, TIP 2013; Chen, Zhu & Heng, ICCV 2015), learned on one half of the picture and measured on the other.

The noise is taken to be white. Noise that has been through a demosaicing, a resampling or a JPEG coder is correlated: it has lost
its finest grain, which is what is measured here, so the level comes out lower than the standard deviation of the noise, down to 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics.wavelets import split

PATCH = 8  # side of a patch
WEAKEST = 8  # principal components that are measured, of PATCH^2
BAND = 32  # rows of a picture that are learned from, then as many that are measured
BLOCK = 6  # side of a block of diagonal coefficients
CALM = 0.03  # the least share of patches to be trusted
STEEPEST = 0.2  # in texture: energy of what is measured, per energy of the rest
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

    Patches with NaN or Inf are left out, and so are those within 2.5 sigma of the darkest and the brightest sample, where clipping may have cut
    the noise. Large pictures are sampled on a regular grid. Errors: a side under 16 pixels, or too few patches that are finite.
    """
    if y.ndim != 4 or y.shape[0] != 1:
        raise RestoreError(f"the noise of an array of shape {tuple(y.shape)} was to be estimated", "(1, C, H, W)")
    if min(y.shape[-2:]) < SMALLEST:
        raise RestoreError(f"a picture of {y.shape[3]}x{y.shape[2]} pixels is too small to estimate its noise", f"at least {SMALLEST} pixels a side",
                           "type the level: --sigma 25")
    channels = y.detach().split(1, dim=1)
    mad = tuple(_sigma(_wavelet(channel), lambda values: (values.abs().median() / 0.6745) ** 2) for channel in channels)
    pca = tuple(_sigma(_principal(channel), lambda values: values.square().mean()) for channel in channels)
    return SigmaEstimate(pca, mad, pca)


@dataclass(frozen=True)
class _Patches:
    """n patches: `values` (n, k) to be measured, `lively` (n,) the mean square of the other coefficients, and their samples' mean, least, most (n,)."""

    values: Tensor
    lively: Tensor
    mean: Tensor
    least: Tensor
    most: Tensor

    def __getitem__(self, index: Tensor) -> "_Patches":
        return _Patches(*(part[index] for part in vars(self).values()))

    def __len__(self) -> int:
        return len(self.mean)


def _wavelet(y: Tensor) -> _Patches:
    """Overlapping blocks of diagonal coefficients of one channel (1, 1, H, W), with the 14x14 samples under them."""
    side, reach = 70, 2 * BLOCK + 2
    step = side * round(sqrt(y.numel() / 2**20))
    if step > side:
        y = y.unfold(2, side, step).unfold(3, side, step).reshape(-1, 1, side, side)
    detail = split(y.double(), 2)[:, 1:].unfold(2, BLOCK, 4).unfold(3, BLOCK, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, BLOCK**2)
    mean, least, most = F.avg_pool2d(y, reach, 8), -F.max_pool2d(-y, reach, 8), F.max_pool2d(y, reach, 8)
    return _Patches(detail[:, 2], detail[:, :2].square().mean((1, 2)), mean.flatten(), least.flatten(), most.flatten())


def _principal(y: Tensor) -> _Patches:
    """The weakest principal components of the patches of one channel (1, 1, H, W); each half's axes are the other half's."""
    step = max(1, round(sqrt(y.numel() / 50_000)))
    rows = torch.arange(0, y.shape[2] - PATCH + 1, step)
    band = min(BAND, y.shape[2] // 2)
    patches = y[0, 0].unfold(0, PATCH, step).unfold(1, PATCH, step)
    inside = rows % band <= band - PATCH
    halves = [patches[inside & (rows // band % 2 == parity)].reshape(-1, PATCH**2).double() for parity in (0, 1)]
    halves = [half[half.sum(1).isfinite()] for half in halves]
    axes = [torch.linalg.eigh((half - half.mean(0)).T @ (half - half.mean(0)) / max(len(half), 1))[1] for half in halves]
    parts = []
    for half, basis in zip(halves, reversed(axes)):
        mean = half.mean(1)
        turned = (half - mean[:, None]) @ basis
        parts.append(_Patches(turned[:, :WEAKEST], turned[:, WEAKEST:].square().sum(1) / (PATCH**2 - WEAKEST - 1), mean, half.amin(1), half.amax(1)))
    return _Patches(*(torch.cat(part) for part in zip(*(vars(part).values() for part in parts))))


def _sigma(patches: _Patches, measure: Callable[[Tensor], Tensor]) -> float:
    """The level on the 0-255 scale: first from patches without an extreme sample, then from those well inside the range."""
    patches = patches[patches.mean.isfinite()]
    if len(patches) == 0:
        raise RestoreError("the picture has too few finite samples to estimate its noise", "", "type the level: --sigma 25")
    black, white = patches.least.min(), patches.most.max()
    margin = torch.minimum(patches.mean - black, white - patches.mean)
    inside = (patches.least > black) & (patches.most < white)
    level = sqrt(_variance(patches[inside] if inside.sum() >= _enough(patches) else patches, measure))
    room = torch.clamp(margin.topk(_enough(patches)).values[-1], max=MARGIN * level)
    return 255 * sqrt(_variance(patches[margin >= room], measure))


def _enough(patches: _Patches) -> int:
    return min(len(patches), max(100, ceil(CALM * len(patches))))


def _variance(patches: _Patches, measure: Callable[[Tensor], Tensor]) -> float:
    """The variance of white noise by `measure` (of the values) over the calm patches."""
    order = patches.lively.argsort()
    lively, energy = patches.lively[order], patches.values.square().mean(1)[order]
    level = energy.cumsum(0) / torch.arange(1, len(patches) + 1, device=energy.device)
    enough = _enough(patches)
    livelier = (lively > level)[enough - 1 :].nonzero()
    taken = enough - 1 + int(livelier[0]) if len(livelier) else len(patches)
    if taken >= enough:
        return float(measure(patches.values[order[:taken]]))
    lively, energy = lively[:enough], energy[:enough]
    spread = lively - lively.mean()
    slope = float((spread * energy).sum() / spread.square().sum().clamp_min(1e-30))
    slope = min(max(slope, 0.0), STEEPEST)
    return max(float(measure(patches.values[order[:enough]]) - slope * lively.mean()) / (1 - slope), 0.0)
