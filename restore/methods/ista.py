"""Sparse wavelet coefficients from few measurements: min |D x - y|^2 / 2 + t |W x|_1 by FISTA.

W is the orthonormal Daubechies transform of the picture moved to a place that is drawn anew for every step, which smooths what blocks and a fixed grid of
wavelets leave behind (Coifman & Donoho, Translation-invariant de-noising, 1995); t falls from 30 times its last value. Details alone are shrunk.
Beck & Teboulle, A fast iterative shrinkage-thresholding algorithm for linear inverse problems, SIIMS 2009.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Method, level
from restore.numerics.solvers import fista, soft
from restore.numerics.wavelets import compose, decompose

FLOOR = 1 / 255


class ISTA(Method):
    """x for any D of norm 1 at most. threshold: t over the noise level at the end (at least one level of 255). Not clipped."""

    def __init__(self, threshold: float = 1.0, steps: int = 120, levels: int = 4, moments: int = 4, seed: int = 0):
        super().__init__()
        self.threshold, self.steps, self.levels, self.moments, self.seed = threshold, steps, levels, moments, seed

    def restore(self, y, problem):
        canvas = problem.operator.canvas(y)
        operator, start = canvas.operator, canvas.operator.adjoint(canvas.y)
        last = self.threshold * level(problem.noise, y).clamp_min(FLOOR)
        places = torch.randint(2**self.levels, (self.steps, 2), generator=torch.Generator().manual_seed(self.seed)).tolist()
        step = iter(range(self.steps))

        def prox(x: Tensor) -> Tensor:
            now = next(step)
            self.tick(now + 1, self.steps)
            down, across = places[now]
            moved = self.shrunk(torch.roll(x, (down, across), (-2, -1)), last * 30 ** max(0.0, 1 - 1.5 * now / self.steps))
            return torch.roll(moved, (-down, -across), (-2, -1))

        return canvas.crop(fista(lambda x: operator.adjoint(operator(x) - canvas.y), prox, start, 1.0, self.steps))

    def shrunk(self, x: Tensor, bound: Tensor) -> Tensor:
        """W^T soft(W x, bound) of the picture mirrored to a multiple of 2^levels."""
        size = 2**self.levels
        height, width = x.shape[-2:]
        low, *bands = decompose(F.pad(x, (0, -width % size, 0, -height % size), mode="replicate"), self.levels, self.moments)
        return compose([low, *(soft(band, bound[..., None]) for band in bands)], self.moments)[..., :height, :width]

    def bytes_per_pixel(self, problem):
        return 120.0
