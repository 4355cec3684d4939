"""Total variation: min |D x - y|^2 / 2 + w sum |grad x|, for any D.

Iterations of FISTA on the data, whose proximal map is Chambolle's projection of the dual variable, kept warm between iterations; the channels share
one gradient norm. Rudin, Osher & Fatemi, Nonlinear total variation based noise removal algorithms, 1992; Chambolle, JMIV 2004; Beck & Teboulle,
Fast gradient-based algorithms for constrained total variation image denoising, TIP 2009.
"""

import torch
from torch import Tensor

from restore.method import ROUNDING, Method, by_reach, level
from restore.methods.pnp import first_guess
from restore.numerics.differences import divergence, gradient
from restore.numerics.solvers import fista, largest
from restore.operators.base import Operator

POWERS, SLACK = 16, 1.1  # iterations that look for the largest eigenvalue, and what they may fall short by


class TV(Method):
    """`strength`: w over sigma^2; where y has no noise (missing pixels, enlarging) that of 8-bit rounding is taken. The step is that of the batch's first D."""

    def __init__(self, strength: float = 12.0, steps: int = 80, inner: int = 4):
        super().__init__()
        self.strength, self.steps, self.inner = strength, steps, inner

    def restore(self, y, problem):
        canvas = problem.operator.canvas(y)
        operator, start = canvas.operator, first_guess(canvas.operator, canvas.y)
        slope = steepest(operator.rows(slice(0, 1)), start[:1]) or 1.0  # 0 where nothing was measured
        weight = self.strength * level(problem.noise, y).clamp_min(ROUNDING) ** 2
        dual, done = [torch.zeros(2, *start.shape, dtype=y.dtype, device=y.device)], [0]

        def prox(x: Tensor) -> Tensor:
            done[0] += 1
            self.tick(done[0], self.steps)
            clean, dual[0] = shrunk(x, weight / slope, dual[0], self.inner)
            return clean

        return canvas.crop(fista(lambda x: operator.adjoint(operator(x) - canvas.y), prox, start, 1 / slope, self.steps))

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return 200.0 * problem.scale**2


def steepest(operator: Operator, like: Tensor) -> float:
    """The largest eigenvalue of D^T D, or a little more, for pictures of the shape of this one, begun with noise on grey: blurs are largest on what is smooth,
    projections on what is fine."""
    if operator.reach is None and operator.in_shape is None:
        like = like[..., :64, :64]
    noise = torch.randn(like.shape, dtype=like.dtype, generator=torch.Generator().manual_seed(0)).to(like.device)
    start = noise / torch.linalg.vector_norm(noise) + like.numel() ** -0.5
    return SLACK * largest(lambda x: operator.adjoint(operator(x)), start, POWERS)


def shrunk(x: Tensor, weight: Tensor, dual: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """argmin |z - x|^2 / 2 + weight sum |grad z| by projected gradients of the dual (2, B, C, H, W) from where it stands; z and the dual."""
    weight = weight.clamp_min(1e-12)
    for _ in range(steps):
        dual = dual + gradient(x + weight * divergence(dual)) / (8 * weight)
        dual = dual / dual.square().sum((0, 2), keepdim=True).sqrt().clamp_min(1)
    return x + weight * divergence(dual), dual
