"""Block matching and 3-D filtering.

Dabov, Foi, Katkovnik & Egiazarian, Image denoising by sparse 3-D transform-domain collaborative filtering, TIP 2007; the
profile for strong noise from Hou, Zhao, Yang & Cheng, Comments on the above, TIP 2011; colour from the first authors'
Color image denoising via sparse 3D collaborative filtering with grouping constraint in luminance-chrominance space, ICIP 2007.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from restore.method import Exact, Method
from restore.numerics import patches
from restore.numerics.levels import for_level
from restore.numerics.mirror import padded
from restore.numerics.patches import dct_matrix


class Stage(NamedTuple):
    """Groups of up to `count` (a power of two) patches of size x size, for references on a grid of `step`.

    limit: the mean squared distance, on the 0-255 scale, up to which a patch is similar. shrink: coefficients over shrink sigma
    are kept; or, where there is a basic estimate b, the Wiener gain is b^2 / (b^2 + shrink^2 sigma^2).
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


# The papers' profiles but for four numbers, chosen on training pictures: limits 3000 and 400 of the normal profile are those of the
# strong one; Wiener gains take sigma at 0.9 and 0.8 of its value; the Wiener grid of the strong profile has step 4, not 6.
NORMAL = Profile(Stage(8, 3, 16, 25000.0, 2.7), Stage(8, 3, 32, 3500.0, 0.9))
STRONG = Profile(Stage(8, 4, 32, 25000.0, 2.8), Stage(11, 4, 32, 3500.0, 0.8))
PROFILES = {40: NORMAL, math.inf: STRONG}  # by the noise level up to which they hold, on the 0-255 scale
RADIUS = 19  # of the search window, 39 x 39
BETA = 2.0  # of the Kaiser window
OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (1 / 2, 0.0, -1 / 2), (1 / 4, -1 / 2, 1 / 4))  # luminance first


class BM3D(Method):
    """Groups of similar patches, thresholded and then Wiener filtered in a 3-D transform domain.

    RGB is filtered in an opponent space, whose luminance decides the groups (CBM3D); other numbers of channels one by one.
    sigma may differ per picture and channel; where it is 0 the picture is returned as it is. Not clipped.
    """

    noises = ("Gaussian",)
    by_channel = True

    @torch.no_grad()
    def restore(self, y, problem):
        sigma = problem.noise.sigma.to(y).expand(*y.shape[:2], 1, 1)
        together = 3 if y.shape[1] == 3 else 1
        pictures = list(zip(y.reshape(-1, together, *y.shape[2:]), sigma.reshape(-1, together), strict=True))
        return torch.cat([self._picture(*picture, number, len(pictures)) for number, picture in enumerate(pictures)]).reshape(y.shape)

    def _picture(self, y: Tensor, sigma: Tensor, number: int, of: int) -> Tensor:
        """One picture (1 or 3, H, W) of `of`, sigma per channel."""
        strongest, (height, width) = float(sigma.max()), y.shape[1:]
        if strongest == 0:
            return y
        profile = for_level(PROFILES, strongest)
        least = max(stage.size for stage in profile)
        mix = torch.tensor(OPPONENT if len(y) == 3 else [[1.0]], dtype=y.dtype, device=y.device)
        planes = torch.einsum("kc,chw->khw", mix, padded(y, max(0, least - height), max(0, least - width)))
        level = (mix.square() @ sigma.square()).sqrt().clamp_min(1e-3 * strongest)
        basic = collaborate(profile.hard, planes, None, level, lambda i, n: self.tick(2 * number * n + i, 2 * of * n))
        clean = collaborate(profile.wiener, planes, basic, level, lambda i, n: self.tick((2 * number + 1) * n + i, 2 * of * n))
        return torch.einsum("ck,khw->chw", torch.linalg.inv(mix), clean)[:, :height, :width]

    def tiling(self, problem):
        """Patches that cover a pixel, the references that may hold them, what those compare: size - 1 + 2 RADIUS on each side, for each stage."""
        profiles = {for_level(PROFILES, level) for level in problem.noise.sigma.flatten().tolist()}
        halo = max(sum(stage.size - 1 + 2 * RADIUS for stage in profile) for profile in profiles)
        return Exact(halo, math.lcm(*(stage.step for profile in profiles for stage in profile)))

    def bytes_per_pixel(self, problem):
        """What one block works with, spread over 512 x 512 pixels in colour; larger tiles take less per pixel, grey ones a third."""
        return 1050.0 if for_level(PROFILES, float(problem.noise.sigma.max())) is STRONG else 500.0


def collaborate(stage: Stage, y: Tensor, basic: Tensor | None, sigma: Tensor, tick: Callable[[int, int], None]) -> Tensor:
    """One stage over planes (C, H, W): groups matched on the first plane of y, thresholded; with `basic`, matched on that and Wiener filtered.

    The first stage adds in float64: the second matches what it gives, and must find the same groups whatever the order of the sums.
    """
    (size, step, count, limit, _), (height, width) = stage, y.shape[1:]
    guide, wide = (y, torch.float64) if basic is None else (basic, y.dtype)
    total, weights = y.new_zeros(y.shape, dtype=wide), y.new_zeros(y.shape, dtype=wide)
    forward, backward = transform(dct_matrix(size) if basic is not None else biorthogonal_matrix(size))
    window = torch.kaiser_window(size, False, BETA, dtype=torch.float64)
    window = torch.outer(window, window).flatten()
    forward, backward, window = forward.to(y), (backward * window).mT.to(total), window[:, None].to(total)
    down, across = patches.blocks(patches.grid(height, size, step)), patches.blocks(patches.grid(width, size, step))
    for number, rows in enumerate(down):
        for columns in across:
            top, left = max(rows[0] - RADIUS, 0), max(columns[0] - RADIUS, 0)
            area = (slice(None), slice(top, rows[-1] + RADIUS + size), slice(left, columns[-1] + RADIUS + size))
            shape = y[area].shape[1:]
            distance, place = patches.match(guide[area][0], size, [row - top for row in rows], [column - left for column in columns], RADIUS, count)
            similar = (distance <= limit * size**2 / 255**2).sum(1)
            spectra = [_spectra(planes[area], size, forward) for planes in (y, basic) if planes is not None]
            sums, counts = torch.zeros_like(spectra[0], dtype=wide), spectra[0].new_zeros(spectra[0].shape[:2], dtype=wide)
            for many in (2**k for k in range(count.bit_length())):
                chosen = (similar >= many) & ((similar < 2 * many) | (many == count))
                if len(index := place[chosen, :many].mT.flatten()):
                    _filter(spectra, index, many, sigma[:, None], stage.shrink, sums, counts)
            total[area] += patches.aggregate((backward @ sums.permute(1, 2, 0)).mT, *shape, size)[:, 0]
            weights[area] += patches.aggregate((window * counts.mT[:, None]).mT, *shape, size)[:, 0]
        tick(number + 1, len(down))
    return (total / weights).to(y.dtype)


def _spectra(planes: Tensor, size: int, forward: Tensor) -> Tensor:
    """2-D transforms of every patch of planes (C, H, W): (L, C, size^2)."""
    return (patches.extract(planes[:, None], size) @ forward).transpose(0, 1).contiguous()


def _filter(spectra: list[Tensor], index: Tensor, many: int, sigma: Tensor, shrink: float, sums: Tensor, counts: Tensor) -> None:
    """Shrink groups of `many` patches and add them, still transformed, to sums (L, C, size^2), their weights 1 / (sigma^2 |gain|^2) to counts (L, C).

    spectra: of y and, for the Wiener filter, of the basic estimate. index: first all first patches, then all second ones, ...
    """
    haar = haar_matrix(many).to(spectra[0])
    group, *basic = [(haar @ spectrum.index_select(0, index).reshape(many, -1)).reshape(many, -1, *spectrum.shape[1:]) for spectrum in spectra]
    if basic:
        gain = basic[0].square_()
        gain = gain.div_(gain + (shrink * sigma).square())
        energy = gain.square().sum((0, 3))
    else:
        gain = group.abs() > shrink * sigma
        energy = gain.sum((0, 3))
    weight = 1 / (energy.clamp_min(1) * sigma[:, 0].square())
    filtered = haar.mT @ group.mul_(gain).mul_(weight[:, :, None]).reshape(many, -1)
    sums.flatten(1).scatter_add_(0, index[:, None].expand(-1, sums[0].numel()), filtered.reshape(len(index), -1).to(sums))
    counts.scatter_add_(0, index[:, None].expand(-1, counts.shape[1]), weight.to(counts).repeat(many, 1))


def transform(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The separable transform of a patch as a row of size^2 numbers, `patch @ forward`, and its inverse."""
    both = torch.kron(matrix, matrix)
    return both.mT, torch.linalg.inv(both).mT


def haar_matrix(size: int) -> Tensor:
    """The orthonormal Haar transform, (size, size), coarse rows first; size is a power of two."""
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < size:
        average = torch.kron(matrix, torch.ones(1, 2, dtype=torch.float64))
        detail = torch.kron(torch.eye(len(matrix), dtype=torch.float64), torch.tensor([[1.0, -1.0]], dtype=torch.float64))
        matrix = torch.cat([average, detail]) / math.sqrt(2)
    return matrix


def biorthogonal_matrix(size: int) -> Tensor:
    """The periodic bior1.5 wavelet transform to full depth, (size, size), rows of unit norm, not orthogonal; size is a power of two."""
    low = torch.tensor([3.0, -3, -22, 22, 128, 128, 22, -22, -3, 3], dtype=torch.float64) * math.sqrt(2) / 256
    average, details = torch.eye(size, dtype=torch.float64), []
    while len(average) > 1:
        details.insert(0, (average[0::2] - average[1::2]) / math.sqrt(2))
        average = sum(tap * average.roll(4 - i, 0)[0::2] for i, tap in enumerate(low))
    matrix = torch.cat([average, *details])
    return matrix / matrix.norm(dim=1, keepdim=True)
