"""Compressed sensing MRI with sparse wavelet coefficients.

Lustig, Donoho & Pauly, Sparse MRI: the application of compressed sensing for rapid MR imaging, MRM 2007.
"""

from torch import Tensor

from restore.method import Method
from restore.numerics.solvers import fista, soft
from restore.numerics.wavelets import frame, unframe
from restore.operators.problem import Problem


class WaveletCS(Method):
    """min 1/2 |D x - y|^2 + penalty u |W x|_1 by `steps` of FISTA, u = max |D^T y|; x is complex.

    W: the details of `levels` of the orthonormal wavelet transform with `moments` vanishing moments (1: Haar). Shrinking is averaged over all places
    where its grid may lie (cycle spinning: Coifman & Donoho, Translation-invariant de-noising, 1995), which is the undecimated transform with thresholds
    halved from level to level. |D| <= 1, as that of M F S with sensitivities whose squares sum to 1 at most.
    """

    takes, gives = "k-space", "complex"

    def __init__(self, penalty: float = 0.005, steps: int = 60, levels: int = 4, moments: int = 1):
        super().__init__()
        self.penalty, self.steps, self.levels, self.moments = penalty, steps, levels, moments

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        operator = problem.operator
        start = operator.adjoint(y)
        bound = self.penalty * start.abs().amax((1, 2, 3), keepdim=True)
        done = iter(range(1, self.steps + 1))

        def prox(x: Tensor) -> Tensor:
            low, *bands = frame(x, self.levels, self.moments)
            self.tick(next(done), self.steps)
            return unframe([low, *(soft(band, bound / 2**level) for level, band in zip(range(self.levels, 0, -1), bands, strict=True))], self.moments)

        return fista(lambda x: operator.adjoint(operator(x) - y), prox, start, 1.0, self.steps)

    def bytes_per_pixel(self, problem):
        return 8.0 * (3 * self.levels + 16)
