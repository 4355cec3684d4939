"""SIRT: simultaneous iterative reconstruction, a Landweber iteration scaled by rays and pixels.

x <- max(x + C D^T R (y - D x), 0), R = 1 / (D 1), C = 1 / (D^T 1), from 0. Stopping early is the regulariser.

Gilbert, Iterative methods for the three-dimensional reconstruction of an object from projections, J. Theor. Biol. 1972.
"""

import torch

from restore.method import Method


class SIRT(Method):
    """x >= 0 for line integrals y, after `steps` rounds."""

    noises = ("Gaussian", "NoNoise", "Transmission")

    def __init__(self, steps: int = 150):
        super().__init__()
        self.steps = steps

    def restore(self, y, problem):
        operator = problem.operator
        ones = torch.ones(1, *operator.in_shape, dtype=y.dtype, device=y.device)
        rays, pixels = _inverse(operator(ones)), _inverse(operator.adjoint(torch.ones_like(y[:1, :1])))
        x = torch.zeros_like(operator.adjoint(y))
        for step in range(self.steps):
            x = (x + pixels * operator.adjoint(rays * (y - operator(x)))).clamp_min_(0)
            self.tick(step + 1, self.steps)
        return x


def _inverse(sums: torch.Tensor) -> torch.Tensor:
    """1 / s, 0 where nothing was summed."""
    return torch.where(sums > 1e-6 * sums.max(), 1 / sums.clamp_min(1e-30), 0)
