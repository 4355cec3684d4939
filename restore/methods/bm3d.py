"""Block matching and 3-D filtering.

Dabov, Foi, Katkovnik & Egiazarian, Image denoising by sparse 3-D transform-domain collaborative filtering, TIP 2007; the
profile for strong noise from Hou, Zhao, Yang & Cheng, Comments on the above, TIP 2011; colour: the same authors, ICIP 2007.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from restore.method import Exact, Method, reflect_pad
from restore.numerics import patches


class Stage(NamedTuple):
    """Patches of size x size on a grid of `step`; at most `count` of them (a power of two) at a mean squared distance up to `limit` (255^2) form a group.

    `shrink` scales sigma: |coefficient| > shrink sigma is kept, or the Wiener gain is b^2 / (b^2 + shrink^2 sigma^2).
    """

    size: int
    step: int
    count: int
    limit: float
    shrink: float


class Profile(NamedTuple):
    """First the threshold, then the Wiener filter."""

    hard: Stage
    wiener: Stage


NORMAL = Profile(Stage(8, 3, 16, 25000.0, 2.7), Stage(8, 3, 32, 3500.0, 0.9))
STRONG = Profile(Stage(8, 4, 32, 25000.0, 2.8), Stage(11, 4, 32, 3500.0, 0.8))  # sigma above 40 / 255
RADIUS = 19  # of the search window, 39 x 39
BETA = 2.0  # of the Kaiser window
BLOCK = 32  # references per axis that are treated at a time
OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (1 / 2, 0.0, -1 / 2), (1 / 4, -1 / 2, 1 / 4))


class BM3D(Method):
    """BM3D: groups of similar patches, thresholded and then Wiener filtered in a 3-D transform domain; CBM3D for colour.

    Colour is filtered in an opponent space whose luminance decides the groups. Not clipped.
    """

    noises = ("Gaussian",)

    @torch.no_grad()
    def restore(self, y, problem):
        sigma = problem.noise.sigma.to(y)
        sigma = sigma.expand(*y.shape[:2], 1, 1).flatten(1)
        if y.shape[1] == 3:
            return torch.stack([self._colour(*pair) for pair in zip(y, sigma, strict=True)])
        flat = [self._planes(plane[None], level[None]) for plane, level in zip(y.flatten(0, 1), sigma.flatten(), strict=True)]
        return torch.stack(flat).reshape(y.shape)

    def _colour(self, y: Tensor, sigma: Tensor) -> Tensor:
        opponent = torch.tensor(OPPONENT, dtype=y.dtype, device=y.device)
        planes = torch.einsum("kc,chw->khw", opponent, y)
        estimate = self._planes(planes, (opponent.square() @ sigma.square()).sqrt(), sigma.max())
        return torch.einsum("ck,khw->chw", torch.linalg.inv(opponent), estimate)

    def _planes(self, y: Tensor, sigma: Tensor, strength: Tensor | None = None) -> Tensor:
        """Planes (C, H, W), the first of which decides the groups, with the noise level of each."""
        if float(sigma.max()) == 0:
            return y
        profile = STRONG if float(sigma.max() if strength is None else strength) > 40 / 255 else NORMAL
        height, width = y.shape[1:]
        least = max(profile.hard.size, profile.wiener.size)
        y = reflect_pad(y, max(0, least - height), max(0, least - width))
        basic = collaborate(profile.hard, y, y, None, sigma)
        return collaborate(profile.wiener, y, basic, basic, sigma)[:, :height, :width]


def collaborate(stage: Stage, y: Tensor, guide: Tensor, basic: Tensor | None, sigma: Tensor) -> Tensor:
    """One stage over planes (C, H, W): groups matched on the first plane of `guide`; thresholded, or Wiener filtered with `basic`."""
    size, (height, width) = stage.size, y.shape[1:]
    exact = torch.float64 if basic is None else y.dtype
    total, weights = y.new_zeros(y.shape, dtype=exact), y.new_zeros(y.shape, dtype=exact)
    forward, backward = transform(size, basic is None)
    forward, backward = forward.to(y), backward.to(total)
    window = torch.kaiser_window(size, False, BETA, dtype=torch.float64)
    window = torch.outer(window, window).flatten().to(total)
    back = (backward * window).mT
    sigma = sigma.reshape(1, 1, -1, 1)
    for rows in blocks(patches.grid(height, size, stage.step)):
        for columns in blocks(patches.grid(width, size, stage.step)):
            top, left = max(rows[0] - RADIUS, 0), max(columns[0] - RADIUS, 0)
            area = (slice(None), slice(top, rows[-1] + RADIUS + size), slice(left, columns[-1] + RADIUS + size))
            part = y[area]
            high, wide = part.shape[1:]
            distance, place = patches.match(guide[area][0], size, [row - top for row in rows], [column - left for column in columns], RADIUS, stage.count)
            near = (distance <= stage.limit * size**2 / 255**2).sum(1)
            noisy = spectra(part, size, forward)
            clean = None if basic is None else spectra(basic[area], size, forward)
            sums, counts = torch.zeros_like(noisy, dtype=exact), noisy.new_zeros(noisy.shape[:2], dtype=exact)
            number = 1
            while number <= stage.count:
                chosen = (near >= number) & ((near < 2 * number) | (number == stage.count))
                index = place[chosen, :number].mT.flatten()
                if len(index):
                    group(noisy, clean, index, number, sigma, stage.shrink, sums, counts)
                number *= 2
            total[area] += patches.aggregate((back @ sums.permute(1, 2, 0)).mT, high, wide, size)[:, 0]
            weights[area] += patches.aggregate((window[:, None] * counts.mT[:, None]).mT, high, wide, size)[:, 0]
    return (total / weights).to(y.dtype)


def group(noisy, clean, index, number, sigma, shrink, sums, counts):
    """Filter all groups of `number` patches and add them to sums (L, C, size^2) and counts (L, C)."""
    haar = haar_matrix(number).to(noisy)
    shape = (number, -1, *noisy.shape[1:])
    spectrum = (haar @ noisy.index_select(0, index).reshape(number, -1)).reshape(shape)
    if clean is None:
        kept = spectrum.abs() > shrink * sigma
        spectrum = spectrum * kept
        energy = kept.sum((0, 3))
    else:
        power = (haar @ clean.index_select(0, index).reshape(number, -1)).reshape(shape).square()
        gain = power / (power + (shrink * sigma)**2)
        spectrum = spectrum * gain
        energy = gain.square().sum((0, 3))
    weight = 1 / (energy.clamp_min(1) * sigma[0, :, :, 0]**2)
    filtered = (haar.mT @ (spectrum * weight[None, :, :, None]).reshape(number, -1)).reshape(-1, *noisy.shape[1:])
    filtered = filtered.to(sums.dtype)
    sums.flatten(1).scatter_add_(0, index[:, None].expand(-1, sums[0].numel()), filtered.flatten(1))
    counts.scatter_add_(0, index[:, None].expand(-1, counts.shape[1]), weight.to(counts.dtype).repeat(number, 1))


def spectra(x: Tensor, size: int, forward: Tensor) -> Tensor:
    """2-D transforms of every patch of planes (C, H, W): (L, C, size^2)."""
    return (patches.extract(x[:, None], size) @ forward).transpose(0, 1).contiguous()


def blocks(places: list[int]) -> list[list[int]]:
    """Reference places, a block at a time; a lone last one joins the block before it."""
    whole = max(1, (len(places) - 1) // BLOCK) if len(places) % BLOCK == 1 else -(-len(places) // BLOCK)
    return [places[i * BLOCK:(i + 1) * BLOCK if i < whole - 1 else None] for i in range(whole)]


def transform(size: int, wavelet: bool) -> tuple[Tensor, Tensor]:
    """The separable transform of patches as rows, `patch @ forward`, and its inverse: bior1.5 with rows of unit norm, or the DCT."""
    matrix = biorthogonal_matrix(size) if wavelet else dct_matrix(size)
    both = torch.kron(matrix, matrix)
    return both.mT, torch.linalg.inv(both).mT


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II, (size, size)."""
    k, n = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (2 * n + 1) / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def haar_matrix(size: int) -> Tensor:
    """The orthonormal Haar transform, (size, size), coarse rows first; size is a power of two."""
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < size:
        average = torch.kron(matrix, torch.ones(1, 2, dtype=torch.float64))
        detail = torch.kron(torch.eye(len(matrix), dtype=torch.float64), torch.tensor([[1.0, -1.0]], dtype=torch.float64))
        matrix = torch.cat([average, detail]) / math.sqrt(2)
    return matrix


def biorthogonal_matrix(size: int) -> Tensor:
    """The periodic bior1.5 wavelet transform to full depth, (size, size), rows of unit norm; size is a power of two."""
    low = torch.tensor([3.0, -3, -22, 22, 128, 128, 22, -22, -3, 3], dtype=torch.float64) * math.sqrt(2) / 256
    average, details = torch.eye(size, dtype=torch.float64), []
    while len(average) > 1:
        details.insert(0, (average[0::2] - average[1::2]) / math.sqrt(2))
        average = sum(tap * average.roll(4 - i, 0)[0::2] for i, tap in enumerate(low))
    matrix = torch.cat([average, *details])
    return matrix / matrix.norm(dim=1, keepdim=True)
