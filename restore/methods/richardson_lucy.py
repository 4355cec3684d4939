"""Richardson-Lucy: x <- x D^T(y / D x) / D^T 1, the likeliest non-negative x under Poisson noise, stopped before it is the noise's.

Richardson, Bayesian-based iterative method of image restoration, JOSA 1972; Lucy, An iterative technique for the rectification of observed distributions, AJ 1974.
It is stopped by the discrepancy principle of Morozov, 1966: where D x is as far from y as the noise is.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.method import Method, by_reach
from restore.operators.blur import Blur
from restore.operators.problem import Problem

MOST = 100  # steps, where there is little noise or none


class RichardsonLucy(Method):
    """`steps` multiplications from y; D and y not negative (y is clamped). None: until mean (D x - y)^2 is the variance of the noise, at most MOST."""

    noises = ("Gaussian", "NoNoise", "Poisson", "PoissonGaussian")

    def __init__(self, steps: int | None = None):
        super().__init__()
        self.steps = steps

    def restore(self, y, problem):
        if not isinstance(problem.operator, Blur):
            raise RestoreError(f"Richardson-Lucy undoes a blur, not {problem.operator}", "a kernel", "type --model pnp")
        if not self.steps and len(y) > 1:
            return torch.cat([self.restore(y[one : one + 1], problem.rows(slice(one, one + 1))) for one in range(len(y))])
        steps = self.steps or MOST
        for step, x in enumerate(_multiplied(y, problem)):
            if step == steps or not self.steps and _enough(step, x, y, problem):
                return x
            self.tick(step + 1, steps)

    def prepare(self, parts, problem):
        if self.steps or not isinstance(problem.operator, Blur):
            return self
        counts = [next(step for step, x in enumerate(_multiplied(y, problem)) if step == MOST or _enough(step, x, y, problem)) for y in parts]
        return RichardsonLucy(round(sum(counts) / len(counts)))

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return 160.0


def _multiplied(y: Tensor, problem: Problem) -> Iterator[Tensor]:
    """x after 0, 1, 2 ... steps."""
    canvas = problem.operator.canvas(y)
    operator, x = canvas.operator, canvas.y.clamp_min(1e-4)
    weight = operator.adjoint(torch.ones_like(canvas.y)).clamp_min(1e-6)
    while True:
        yield canvas.crop(x)
        x = x * operator.adjoint(canvas.y.clamp_min(0) / operator(x).clamp_min(1e-6)).clamp_min(0) / weight


def _enough(step: int, x: Tensor, y: Tensor, problem: Problem) -> bool:
    """Whether D x is as near to y as the noise lets it be; one step is made at least."""
    return step > 0 and float((problem.operator(x) - y).square().mean()) <= float(problem.noise.std(y).square().mean())
