"""Denoising on the mosaic: its four planes of one colour each, put together to two small colour pictures.

(red, first green, blue) and (red, second green, blue), half the size of the mosaic, are denoised each as a picture; green keeps its two
answers, red and blue take the mean of theirs. On the planes the noise is still white, and variance = a x + b, which a demosaicing would end.
"""

import torch
import torch.nn.functional as F

from restore.method import Blend, Exact, Method
from restore.operators.base import Identity
from restore.operators.problem import Problem


class Planes(Method):
    """A mosaic (B, 1, H, W) through a `denoiser` of colour pictures with Poisson-Gaussian noise; linear pictures (B, 3, H, W) go through it as they are."""

    noises = ("PoissonGaussian",)
    takes = gives = "camera"

    def __init__(self, denoiser: Method):
        super().__init__()
        self.denoiser = denoiser
        self.multiple = 2

    def restore(self, y, problem):
        inner = Problem(Identity(), problem.noise)
        if isinstance(problem.operator, Identity):
            return self.denoiser(y, inner)
        first, second, order = _places(problem.operator.pattern)
        planes = F.pixel_unshuffle(y, 2)
        pairs = self.denoiser(torch.cat([planes[:, first], planes[:, second]]), _twice(inner))
        one, other = pairs.chunk(2)
        clean = torch.stack([(one[:, 0] + other[:, 0]) / 2, one[:, 1], other[:, 1], (one[:, 2] + other[:, 2]) / 2], 1)
        return F.pixel_shuffle(clean[:, order], 2)

    def tiling(self, problem):
        kind = self.denoiser.tiling(Problem(Identity(), problem.noise))
        if isinstance(problem.operator, Identity):
            return kind
        if isinstance(kind, Exact):
            return Exact(2 * kind.halo, 2 * kind.multiple)
        return Blend(2 * kind.overlap, 2 * kind.multiple) if isinstance(kind, Blend) else kind

    def bytes_per_pixel(self, problem):
        share = 1.0 if isinstance(problem.operator, Identity) else 0.5
        return 64.0 + share * self.denoiser.bytes_per_pixel(Problem(Identity(), problem.noise))


def _places(pattern: str) -> tuple[list[int], list[int], list[int]]:
    """Planes of (red, green, blue) with the first and with the second green, and where (red, green, green, blue) go back to."""
    red, blue = pattern.index("r"), pattern.index("b")
    greens = [place for place in range(4) if pattern[place] == "g"]
    sources = [red, *greens, blue]
    return [red, greens[0], blue], [red, greens[1], blue], [sources.index(place) for place in range(4)]


def _twice(problem: Problem) -> Problem:
    """The problem for each of the two pictures, where it has a row for every picture."""
    return Problem(problem.operator, problem.noise.map(lambda value: torch.cat([value, value]) if value.shape[0] > 1 else value))
