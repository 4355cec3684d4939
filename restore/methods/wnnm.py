"""Weighted nuclear norm minimisation: groups of similar patches, as matrices, have their singular values shrunk, small ones most.

Gu, Zhang, Zuo & Feng, Weighted nuclear norm minimization with application to image denoising, CVPR 2014; the fixed point of its weights in
closed form from Gu, Xie, Meng, Zuo, Feng & Zhang, Weighted nuclear norm minimization and its applications to low level vision, IJCV 2017.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from restore.method import Blend, Single
from restore.numerics import patches
from restore.numerics.levels import for_level
from restore.numerics.mirror import padded


class Profile(NamedTuple):
    """Groups of `count` patches of size x size, for references on a grid of `step`; `rounds`; `trust`: the share of the estimated noise that is believed."""

    size: int
    step: int
    count: int
    rounds: int
    trust: float


# By the noise level up to which they hold, on the 0-255 scale (the paper's section 4).
PROFILES = {20: Profile(6, 2, 70, 8, 0.54), 40: Profile(7, 2, 90, 12, 0.56), 60: Profile(8, 3, 120, 14, 0.58), math.inf: Profile(9, 3, 140, 14, 0.58)}
RADIUS = 30  # of the search window
RETURN = 0.1  # the share of the removed that comes back in each round
WEIGHT = 2 * math.sqrt(2)  # C in the weights C sqrt(n) sigma^2 / s
FEWER = 10  # patches in a group, before each search
CHUNK = 512  # groups that are treated at a time
FLOOR = 1e-3  # of sigma^2, added to what is decomposed and taken away again: a group of equal patches would end in underflow and NaN


class WNNM(Single):
    """min |Y - X|_F^2 / (2 sigma^2) + sum_i w_i s_i(X), w_i = C sqrt(n) / s_i(X), for each group Y of n patches less their mean; averaged, and iterated.

    A picture too small for a group is continued by reflection. Not clipped.
    """

    @torch.no_grad()
    def picture(self, y, sigma, tick):
        (height, width), profile = y.shape, for_level(PROFILES, sigma)
        least = profile.size + math.isqrt(profile.count)
        x = y = padded(y, max(0, least - height), max(0, least - width))
        count, place, left = profile.count, None, y.new_full((), sigma)
        for turn in range(profile.rounds):
            x = x + RETURN * (y - x)
            if turn % 2 == 0:
                count -= FEWER
                place = patches.search(x, profile.size, profile.step, RADIUS, count)[1]
            if turn:
                left = remaining(x, y, sigma, profile)
            x = estimate(x, place, profile.size, left)
            tick(turn + 1, profile.rounds)
        return x[:height, :width]

    def tiling(self, problem):
        return Blend(64)

    def bytes_per_pixel(self, problem):
        return 1500.0  # five times all patches

    @property
    def flops_per_pixel(self) -> float:
        """At sigma 25: distances, Gram matrices, their eigenvectors, products."""
        profile = PROFILES[40]
        size, counts = profile.size**2, [profile.count - FEWER * (1 + turn // 2) for turn in range(profile.rounds)]
        groups = sum(4 * count * size * min(count, size) + 11 * min(count, size) ** 3 for count in counts)
        return groups / profile.step**2 + 4.0 * (2 * RADIUS + 1) ** 2 * len(set(counts))


def remaining(x: Tensor, y: Tensor, sigma: float, profile: Profile) -> Tensor:
    """The standard deviation of the noise that is left in every patch of x, (L,): trust sqrt |sigma^2 - mean (y - x)^2|."""
    removed = patches.extract((y - x)[None, None], profile.size)[0].square().mean(1)
    return profile.trust * (sigma**2 - removed).abs().sqrt()


def estimate(x: Tensor, place: Tensor, size: int, sigma: Tensor) -> Tensor:
    """Every group (its patches at `place` (G, n), the reference first) of x (H, W) shrunk; the mean of all patches where they lie. sigma: (L,) or ()."""
    every = patches.extract(x[None, None], size)[0]
    total, times = torch.zeros_like(every), x.new_zeros(len(every))
    sigma = sigma.expand(len(every))
    for group in place.split(CHUNK):
        clean = shrunk(every[group], sigma[group[:, 0]])
        total.index_add_(0, group.flatten(), clean.flatten(0, 1))
        times.index_add_(0, group.flatten(), times.new_ones(group.numel()))
    sums = patches.aggregate(total[None], *x.shape, size)[0, 0]
    return sums / patches.aggregate(times[:, None].expand_as(total)[None], *x.shape, size)[0, 0]


def shrunk(groups: Tensor, sigma: Tensor) -> Tensor:
    """Groups (G, n, d) less their mean patch, their singular values shrunk for noise of sigma (G,), and their mean again.

    By the eigenvectors of the smaller Gram matrix, which take a third of the time of a singular value decomposition.
    """
    mean = groups.mean(1, keepdim=True)
    centred = groups - mean
    tall = groups.shape[1] >= groups.shape[2]
    gram = centred.mT @ centred if tall else centred @ centred.mT
    gram.diagonal(dim1=1, dim2=2).add_(FLOOR * sigma.square()[:, None])
    energy, axes = torch.linalg.eigh(gram)
    gain = gains((energy - FLOOR * sigma.square()[:, None]).clamp_min(0).sqrt(), sigma[:, None], groups.shape[1])
    filter_ = (axes * gain[:, None]) @ axes.mT
    return (centred @ filter_ if tall else filter_ @ centred) + mean


def gains(values: Tensor, sigma: Tensor, count: int) -> Tensor:
    """x / s for singular values s: the larger fixed point of x = s - K / x, K = C sqrt(n) sigma^2, which is (s + sqrt(s^2 - 4 K)) / 2, or 0 where there is none."""
    limit = 4 * WEIGHT * math.sqrt(count) * (sigma / values).square()  # 4 K / s^2
    return torch.where(limit < 1, (1 + (1 - limit).clamp_min(0).sqrt()) / 2, 0)
