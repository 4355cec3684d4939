"""Noise seen where there is little else: small patches, what is measured in each, and which of them are calm.

Each patch is split into two sets of coefficients of an orthonormal basis: some that texture hardly reaches, which are measured, and the
rest, which says how lively the patch is. Under white noise the two sets are independent, so choosing patches by the one leaves no trace
in the other. Large pictures are sampled on a regular grid; nothing is drawn at random.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.numerics.wavelets import split

PATCH = 8  # side of a patch
WEAKEST = 8  # principal components that are measured, of PATCH^2
SHADING = 2  # strongest components that say nothing of texture: the slopes of a smooth picture
BAND = 32  # rows of a picture that are learned from, then as many that are measured
BLOCK = 6  # side of a block of diagonal coefficients
CALM = 0.03  # the least share of patches to be trusted
TIED = 1e-4  # the share of samples at one extreme value that tells clipping
MUCH = 0.25  # of the samples of a patch, or of its coefficients
EXACT = 1e-9  # a coefficient below it is of samples that are all the same
MARGIN = 2.5  # sigmas from black and white where clipping takes less than 1 % of the level
STEEPEST = 0.2  # in texture: energy of what is measured, per energy of the rest


Limits = tuple[float, float]  # black and white


@dataclass(frozen=True)
class Patches:
    """n patches: `values` (n, k) to be measured; (n,) `lively`, the mean square of the other coefficients, and the samples' mean and clipped share."""

    values: Tensor
    lively: Tensor
    mean: Tensor
    clipped: Tensor

    def __getitem__(self, index: Tensor) -> "Patches":
        return Patches(*(part[index] for part in vars(self).values()))

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def enough(self) -> int:
        """How many patches at least make an estimate."""
        return min(len(self), max(100, ceil(CALM * len(self))))

    def room(self, limits: Limits) -> Tensor:
        """(n,) how far the mean is from black and from white; -inf where much is clipped, as on an edge between the two."""
        return torch.minimum(self.mean - limits[0], limits[1] - self.mean).masked_fill(self.clipped > MUCH, -inf)

    def alive(self, still: Tensor) -> "Patches":
        """Those that are not `still` (n,): no light fell on bars, frames and captions. All where that is most of the picture."""
        return self[~still] if 2 * int(still.sum()) <= len(self) else self

    def untouched(self) -> "Patches":
        """Those without a clipped sample, or all where too few are."""
        inside = self.clipped == 0
        return self[inside] if inside.sum() >= self.enough else self


def clip_limits(y: Tensor) -> Limits:
    """Black and white, where many samples share the least or the greatest value: clipping has cut the noise there; else -inf and inf."""
    seen = y[y.isfinite()] if not y.sum().isfinite() else y
    if seen.numel() == 0:
        return -inf, inf
    least, most = seen.aminmax()
    many = max(2, TIED * seen.numel())
    return (float(least) if (seen == least).sum() >= many else -inf, float(most) if (seen == most).sum() >= many else inf)


def diagonal(y: Tensor, limits: Limits) -> Patches:
    """Overlapping blocks of diagonal coefficients of one channel (1, 1, H, W), with the 14x14 samples under them; those with NaN or Inf are left out."""
    side, reach = 70, 2 * BLOCK + 2
    step = side * round(sqrt(y.numel() / 2**20))
    if step > side <= min(y.shape[2:]):
        y = y.unfold(2, side, step).unfold(3, side, step).reshape(-1, 1, side, side)
    detail = split(y.double(), 2)[:, 1:].unfold(2, BLOCK, 4).unfold(3, BLOCK, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, BLOCK**2)
    mean, clipped = (F.avg_pool2d(part, reach, 8).flatten() for part in (y, _clipped(y, limits).float()))
    blocks = Patches(detail[:, 2], detail[:, :2].square().mean((1, 2)), mean, clipped)
    known, still = blocks.mean.isfinite(), (detail.abs() < EXACT).all(1).double().mean(1) > MUCH
    return blocks[known].alive(still[known])


def principal(y: Tensor, limits: Limits, count: int = 50_000) -> Patches:
    """The weakest principal components of the patches of one channel (1, 1, H, W); each half's axes are the other half's.

    Patches with NaN or Inf are left out.
    """
    step = max(1, round(sqrt(y.numel() / count)))
    band = min(BAND, y.shape[2] // 2)
    down = min(step, band - PATCH + 1)
    rows = torch.arange(0, y.shape[2] - PATCH + 1, down)
    inside = rows % band <= band - PATCH
    patches = y[0, 0].unfold(0, PATCH, down).unfold(1, PATCH, step)
    halves = [patches[inside & (rows // band % 2 == parity)].reshape(-1, PATCH**2).double() for parity in (0, 1)]
    halves = [half[half.sum(1).isfinite()] for half in halves]
    means = [half.mean(1, keepdim=True) for half in halves]
    turned = [(half - mean) @ axes for half, mean, axes in zip(halves, means, reversed([_axes(half - mean) for half, mean in zip(halves, means)]))]
    values, samples, mean = torch.cat(turned), torch.cat(halves).unflatten(1, (PATCH, PATCH)), torch.cat(means)[:, 0]
    lines = [(samples == samples.narrow(axis, 0, 1)).all(axis).any(1) for axis in (1, 2)]  # one that is all the same
    found = Patches(values[:, :WEAKEST], values[:, WEAKEST : -1 - SHADING].square().mean(1), mean, _clipped(samples, limits).double().mean((1, 2)))
    return found.alive(lines[0] | lines[1])


def _clipped(samples: Tensor, limits: Limits) -> Tensor:
    return (samples <= limits[0]) | (samples >= limits[1])


def _axes(patches: Tensor) -> Tensor:
    """Principal axes, weakest first, of patches whose mean is 0; the last is the constant one."""
    covariance = patches.T @ patches / max(len(patches), 1)
    return torch.linalg.eigh(covariance + covariance.trace().clamp_min(1e-12))[1]


def calm_variance(patches: Patches, measure: Callable[[Tensor], Tensor]) -> float:
    """The variance of white noise, by `measure` of the values of the calm patches: those no livelier than noise of that variance.

    Where even the calmest few are livelier, the measured energy is continued along a line down to where they would not be.
    """
    order = patches.lively.argsort()
    lively, energy = patches.lively[order], patches.values.square().mean(1)[order]
    level = energy.cumsum(0) / torch.arange(1, len(patches) + 1, device=energy.device)
    enough = patches.enough
    livelier = (lively > level)[enough - 1 :].nonzero()
    taken = enough - 1 + int(livelier[0]) if len(livelier) else len(patches)
    if taken >= enough:
        return float(measure(patches.values[order[:taken]]))
    lively, energy = lively[:enough], energy[:enough]
    spread = lively - lively.mean()
    slope = float((spread * energy).sum() / spread.square().sum().clamp_min(1e-30))
    slope = min(max(slope, 0.0), STEEPEST)
    return max(float(measure(patches.values[order[:enough]]) - slope * lively.mean()) / (1 - slope), 0.0)
