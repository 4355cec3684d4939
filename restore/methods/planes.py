"""Denoising on the mosaic, where the noise is still white and its variance a x + b: a demosaicing would end both.

The four planes of one colour each, half the size of the mosaic, are stabilised and mixed by an orthonormal transform: the mean of the cell,
red - blue, green - green, green - red - blue. Noise stays white in all of them; the mean has the signal of all, the difference of the greens
nearly none. Each is a grey picture. After Danielyan, Vehvilainen, Foi, Katkovnik & Egiazarian, Cross-color BM3D filtering of noisy raw data, LNLA 2009,
who match the planes to each other, and the opponent spaces of denoising in colour.
"""

import math

import torch
import torch.nn.functional as F

from restore.method import Blend, Exact, Method
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

ROOT = math.sqrt(0.5)
MIX = ((0.5, 0.5, 0.5, 0.5), (ROOT, 0.0, 0.0, -ROOT), (0.0, ROOT, -ROOT, 0.0), (-0.5, 0.5, 0.5, -0.5))  # of red, green, green, blue
SCALE = 0.5  # of what the denoiser sees, and
CENTRE = (0.0, 0.5, 0.5, 0.5)  # where 0 lies for it: all on [0, 1]


class Planes(Method):
    """A mosaic (B, 1, H, W) through `denoiser`, which treats its four planes (B, 4, H / 2, W / 2) as a picture."""

    takes = gives = "camera"
    multiple = 2

    def __init__(self, denoiser: Method):
        super().__init__()
        self.denoiser, self.noises = denoiser, denoiser.noises

    def restore(self, y, problem):
        pattern = problem.operator.pattern
        places = [pattern.index("r"), pattern.index("g"), pattern.rindex("g"), pattern.index("b")]
        clean = self.denoiser(F.pixel_unshuffle(y, 2)[:, places], _inner(problem))
        return F.pixel_shuffle(clean[:, [places.index(place) for place in range(4)]], 2)

    def tiling(self, problem):
        kind = self.denoiser.tiling(_inner(problem))
        if isinstance(kind, Exact):
            return Exact(2 * kind.halo, 2 * kind.multiple)
        return Blend(2 * kind.overlap, 2 * kind.multiple) if isinstance(kind, Blend) else kind

    def bytes_per_pixel(self, problem):
        return 32.0 + self.denoiser.bytes_per_pixel(_inner(problem)) / 4


class Mixed(Method):
    """Four planes with Gaussian noise of one level, mixed by MIX, through a `denoiser` of grey pictures, and back."""

    noises = ("Gaussian",)

    def __init__(self, denoiser: Method):
        super().__init__()
        self.denoiser = denoiser

    def restore(self, y, problem):
        mix = SCALE * torch.tensor(MIX, dtype=y.dtype, device=y.device)
        centre = torch.tensor(CENTRE, dtype=y.dtype, device=y.device).reshape(1, 4, 1, 1)
        seen = torch.einsum("kc,bchw->bkhw", mix, y) + centre
        clean = torch.cat([self.denoiser(plane, _scaled(problem)) for plane in seen.split(1, dim=1)], 1)
        return torch.einsum("kc,bkhw->bchw", mix / SCALE**2, clean - centre)

    def tiling(self, problem):
        return self.denoiser.tiling(_scaled(problem))

    def bytes_per_pixel(self, problem):
        return 64.0 + self.denoiser.bytes_per_pixel(_scaled(problem))


def _inner(problem: Problem) -> Problem:
    """That of the planes."""
    return Problem(Identity(), problem.noise)


def _scaled(problem: Problem) -> Problem:
    """That of one mixture."""
    return Problem(problem.operator, Gaussian(SCALE * problem.noise.sigma))
