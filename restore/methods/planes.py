"""Denoising on the mosaic: its four planes, each of one colour and half the size, are grey pictures.

On them the noise is still white, and variance = a x + b, which a demosaicing would end.
"""

import torch
import torch.nn.functional as F

from restore.method import Blend, Exact, Method
from restore.operators.base import Identity
from restore.operators.problem import Problem


class Planes(Method):
    """A mosaic (B, 1, H, W) through a `denoiser` of grey pictures."""

    takes = gives = "camera"
    multiple = 2

    def __init__(self, denoiser: Method):
        super().__init__()
        self.denoiser, self.noises = denoiser, denoiser.noises

    def restore(self, y, problem):
        planes = F.pixel_unshuffle(y, 2)
        clean = [self.denoiser(plane, _inner(problem)) for plane in planes.split(1, dim=1)]
        return F.pixel_shuffle(torch.cat(clean, 1), 2)

    def tiling(self, problem):
        kind = self.denoiser.tiling(_inner(problem))
        if isinstance(kind, Exact):
            return Exact(2 * kind.halo, 2 * kind.multiple)
        return Blend(2 * kind.overlap, 2 * kind.multiple) if isinstance(kind, Blend) else kind

    def bytes_per_pixel(self, problem):
        return 16.0 + self.denoiser.bytes_per_pixel(_inner(problem)) / 4


def _inner(problem: Problem) -> Problem:
    """That of one plane."""
    return Problem(Identity(), problem.noise)
