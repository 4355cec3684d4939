"""Compressed sensing MRI with sparse wavelet coefficients.

Lustig, Donoho & Pauly, Sparse MRI: the application of compressed sensing for rapid MR imaging, MRM 2007.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Method
from restore.numerics.solvers import fista, soft
from restore.numerics.wavelets import compose, decompose
from restore.operators.problem import Problem


LAST = 16  # places that the last step is averaged over: of one alone the grid would be seen


class WaveletCS(Method):
    """min 1/2 |D x - y|^2 + penalty u |W x|_1 by `steps` of FISTA, u = max |D^T y|; x is complex.

    W: `levels` of the orthonormal Daubechies transform with `moments` vanishing moments (1: Haar), details only, of the picture moved to a place that is drawn
    anew, from `seed`, in every step (cycle spinning: Coifman & Donoho, Translation-invariant de-noising, 1995). |D| <= 1, as that of M F S with
    sensitivities whose squares sum to 1 at most.
    """

    takes, gives = "k-space", "complex"

    def __init__(self, penalty: float = 0.005, steps: int = 60, levels: int = 4, moments: int = 1, seed: int = 0):
        super().__init__()
        self.penalty, self.steps, self.levels, self.moments, self.seed = penalty, steps, levels, moments, seed

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        operator = problem.operator
        start = operator.adjoint(y)
        bound = self.penalty * start.abs().amax((1, 2, 3), keepdim=True)
        places = iter(torch.randint(2**self.levels, (self.steps + LAST, 2), generator=torch.Generator().manual_seed(self.seed)).tolist())

        def gradient(x: Tensor) -> Tensor:
            return operator.adjoint(operator(x) - y)

        def prox(x: Tensor) -> Tensor:
            down, across = next(places)
            return torch.roll(self.shrunk(torch.roll(x, (down, across), (-2, -1)), bound), (-down, -across), (-2, -1))

        x = fista(gradient, prox, start, 1.0, self.steps)
        x = x - gradient(x)
        return sum(prox(x) for _ in range(LAST)) / LAST

    def shrunk(self, x: Tensor, bound: Tensor) -> Tensor:
        """W^T soft(W x, bound), the approximation left as it is; sides that are no multiple of 2^levels are lengthened by 0."""
        height, width = x.shape[-2:]
        size = 2**self.levels
        parts = F.pad(torch.cat([x.real, x.imag], 1), (0, -width % size, 0, -height % size))
        low, *bands = decompose(parts, self.levels, self.moments)
        done = [soft(torch.complex(*band.chunk(2, 1)), bound[..., None]) for band in bands]
        real, imaginary = compose([low, *(torch.cat([band.real, band.imag], 1) for band in done)], self.moments)[..., :height, :width].chunk(2, 1)
        return torch.complex(real, imaginary)

    def bytes_per_pixel(self, problem):
        return 96.0
