"""Nonlocally centralised sparse representation: codes in the dictionary of a patch's kind, drawn towards those of similar patches.

Dong, Zhang, Shi & Li, Nonlocally centralized sparse representation for image restoration, TIP 2013.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Blend, Single
from restore.numerics import patches
from restore.numerics.eigen import eigh
from restore.numerics.levels import for_level
from restore.numerics.mirror import mirrored, padded
from restore.numerics.solvers import soft


class Profile(NamedTuple):
    """size: of patches. count: similar patches. strength: c1 of the thresholds. trust: the share of the estimated noise that is believed.

    rounds: how often dictionaries are learned. spread: of the Gaussian that is taken off before clustering. width: h of the weights
    exp(-d / h), d the mean squared difference. fewest: patches in a cluster.
    """

    size: int
    count: int
    strength: float
    trust: float
    rounds: int
    spread: float
    width: float
    fewest: int


# By the noise level up to which they hold; all on the 0-255 scale (the authors').
PROFILES = {10: Profile(6, 13, 0.56, 0.22, 3, 1.7, 75.0, 240), 15: Profile(6, 13, 0.59, 0.22, 3, 1.8, 75.0, 240),
            30: Profile(7, 16, 0.64, 0.23, 3, 2.0, 80.0, 250), 50: Profile(9, 18, 0.64, 0.26, 4, 2.4, 90.0, 300),
            math.inf: Profile(8, 20, 0.64, 0.26, 4, 2.4, 95.0, 300)}
RADIUS = 30  # of the search window
INNER = 3  # steps with the same dictionaries
RETURN = 0.02  # the share of the removed that comes back in each step
SCALES = (1.0, 0.8**2, 0.8**4, 0.8**6)  # at which patches are learned from
CLUSTERS, LEAST, LLOYD, CLEAN = 70, 40, 14, 12  # at first, at least (less one), steps of k-means, the step that drops small ones
SMOOTH = 4.0  # grey levels of texture, beside the noise, up to which a patch is smooth
CHUNK = 4096  # patches that are coded at a time


class NCSR(Single):
    """min |y - D a|^2 + sum_i t_i |a_i - b_i|_1: b_i the code of the weighted mean of similar patches, t = c sqrt(8) sigma^2 / (deviation of their codes).

    The dictionary of a patch is the principal axes of its cluster; smooth patches have their own. Learned from the picture itself, anew
    in each round. Not clipped. `seed`: of the first centres of k-means.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed

    @torch.no_grad()
    def picture(self, y, sigma, tick):
        (height, width), profile, sigma = y.shape, for_level(PROFILES, sigma), 255 * sigma
        least = profile.size + math.ceil(math.sqrt(profile.count))
        x = y = 255 * padded(y, max(0, least - height), max(0, least - width))
        generator, left = torch.Generator().manual_seed(self.seed), sigma
        for turn in range(profile.rounds):
            axes, kind = learn(x, profile, left, generator)
            distance, place = patches.search(x, profile.size, 1, RADIUS, profile.count)
            weight = weights(distance / profile.size**2, max(profile.width, 12 * left))
            for inner in range(INNER):
                x = x + RETURN * (y - x)
                left = abs(sigma**2 - float((x - y).square().mean())) ** 0.5 * (profile.trust if turn or inner else 1.0)
                x = centralised(x, axes, kind, place, weight, left, profile)
                tick(turn * INNER + inner + 1, profile.rounds * INNER)
        return x[:height, :width] / 255

    def tiling(self, problem):
        return Blend(64)

    def bytes_per_pixel(self, problem):
        return 4000.0  # patches at all scales and their distances to the centres

    @property
    def flops_per_pixel(self) -> float:
        """At sigma 25: distances, clusters, codes of a patch and of those like it."""
        profile = PROFILES[30]
        size, codes = profile.size**2, 2 * (profile.count + 3) * profile.size**4
        clusters = 2 * CLUSTERS * size * LLOYD * sum(scale**2 for scale in SCALES)
        return profile.rounds * (4.0 * (2 * RADIUS + 1) ** 2 + clusters + INNER * (codes + 6 * profile.count * size))


def weights(distance: Tensor, width: float) -> Tensor:
    """exp(-d / h), of sum 1 over similar patches (L, n), nearest first; the patch itself counts as much as the nearest other one."""
    return (-torch.cat([distance[:, 1:2], distance[:, 1:]], 1) / width).softmax(1)


def centralised(x: Tensor, axes: Tensor, kind: Tensor, place: Tensor, weight: Tensor, sigma: float, profile: Profile) -> Tensor:
    """One step of shrinkage of every patch's code in its own axes (K, d, d) towards b; the mean of all patches."""
    every = patches.extract(x[None, None], profile.size)[0]
    clean = torch.empty_like(every)
    for which, members in clustered(kind, len(axes)):
        basis = axes[which]
        for some in members.split(CHUNK):
            similar = every[place[some]]
            mean = (weight[some, None] @ similar)[:, 0]
            deviation = ((similar - mean[:, None]) @ basis).square_().mean(1).sub_(sigma**2).clamp_min_(0).sqrt_()
            bound = profile.strength * math.sqrt(2) * sigma**2 / (deviation + 1e-12)
            centre = mean @ basis
            clean[some] = (soft(every[some] @ basis - centre, bound) + centre) @ basis.mT
    return patches.aggregate(clean[None], *x.shape, profile.size)[0, 0] / patches.cover(*x.shape, profile.size).to(x)


def learn(x: Tensor, profile: Profile, sigma: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Principal axes of each kind of patch, (K, d, d), in columns, and the kind of every patch of x (L,); the first kind is smooth."""
    coarse = [shrink(x, scale) for scale in SCALES if scale * min(x.shape) >= profile.size + 1]
    raw, rough = (torch.cat([patches.extract(picture, profile.size)[0] for picture in pictures])
                  for pictures in (coarse, [high(picture, profile) for picture in coarse]))
    lively = rough.square().mean(1) >= sigma**2 + SMOOTH**2
    smooth = raw[~lively]
    centres, kinds = k_means(rough[lively], CLUSTERS, profile.fewest, generator)
    lively_raw = raw[lively]
    axes = [principal(smooth if len(smooth) >= profile.fewest else raw, sigma)]
    axes += [principal(lively_raw[members], sigma) for _, members in clustered(kinds, len(centres))]
    used = kinds.unique()
    count = (x.shape[0] - profile.size + 1) * (x.shape[1] - profile.size + 1)
    kind = torch.zeros(count, dtype=torch.long, device=x.device)
    if len(used):
        kind[lively[:count]] = 1 + nearest(rough[:count][lively[:count]], centres[used])
    return torch.stack(axes), kind


def shrink(x: Tensor, scale: float) -> Tensor:
    """x (H, W) at a smaller scale, (1, 1, h, w), bilinear with antialiasing."""
    sides = [math.ceil(scale * side) for side in x.shape]
    return F.interpolate(x[None, None], size=sides, mode="bilinear", antialias=True) if scale < 1 else x[None, None]


def high(x: Tensor, profile: Profile) -> Tensor:
    """x (1, 1, H, W) less its Gaussian mean."""
    radius = profile.size // 2 + 1
    bell = torch.exp(-torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device).square() / (2 * profile.spread**2))
    bell = (bell / bell.sum())[None, None, None]
    return x - F.conv2d(F.conv2d(mirrored(x, radius), bell), bell.mT)


def k_means(points: Tensor, count: int, fewest: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Centres (K, d) and the centre of each point (N,); clusters of less than `fewest` points are dropped once, the smallest first, while there are LEAST."""
    chosen = torch.randperm(len(points), generator=generator)[:count]
    centres = points[chosen.to(points.device)]
    for step in range(LLOYD):
        if not len(points):
            break
        kind = nearest(points, centres)
        times = kind.bincount(minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, kind, points)
        centres = torch.where(times[:, None] > 0, sums / times[:, None].clamp_min(1), centres)
        if step + 1 == CLEAN:
            order = times.argsort()
            spare = int((times < fewest).sum().clamp_max(max(len(centres) - LEAST + 1, 0)))
            centres = centres[order[spare:].sort().values]
    return centres, nearest(points, centres) if len(points) else points.new_zeros(0, dtype=torch.long)


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each point."""
    offset = centres.square().sum(1) / 2
    return torch.cat([(offset - some @ centres.mT).argmin(1) for some in points.split(2**16)])


def clustered(kind: Tensor, count: int) -> Iterator[tuple[int, Tensor]]:
    """The members of every kind that has some."""
    times = kind.bincount(minlength=count).tolist()
    for which, members in enumerate(kind.argsort(stable=True).split(times)):
        if len(members):
            yield which, members


def principal(points: Tensor, sigma: float) -> Tensor:
    """Axes, in columns, of the covariance of points (N, d) less the noise's; negative entries count as 0 (as 1e-4 with the authors)."""
    centred = points - points.mean(0)
    covariance = centred.mT @ centred / max(len(points) - 1, 1) - sigma**2 * torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    return eigh(covariance.clamp_min(0))[1]
