"""Groups of similar patches under a mixture learned from such groups.

Xu, Zhang, Zuo, Zhang & Feng, Patch group based nonlocal self-similarity prior learning for image denoising, ICCV 2015.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Blend, Single
from restore.numerics import gmm, patches
from restore.numerics.levels import for_level
from restore.numerics.mirror import padded
from restore.numerics.solvers import soft

STEP, RADIUS, COUNT = 3, 15, 10  # references every 3 pixels; their 10 nearest patches in a window of 31 x 31
ROUNDS = 4
SMOOTH = 0.002  # groups whose patches all have less variance than this are the last component's


class Setting(NamedTuple):
    """Patches of size x size, the weight of sparsity, how much of y comes back each time, the factor on the noise left."""

    size: int
    sparsity: float
    back: float
    left: float


# By the noise level up to which they hold, on the 0-255 scale.
SETTINGS = {10: Setting(6, 0.33, 0.10, 0.79), 20: Setting(6, 0.29, 0.09, 0.73), 30: Setting(7, 0.19, 0.08, 0.89), 40: Setting(8, 0.15, 0.07, 0.98),
            50: Setting(8, 0.12, 0.06, 1.05), 75: Setting(9, 0.09, 0.05, 1.15), math.inf: Setting(9, 0.06, 0.05, 1.30)}
SIZES = (6, 7, 8, 9)


class PGPD(Single):
    """Four times: x gets a little of y back; groups of similar patches less the group's mean; each group's likeliest Gaussian, with eigenvectors D and
    eigenvalues s; min |z - D a|^2 + sum_j c sigma^2 / sqrt(s_j) |a_j| in closed form (eq. 9 to 12); the average of all.

    `components`: how many Gaussians for the four sizes, the last of each for smooth groups. Grey; not clipped.
    """

    nested = False

    def __init__(self, components: tuple[int, ...] = (65, 33, 33, 33)):
        super().__init__()
        self.mixtures = nn.ModuleList(gmm.Mixture(count, size**2) for count, size in zip(components, SIZES, strict=True))

    def samples(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """What a mixture is learned from: groups (size^2, COUNT, n) of clean pictures (B, 1, H, W), and which components (K, n) each may come from."""
        size, groups = SIZES[number], []
        for picture in x:
            place = patches.search(picture[0], size, STEP, RADIUS, COUNT)[1]
            groups.append(F.unfold(picture[None], size)[0][:, place.mT])
        whole = torch.cat(groups, 2)
        smooth = whole.var(0, correction=0).amax(0) <= SMOOTH
        allowed = torch.stack([~smooth] * (self.mixtures[number].count - 1) + [smooth])
        return whole - mean_of(whole), allowed

    @torch.no_grad()
    def picture(self, y, sigma, tick):
        y = y[None, None]
        (height, width), setting = y.shape[2:], for_level(SETTINGS, sigma)
        least = setting.size + RADIUS  # a window holds COUNT patches
        y = padded(y, max(0, least - height), max(0, least - width))
        mixture = self.mixtures[SIZES.index(setting.size)]
        values, vectors = torch.linalg.eigh(mixture.covariances())
        vectors, spread = vectors.to(y), values.clamp_min(0).sqrt().to(y)
        x, noise, which = y, sigma, None
        for done in range(ROUNDS):
            x = torch.lerp(x, y, setting.back)
            if done:
                noise = setting.left * abs(sigma**2 - float((y - x).square().mean())) ** 0.5
            place = patches.search(x[0, 0], setting.size, STEP, RADIUS, COUNT)[1]
            groups = F.unfold(x, setting.size)[0][:, place.mT]
            mean = mean_of(groups)
            groups = groups - mean
            if done % 2 == 0:
                which = gmm.density(mixture, noise**2, y, COUNT, weighted=False).best(groups)[1]
            threshold = math.sqrt(2) * setting.sparsity * noise**2 / (spread + 1e-12)  # half of 2 sqrt(2) c sigma^2 / sqrt(s)
            codes = soft(gmm.transformed(groups, vectors.mT, which), threshold[which].mT[:, None])
            x = averaged(gmm.transformed(codes, vectors, which) + mean, place, x, setting.size)
            tick(done + 1, ROUNDS)
        return x[0, 0, :height, :width]

    def tiling(self, problem):
        """The noise left is that of the whole tile, so tiles are blended."""
        return Blend(2 * (RADIUS + 9), STEP)

    def bytes_per_pixel(self, problem):
        return 4.0 * 81 * (3 + 6 * COUNT / STEP**2)

    @property
    def flops_per_pixel(self) -> float:
        """At sigma 25: distances, densities, codes."""
        size = SIZES[1] ** 2
        scores, codes = 2 * self.mixtures[1].factors.numel() + COUNT * size * (size + 1), 4 * COUNT * size**2
        return ROUNDS * (4.0 * (2 * RADIUS + 1) ** 2 + (scores / 2 + codes) / STEP**2)


def mean_of(groups: Tensor) -> Tensor:
    """The mean patch of each group (d, m, n), (d, 1, n)."""
    return groups.mean(1, keepdim=True)


def averaged(groups: Tensor, place: Tensor, like: Tensor, size: int) -> Tensor:
    """Patches (size^2, m, n) put back at their places (n, m) and averaged, in the shape of `like` (1, 1, H, W)."""
    at = place.mT.flatten()
    shape = (size**2, (like.shape[2] - size + 1) * (like.shape[3] - size + 1))
    sums = groups.new_zeros(shape).index_add_(1, at, groups.flatten(1))
    counts = torch.bincount(at, minlength=shape[1]).to(groups).expand(1, *shape)
    return F.fold(sums[None], like.shape[2:], size) / F.fold(counts, like.shape[2:], size)
