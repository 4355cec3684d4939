"""Sparse wavelet coefficients from few measurements: min |D x - y|^2 / 2 + t |W x|_1 by FISTA.

W is the undecimated Daubechies transform, a tight frame, whose soft threshold (details alone, by the noise level that each of them has) stands for the
proximal map; t falls from FALL times its last value over the first two thirds of the steps. FALL (30 or 100) and the last threshold (0.5, 1 or 2 levels)
were chosen on every 20th training photograph, at ratios of 0.10, 0.25 and 0.50.
Beck & Teboulle, A fast iterative shrinkage-thresholding algorithm for linear inverse problems, SIIMS 2009; Coifman & Donoho, Translation-invariant
de-noising, 1995.
"""

from collections.abc import Callable

from torch import Tensor

from restore.method import ROUNDING, Method, level
from restore.numerics.solvers import fista, soft
from restore.numerics.wavelets import frame, unframe
from restore.operators.base import Operator

FALL = 100.0  # the first threshold over the last


class ISTA(Method):
    """x for any D of norm 1 at most. threshold: t over the noise level at the end (at least half a level of 255). Not clipped."""

    def __init__(self, threshold: float = 1.0, steps: int = 80):
        super().__init__()
        self.threshold, self.steps = threshold, steps

    def restore(self, y, problem):
        canvas = problem.operator.canvas(y)
        last = self.threshold * level(problem.noise, y).clamp_min(ROUNDING)
        return canvas.crop(sparse(canvas.operator, canvas.y, last, self.steps, self.tick))

    def bytes_per_pixel(self, problem):
        return 320.0


def sparse(operator: Operator, y: Tensor, threshold: Tensor, steps: int, tick: Callable[[int, int], None] = lambda done, of: None, levels: int = 4) -> Tensor:
    """The iterations, from D^T y; `threshold` (B, 1, 1, 1) is the last one."""
    step = iter(range(1, steps + 1))

    def prox(x: Tensor) -> Tensor:
        now = next(step)
        tick(now, steps)
        bound = threshold * FALL ** max(0.0, 1 - 1.5 * now / steps)
        low, *bands = frame(x, levels)
        return unframe([low, *(soft(band, bound * 2.0 ** (at - levels)) for at, band in enumerate(bands))])

    return fista(lambda x: operator.adjoint(operator(x) - y), prox, operator.adjoint(y), 1.0, steps)
