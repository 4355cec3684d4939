"""Richardson-Lucy: x <- x D^T(y / D x) / D^T 1, the likeliest non-negative x under Poisson noise, stopped early against noise.

Richardson, Bayesian-based iterative method of image restoration, JOSA 1972; Lucy, An iterative technique for the rectification of observed distributions, AJ 1974.
"""

import torch

from restore.method import Method, by_reach


class RichardsonLucy(Method):
    """`steps` multiplications from y; D and y not negative (y is clamped). It takes no noise level: fewer steps for more noise."""

    noises = ("Gaussian", "NoNoise", "Poisson", "PoissonGaussian")

    def __init__(self, steps: int = 30):
        super().__init__()
        self.steps = steps

    def restore(self, y, problem):
        canvas = problem.operator.canvas(y)
        operator, x = canvas.operator, canvas.y.clamp_min(1e-4)
        weight = operator.adjoint(torch.ones_like(canvas.y)).clamp_min(1e-6)
        for step in range(self.steps):
            x = x * operator.adjoint(canvas.filled(x).clamp_min(0) / operator(x).clamp_min(1e-6)).clamp_min(0) / weight
            self.tick(step + 1, self.steps)
        return canvas.crop(x)

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return 160.0
