"""Patches clustered under a mixture, and low-rank approximation of each cluster.

Chen, Zhang & Yu, External patch prior guided internal clustering for image denoising, ICCV 2015.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Blend, Single
from restore.numerics import clusters, gmm, patches
from restore.numerics.eigen import eigh
from restore.numerics.levels import for_level
from restore.numerics.mirror import padded

BACK = 0.18  # of y - x comes back each time
LEFT = 0.67  # factor on the noise left
FEW = 10  # patches are no class


class Setting(NamedTuple):
    """Patches of size x size, the threshold on singular values, so many rounds."""

    size: int
    threshold: float
    rounds: int


# By the noise level up to which they hold, on the 0-255 scale.
SETTINGS = {20: Setting(7, 4.7, 4), 40: Setting(8, 4.8, 5), 60: Setting(9, 5.0, 5), math.inf: Setting(10, 5.2, 6)}
SIZES = tuple(setting.size for setting in SETTINGS.values())


class PCLR(Single):
    """Each round: x gets a little of y back; patches less their mean are classed by their likeliest Gaussian; each class is split into clusters of
    about size^2 patches by brightness and place; in each the singular values of patches less the cluster's mean are thresholded, s - c sigma^2 /
    sqrt(s^2 / n - sigma^2); all are averaged, the more the lower their rank. Grey; not clipped.
    """

    nested = True  # the patches of a size are corners of those of the next

    def __init__(self, components: int = 200):
        super().__init__()
        self.mixtures = nn.ModuleList(gmm.Mixture(components, size**2 - 1) for size in SIZES)

    def samples(self, number: int, x: Tensor) -> tuple[Tensor, None]:
        """What a mixture is learned from: patches (n, 1, size, size) or larger as (size^2 - 1, 1, n) coefficients."""
        size = SIZES[number]
        return (patches.cosines(size)[1:].to(x) @ x[..., :size, :size].flatten(1).mT)[:, None], None

    @torch.no_grad()
    def picture(self, y, sigma, tick):
        y = y[None, None]
        (height, width), setting = y.shape[2:], for_level(SETTINGS, sigma)
        size = setting.size
        y = padded(y, max(0, 2 * size - height), max(0, 2 * size - width))
        x, most = y, max(1, round(1000 * 255 * sigma))
        place = places(*y.shape[2:], size).to(y)
        for done in range(setting.rounds):
            x = torch.lerp(x, y, BACK)
            seen = F.unfold(x, size)[0].mT.contiguous()
            far = F.avg_pool2d((y - x).square(), size, 1).flatten()
            noise = torch.full_like(far, sigma) if not done else LEFT * (sigma**2 - far).abs().sqrt()
            if 255 * float(noise.mean()) <= 15:
                most = max(1, round(most / 2))
            features = torch.cat([place, seen.mean(1, keepdim=True) * 2 * brightness(*y.shape[2:])], 1)
            least = -(done + 1) * round(size / 2)
            label = self._classes(seen, noise.mean(), setting, most, features, (setting.rounds - done - 1 + size) * 10, least)
            clean, weight = low_rank(seen, label, noise, setting.threshold)
            total = F.fold((clean * weight[:, None]).mT[None], y.shape[2:], size)
            x = total / F.fold(weight.expand(1, size**2, -1), y.shape[2:], size)
            tick(done + 1, setting.rounds)
        return x[0, 0, :height, :width]

    def _classes(self, seen: Tensor, noise: Tensor, setting: Setting, most: int, features: Tensor, rounds: int, least: int) -> Tensor:
        """The cluster (L,) of each patch (L, size^2): classes, cut into parts of `most`, likeliest last, split by k-means."""
        details = (patches.cosines(setting.size)[1:].to(seen) @ seen.mT)[:, None]
        law = gmm.density(self.mixtures[SIZES.index(setting.size)], float(noise) ** 2, seen)
        score, which = law.best(details)
        rare = torch.bincount(which, minlength=len(law.constant)) < FEW
        if (lost := rare[which]).any() and not rare.all():
            score[lost], which[lost] = law._replace(constant=law.constant.masked_fill(rare[:, None], -torch.inf)).best(details[..., lost])
        order = score.argsort()
        order = order[which[order].argsort(stable=True)]
        rank = torch.empty_like(order)
        counts = torch.bincount(which, minlength=len(law.constant))
        rank[order] = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[which[order]]
        part = (which * len(which) + rank // most).unique(return_inverse=True)[1]
        return clusters.split(features, part, setting.size**2, rounds, least)

    def tiling(self, problem):
        """Clusters are those of the whole tile, so tiles are blended."""
        return Blend(32)

    def bytes_per_pixel(self, problem):
        return 4.0 * 8 * for_level(SETTINGS, float(problem.noise.sigma.max())).size ** 2

    @property
    def flops_per_pixel(self) -> float:
        """At sigma 25: densities; moments, eigenvectors (9 d^3 for about d patches) and projections."""
        setting = SETTINGS[40]
        return setting.rounds * (2.0 * self.mixtures[1].factors.numel() + 13 * setting.size**4)


def brightness(height: int, width: int) -> float:
    """What brightness on [0, 1] weighs against place on [-1, 1]: 45 at a mean side of 256, 10 at 512, never less than 0."""
    side = (height + width) / 2
    return max(0.0, ((512 - side) * 45 + (side - 256) * 10) / 256)


def places(height: int, width: int, size: int) -> Tensor:
    """Row and column (L, 2) of each patch, from -1 to 1 over the height."""
    rows, columns = torch.arange(height - size + 1), torch.arange(width - size + 1)
    return torch.cartesian_prod(rows, columns).float() * 2 / height - 1


def low_rank(seen: Tensor, label: Tensor, noise: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Patches (L, d) approximated in their clusters (L,) under noise (L,); and the weight (L,) of each, (d - rank) / d, or 1 / d at full rank."""
    clean, weight, size = torch.empty_like(seen), torch.empty_like(noise), seen.shape[1]
    for index, inside in clusters.padded(label):
        count, inside = inside.sum(1), inside.to(seen)
        group = seen[index] * inside[..., None]
        mean = group.sum(1, keepdim=True) / count[:, None, None]
        group = (group - mean) * inside[..., None]
        variance = ((noise[index] * inside).sum(1) / count).square()[:, None]
        values, vectors = eigh(group.mT @ group)
        values = values.clamp_min(0)
        bound = threshold * variance / ((values / count[:, None] - variance).clamp_min(0).sqrt() + 1e-12)
        gain = (1 - bound / values.sqrt().clamp_min(1e-12)).clamp_min(0)
        rank = (gain > 0).sum(1)
        estimate = group @ (vectors * gain[:, None]) @ vectors.mT + mean
        kept = inside.bool()
        clean[index[kept]] = estimate[kept]
        weight[index[kept]] = (torch.where(rank < size, size - rank, 1) / size)[:, None].expand_as(inside)[kept].to(weight)
    return clean, weight
